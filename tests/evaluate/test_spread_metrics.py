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
