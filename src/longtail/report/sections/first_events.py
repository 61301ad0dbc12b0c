"""How an item's vector slides from its prediction to its behaviour as its first events arrive."""

from __future__ import annotations

from longtail.evaluate.levels import by_level
from longtail.report.html import join, tag
from longtail.report.section import Material, Section, paragraph
from longtail.report.sections.level_lines import better_and_worse, level_lines, level_table

_SHOWN = ("content kNN", "ALS", "bridge", "longtail")


def first_events(material: Material) -> Section:
    """Items of which a few events are revealed, ranked among themselves, at every level trained anew."""
    title = "How fast does behaviour take over?"
    result = material.evaluation.result("few-shot")
    if result is None:
        missing = material.not_measured("few-shot", "What the first events of an item change")
        return Section("first-events", title, missing)
    metric, items = f"ndcg@{result.k}", result.counts.get("chosen items", 0)
    what = (
        f"All but so many events of {items:,} items were taken away, everything was trained anew, and the items were "
        "ranked for other users who took them. The shaded bands are 95% intervals."
    )
    parts = [paragraph(what)]
    for themselves, name, meaning in (
        (
            True,
            "The items among themselves, by the events that are known",
            "All have as many events: what counts is how much is known of each.",
        ),
        (
            False,
            "The same items among the whole catalog",
            "Nothing but these items counts as right here, so that whoever shows them first is best, whatever else "
            "people would rather have taken. Evidence brings an item up; content by itself does not know what sells.",
        ),
    ):
        measured = by_level(result, themselves=themselves)
        if measured:
            best, worse = better_and_worse(measured, metric, ("ALS", "bridge"))
            beside = tag(
                "div",
                paragraph(meaning),
                paragraph(
                    f"longtail is above ALS and above its own prediction from content, beyond chance, at: {best}."
                ),
                paragraph(f"longtail is below one of the two, beyond chance, at: {worse}."),
            )
            chart = level_lines(name, measured, metric, _SHOWN, unit="events")
            parts.append(tag("div", chart, beside, class_="pair"))
            parts.append(level_table(measured, metric, result.methods, unit="events"))
    return Section("first-events", title, join(parts))
