"""Charts put values where they belong; numbers are read back from the SVG."""

from __future__ import annotations

import math
import re

import pytest

from longtail.evaluate.compare import Estimate
from longtail.report.charts.bars import Bar, Series, bars
from longtail.report.charts.frame import style
from longtail.report.charts.interval import interval
from longtail.report.charts.lines import Line, Mark, lines
from longtail.report.charts.scale import Scale, ticks, upper


def attribute(markup: str, element: str, name: str) -> list[float]:
    return [float(re.search(rf' {name}="([^"]*)"', found)[1]) for found in re.findall(rf"<{element} [^>]*>", markup)]


def test_scale_warps_and_keeps_to_its_ends() -> None:
    scale = Scale(0, 99, 10, 110, warp=math.log1p)
    assert scale.at(0) == 10
    assert scale.at(9) == pytest.approx(60)
    assert scale.at(99) == scale.at(1000) == 110
    assert Scale(2, 2, 0, 10).at(2) == 5


def test_ticks_are_round_and_within() -> None:
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(0, 0.0043) == [0, 0.001, 0.002, 0.003, 0.004]
    assert ticks(0.13, 0.31) == [0.15, 0.2, 0.25, 0.3]
    assert ticks(3, 3) == [3]


def test_upper_leaves_room_and_survives_nothing() -> None:
    assert upper([0.5, float("nan")]) == pytest.approx(0.54)
    assert upper([]) == upper([0.0]) == 1.0


def test_lines_stand_where_their_values_are() -> None:
    chart = lines(
        "a name",
        [Line("ALS", style("ALS"), [(0, 0.0), (10, 0.5), (20, 1.0)], [(0, 0, 0), (10, 0.4, 0.6), (20, 1, 1)])],
        x_label="x", y_label="y", marks=[Mark(10.0, "half way")],
    )  # fmt: skip
    across, down = attribute(chart, "circle", "cx"), attribute(chart, "circle", "cy")
    assert across[1] == pytest.approx((across[0] + across[2]) / 2, abs=0.1)
    assert down[0] > down[1] > down[2]
    assert down[1] == pytest.approx((down[0] + down[2]) / 2, abs=0.1)
    assert 'data-tip="ALS at 10: 0.5 (0.4 to 0.6)"' in chart
    assert "half way" in chart
    assert '<li><i class="m-als"></i>ALS</li>' in chart


def test_bars_are_as_high_as_their_values_and_gaps_are_left() -> None:
    found = bars(
        "shares", ["0", "1-4"],
        [Series("ALS", "a", [None, Bar(0.25)]), Series("longtail", "b", [Bar(0.5, 0.4, 0.6), Bar(1.0)])],
        x_label="x", y_label="y", y_format="{:.0%}".format,
    )  # fmt: skip
    heights = attribute(found, "rect", "height")
    assert len(heights) == 3
    assert heights[1] / heights[2] == pytest.approx(0.25, abs=0.01)
    assert heights[0] / heights[2] == pytest.approx(0.5, abs=0.01)
    assert 'data-tip="longtail, 0: 50% (40% to 60%)"' in found


def test_no_marks_no_chart() -> None:
    assert lines("nothing", [Line("ALS", "a", [])], x_label="x", y_label="y") == ""
    assert bars("nothing", ["0"], [Series("ALS", "a", [None])], x_label="x", y_label="y") == ""


def test_interval_in_a_cell() -> None:
    drawn = interval("ALS: .2", Estimate(0.2, 0.1, 0.4), 0.4, style("ALS"))
    (at,) = attribute(drawn, "circle", "cx")
    low, high = attribute(drawn, "line", "x1")[1], attribute(drawn, "line", "x2")[1]
    assert low < at < high
    assert (at - low) / (high - low) == pytest.approx(1 / 3, abs=0.01)
    assert style("our own system") == "m-other"
