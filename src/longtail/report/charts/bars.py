"""Bars side by side in groups, with intervals where they have any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from longtail.report.charts.frame import axes, figure, picture, places, segment
from longtail.report.charts.scale import Scale, ticks, upper
from longtail.report.html import Html, tag


@dataclass(frozen=True)
class Bar:
    """A value with its interval; without one, ``low`` and ``high`` are None."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """The bars of one name over the groups; None where a group has none."""

    name: str
    class_: str
    bars: Sequence[Bar | None]


def bars(
    name: str,
    groups: Sequence[str],
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    y_format: Callable[[float], str] = "{:g}".format,
    caption: str | None = None,
) -> Html:
    """A chart of grouped bars with its legend; nothing at all where there is no bar."""
    drawn = [bar for one in series for bar in one.bars if bar is not None]
    if not drawn:
        return Html("")
    x_place, y_place = places()
    y = Scale(0.0, upper([*(bar.value for bar in drawn), *(bar.high or 0.0 for bar in drawn)]), *y_place)
    slot = (x_place[1] - x_place[0]) / len(groups)
    width = 0.76 * slot / len(series)
    marks = []
    for at, group in enumerate(groups):
        for number, one in enumerate(series):
            bar = one.bars[at]
            if bar is None:
                continue
            left = x_place[0] + slot * (at + 0.12) + number * width
            marks.append(_bar(bar, left, width, y, one, f"{one.name}, {group}: ", y_format))
    x = Scale(0, len(groups), *x_place)
    named = [(at + 0.5, group) for at, group in enumerate(groups)]
    around = axes(x, y, named, [(value, y_format(value)) for value in ticks(y.low, y.high)], x_label, y_label)
    return figure(picture(name, around, marks), [(one.name, one.class_) for one in series], caption)


def _bar(bar: Bar, left: float, width: float, y: Scale, one: Series, said: str, form: Callable[[float], str]) -> Html:
    top = y.at(bar.value)
    tip = said + form(bar.value)
    whisker = None
    if bar.low is not None and bar.high is not None:
        tip += f" ({form(bar.low)} to {form(bar.high)})"
        middle = left + width / 2
        whisker = segment(middle, y.at(bar.low), middle, y.at(bar.high), "whisker")
    height = max(y.start - top, 0.5)
    box = tag(
        "rect", x=f"{left:.1f}", y=f"{top:.1f}", width=f"{width * 0.92:.1f}", height=f"{height:.1f}",
        class_=f"bar {one.class_}", data_tip=tip,
    )  # fmt: skip
    return tag("g", box, whisker)
