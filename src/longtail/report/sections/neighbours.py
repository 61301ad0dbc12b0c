"""Similar items before and after, side by side, with pictures."""

from __future__ import annotations

import numpy as np

from longtail.core.ranking import Ranking
from longtail.core.words import many
from longtail.report.html import Html, join, tag
from longtail.report.picks import NEAREST, Pick, Picks
from longtail.report.section import Material, Section, missing, note, paragraph
from longtail.report.words import percent

_SHOWN = 6


def neighbours(material: Material, picks: Picks | None) -> Section:
    """The picked items, each with its nearest by ALS alone and by longtail."""
    title = "Similar items, before and after"
    if picks is None:
        said = (
            f"No item with fewer than {material.tail_below} interactions has a category or other content to compare "
            "by. Declare the catalog's fields in the recipe; this looks for what there is:"
        )
        return Section("similar", title, missing(said, "longtail init EVENTS CATALOG -o shop.toml"))
    level = picks.looked_at - picks.better - picks.worse
    lead = (
        f"Tail items picked by rule, not by hand. Counted is {picks.yardstick} among an item's {NEAREST} nearest: of "
        f"{many(picks.looked_at, 'tail item')} with interactions compared, {picks.better:,} gained, {picks.worse:,} "
        f"lost and {level:,} stayed."
    )
    if picks.looked_at < picks.out_of:
        lead += f" The seed drew these of {picks.out_of:,}."
    proxy = (
        f"This stands in for what people would judge: {picks.caution}. Numbers beside the items are their interactions."
    )
    cards = [_card(material, one) for one in picks.items]
    return Section("similar", title, join([paragraph(lead), tag("div", cards, class_="picks"), note(proxy)]))


def _card(material: Material, one: Pick) -> Html:
    before = (
        tag("p", _why_nothing(material, one.row), class_="none")
        if one.before is None
        else _list(material, one, one.before)
    )
    columns = [
        tag("div", tag("h4", _counted("ALS alone", None if one.before is None else one.before_share)), before),
        tag("div", tag("h4", _counted("longtail", one.after_share)), _list(material, one, one.after)),
    ]
    head = tag("header", tag("span", one.rule, class_="rule"), _item(material, one.row, one.row))
    return tag("article", head, tag("div", columns, class_="sides"), class_="pick")


def _why_nothing(material: Material, row: int) -> str:
    if material.bundle.n_interactions[row] == 0:
        return "Nothing: nobody took it, so ALS has no place for it."
    return "Nothing: so few people took it that ALS has no place for it."


def _counted(name: str, share: float | None) -> str:
    return name if share is None else f"{name}: {percent(share)}"


def _list(material: Material, one: Pick, ranking: Ranking) -> Html:
    if not len(ranking):
        return tag("p", ranking.note or "Nothing.", class_="none")
    rows = material.bundle.items.rows(list(ranking.item_ids)[:_SHOWN]).tolist()
    said = tag("p", ranking.note, class_="none") if ranking.note else None
    return join([tag("ol", (tag("li", _item(material, row, one.row)) for row in rows)), said])


def _item(material: Material, row: int, asked: int) -> Html:
    bundle = material.bundle
    (title,) = material.titles(np.array([row], dtype=np.int64))
    category = material.categories[row]
    same = row != asked and category is not None and category == material.categories[asked]
    source = material.pictures.thumbnail(bundle, row)
    picture = tag("img", src=source, alt="") if source else None
    n = int(bundle.n_interactions[row])
    facts = [
        tag("span", category, class_="same" if same else None) if category else None,
        " · " if category else None,
        many(n, "interaction") if row == asked else f"{n:,}",
    ]
    return tag("div", picture, tag("span", tag("b", title), tag("small", facts)), class_="item")
