"""Nothing breaks at the edges: odd catalogs and odd histories train, answer sanely, explain, learn and are saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longtail.recommender import Recommender
from longtail.recommender.answers import category_popularity

KINDS = ("rope", "lamp", "tent", "boot")
ONE = '[catalog.fields.kind]\nkind = "category"\n'


def by_kind(kind: np.ndarray, rng: np.random.Generator) -> dict[str, list[Any]]:
    return {"kind": [KINDS[k] for k in kind]}


def assert_sane(trained: Any, folder: Path) -> None:
    """What holds in any shop, whatever it lacks."""
    shop, bundle = trained.shop, trained.bundle
    for array in (bundle.user_factors, bundle.item_vectors, bundle.predictions, bundle.content, bundle.behaviour_share):
        assert np.isfinite(array).all()
    users, taken = list(bundle.users)[:5], bundle.items.take(np.flatnonzero(bundle.n_interactions > 0))
    for user in users:
        ranking = shop.recommend(user, 10)
        seen = set(bundle.items.take(shop._snapshot.taken(bundle.users.row(user)).rows))
        assert len(ranking) == 10
        assert not seen & set(ranking.item_ids)
        for row in list(ranking)[:3]:
            found = shop.explain(user, row.item_id)
            assert sum(part.value for part in found.contributions) == pytest.approx(row.score, rel=1e-4, abs=1e-6)
            assert abs(found.total("rest")) <= 1e-4 * sum(abs(part.value) for part in found.contributions)
    for id in taken[:3]:
        for row in list(shop.similar_items(id, 5))[:2]:
            found = shop.explain_similar(id, row.item_id)
            assert sum(part.value for part in found.contributions) == pytest.approx(row.score, rel=1e-4, abs=1e-6)
    for id in trained.new[:3]:
        assert shop.item_info(id).n_interactions == 0
        assert len(shop.similar_items(id, 5)) == 5
    shop.save(folder / "shop.bundle")
    again = Recommender.load(folder / "shop.bundle")
    assert again.recommend(users[0], 10) == shop.recommend(users[0], 10)
    id = (trained.new or taken)[0]
    update = again.update_events([{"user_id": user, "item_id": id} for user in users])
    assert update.applied == len(users)
    assert id in {row.item_id for row in again.recommend("u9", 1000, exclude_seen=False)}
    assert np.isfinite(again.bundle.item_vectors).all()


def assert_knows_new_items(trained: Any) -> None:
    """New items stand among their kind, and users get new items of the kind they like."""
    shop, bundle = trained.shop, trained.bundle
    assert bundle.bridge is not None
    for id in trained.new[:8]:
        assert shop.item_info(id).source == "predicted"
        assert trained.share_of_kind(shop.similar_items(id, 8).item_ids, trained.kinds[id]) >= 0.75
    right = []
    for user in list(bundle.users)[:40]:
        kinds = [trained.kinds[id] for id in bundle.items.take(shop._snapshot.taken(bundle.users.row(user)).rows)]
        liked = max(set(kinds), key=kinds.count)
        new = shop.recommend(user, 2, where="n_interactions = 0").item_ids
        right.append(trained.share_of_kind(new, liked))
    assert np.mean(right) >= 0.8


def assert_falls_back(trained: Any, column: str | None) -> None:
    """Content says nothing, and that is said: items with events get ALS, new ones what is popular in their category."""
    shop, bundle = trained.shop, trained.bundle
    assert bundle.bridge is None
    assert any("plain ALS" in note for note in trained.notes)
    assert "plain ALS" in str(bundle.manifest.choices)
    np.testing.assert_array_equal(bundle.item_vectors, bundle.als_item_factors)
    np.testing.assert_allclose(bundle.user_factors, bundle.als_user_factors, atol=0.05)
    assert {row.source for row in shop.recommend("u0", 200, exclude_seen=False)} == {"learned"}
    new = bundle.items.rows(trained.new)
    arrivals = shop.recommend("u0", 200, where="n_interactions = 0")
    assert {row.source for row in arrivals} == ({"fallback"} if category_popularity(bundle)[new].any() else set())
    assert [row.score for row in arrivals] == sorted((row.score for row in arrivals), reverse=True)
    if column is not None:
        values = np.array(bundle.catalog.column(column).to_pylist())
        for row in arrivals:
            alike = values == values[bundle.items.row(row.item_id)]
            assert row.score == pytest.approx(bundle.n_interactions[alike].mean(), rel=1e-6)
            assert shop.explain("u0", row.item_id).score == row.score
    for id in trained.new[:3]:
        ranking = shop.similar_items(id, 5)
        assert {row.source for row in ranking} == {"fallback"}
        assert ranking.note
        counts = [row.n_interactions for row in ranking]
        assert counts == sorted(counts, reverse=True)
        if column is not None:
            values = dict(zip(bundle.items, bundle.catalog.column(column).to_pylist(), strict=True))
            assert {values[row.item_id] for row in ranking} == {values[id]}


def test_no_text_at_all(shop_of: Callable[..., Any], tmp_path: Path) -> None:
    recipe = ONE + '[catalog.fields.price]\nkind = "price"\nwithin = "kind"\n'
    trained = shop_of(recipe, lambda kind, rng: by_kind(kind, rng) | {"price": (5.0 + rng.random(len(kind))).tolist()})
    assert trained.bundle.fields == ("attributes", "numbers")
    assert_knows_new_items(trained)
    assert_sane(trained, tmp_path)


def test_one_attribute_only(shop_of: Callable[..., Any], tmp_path: Path) -> None:
    trained = shop_of(ONE, by_kind)
    assert trained.bundle.fields == ("attributes",)
    assert_knows_new_items(trained)
    assert_sane(trained, tmp_path)


def test_one_attribute_without_times(shop_of: Callable[..., Any], tmp_path: Path) -> None:
    trained = shop_of(ONE, by_kind, times=False)
    assert trained.bundle.window is None
    assert_knows_new_items(trained)
    assert_sane(trained, tmp_path)


def test_thirty_head_items(shop_of: Callable[..., Any], tmp_path: Path) -> None:
    trained = shop_of(ONE, by_kind, n_items=38, n_new=8, even=True)
    assert (trained.bundle.n_interactions >= 20).sum() == 30
    assert_knows_new_items(trained)
    assert_sane(trained, tmp_path)


def test_all_items_head(shop_of: Callable[..., Any], tmp_path: Path) -> None:
    trained = shop_of(ONE, by_kind, n_items=40, n_new=0, even=True, per_user=24)
    assert trained.bundle.n_interactions.min() >= 20
    assert trained.new == []
    assert_sane(trained, tmp_path)
    trained.shop.add_items([{"item_id": "new", "kind": "tent"}])
    assert trained.share_of_kind(trained.shop.similar_items("new", 8).item_ids, "tent") >= 0.75


def test_all_items_tail(shop_of: Callable[..., Any], tmp_path: Path) -> None:
    trained = shop_of(ONE, by_kind, n_items=400, n_new=40, even=True, n_users=200, per_user=8)
    assert trained.bundle.n_interactions.max() < 20
    assert_knows_new_items(trained)
    assert_sane(trained, tmp_path)


def test_a_constant_field_beside_one_that_tells(shop_of: Callable[..., Any], tmp_path: Path) -> None:
    recipe = ONE + '[catalog.fields.shop]\nkind = "category"\n[catalog.fields.tax]\nkind = "number"\n'
    trained = shop_of(
        recipe, lambda kind, rng: by_kind(kind, rng) | {"shop": ["ours"] * len(kind), "tax": [0.19] * len(kind)}
    )
    assert_knows_new_items(trained)
    assert_sane(trained, tmp_path)


def test_nothing_but_constant_fields(shop_of: Callable[..., Any], tmp_path: Path) -> None:
    recipe = '[catalog.fields.shop]\nkind = "category"\n[catalog.fields.tax]\nkind = "number"\n'
    trained = shop_of(recipe, lambda kind, rng: {"shop": ["ours"] * len(kind), "tax": [0.19] * len(kind)})
    assert_falls_back(trained, None)
    assert_sane(trained, tmp_path)


def test_a_field_that_leaks_the_id_beside_one_that_tells(shop_of: Callable[..., Any], tmp_path: Path) -> None:
    recipe = ONE + '[catalog.fields.code]\nkind = "category"\n[catalog.fields.serial]\nkind = "number"\n'
    trained = shop_of(
        recipe,
        lambda kind, rng: (
            by_kind(kind, rng)
            | {"code": [f"c{n}" for n in range(len(kind))], "serial": list(map(float, range(len(kind))))}
        ),
    )
    assert_knows_new_items(trained)
    assert_sane(trained, tmp_path)


def test_nothing_but_a_field_that_leaks_the_id(shop_of: Callable[..., Any], tmp_path: Path) -> None:
    recipe = '[catalog.fields.code]\nkind = "category"\n'
    trained = shop_of(recipe, lambda kind, rng: {"code": [f"c{n}" for n in range(len(kind))]})
    assert_falls_back(trained, None)
    assert_sane(trained, tmp_path)


def test_content_that_is_nothing_but_zeros(shop_of: Callable[..., Any], tmp_path: Path) -> None:
    recipe = '[catalog.fields.look]\nkind = "vector"\n'
    trained = shop_of(recipe, lambda kind, rng: {"look": [[0.0, 0.0, 0.0]] * len(kind)})
    assert trained.bundle.bridge is None
    assert any("content that says anything" in note for note in trained.notes)
    assert {row.source for row in trained.shop.similar_items(trained.new[0], 5)} == {"fallback"}
    assert_sane(trained, tmp_path)


def test_content_without_any_signal(shop_of: Callable[..., Any], tmp_path: Path) -> None:
    recipe = '[catalog.fields.shelf]\nkind = "category"\n[catalog.fields.weight]\nkind = "number"\n'

    def noise(kind: np.ndarray, rng: np.random.Generator) -> dict[str, list[Any]]:
        shelves = [f"shelf {n}" for n in rng.integers(0, 5, len(kind))]
        return {"shelf": shelves, "weight": rng.random(len(kind)).tolist()}

    trained = shop_of(recipe, noise, n_items=240, n_users=250)
    assert_falls_back(trained, "shelf")
    assert_sane(trained, tmp_path)
    trained.shop.add_items([{"item_id": "new", "shelf": "shelf 1"}])
    assert {row.source for row in trained.shop.similar_items("new", 5)} == {"fallback"}


def test_no_content_at_all(shop_of: Callable[..., Any], tmp_path: Path) -> None:
    trained = shop_of("", lambda kind, rng: {})
    assert trained.bundle.bridge is None
    assert {row.source for row in trained.shop.similar_items(trained.new[0], 5)} == {"fallback"}
    assert_sane(trained, tmp_path)
