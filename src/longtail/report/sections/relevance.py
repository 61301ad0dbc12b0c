"""The article's chart: the share of irrelevant items among an item's nearest, by its number of interactions."""

from __future__ import annotations

from longtail.core.buckets import LABELS
from longtail.evaluate.result import ProtocolResult
from longtail.report.charts.bars import Bar, Series, bars
from longtail.report.charts.frame import style
from longtail.report.html import join, tag
from longtail.report.section import Material, Section, note, paragraph, table
from longtail.report.words import percent

#: The protocol and metric this is read from: a section a bucket, the metric's means over asking items.
PROTOCOL, METRIC = "relevance", "irrelevant"


def relevance(material: Material) -> Section:
    """The article's chart for this shop."""
    title = "Irrelevant items among the nearest"
    result = material.evaluation.result(PROTOCOL)
    metric = f"{METRIC}@{result.k}" if result is not None else ""
    if result is None or not any(metric in part.comparisons for part in result.sections):
        said = material.not_measured(PROTOCOL, "How many of an item's neighbours are irrelevant")
        return Section("relevance", title, said)
    parts = {part.name: part for part in result.sections if metric in part.comparisons}
    groups = [label for label in LABELS if label in parts]
    series = [
        Series(method, style(method), [_bar(result, metric, label, method) for label in groups])
        for method in ("ALS", "longtail")
    ]
    chart = bars(
        "Share of irrelevant items among the nearest, by interactions of the item",
        groups,
        series,
        x_label="interactions of the item",
        y_label=f"irrelevant among the {result.k} nearest",
        y_format="{:.0%}".format,
    )
    rows = []
    for name, part in parts.items():
        comparison = part.comparisons[metric]
        shares = [
            percent(comparison.estimates[method].mean) if method in comparison.estimates else "none"
            for method in ("ALS", "longtail")
        ]
        both = {"ALS", "longtail"} <= set(comparison.estimates)
        sign = comparison.direction("longtail", "ALS") if both else 0
        verdict = {-1: "fewer irrelevant", 0: "no difference that can be told", 1: "more irrelevant"}[sign]
        rows.append([name, f"{part.n_users:,}", *shares, verdict if both else ""])
    beside = tag(
        "div",
        paragraph(result.question),
        table(["interactions", "items asked", "ALS", "longtail", "beyond chance"], list(map(list, rows))),
        [note(text) for text in result.notes],
        note(_agreement(result)) if _agreement(result) else None,
        note("ALS alone knows nothing of an item without interactions: there it shows others at random."),
    )
    return Section("relevance", title, join([tag("div", chart, beside, class_="pair")]))


def _agreement(result: ProtocolResult) -> str:
    """How far judges agree, where several judged the same."""
    about = result.split.get("relevance", {})
    kappa = about.get("kappa") if isinstance(about, dict) else None
    if kappa is None:
        return ""
    return (
        f"Judges agree with a kappa of {kappa:.2f} over {about.get('judged by two', 0):,} judgements of the same pairs."
    )


def _bar(result: ProtocolResult, metric: str, label: str, method: str) -> Bar | None:
    estimate = result.section(label).comparisons[metric].estimates.get(method)
    return None if estimate is None else Bar(estimate.mean, estimate.low, estimate.high)
