"""Where behaviour overtakes content in this shop; the article's 300, measured."""

from __future__ import annotations

from longtail.evaluate.levels import by_level
from longtail.evaluate.result import ProtocolResult
from longtail.evaluate.threshold import threshold as crossing
from longtail.report.charts.lines import Mark
from longtail.report.html import Html, join, tag
from longtail.report.section import Material, Section, note, paragraph
from longtail.report.sections.level_lines import level_part

#: The number of interactions at which the article switches from content to behaviour, in every shop.
ARTICLE = 300
_SHOWN = ("ALS", "bridge", "longtail")


def threshold(material: Material) -> Section:
    """Popular items with their histories cut, at every level trained anew."""
    title = "From how many interactions on does behaviour say more than content?"
    result = material.evaluation.result("truncated-heads")
    if result is None:
        return Section("threshold", title, material.not_measured("truncated-heads", "The threshold of this shop"))
    items = result.counts.get("chosen items", 0)
    among_all = _part(
        result,
        "Quality by the number of interactions that are left of popular items",
        f"The histories of {items:,} popular items were cut to so many interactions, everything was trained "
        "anew, and the items were ranked among the whole catalog for users who took them and whom training "
        "did not see take them. The shaded bands are 95% intervals.",
        themselves=False,
    )
    among_themselves = _part(
        result,
        "The same items ranked among themselves",
        "Among the whole catalog an item that few took stands low, whatever is known of it. Here the same items are "
        "ranked among themselves for the same users, all with as many interactions: what counts is only how much is "
        "known of each.",
        themselves=True,
    )
    return Section("threshold", title, join([among_all, among_themselves, *(note(text) for text in result.notes)]))


def _part(result: ProtocolResult, title: str, meaning: str, *, themselves: bool) -> Html | None:
    measured = by_level(result, themselves=themselves)
    if not measured:
        return None
    found = crossing(result, themselves=themselves)
    marks = [Mark(float(ARTICLE), f"the article's {ARTICLE}")]
    if found is not None:
        marks.append(Mark(found, f"measured: {found:,.0f}", "mark found"))
    said = [paragraph(tag("b", _words(found, list(measured))))] if {"ALS", "bridge"} <= set(result.methods) else []
    return level_part(
        title, measured, f"ndcg@{result.k}", result.methods, [*said, paragraph(meaning)],
        names=_SHOWN, unit="interactions", marks=marks,
    )  # fmt: skip


def _words(found: float | None, levels: list[int]) -> str:
    if found is None:
        return f"Up to {levels[-1]:,} interactions ALS alone does not overtake the prediction from content."
    if found <= levels[0]:
        return "ALS alone is above the prediction from content at every level measured."
    return f"ALS alone overtakes the prediction from content at about {found:,.0f} interactions."
