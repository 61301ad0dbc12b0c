from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse

from longtail.core.errors import DataError
from longtail.core.vocabulary import Vocabulary
from longtail.data.events import Events, read_events
from longtail.data.interactions import Interactions, csr
from longtail.data.schema import EventsSchema, WeightSettings
from longtail.data.split import by_time, cold_items, cold_split, warm_pairs

START = datetime(2024, 1, 1)


def events(days: list[int] | None) -> Events:
    count = len(days) if days is not None else 2
    columns = {"user_id": ["u"] * count, "item_id": ["i"] * count}
    if days is not None:
        columns["timestamp"] = [START + timedelta(days=day) for day in days]  # type: ignore[misc]
    schema = EventsSchema(timestamp="timestamp" if days is not None else None)
    return read_events(schema, WeightSettings(), base=Path(), table=pa.table(columns))


def interactions(n_users: int = 200, n_items: int = 60, density: float = 0.15, seed: int = 3) -> Interactions:
    """Random pairs; ids are shuffled, so that their order is not that of rows."""
    generator = np.random.default_rng(seed)
    popular = generator.random(n_items) ** 2
    there = generator.random((n_users, n_items)) < density * popular * 3
    matrix = sparse.csr_array(there.astype(np.float32))
    users = Vocabulary([f"u{n}" for n in generator.permutation(n_users)], "user")
    items = Vocabulary([f"i{n}" for n in generator.permutation(n_items)])
    counts = there.sum(axis=0).astype(np.int64)
    first = np.full(n_items, np.datetime64("2024-01-01"), dtype="datetime64[s]")
    return Interactions(users, items, csr(matrix.data, matrix.indices, matrix.indptr, matrix.shape), counts, first)


def test_by_time_splits_at_the_cut() -> None:
    split = by_time(events([0, 5, 5, 9]), cut=START + timedelta(days=5))
    assert (len(split.train), len(split.test)) == (1, 3)


def test_by_time_takes_the_last_stretch() -> None:
    split = by_time(events([0, 2, 7, 9]), last=timedelta(days=7))
    assert (len(split.train), len(split.test)) == (2, 2)
    assert split.test.first == START + timedelta(days=7)


def test_by_time_refuses_empty_parts_and_events_without_times() -> None:
    with pytest.raises(DataError, match="leaves 0 events before and 2 after"):
        by_time(events([0, 1]), cut=START)
    with pytest.raises(DataError, match="needs events with times"):
        by_time(events(None), cut=START)
    with pytest.raises(ValueError, match="either cut or last"):
        by_time(events([0, 1]))


def test_cold_items_are_chosen_as_the_description_says() -> None:
    counts = np.array([4, 9, 5, 5, 7, 100, 6, 8, 5, 6, 7, 30, 20, 4, 12], dtype=np.int64)
    ids = [f"{n:02}" for n in (3, 1, 14, 2, 5, 0, 4, 6, 7, 8, 9, 10, 11, 12, 13)]
    cold = cold_items(counts, Vocabulary(ids), np.random.default_rng(0))
    # The same in plain steps.
    order = sorted((row for row in range(15) if counts[row] >= 5), key=lambda row: (counts[row], ids[row]))
    generator = np.random.default_rng(0)
    tens = [generator.permutation(order[start : start + 10]) for start in (0, 10)]
    assert sorted(np.flatnonzero(cold.test)) == sorted([*tens[0][:2], *tens[1][:2]])
    assert sorted(np.flatnonzero(cold.validation)) == sorted([tens[0][2], tens[1][2]])
    assert not cold.test[counts < 5].any()
    assert (cold.test.sum(), cold.validation.sum(), cold.warm.sum()) == (4, 2, 9)


def test_cold_items_are_as_popular_as_the_warm_ones() -> None:
    counts = np.random.default_rng(1).geometric(0.02, 3000).astype(np.int64)
    cold = cold_items(counts, Vocabulary(map(str, range(3000))), np.random.default_rng(0))
    among = counts >= 5
    assert cold.test[among].mean() == pytest.approx(0.2, abs=0.002)
    assert np.median(counts[cold.test]) == pytest.approx(np.median(counts[cold.warm & among]), rel=0.05)


def test_warm_pairs_are_chosen_as_the_description_says() -> None:
    whole = interactions()
    rows, columns = whole.pairs()
    warm = np.random.default_rng(9).random(len(whole.items)) < 0.7
    split = warm_pairs(rows, columns, len(whole.users), warm, np.random.default_rng(4))
    x = np.random.default_rng(4).random(len(rows))
    for at in range(len(rows)):
        many = sum(warm[columns[rows == rows[at]]]) >= 3
        hidden = bool(warm[columns[at]]) and many
        assert split.validation[at] == (hidden and x[at] < 0.1)
        assert split.test[at] == (hidden and 0.1 <= x[at] < 0.2)
        assert split.train[at] == (bool(warm[columns[at]]) and not (hidden and x[at] < 0.2))


def test_warm_pairs_refuse_shares_that_leave_nothing() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    with pytest.raises(ValueError, match="leave something to train on"):
        warm_pairs(nothing, nothing, 0, np.zeros(0, dtype=bool), np.random.default_rng(0), validation=0.5, test=0.5)


def test_the_cold_split_depends_on_ids_and_seed_not_on_the_order_of_rows() -> None:
    whole = interactions()
    generator = np.random.default_rng(8)
    rows, columns = generator.permutation(len(whole.users)), generator.permutation(len(whole.items))
    matrix = whole.matrix[rows][:, columns].tocsr()
    matrix.sort_indices()
    turned = Interactions(
        Vocabulary(whole.users.take(rows), "user"),
        Vocabulary(whole.items.take(columns)),
        matrix,
        whole.item_events[columns],
        whole.first_seen[columns],
    )

    def named(of: Interactions, pairs: np.ndarray) -> set[tuple[str, str]]:
        users, items = of.pairs()
        return set(zip(of.users.take(users[pairs]), of.items.take(items[pairs]), strict=True))

    one, other, third = cold_split(whole), cold_split(turned), cold_split(whole, seed=1)
    for part in ("train", "validation", "test"):
        assert named(whole, getattr(one.pairs, part)) == named(turned, getattr(other.pairs, part))
    assert named(whole, one.mixed_test) == named(turned, other.mixed_test)
    assert named(whole, one.pairs.test) != named(whole, third.pairs.test)


def test_the_parts_of_the_cold_split_are_disjoint_and_complete() -> None:
    whole = interactions()
    split = cold_split(whole)
    _, columns = whole.pairs()
    parts = [split.pairs.train, split.pairs.validation, split.pairs.test, split.cold_test, split.cold_validation]
    assert (np.sum(parts, axis=0) == 1).all()
    assert split.items.warm[columns[split.pairs.train]].all()
    assert split.items.test[columns[split.cold_test]].all()
    assert not (split.mixed_test & ~(split.pairs.test | split.cold_test)).any()
    thinned = (split.mixed_test & split.cold_test).sum() / split.cold_test.sum()
    held_out = split.pairs.test.sum() / split.items.warm[columns].sum()
    assert 0 < thinned < 3 * held_out
