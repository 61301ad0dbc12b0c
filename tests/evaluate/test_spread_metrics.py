"""Coverage, novelty, exposure, taken share and Gini against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from longtail.core.errors import DataError
from longtail.evaluate.metrics import coverage_at_k, exposure_share, gini_at_k, novelty_at_k, taken_share

RANKED = np.array([[0, 1], [0, 2], [0, -1]])
ALL = np.ones(5, dtype=bool)
NOTHING = np.full((2, 2), -1)


def test_coverage_counts_items_shown_to_anyone():
    assert coverage_at_k(RANKED, ALL, 2) == 3 / 5
    assert coverage_at_k(RANKED, ALL, 1) == 1 / 5
    assert coverage_at_k(RANKED, np.array([1, 1, 1, 0, 0], dtype=bool), 2) == 1.0


def test_coverage_of_nothing_is_zero():
    assert coverage_at_k(NOTHING, ALL, 2) == 0.0
    assert coverage_at_k(NOTHING, np.zeros(5, dtype=bool), 2) == 0.0


@pytest.mark.parametrize("metric", [coverage_at_k, gini_at_k])
@pytest.mark.parametrize("candidates", [[1, 0, 1, 1, 1], [1, 1]])
def test_ranking_something_else_than_candidates_is_refused(metric, candidates):
    with pytest.raises(DataError, match="not candidates"):
        metric(RANKED, np.array(candidates, dtype=bool), 2)


def test_gini_by_hand():
    # shown 3, 1, 1, 0, 0 times; ascending 0 0 1 1 3, factors -4 -2 0 2 4 -> (2 + 12) / (5 * 5)
    assert gini_at_k(RANKED, ALL, 2) == pytest.approx(14 / 25)
    assert gini_at_k(np.array([[0], [1], [2], [3], [4]]), ALL, 1) == pytest.approx(0.0)
    assert gini_at_k(np.array([[0]]), ALL, 1) == pytest.approx(4 / 5)  # one has all: (n - 1) / n


def test_gini_of_nothing_is_zero():
    assert gini_at_k(NOTHING, ALL, 2) == 0.0
    assert gini_at_k(NOTHING, np.zeros(5, dtype=bool), 2) == 0.0


def test_novelty_by_hand():
    # n_users 7: information of 7, 3, 0 interactions is log2(8/8), log2(8/4), log2(8/1)
    counts = np.array([7, 3, 0])
    np.testing.assert_allclose(novelty_at_k(RANKED, counts, 7, 2), [0.5, 1.5, 0.0])


def test_novelty_of_nothing_is_zero():
    np.testing.assert_array_equal(novelty_at_k(NOTHING, np.array([7, 3, 0]), 7, 2), [0, 0])
    assert novelty_at_k(NOTHING[:0], np.array([7, 3, 0]), 7, 2).shape == (0,)


def test_exposure_and_taken_share_by_hand():
    group = np.array([2, 0, 0, 1, 1])
    np.testing.assert_allclose(exposure_share(RANKED, group, 3, 2), [2 / 5, 0, 3 / 5])
    relevant = sparse.csr_array(np.array([[1, 0, 0, 1, 0], [0, 0, 0, 1, 1]], dtype=bool))
    np.testing.assert_allclose(taken_share(relevant, group, 4), [0, 3 / 4, 1 / 4, 0])


def test_shares_of_nothing_are_zero():
    np.testing.assert_array_equal(exposure_share(NOTHING, np.zeros(5, dtype=int), 2, 2), [0, 0])
    np.testing.assert_array_equal(taken_share(sparse.csr_array((2, 5), dtype=bool), np.zeros(5, dtype=int), 2), [0, 0])


def _random(seed, n_users=80, n_items=40, k=6):
    rng = np.random.default_rng(seed)
    ranked = np.stack([rng.permutation(n_items)[:k] for _ in range(n_users)])
    ranked[rng.random(n_users) < 0.3, k // 2 :] = -1
    ranked[rng.random(n_users) < 0.1] = -1
    return rng, ranked


# ranx and ir-measures have none of these five: they are held against a plain reading of their definitions.
@pytest.mark.parametrize("seed", range(5))
def test_spread_on_random_rankings_is_what_plain_counting_gives(seed):
    rng, ranked = _random(seed)
    candidates = np.ones(40, dtype=bool)
    counts, group = rng.integers(0, 50, 40), rng.integers(0, 3, 40)
    shown = [item for user in ranked for item in user if item >= 0]
    times = [shown.count(item) for item in range(40)]
    assert coverage_at_k(ranked, candidates, 6) == pytest.approx(len(set(shown)) / 40)
    # Gini as the mean absolute difference of all pairs over twice the mean.
    pairs = sum(abs(one - other) for one in times for other in times)
    assert gini_at_k(ranked, candidates, 6) == pytest.approx(pairs / (2 * 40 * 40 * np.mean(times)))
    for user, value in zip(ranked, novelty_at_k(ranked, counts, 60, 6), strict=True):
        own = [-np.log2((counts[item] + 1) / 61) for item in user if item >= 0]
        assert value == pytest.approx(np.mean(own) if own else 0.0)
    exposure = [sum(group[item] == number for item in shown) / len(shown) for number in range(3)]
    np.testing.assert_allclose(exposure_share(ranked, group, 3, 6), exposure)
    relevant = rng.random((80, 40)) < 0.1
    taken = [relevant[:, group == number].sum() / relevant.sum() for number in range(3)]
    np.testing.assert_allclose(taken_share(sparse.csr_array(relevant), group, 3), taken)
