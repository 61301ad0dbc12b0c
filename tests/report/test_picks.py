"""Items are picked by rule: every pick is recomputed here from the answers of the two shops."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

import numpy as np

from longtail.bundle import Bundle
from longtail.data.schema import CatalogSchema
from longtail.recommender import Recommender, als_alone
from longtail.report.picks import pick
from longtail.report.section import Material


def gains(shop: Bundle, tail_below: int) -> dict[int, float]:
    """Gain of every tail item with interactions and a department, by hand."""
    departments = shop.catalog.column("department").to_pylist()
    after, before = Recommender(shop), als_alone(shop)
    found = {}
    for row in np.flatnonzero(shop.sellable & (shop.n_interactions > 0) & (shop.n_interactions < tail_below)).tolist():
        share = []
        for one in (after, before):
            near = [departments[shop.items.row(id)] for id in one.similar_items(shop.items.id(row), 10).item_ids]
            share.append(np.mean([department == departments[row] for department in near]))
        found[row] = float(share[0] - share[1])
    return found


def test_largest_gain_median_and_largest_loss(shop: Bundle) -> None:
    by_hand = gains(shop, 20)
    picks = pick(Material(shop, "shop.bundle"))
    assert picks is not None
    assert (picks.looked_at, picks.out_of) == (len(by_hand), len(by_hand))
    assert picks.better == sum(gain > 1e-12 for gain in by_hand.values())
    assert picks.worse == sum(gain < -1e-12 for gain in by_hand.values())
    best, middle, worst, silent = picks.items
    assert best.gain == max(by_hand.values()) == by_hand[best.row]
    assert worst.gain == min(by_hand.values()) == by_hand[worst.row]
    assert abs(middle.gain - median(by_hand.values())) <= 0.1
    assert silent.before is None
    assert shop.n_interactions[silent.row] == 0
    assert all(one.row not in shop.items.rows(list(one.after.item_ids)) for one in picks.items)


def test_a_shop_where_nothing_is_lost_says_so(shop: Bundle) -> None:
    same = replace(shop, als_item_factors=shop.item_vectors, fusion=replace(shop.fusion, similar_weight=0.0))
    picks = pick(Material(same, "shop.bundle"))
    assert picks is not None
    assert (picks.better, picks.worse) == (0, 0)
    assert [one.rule for one in picks.items[:3]] == [
        "no item gained: the best", "the median", "no item lost: the smallest gain",
    ]  # fmt: skip


def test_a_sample_is_drawn_by_the_seed(shop: Bundle) -> None:
    few = [pick(Material(shop, "shop.bundle", seed=seed), sample=5) for seed in (1, 1)]
    assert few[0] is not None
    assert few[1] is not None
    assert few[0].looked_at == 5 < few[0].out_of
    assert [one.row for one in few[0].items] == [one.row for one in few[1].items]


def test_without_categories_content_is_the_yardstick_and_without_content_there_is_none(shop: Bundle) -> None:
    bare = replace(shop, catalog_schema=CatalogSchema())
    picks = pick(Material(bare, "shop.bundle"))
    assert picks is not None
    assert picks.yardstick == "the mean cosine of content"
    empty = replace(bare, content=np.zeros((len(shop.items), 0), np.float32))
    assert pick(Material(empty, "shop.bundle")) is None


def test_an_item_that_als_has_no_vector_of_has_nothing_before(shop: Bundle) -> None:
    vectors = shop.als_item_factors.copy()
    vectors[:20] = 0
    vectors[20:] = 1e-20
    picks = pick(Material(replace(shop, als_item_factors=vectors), "shop.bundle"))
    assert picks is not None
    assert all(one.before is None for one in picks.items)
    assert all(one.before_share == 0 for one in picks.items)
