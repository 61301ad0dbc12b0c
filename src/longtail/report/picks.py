"""Which items are shown side by side: tail items picked by rule and not by hand, losses as well as gains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from longtail.core.arrays import Int64
from longtail.core.progress import SILENT, Progress
from longtail.core.ranking import Ranking
from longtail.recommender import Recommender, als_alone
from longtail.report.section import Material

#: Tail items that are looked at, drawn by the seed where there are more.
SAMPLE = 400
NEAREST = 10


@dataclass(frozen=True)
class Pick:
    """One item with its nearest by ALS alone and by longtail.

    Attributes:
        rule: why it is shown.
        row: of the item.
        before, after: its ten nearest; ``before`` is None where ALS has no vector of the item to go by.
        before_share, after_share: how many of these are of its kind, in [0, 1], as the yardstick counts; those of
            unknown kind are not counted.
    """

    rule: str
    row: int
    before: Ranking | None
    after: Ranking
    before_share: float
    after_share: float

    @property
    def gain(self) -> float:
        return self.after_share - self.before_share


@dataclass(frozen=True)
class Picks:
    """What was picked.

    Attributes:
        items: the picks.
        yardstick: what gains are counted in.
        caution: whom that favours.
        looked_at: how many tail items with interactions were compared.
        out_of: how many there are.
        better, worse: how many of those compared gained and lost.
    """

    items: tuple[Pick, ...]
    yardstick: str
    caution: str
    looked_at: int
    out_of: int
    better: int
    worse: int


def pick(material: Material, *, sample: int = SAMPLE, k: int = NEAREST, progress: Progress = SILENT) -> Picks | None:
    """The tail items with the largest gain, the median and the largest loss, and the median of those nobody took.

    Gains are counted in the share of the nearest that have the item's category: a stand-in for what people would judge.
    A shop without categories is counted by the cosine of content, which favours longtail. Equal gains go by more
    interactions, then by the catalog's order.

    Returns:
        None where there is neither a category nor content, or no tail item that has it.
    """
    bundle = material.bundle
    kind = np.array([category is not None for category in material.categories], dtype=np.bool_)
    by_category = bool(kind.any())
    judged = (kind if by_category else bundle.has_content) & bundle.sellable
    tail = judged & (bundle.n_interactions < material.tail_below)
    taken, silent = (
        np.flatnonzero(tail & (bundle.n_interactions > 0)),
        np.flatnonzero(tail & (bundle.n_interactions == 0)),
    )
    shop, alone = Recommender(bundle), als_alone(bundle)
    share = _same_category(material) if by_category else _cosine(material)
    generator = np.random.default_rng(material.seed)

    def compare(rows: Int64, known: bool, task: Callable[[], None]) -> list[Pick]:
        found = []
        for row in rows.tolist():
            item = bundle.items.id(row)
            before = _vectorial(alone.similar_items(item, k)) if known else None
            after = shop.similar_items(item, k)
            found.append(Pick("", row, before, after, 0.0 if before is None else share(row, before), share(row, after)))
            task()
        return found

    drawn = [_sample(taken, sample, generator), _sample(silent, sample // 4, generator)]
    with progress.task("Comparing similar items", total=sum(map(len, drawn))) as task:
        compared = compare(drawn[0], True, task.advance)
        unknown = compare(drawn[1], False, task.advance)
    counts = bundle.n_interactions
    compared.sort(key=lambda one: (-one.gain, -counts[one.row], one.row))
    unknown.sort(key=lambda one: (-one.after_share, one.row))
    items = []
    if compared:
        items.append(_ruled(compared[0], "the largest gain" if compared[0].gain > 0 else "no item gained: the best"))
        items.append(_ruled(compared[len(compared) // 2], "the median"))
        lost = min(compared, key=lambda one: (one.gain, -counts[one.row], one.row))
        items.append(_ruled(lost, "the largest loss" if lost.gain < 0 else "no item lost: the smallest gain"))
    if unknown:
        items.append(_ruled(unknown[len(unknown) // 2], "the median of items nobody took"))
    if not items:
        return None
    column = bundle.category_column
    return Picks(
        tuple(items),
        f"the share with the same {column} (of those that have one)" if by_category else "the mean cosine of content",
        "what is alike to them may be of another kind, and a method that is told the field has it easier"
        if by_category
        else "longtail is told the content, ALS is not",
        len(compared),
        len(taken),
        sum(one.gain > 0 for one in compared),
        sum(one.gain < 0 for one in compared),
    )


def _vectorial(ranking: Ranking) -> Ranking | None:
    """An answer that came from the item's vector; not the fallback, nor what a vector of next to no length gives."""
    return ranking if len(ranking) and next(iter(ranking)).source != "fallback" else None


def _ruled(one: Pick, rule: str) -> Pick:
    return Pick(rule, one.row, one.before, one.after, one.before_share, one.after_share)


def _sample(rows: Int64, most: int, generator: np.random.Generator) -> Int64:
    return rows if len(rows) <= most else np.sort(generator.choice(rows, most, replace=False))


def _same_category(material: Material) -> Callable[[int, Ranking], float]:
    items, categories = material.bundle.items, material.categories

    def share(row: int, ranking: Ranking) -> float:
        found = [categories[at] for at in items.rows(ranking.item_ids).tolist() if categories[at] is not None]
        return sum(category == categories[row] for category in found) / len(found) if found else 0.0

    return share


def _cosine(material: Material) -> Callable[[int, Ranking], float]:
    items, content = material.bundle.items, material.bundle.content

    def share(row: int, ranking: Ranking) -> float:
        found = items.rows(ranking.item_ids)
        return float((content[found] @ content[row]).mean()) if len(found) else 0.0

    return share
