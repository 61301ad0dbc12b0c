"""The metric by number of interactions of the candidates, every method with its interval."""

from __future__ import annotations

from longtail.evaluate.result import ProtocolResult
from longtail.evaluate.result import Section as Part
from longtail.evaluate.words import counted, label, number
from longtail.report.charts.frame import style
from longtail.report.charts.interval import interval
from longtail.report.charts.scale import upper
from longtail.report.html import Html, join, tag
from longtail.report.section import Material, Section, folded, note, paragraph, table
from longtail.report.sections.headline import BEFORE, FEW, MINE
from longtail.report.words import percent

_SIGNS = {1: ("▲ better than ALS", "gain"), 0: ("≈ no difference", "even"), -1: ("▼ worse than ALS", "loss")}


def buckets(material: Material) -> Section:
    """A panel a set of candidates."""
    title = "Quality by number of interactions"
    result = material.evaluation.result("tail")
    if result is None:
        return Section("buckets", title, material.not_measured("tail", "Quality by number of interactions"))
    metric = f"ndcg@{result.k}"
    body = join(
        [
            paragraph(
                f"{label(metric)} where only items of one group are candidates. Dots are means, lines their 95% "
                "intervals, each group on a scale of its own."
            ),
            tag("div", (_panel(part, metric) for part in result.sections), class_="panels"),
            note(counted(result)),
            *(note(text) for text in result.notes),
            folded("All metrics as a table", _every_metric(result)),
        ]
    )
    return Section("buckets", title, body)


def _panel(part: Part, metric: str) -> Html:
    comparison = part.comparisons[metric]
    highest = upper([estimate.high for estimate in comparison.estimates.values()])
    best = max((estimate.mean for estimate in comparison.estimates.values()), default=0.0)
    rows = []
    for method, estimate in comparison.estimates.items():
        said = f"{method}: {number(estimate.mean)} ({number(estimate.low)} to {number(estimate.high)})"
        value = tag("b", number(estimate.mean)) if estimate.mean == best > 0 else number(estimate.mean)
        cells = [tag("th", method), tag("td", interval(said, estimate, highest, style(method)))]
        rows.append(tag("tr", cells, tag("td", value, class_="n")))
    verdict = None
    if {MINE, BEFORE} <= set(comparison.estimates):
        sign, class_ = _SIGNS[comparison.direction(MINE, BEFORE)]
        verdict = tag("span", sign, class_=f"verdict {class_}")
    name = part.name if not part.name[0].isdigit() else f"{part.name} interactions"
    few = " (few: read with care)" if part.n_users < FEW else ""
    return tag(
        "div",
        tag("h3", name[:1].upper() + name[1:], verdict),
        tag("p", f"{part.n_candidates:,} items · {part.n_users:,} users{few}", class_="sub"),
        tag("table", rows) if rows else paragraph("Nobody took any of these."),
        class_="panel",
    )


def _every_metric(result: ProtocolResult) -> Html:
    metrics = list(result.sections[0].comparisons) if result.sections else []
    rows = []
    for part in result.sections:
        for method in result.methods:
            if method not in part.comparisons[metrics[0]].estimates:
                continue
            values = [number(part.comparisons[name].estimates[method].mean) for name in metrics]
            spread = part.spread.get(method, {})
            shown = [percent(spread["coverage"]) if "coverage" in spread else ""]
            rows.append([part.name, method, *values, *shown])
    return table(["candidates", "method", *map(label, metrics), "coverage"], list(map(list, rows)), text_columns=2)
