"""Full ranking against a plain sort, its ties, and its memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from longtail.core.errors import DataError, NumericalError
from longtail.evaluate.full_ranking import rank, rank_each


def _scorer(scores):
    return lambda users: scores[users]


def _plain(scores, users, k, seen=None, candidates=None):
    """Sorted in full; only right where scores differ."""
    out = np.full((len(users), k), -1)
    for row, user in enumerate(users):
        values = scores[user].astype(np.float64).copy()
        if seen is not None:
            values[seen.toarray()[user] != 0] = -np.inf
        if candidates is not None:
            values[~candidates] = -np.inf
        order = [item for item in np.argsort(-values, kind="stable") if values[item] > -np.inf][:k]
        out[row, : len(order)] = order
    return out


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_items=st.integers(1, 30),
    k=st.integers(1, 12),
    block=st.integers(1, 4_000),
    threads=st.integers(1, 3),
)
def test_is_the_plain_sort(seed, n_items, k, block, threads):
    rng = np.random.default_rng(seed)
    scores = rng.permutation(9 * n_items).reshape(9, n_items).astype(np.float32)
    scores[rng.random(scores.shape) < 0.1] = -np.inf
    seen = sparse.csr_array(rng.random(scores.shape) < 0.3)
    candidates = rng.random(n_items) < 0.7
    users = rng.permutation(9)[:6]
    got = rank(_scorer(scores), users, k, seen=seen, candidates=candidates, block_bytes=block, threads=threads)
    np.testing.assert_array_equal(got, _plain(scores, users, k, seen, candidates))
    assert got.dtype == np.int64


def test_several_sets_are_ranked_as_each_alone():
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 4, size=(8, 40)).astype(np.float32)  # many ties
    sets = [rng.random(40) < 0.5, np.ones(40, dtype=bool), np.zeros(40, dtype=bool)]
    together = rank_each(_scorer(scores), np.arange(8), 5, sets, seed=2)
    for mask, ranked in zip(sets, together, strict=True):
        np.testing.assert_array_equal(ranked, rank(_scorer(scores), np.arange(8), 5, candidates=mask, seed=2))
    assert (together[2] == -1).all()


def test_ties_depend_on_the_seed_alone_and_not_on_blocks_threads_or_the_order_of_users():
    scores = np.zeros((50, 300), dtype=np.float32)
    users = np.arange(50)
    first = rank(_scorer(scores), users, 10, seed=5)
    for block, threads in [(1, 1), (5_000, 2), (10**9, 4)]:
        np.testing.assert_array_equal(
            first, rank(_scorer(scores), users, 10, seed=5, block_bytes=block, threads=threads)
        )
    np.testing.assert_array_equal(first[::-1], rank(_scorer(scores), users[::-1], 10, seed=5))
    assert (first != rank(_scorer(scores), users, 10, seed=6)).mean() > 0.9


def test_ties_favour_no_item_and_no_place():
    scores = np.zeros((4_000, 20), dtype=np.float32)
    ranked = rank(_scorer(scores), np.arange(4_000), 5, seed=0)
    for place in range(5):
        counts = np.bincount(ranked[:, place], minlength=20)
        # 200 expected, standard deviation 13.8
        assert abs(counts - 200).max() < 5 * 13.8
    # neighbours in the order are independent of each other's ids
    assert abs(np.corrcoef(ranked[:, 0], ranked[:, 1])[0, 1]) < 0.1


def test_a_tie_at_the_cut_is_drawn_and_better_scores_stay_in_front():
    scores = np.zeros((200, 50), dtype=np.float32)
    scores[:, 7] = 1.0
    ranked = rank(_scorer(scores), np.arange(200), 3, seed=1)
    assert (ranked[:, 0] == 7).all()
    assert len(np.unique(ranked[:, 1:])) == 49


def test_never_padded_with_items_that_may_not_be_shown():
    scores = np.ones((1, 4), dtype=np.float32)
    seen = sparse.csr_array(np.array([[1, 0, 0, 1]]))
    np.testing.assert_array_equal(np.sort(rank(_scorer(scores), np.array([0]), 4, seen=seen)), [[-1, -1, 1, 2]])


def test_nobody_gives_an_empty_ranking():
    assert rank(_scorer(np.zeros((3, 4), np.float32)), np.array([], dtype=int), 2).shape == (0, 2)


def test_the_scores_of_a_method_are_not_altered():
    scores = np.arange(12, dtype=np.float32).reshape(3, 4)
    before = scores.copy()
    scores.flags.writeable = False
    ranked = rank(_scorer(scores), np.arange(3), 2, seen=sparse.csr_array(np.eye(3, 4)))
    np.testing.assert_array_equal(ranked, [[3, 2], [3, 2], [3, 1]])
    np.testing.assert_array_equal(scores, before)


def test_nan_is_an_error_that_names_the_user():
    scores = np.zeros((3, 4), dtype=np.float32)
    scores[2, 1] = np.nan
    with pytest.raises(NumericalError, match="user row 2"):
        rank(_scorer(scores), np.arange(3), 2)


@pytest.mark.parametrize(
    "arguments",
    [
        {"k": 0},
        {"k": 2, "candidates": np.ones(5, dtype=bool)},
        {"k": 2, "seen": sparse.csr_array((3, 9))},
        {"k": 2, "seen": sparse.csr_array((1, 4))},
    ],
)
def test_what_does_not_fit_is_refused(arguments):
    with pytest.raises(DataError):
        rank(_scorer(np.zeros((3, 4), np.float32)), np.arange(3), **arguments)


def test_memory_stays_within_the_block():
    users, items = np.ones((3_000, 8), np.float32), np.ones((20_000, 8), np.float32)
    rank(lambda rows: users[rows] @ items.T, np.arange(2), 10)  # compiled before it is watched
    tracemalloc.start()
    rank(lambda rows: users[rows] @ items.T, np.arange(3_000), 10, block_bytes=8 * 2**20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 2**20, "two blocks and the rankings; all scores at once would be 240 MB"


@pytest.mark.slow  # ten thousand million scores
def test_a_hundred_thousand_users_and_items_are_ranked_in_bounded_memory():
    script = Path(__file__).parents[2] / "benchmarks" / "quality" / "full_ranking.py"
    done = subprocess.run(
        [sys.executable, str(script), "--factors", "8"], capture_output=True, text=True, check=True, timeout=900
    )
    found = json.loads(done.stdout)
    print(found)
    assert (found["users"], found["items"]) == (100_000, 100_000)
    assert found["scores of all users at once, MiB"] > 38_000
    assert found["peak, MiB"] - found["held before ranking, MiB"] < 800, "a block of scores twice, and the rankings"
    assert found["peak, MiB"] < 1_500
