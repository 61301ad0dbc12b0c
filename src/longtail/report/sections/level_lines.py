"""What is known of some items, a level at a time: the part that both protocols which reveal events have on the page."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from longtail.evaluate.result import Section as Measured
from longtail.evaluate.words import label, number
from longtail.report.charts.frame import style
from longtail.report.charts.lines import Line, Mark, lines
from longtail.report.charts.scale import decades
from longtail.report.html import Child, Html, join, tag
from longtail.report.section import folded, paragraph, table

#: From this multiple of the median on, the highest mean asks for a logarithmic axis.
_STEEP = 30


def level_part(
    title: str,
    sections: Mapping[int, Measured],
    metric: str,
    methods: Sequence[str],
    said: Sequence[Html],
    *,
    names: Sequence[str],
    unit: str,
    marks: Sequence[Mark] = (),
) -> Html | None:
    """A chart, what it says in words beside it, and its table; None where nobody was tested at any level.

    Args:
        title: what the chart shows.
        sections: by level, ascending.
        metric: with its cut.
        methods: all that were measured, for the table.
        said: what is said before where longtail is above and below both of what it is made of.
        names: methods to draw; those that were not measured are left out.
        unit: what levels count, such as ``interactions``.
        marks: beside the lines.
    """
    tested = {level: part for level, part in sections.items() if part.comparisons[metric].estimates}
    if not tested:
        return None
    drawn = [_line(name, tested, metric) for name in names if name in methods]
    beside = tag("div", *said, *_better_and_worse(tested, metric))
    chart = _chart(title, drawn, metric, list(tested), unit, marks)
    return join([tag("div", chart, beside, class_="pair"), _table(tested, metric, methods, unit)])


def _chart(
    title: str, drawn: Sequence[Line], metric: str, levels: Sequence[int], unit: str, marks: Sequence[Mark]
) -> Html:
    values = [value for line in drawn for _, value in line.points]
    highest = max(values, default=0.0)
    # Few interactions and many can be a hundredfold apart; a straight axis would show the many alone.
    foot = highest / 1000 if values and highest > _STEEP * statistics.median(values) else None
    return lines(
        title,
        drawn,
        x_label=f"{unit} known of each item (logarithmic)",
        y_label=label(metric) if foot is None else f"{label(metric)} (logarithmic)",
        x_ticks=[(float(level), f"{level:,}") for level in levels],
        x_warp=math.log1p,
        y_format=number,
        y_warp=float if foot is None else lambda value: math.log1p(value / foot),
        y_ticks=None if foot is None else decades(2 * foot, highest),
        x_format=lambda level: f"{level:,.0f} {unit}",
        marks=list(marks),
    )


def _table(sections: Mapping[int, Measured], metric: str, methods: Sequence[str], unit: str) -> Html:
    rows: list[list[Child]] = []
    for level, part in sections.items():
        found = part.comparisons[metric].estimates
        rows.append([f"{level:,}", *(number(found[name].mean) if name in found else "" for name in methods)])
    return folded("As a table", table([unit, *methods], rows))


def _better_and_worse(sections: Mapping[int, Measured], metric: str) -> list[Html]:
    """The levels where longtail is above ALS and above its own prediction, and those where it is below either.

    Nothing where one of them was not measured.
    """
    above, below = [], []
    for level, part in sections.items():
        comparison = part.comparisons[metric]
        if not {"longtail", "ALS", "bridge"} <= set(comparison.estimates):
            return []
        signs = [comparison.direction("longtail", rival) for rival in ("ALS", "bridge")]
        if min(signs) < 0:
            below.append(f"{level:,}")
        elif min(signs) > 0:
            above.append(f"{level:,}")
    return [
        paragraph(
            "longtail is above ALS alone and above its own prediction from content, beyond chance, at: "
            f"{', '.join(above) or 'no level'}."
        ),
        paragraph(f"longtail is below one of the two, beyond chance, at: {', '.join(below) or 'no level'}."),
    ]


def _line(name: str, sections: Mapping[int, Measured], metric: str) -> Line:
    found = {level: part.comparisons[metric].estimates[name] for level, part in sections.items()}
    return Line(
        name if name != "bridge" else "bridge (content alone)",
        style(name),
        [(float(level), estimate.mean) for level, estimate in found.items()],
        [(float(level), estimate.low, estimate.high) for level, estimate in found.items()],
    )
