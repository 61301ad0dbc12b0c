"""Lines over a number, with bands of uncertainty where they have any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from longtail.report.charts.frame import TOP, axes, figure, picture, places, segment, text
from longtail.report.charts.scale import Scale, ticks, upper
from longtail.report.html import Html, tag


@dataclass(frozen=True)
class Line:
    """One line.

    Attributes:
        name: what the legend calls it.
        class_: what colours it.
        points: (x, y), by x.
        band: (x, low, high) at the same places; none: without a band.
        dots: whether each point is marked and says its value; a curve of many points has none.
    """

    name: str
    class_: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()
    dots: bool = True


@dataclass(frozen=True)
class Mark:
    """A line straight up at ``x`` with a word beside it, at the top of the chart or where there is more room."""

    x: float
    said: str
    class_: str = "mark"
    low: bool = False


def lines(
    name: str,
    drawn: Sequence[Line],
    *,
    x_label: str,
    y_label: str,
    x_ticks: Sequence[tuple[float, str]] | None = None,
    y_format: Callable[[float], str] = "{:g}".format,
    x_format: Callable[[float], str] = "{:g}".format,
    x_warp: Callable[[float], float] = float,
    y_ticks: Sequence[float] | None = None,
    y_warp: Callable[[float], float] = float,
    y_from_zero: bool = True,
    marks: Sequence[Mark] = (),
    caption: str | None = None,
) -> Html:
    """A chart of lines with its legend; nothing at all where no line has a point.

    Args:
        name: for screen readers.
        drawn: the lines.
        x_label, y_label: what the axes are.
        x_ticks: values and what stands below them; None: round numbers.
        y_format, x_format: of values.
        x_warp, y_warp: such as a logarithm.
        y_ticks: values that stand beside the axis; None: round numbers.
        y_from_zero: whether the axis begins at zero.
        marks: lines straight up.
        caption: a sentence below.
    """
    xs = [x for line in drawn for x, _ in line.points] + [mark.x for mark in marks]
    ys = [y for line in drawn for _, y in line.points]
    ys += [end for line in drawn for _, *ends in line.band for end in ends]
    if not ys:
        return Html("")
    x_place, y_place = places()
    x = Scale(min(xs), max(xs), *x_place, warp=x_warp)
    low = 0.0 if y_from_zero else min(ys) - 0.05 * (max(ys) - min(ys))
    high = upper(ys) if y_from_zero else max(ys) + 0.05 * (max(ys) - min(ys))
    y = Scale(low, high, *y_place, warp=y_warp)
    named = x_ticks if x_ticks is not None else [(value, x_format(value)) for value in ticks(x.low, x.high)]
    bands = [_band(line, x, y) for line in drawn if line.band]
    strokes = [_stroke(line, x, y) for line in drawn]
    dots = [_dot(line, point, x, y, x_format, y_format) for line in drawn if line.dots for point in line.points]
    chart = picture(
        name,
        axes(x, y, named, [(value, y_format(value)) for value in y_ticks or ticks(y.low, y.high)], x_label, y_label),
        bands,
        [_mark(mark, x, y, level) for level, mark in enumerate(marks)],
        strokes,
        dots,
    )
    return figure(chart, [(line.name, line.class_) for line in drawn], caption)


def _band(line: Line, x: Scale, y: Scale) -> Html:
    above = [f"{x.at(at):.1f},{y.at(high):.1f}" for at, _, high in line.band]
    below = [f"{x.at(at):.1f},{y.at(low):.1f}" for at, low, _ in reversed(line.band)]
    return tag("polygon", points=" ".join(above + below), class_=f"band {line.class_}")


def _stroke(line: Line, x: Scale, y: Scale) -> Html:
    places = " ".join(f"{x.at(at):.1f},{y.at(value):.1f}" for at, value in line.points)
    return tag("polyline", points=places, class_=f"stroke {line.class_}")


def _dot(
    line: Line,
    point: tuple[float, float],
    x: Scale,
    y: Scale,
    x_format: Callable[[float], str],
    y_format: Callable[[float], str],
) -> Html:
    said = f"{line.name} at {x_format(point[0])}: {y_format(point[1])}"
    between = next((f" ({y_format(low)} to {y_format(high)})" for at, low, high in line.band if at == point[0]), "")
    return tag(
        "circle", cx=f"{x.at(point[0]):.1f}", cy=f"{y.at(point[1]):.1f}", r=4, class_=f"dot {line.class_}",
        data_tip=said + between,
    )  # fmt: skip


def _mark(mark: Mark, x: Scale, y: Scale, level: int) -> Html:
    at = x.at(mark.x)
    # Words lean to the side with more room, and stand on lines of their own.
    leans = "end" if at > (x.start + x.end) / 2 else "start"
    height = y.start - 12 - 14 * level if mark.low else TOP + 12 + 14 * level
    beside = text(at + (-4 if leans == "end" else 4), height, mark.said, anchor=leans, class_="said")
    return tag("g", segment(at, y.start, at, y.end, mark.class_, mark.said), beside)
