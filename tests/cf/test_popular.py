"""Popularity counts users, not weights."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from longtail.cf.popular import Popularity
from longtail.core.errors import DataError


def test_scores_are_numbers_of_users_and_the_same_for_everyone():
    matrix = sparse.csr_array(np.array([[9, 0, 1], [0, 0, 1]], np.float32))
    scores = Popularity.from_matrix(matrix).score_block(np.array([1, 0, 1]))
    np.testing.assert_array_equal(scores, [[1, 0, 2]] * 3)
    assert scores.dtype == np.float32


def test_nobody_makes_all_items_equal():
    np.testing.assert_array_equal(Popularity.from_matrix(sparse.csr_array((0, 3))).scores, [0, 0, 0])


def test_scores_must_be_finite():
    with pytest.raises(DataError):
        Popularity(np.array([1, np.nan], np.float32))
