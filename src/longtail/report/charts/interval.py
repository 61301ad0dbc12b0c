"""One mean with its interval, small enough for a cell of a table."""

from __future__ import annotations

from longtail.evaluate.compare import Estimate
from longtail.report.charts.frame import picture, segment
from longtail.report.charts.scale import Scale
from longtail.report.html import Html, tag

_WIDTH, _HEIGHT = 120, 14


def interval(name: str, estimate: Estimate, highest: float, class_: str) -> Html:
    """A dot on a line from the interval's low to its high end; the axis runs from 0 to ``highest``."""
    x = Scale(0.0, highest, 4, _WIDTH - 4)
    middle = _HEIGHT / 2
    return picture(
        name,
        segment(4, middle, _WIDTH - 4, middle, "rail"),
        segment(x.at(estimate.low), middle, x.at(estimate.high), middle, f"span {class_}"),
        tag("circle", cx=f"{x.at(estimate.mean):.1f}", cy=middle, r=4, class_=f"dot {class_}", data_tip=name),
        width=_WIDTH,
        height=_HEIGHT,
    )
