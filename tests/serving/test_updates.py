"""Events that arrive while a shop is served: what they do to items, users, answers and the bundle."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

from longtail.blend import blend
from longtail.bundle import Bundle
from longtail.cf.als import solve_users
from longtail.cf.row import Shared
from longtail.core.errors import DataError
from longtail.core.ranking import SOURCES, Ranking
from longtail.data.schema import WeightSettings
from longtail.recommender import Recommender
from longtail.recommender.snapshot import solved_against

GOLDEN = Path(__file__).parent.parent / "golden" / "format-2"
END = datetime(2026, 2, 1)
WINE = {"department": "WINE", "colour": "red", "price": 9.5}


def served(bundle_with: Callable[..., Bundle], **changes: Any) -> Recommender:
    """A shop of which 40 days are known, every item since the tenth of them; items 0 to 3 have never been seen."""
    bundle = bundle_with(**changes)
    seen = np.full(len(bundle.items), np.datetime64("2026-01-02"), dtype="datetime64[s]")
    seen[bundle.n_interactions == 0] = np.datetime64("NaT")
    window = (END - timedelta(days=40), END)
    return Recommender(replace(bundle, first_seen=seen, window=window, weights=WeightSettings(types={"a": 1, "b": 3})))


def events(*pairs: tuple[str, str, str], at: datetime = END + timedelta(days=10)) -> list[dict[str, Any]]:
    return [{"user_id": user, "item_id": item, "event_type": kind, "timestamp": at} for user, item, kind in pairs]


def full_blend(after: Bundle, users: np.ndarray) -> np.ndarray:
    """All items, by the function that training uses."""
    return blend(
        after.history, users, after.predictions, after.predictions.any(axis=1), after.precision, after.als_settings,
        exposure=after.exposure,
    ).vectors  # fmt: skip


BATCH = events(("u1", "005", "a"), ("u2", "005", "b"), ("u2", "002", "b"), ("u1", "005", "a"), ("u11", "009", "b"))


def test_items_get_what_a_full_blend_with_the_same_users_gives(bundle_with: Callable[..., Bundle]) -> None:
    shop = served(bundle_with)
    before = shop.bundle
    update = shop.update_events(BATCH)
    after = shop.bundle
    rows = before.items.rows(["002", "005", "009"])
    assert update.items == ("002", "005", "009")
    np.testing.assert_allclose(
        after.item_vectors[rows], full_blend(after, before.user_factors)[rows], rtol=2e-4, atol=2e-5
    )
    others = np.setdiff1d(np.arange(len(before.items)), rows)
    np.testing.assert_array_equal(after.item_vectors[others], before.item_vectors[others])


def test_users_who_touched_them_are_folded_in_again(bundle_with: Callable[..., Bundle]) -> None:
    shop = served(bundle_with)
    before = shop.bundle
    update = shop.update_events(BATCH)
    after = shop.bundle
    solved = solve_users(after.history, after.item_vectors, after.als_settings, exposure=after.exposure).factors
    rows = before.users.rows(["u1", "u2", "u11"])
    assert update.users == ("u1", "u2", "u11")
    np.testing.assert_allclose(after.user_factors[rows], solved[rows], rtol=2e-4, atol=2e-5)
    others = np.setdiff1d(np.arange(len(before.users)), rows)
    np.testing.assert_array_equal(after.user_factors[others], before.user_factors[others])


def test_weights_add_up_as_aggregation_adds_them(bundle_with: Callable[..., Bundle]) -> None:
    shop = served(bundle_with)
    before = shop.bundle.history.toarray()
    shop.update_events(BATCH)
    after = shop.bundle.history
    expected = before.copy()
    for user, item, weight in ((1, 5, 2), (2, 5, 3), (2, 2, 3), (11, 9, 3)):
        expected[user, item] += weight
    np.testing.assert_array_equal(after.toarray(), expected)
    assert after.has_canonical_format or (np.diff(after.indices) != 0).all()

    logged = replace(shop.bundle, weights=WeightSettings(types={"a": 1, "b": 3}, confidence="log", epsilon=0.5))
    again = Recommender(logged)
    again.update_events(events(("u1", "005", "b")))
    before_log = float(logged.history[1, 5])
    assert again.bundle.history[1, 5] == pytest.approx(np.log1p(np.expm1(before_log) + 3 / 0.5), rel=1e-5)


def test_numbers_about_items_are_of_now(bundle_with: Callable[..., Bundle]) -> None:
    shop = served(bundle_with)
    before = shop.bundle
    shop.update_events(BATCH)
    after = shop.bundle
    np.testing.assert_array_equal(after.n_interactions, (after.history.toarray() > 0).sum(axis=0))
    assert (after.item_events - before.item_events).tolist()[:10] == [0, 0, 1, 0, 0, 3, 0, 0, 0, 1]
    assert SOURCES[before.source_codes[2]] == "predicted"
    assert SOURCES[after.source_codes[2]] == "blended"
    assert 0 < after.behaviour_share[2] < 1
    # Item 2 was first seen at the end of the 50 days there are now, item 5 has been there for 40 of them.
    assert after.exposure[2] == pytest.approx(0, abs=1e-6)
    assert after.exposure[5] == pytest.approx(40 / 50)
    assert after.exposure[6] == before.exposure[6]


def test_without_times_what_has_events_was_seen(bundle_with: Callable[..., Bundle]) -> None:
    shop = Recommender(bundle_with())
    shop.update_events([{"user_id": "u1", "item_id": "002"}])
    assert shop.bundle.exposure[2] == 1


@pytest.mark.parametrize(("kind", "n_items"), [("exact", 30), ("hnsw", 6000)])
def test_answers_follow_at_once_and_are_those_of_the_bundle(
    bundle_with: Callable[..., Bundle], kind: str, n_items: int
) -> None:
    shop = served(bundle_with, index=kind, n_items=n_items)
    shop.similar_items("005", 5), shop.recommend("u1", 5, where="n_interactions > 0")
    shop.update_events(events(("u1", "002", "b"), ("u3", "005", "b"), ("u4", "005", "a")))
    where = "item_id = '002' AND n_interactions = 1"

    def asked(one: Recommender) -> list[Ranking]:
        return [
            one.similar_items("005", 8),
            one.similar_items("002", 8),
            one.recommend("u1", 8),
            one.recommend("u1", 8, where=where, exclude_seen=False),
            one.recommend_for(["005"], 8),
        ]

    for mine, theirs in zip(asked(shop), asked(Recommender(shop.bundle)), strict=True):
        assert mine.item_ids == theirs.item_ids
        assert [row.score for row in mine] == pytest.approx([row.score for row in theirs], rel=1e-5)
        assert [row[3:] for row in mine] == [row[3:] for row in theirs]
    assert asked(shop)[3].item_ids == ["002"]
    assert "002" not in shop.recommend("u1", n_items, exclude_seen=True).item_ids


def test_users_nobody_has_heard_of_become_known(bundle_with: Callable[..., Bundle]) -> None:
    # Penalties are scaled by the users of training; as many as there are after it make a full blend comparable.
    shop = served(bundle_with, trained=(13, 30))
    before = shop.bundle
    update = shop.update_events(events(("new", "005", "b"), ("new", "007", "a"), ("u1", "007", "a")))
    assert update.new_users == ("new",)
    after = shop.bundle
    assert list(after.users)[-1] == "new"
    came = csr_array(after.history.toarray()[[-1]])
    folded = solve_users(came, before.item_vectors, before.als_settings, exposure=before.exposure).factors
    users = np.concatenate([before.user_factors, folded])
    rows = before.items.rows(["005", "007"])
    np.testing.assert_allclose(after.item_vectors[rows], full_blend(after, users)[rows], rtol=2e-4, atol=2e-5)
    assert shop.recommend("new", 5).item_ids == Recommender(after).recommend("new", 5).item_ids
    assert shop.update_events(events(("new", "009", "a"))).new_users == ()
    assert len(shop.bundle.users) == len(before.users) + 1


def test_every_event_is_counted(bundle_with: Callable[..., Bundle]) -> None:
    shop = served(bundle_with)
    before = shop.bundle
    rows = [
        *events(("u1", "nowhere", "a"), ("u1", "nowhere", "b"), ("stranger", "005", "a"), ("u1", "005", "odd")),
        {"user_id": None, "item_id": "005", "event_type": "a"},
        *events(("u1", "005", "a")),
    ]
    update = shop.update_events(rows, add_users=False)
    assert (update.applied, update.unknown_items, update.unknown_users) == (1, {"nowhere": 2}, {"stranger": 1})
    assert {one.reason: one.count for one in update.refusals.by_reason} == {"null user id": 1, "unknown event type": 1}
    assert update.refusals.read == 6 == update.applied + update.refusals.refused + 2 + 1
    assert len(shop.bundle.users) == len(before.users)


def test_a_batch_with_a_row_that_is_no_event_changes_nothing(bundle_with: Callable[..., Bundle]) -> None:
    shop = served(bundle_with)
    before = shop.bundle
    with pytest.raises(DataError, match="Event 2"):
        shop.update_events([*events(("u1", "005", "a")), {"customer": "u1"}])
    assert shop.bundle is before
    assert shop.update_events([]).applied == 0


def test_events_that_weigh_nothing_only_count(bundle_with: Callable[..., Bundle]) -> None:
    shop = served(bundle_with)
    weightless = replace(shop.bundle, weights=WeightSettings(types={"a": 0, "b": 1}))
    shop = Recommender(weightless)
    update = shop.update_events(events(("u1", "002", "a"), ("someone", "002", "a")))
    assert (update.applied, update.items, update.users, update.new_users) == (2, (), (), ())
    assert shop.bundle.item_events[2] == 2
    np.testing.assert_array_equal(shop.bundle.item_vectors, weightless.item_vectors)


@pytest.mark.parametrize("kind", ["exact", "hnsw"])
def test_what_was_updated_survives_saving(bundle_with: Callable[..., Bundle], tmp_path: Path, kind: str) -> None:
    from longtail.recommender import with_index

    shop = served(bundle_with, n_items=6000)
    shop = Recommender(with_index(shop.bundle, kind))
    items = shop.bundle.items.take(range(100, 104))
    shop.update_events(events(*(("u1", item, "b") for item in items), ("new", items[0], "a")))
    shop.save(tmp_path / "shop.bundle")
    again = Recommender.load(tmp_path / "shop.bundle")
    assert again.recommend("new", 5) == shop.recommend("new", 5)
    assert again.similar_items(items[0], 5) == shop.similar_items(items[0], 5)
    assert again.bundle.weights == shop.bundle.weights
    assert again.bundle.trained == shop.bundle.trained
    rest = events(("u1", items[0], "a"), ("new", items[1], "a"))
    shop.update_events(rest), again.update_events(rest)
    np.testing.assert_allclose(again.bundle.item_vectors, shop.bundle.item_vectors, rtol=1e-4, atol=1e-5)


def test_batches_leave_the_shared_parts_as_a_fresh_look_finds_them(bundle_with: Callable[..., Bundle]) -> None:
    shop = served(bundle_with)
    rng = np.random.default_rng(0)
    for day in range(1, 6):
        pairs = [(f"u{rng.integers(14)}", f"00{rng.integers(1, 30)}", "b") for _ in range(7)]
        shop.update_events(events(*pairs, at=END + timedelta(days=day)))
    bundle = shop.bundle
    for side, vectors, exposure in (
        ("users", bundle.user_factors, None),
        ("items", solved_against(bundle), bundle.exposure),
    ):
        fresh = Shared.of(vectors, 1, exposure).gram
        np.testing.assert_allclose(shop._snapshot.shared(side).gram, fresh, rtol=1e-4, atol=1e-4)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["exact", "hnsw"])
def test_it_makes_no_difference_when_changes_are_put_in_their_places(
    bundle_with: Callable[..., Bundle], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from longtail.recommender import with_index

    bundle = with_index(served(bundle_with, n_items=6000, n_users=40).bundle, kind)
    kept, settled = Recommender(bundle), Recommender(bundle)
    rng = np.random.default_rng(3)
    for _ in range(6):
        pairs = [(f"u{rng.integers(44)}", bundle.items.id(int(rng.integers(1, 60))), "b") for _ in range(5)]
        monkeypatch.setattr("longtail.recommender.updates.MANY", 5000)
        kept.update_events(events(*pairs))
        monkeypatch.setattr("longtail.recommender.updates.MANY", -(10**6))
        monkeypatch.setattr("longtail.recommender.updates._SHARE", 10**9)
        settled.update_events(events(*pairs))
    assert len(kept._snapshot.changes) > 10
    assert not settled._snapshot.changes
    for user in ("u1", "u43"):
        if user in kept.bundle.users:
            assert kept.recommend(user, 9).item_ids == settled.recommend(user, 9).item_ids
    assert kept.similar_items(pairs[0][1], 9).item_ids == settled.similar_items(pairs[0][1], 9).item_ids
    np.testing.assert_allclose(kept.bundle.item_vectors, settled.bundle.item_vectors, rtol=1e-4, atol=1e-5)
    assert (kept.bundle.history != settled.bundle.history).nnz == 0


def test_filters_see_what_events_have_changed(bundle_with: Callable[..., Bundle]) -> None:
    shop = served(bundle_with)
    where = ("price > 3", "n_interactions = 0", "SOURCE = 'predicted'")
    before = [shop.recommend("u1", 40, where=one, exclude_seen=False).item_ids for one in where]
    shop.recommend("u1", 40, one_per="source")
    shop.update_events(events(("u3", "002", "b")))
    after = [shop.recommend("u1", 40, where=one, exclude_seen=False).item_ids for one in where]
    assert ["002" in ids for ids in before] == [False, True, True]
    assert ["002" in ids for ids in after] == [False, False, False]
    sources = [row.source for row in shop.recommend("u1", 40, one_per="source", exclude_seen=False)]
    assert len(sources) == len(set(sources)) > 1


def test_new_items_learn_from_their_first_events() -> None:
    shop = Recommender.load(GOLDEN)
    shop.similar_items("0005", 3)
    shop.add_items([{"sku": "0099", **WINE}])
    predicted = shop.bundle.item_vectors[-1]
    at = datetime(2026, 2, 3)
    bought = [
        {"user_id": f"shopper {n}", "item_id": "0099", "event_type": "purchase", "timestamp": at} for n in range(9)
    ]
    shop.update_events(bought)
    (row,) = (row for row in shop.similar_items("0005", 60) if row.item_id == "0099")
    assert (row.source, row.n_interactions) == ("blended", 9)
    assert not np.allclose(shop.bundle.item_vectors[-1], predicted, atol=1e-3)
    shop.add_items([{"sku": "0100", **WINE}])
    assert shop.bundle.n_interactions[-2:].tolist() == [9, 0]
    assert np.array_equal(shop.bundle.item_vectors[-1], predicted)


def test_without_times_what_came_after_training_could_not_be_seen_in_it() -> None:
    from longtail.bundle import load

    shop = Recommender(replace(load(GOLDEN), window=None))
    shop.add_items([{"sku": "0099", **WINE}])
    shop.update_events([{"user_id": "shopper 1", "item_id": id, "event_type": "view"} for id in ("0099", "0043")])
    exposure = dict(zip(shop.bundle.items, shop.bundle.exposure.tolist(), strict=True))
    assert (exposure["0099"], exposure["0043"]) == (0.0, 1.0)


def test_bundles_of_format_1_can_be_updated() -> None:
    shop = Recommender.load(GOLDEN.with_name("format-1"))
    update = shop.update_events(pl.DataFrame({"user_id": ["shopper 1"], "item_id": ["0005"]}))
    assert update.items == ("0005",)


def test_readers_never_see_half_of_an_update(bundle_with: Callable[..., Bundle]) -> None:
    shop = served(bundle_with)
    wrong: list[object] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            ranking = shop.recommend("u1", 40, exclude_seen=False)
            counts = {row.item_id: row.n_interactions for row in ranking}
            if len(ranking) < 28 or counts["005"] - counts["006"] != difference:
                wrong.append(ranking)

    bundle = shop.bundle
    difference = int(bundle.n_interactions[5] - bundle.n_interactions[6])
    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(20):
        shop.update_events(events((f"n{number}", "005", "a"), (f"n{number}", "006", "a")))
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong
