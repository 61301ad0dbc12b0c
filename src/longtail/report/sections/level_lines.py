"""Lines over the number of events that are known of some items: shared by the two protocols that reveal them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from longtail.evaluate.result import Section as Measured
from longtail.evaluate.words import label, number
from longtail.report.charts.frame import style
from longtail.report.charts.lines import Line, Mark, lines
from longtail.report.charts.scale import decades
from longtail.report.html import Child, Html
from longtail.report.section import folded, table
from longtail.report.words import direction

#: From this multiple of the median on, the highest mean asks for a logarithmic axis.
_STEEP = 30


def level_lines(
    title: str,
    by_level: Mapping[int, Measured],
    metric: str,
    names: Sequence[str],
    *,
    unit: str,
    marks: Sequence[Mark] = (),
) -> Html:
    """The chart of some methods.

    Args:
        title: what it shows.
        by_level: a section a level, ascending; not empty.
        metric: with its cut.
        names: methods to draw; those that were not measured are left out.
        unit: what levels count, such as ``interactions``.
        marks: beside the lines.
    """
    drawn = [_line(name, by_level, metric) for name in names if _has(name, by_level, metric)]
    values = [value for line in drawn for _, value in line.points]
    highest = max(values)
    # Few interactions and many can be a hundredfold apart; a straight axis would show the many alone.
    foot = highest / 1000 if highest > _STEEP * statistics.median(values) else None
    return lines(
        title,
        drawn,
        x_label=f"{unit} known of each item (logarithmic)",
        y_label=label(metric) if foot is None else f"{label(metric)} (logarithmic)",
        x_ticks=[(float(level), f"{level:,}") for level in by_level],
        x_warp=math.log1p,
        y_format=number,
        y_warp=float if foot is None else lambda value: math.log1p(value / foot),
        y_ticks=None if foot is None else decades(2 * foot, highest),
        x_format=lambda level: f"{level:,.0f} {unit}",
        marks=list(marks),
    )


def level_table(by_level: Mapping[int, Measured], metric: str, methods: Sequence[str], *, unit: str) -> Html:
    """The means of all methods, folded away."""
    rows: list[list[Child]] = []
    for level, part in by_level.items():
        found = part.comparisons[metric].estimates
        rows.append([f"{level:,}", *(number(found[name].mean) if name in found else "" for name in methods)])
    return folded("As a table", table([unit, *methods], rows))


def better_and_worse(by_level: Mapping[int, Measured], metric: str, rivals: Sequence[str]) -> tuple[str, str]:
    """The levels where longtail is above all of some methods beyond chance, and those where it is below any."""
    best, worse = [], []
    for level, part in by_level.items():
        comparison = part.comparisons[metric]
        if {"longtail", *rivals} <= set(comparison.estimates):
            signs = [direction(comparison, "longtail", rival) for rival in rivals]
            if min(signs) < 0:
                worse.append(f"{level:,}")
            elif min(signs) > 0:
                best.append(f"{level:,}")
    return ", ".join(best) or "no level", ", ".join(worse) or "no level"


def _has(name: str, by_level: Mapping[int, Measured], metric: str) -> bool:
    return all(name in part.comparisons[metric].estimates for part in by_level.values())


def _line(name: str, by_level: Mapping[int, Measured], metric: str) -> Line:
    found = {level: part.comparisons[metric].estimates[name] for level, part in by_level.items()}
    return Line(
        name if name != "bridge" else "bridge (content alone)",
        style(name),
        [(float(level), estimate.mean) for level, estimate in found.items()],
        [(float(level), estimate.low, estimate.high) for level, estimate in found.items()],
    )
