"""The average user, added to users of whom little is known."""

import numpy as np
import pytest
from scipy import sparse

from longtail.calibrate.average import average_of, choose_average
from longtail.calibrate.model import Fusion, with_average
from longtail.calibrate.quality import Quality
from longtail.calibrate.scoring import SHORT, Judge

N_USERS, N_ITEMS = 400, 60


@pytest.fixture(scope="module")
def shop():
    """Everybody buys the first five items, and some of the others by chance; in each period half of what they buy."""
    rng = np.random.default_rng(3)
    liking = np.r_[np.full(5, 0.8), np.full(N_ITEMS - 5, 0.15)]
    taken = rng.random((N_USERS, N_ITEMS)) < liking
    first = rng.random(taken.shape) < 0.5
    return tuple(sparse.csr_array((taken & part).astype(np.float32)) for part in (first, ~first))


def test_short_histories_are_parts_of_the_whole_and_nested_in_nothing_else(shop):
    judge = Judge(*shop)
    counts, whole = np.diff(judge.short.indptr), np.diff(judge.train.indptr)
    np.testing.assert_array_equal(counts, np.minimum(np.resize(SHORT, len(whole)), whole))
    assert (judge.short > judge.train).nnz == 0
    again = Judge(*shop).short
    np.testing.assert_array_equal(judge.short.indices, again.indices)
    assert (Judge(*shop, seed=1).short != judge.short).nnz > 0


def test_it_fades_and_those_without_history_keep_their_vectors():
    users = np.zeros((3, 2), np.float32)
    fusion = Fusion(average_weight=0.5, average_half_at=3.0)
    moved = with_average(users, np.array([1, 2], np.float32), fusion, np.array([0, 3, 9]))
    np.testing.assert_allclose(moved, [[0, 0], [0.25, 0.5], [0.125, 0.25]], rtol=1e-6)
    wider = with_average(np.zeros((3, 4), np.float32), np.array([1, 2], np.float32), fusion, np.array([0, 3, 9]))
    np.testing.assert_array_equal(wider, np.hstack([moved, users]))
    assert with_average(users, None, fusion, np.array([1, 1, 1])) is users
    assert with_average(users, np.ones(2, np.float32), Fusion(), np.array([1, 1, 1])) is users


def test_the_average_is_of_those_who_took_something():
    users = np.array([[1, 3], [100, 100], [3, 5]], np.float32)
    history = sparse.csr_array(np.array([[1, 0], [0, 0], [1, 1]], np.float32))
    np.testing.assert_array_equal(average_of(users, history), [2, 4])
    np.testing.assert_array_equal(average_of(users, sparse.csr_array((3, 2), dtype=np.float32)), [0, 0])


def vectors(judge):
    """A dimension an item: users like what they took, and the average user what most took."""
    items = np.eye(N_ITEMS, dtype=np.float32)
    mean = judge.train.toarray().mean(axis=0).astype(np.float32)
    return judge.train.toarray(), judge.short.toarray(), items, mean


def test_what_everybody_likes_is_found_for_users_of_whom_little_is_known(shop):
    judge = Judge(*shop)
    users, short, items, mean = vectors(judge)
    base = judge.measure(users, items)
    fusion, curve = choose_average(
        judge, users, short, items, mean, base, weights=(0.5, 1.0), half_lives=(3.0, 30.0), floor=base.overall
    )
    assert fusion.average_weight > 0
    assert fusion.average_half_at in (3.0, 30.0)
    assert len(curve) == 5
    assert max(point["short"] for point in curve) > 1.5 * curve[0]["short"]


def test_nothing_is_added_where_it_would_cost_the_tail_or_help_nobody(shop, monkeypatch):
    judge = Judge(*shop)
    users, short, items, mean = vectors(judge)
    base = judge.measure(users, items)
    settings = {"weights": (0.5, 1.0), "half_lives": (3.0,), "floor": 0.0}
    assert choose_average(judge, users, short, items, 0 * mean, base, **settings)[0].average_weight == 0
    taken = iter([Quality(0.1, np.nan, 0.05), *[Quality(0.2, np.nan, 0.04)] * 2])
    monkeypatch.setattr(judge, "measure", lambda *_: next(taken))
    monkeypatch.setattr(judge, "measure_short", lambda users, _: float(users.sum()))
    assert choose_average(judge, users, short, items, mean, base, **settings)[0].average_weight == 0
