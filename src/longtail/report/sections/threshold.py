"""Where behaviour overtakes content in this shop; the article's 300, measured."""

from __future__ import annotations

import math
import statistics
from typing import Any

from longtail.evaluate.result import ProtocolResult
from longtail.evaluate.threshold import threshold as crossing
from longtail.evaluate.words import label, number
from longtail.report.charts.frame import style
from longtail.report.charts.lines import Line, Mark, lines
from longtail.report.charts.scale import decades
from longtail.report.html import Child, Html, join, tag
from longtail.report.section import Material, Section, folded, note, paragraph, table
from longtail.report.words import direction

#: The number of interactions at which the article switches from content to behaviour, in every shop.
ARTICLE = 300
_SHOWN = ("ALS", "bridge", "longtail")
#: From this multiple of the median on, the highest mean asks for a logarithmic axis.
_STEEP = 30


def threshold(material: Material) -> Section:
    """Popular items with their histories cut, at every level trained anew."""
    title = "From how many interactions on does behaviour say more than content?"
    result = material.evaluation.result("truncated-heads")
    if result is None:
        return Section("threshold", title, material.not_measured("truncated-heads", "The threshold of this shop"))
    metric = f"ndcg@{result.k}"
    levels = [float(level) for level in result.split["levels"]]
    drawn = [_line(result, name, metric, levels) for name in _SHOWN if name in result.methods]
    measured = crossing(result) if {"ALS", "bridge"} <= set(result.methods) else None
    highest = max(value for line in drawn for _, value in line.points)
    # Few interactions and many can be a hundredfold apart; a straight axis would show the many alone.
    foot = highest / 1000 if highest > _STEEP * _middle(drawn) else None
    marks = [Mark(float(ARTICLE), f"the article's {ARTICLE}")]
    if measured is not None:
        marks.append(Mark(measured, f"measured: {measured:,.0f}", "mark found"))
    chart = lines(
        "Quality by the number of interactions that are left of popular items",
        drawn,
        x_label="interactions left of each item (logarithmic)",
        y_label=label(metric) if foot is None else f"{label(metric)} (logarithmic)",
        x_ticks=[(level, f"{level:,.0f}") for level in levels],
        x_warp=math.log1p,
        y_format=number,
        y_warp=float if foot is None else lambda value: math.log1p(value / foot),
        y_ticks=None if foot is None else decades(2 * foot, highest),
        x_format=lambda level: f"{level:,.0f} interactions",
        marks=marks,
    )
    beside = tag(
        "div",
        _words(result, measured, metric, levels),
        *(note(text) for text in result.notes),
    )
    values = folded("As a table", _values(result, metric, levels))
    return Section("threshold", title, join([tag("div", chart, beside, class_="pair"), values]))


def _middle(drawn: list[Line]) -> float:
    """The median of all means drawn."""
    return statistics.median(value for line in drawn for _, value in line.points)


def _values(result: ProtocolResult, metric: str, levels: list[float]) -> Html:
    rows: list[list[Child]] = []
    for level, part in zip(levels, result.sections, strict=True):
        found = part.comparisons[metric].estimates
        rows.append([f"{level:,.0f}", *(number(found[name].mean) if name in found else "" for name in result.methods)])
    return table(["interactions", *result.methods], rows)


def _line(result: ProtocolResult, name: str, metric: str, levels: list[float]) -> Line:
    found: list[Any] = [part.comparisons[metric].estimates[name] for part in result.sections]
    return Line(
        name if name != "bridge" else "bridge (content alone)",
        style(name),
        [(level, estimate.mean) for level, estimate in zip(levels, found, strict=True)],
        [(level, estimate.low, estimate.high) for level, estimate in zip(levels, found, strict=True)],
    )


def _words(result: ProtocolResult, measured: float | None, metric: str, levels: list[float]) -> Html:
    if measured is None:
        said = f"Up to {levels[-1]:,.0f} interactions ALS alone does not overtake the prediction from content."
    elif measured <= levels[0]:
        said = "ALS alone is above the prediction from content at every level measured."
    else:
        said = f"ALS alone overtakes the prediction from content at about {measured:,.0f} interactions."
    best, worse = [], []
    for level, part in zip(levels, result.sections, strict=True):
        comparison = part.comparisons[metric]
        if not {"longtail", "ALS", "bridge"} <= set(comparison.estimates):
            continue
        signs = [direction(comparison, "longtail", rival) for rival in ("ALS", "bridge")]
        if min(signs) < 0:
            worse.append(f"{level:,.0f}")
        elif signs == [1, 1]:
            best.append(f"{level:,.0f}")
    items = result.counts.get("chosen items", 0)
    return join(
        [
            paragraph(tag("b", said)),
            paragraph(
                f"The histories of {items:,} popular items were cut to so many interactions, everything was trained "
                "anew, and the items were ranked among the whole catalog for users who took them and whom training "
                "did not see take them. The shaded bands are 95% intervals."
            ),
            paragraph(f"longtail is above both, beyond chance, at: {', '.join(best) or 'no level'}."),
            paragraph(f"longtail is below one of the two, beyond chance, at: {', '.join(worse) or 'no level'}."),
        ]
    )
