"""How an item's vector slides from its prediction to its behaviour as its first events arrive."""

from __future__ import annotations

from longtail.evaluate.levels import by_level
from longtail.report.html import join
from longtail.report.section import Material, Section, note, paragraph
from longtail.report.sections.level_lines import level_part

_SHOWN = ("content kNN", "ALS", "bridge", "longtail")
_PARTS = {
    "The items among themselves, by the users that are known": (
        "All have as many users: what counts is how much is known of each."
    ),
    "The same items among the whole catalog": (
        "Nothing but these items counts as right here, so that whoever shows them first is best, whatever else people "
        "would rather have taken. Evidence brings an item up; content by itself does not know what sells."
    ),
}


def first_events(material: Material) -> Section:
    """Items of which a few users are revealed, among themselves and among all, at every level trained anew."""
    title = "How fast does behaviour take over?"
    result = material.evaluation.result("few-shot")
    if result is None:
        missing = material.not_measured("few-shot", "What the first events of an item change")
        return Section("first-events", title, missing)
    what = (
        f"Of {result.counts.get('chosen items', 0):,} items all but so many users' events were taken away, everything "
        "was trained anew, and the items were ranked for other users who took them. The shaded bands are 95% intervals."
    )
    parts = [
        level_part(
            name, by_level(result, themselves=themselves), f"ndcg@{result.k}", result.methods, [paragraph(meaning)],
            names=_SHOWN, unit="users",
        )
        for (name, meaning), themselves in zip(_PARTS.items(), (True, False), strict=True)
    ]  # fmt: skip
    body = join([paragraph(what), *parts, *(note(text) for text in result.notes)])
    return Section("first-events", title, body)
