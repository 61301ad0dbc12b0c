"""What every chart has around its marks: a picture with a name, axes, a legend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from longtail.report.charts.scale import Scale
from longtail.report.html import Child, Html, tag

#: The units charts are drawn in: small enough that letters of 12 units can be read on a phone.
WIDTH, HEIGHT = 420, 280
LEFT, RIGHT, TOP, BOTTOM = 50, 20, 18, 44

#: Methods that have a colour of their own; all others share one.
_STYLED = ("ALS", "longtail", "popularity", "content kNN", "article", "bridge", "taken")


def style(method: str) -> str:
    """The class that colours a method's marks."""
    return "m-" + (method.replace(" ", "-").lower() if method in _STYLED else "other")


def places() -> tuple[tuple[float, float], tuple[float, float]]:
    """Where the axes run: x from left to right, y from bottom to top."""
    return (LEFT, WIDTH - RIGHT), (HEIGHT - BOTTOM, TOP)


def picture(name: str, *marks: Child, width: float = WIDTH, height: float = HEIGHT) -> Html:
    """An SVG picture that scales with the page; ``name`` is what a screen reader says."""
    return tag("svg", *marks, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=name, class_="chart")


def text(x: float, y: float, said: str, *, anchor: str = "middle", class_: str | None = None) -> Html:
    """A line of text."""
    return tag("text", said, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_=class_)


def segment(x1: float, y1: float, x2: float, y2: float, class_: str, tip: str | None = None) -> Html:
    """A straight line."""
    return tag(
        "line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_=class_, data_tip=tip
    )  # fmt: skip


def axes(
    x: Scale,
    y: Scale,
    x_ticks: Iterable[tuple[float, str]],
    y_ticks: Iterable[tuple[float, str]],
    x_label: str,
    y_label: str,
) -> Html:
    """Grid, ticks and labels; the y label stands above the axis, where it needs no turning of heads."""
    grid = [segment(x.start, y.at(value), x.end, y.at(value), "grid") for value, _ in y_ticks]
    left = [text(x.start - 6, y.at(value) + 4, said, anchor="end") for value, said in y_ticks]
    below = [text(x.at(value), y.start + 16, said) for value, said in x_ticks]
    return tag(
        "g",
        grid,
        left,
        below,
        segment(x.start, y.start, x.end, y.start, "axis"),
        text((x.start + x.end) / 2, y.start + 36, x_label, class_="label"),
        text(2, TOP - 3, y_label, anchor="start", class_="label"),
        class_="axes",
    )


def legend(entries: Sequence[tuple[str, str]]) -> Html:
    """Names with the colour of their class, as HTML below the chart, so that they wrap on a phone."""
    return tag("ul", (tag("li", tag("i", class_=class_), name) for name, class_ in entries), class_="legend")


def figure(chart: Html, entries: Sequence[tuple[str, str]] = (), caption: str | None = None) -> Html:
    """A chart with its legend and caption."""
    said = tag("figcaption", caption) if caption else None
    return tag("figure", chart, legend(entries) if entries else None, said)
