"""Content kNN is the mean cosine with the history."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from longtail.cf.content_knn import ContentNeighbours, profiles
from longtail.core.errors import DataError

CONTENT = np.array([[1, 0], [0, 1], [0, 0], [0.6, 0.8]], np.float32)


def test_profile_is_the_mean_of_the_items_that_have_content_whatever_their_weight():
    history = sparse.csr_array(np.array([[5, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]], np.float32))
    np.testing.assert_allclose(profiles(history, CONTENT), [[0.5, 0.5], [0, 0], [0, 0]])


def test_score_is_the_mean_cosine_with_the_history():
    history = sparse.csr_array(np.array([[1, 1, 0, 0]], np.float32))
    scores = ContentNeighbours.from_matrix(history, CONTENT).score_block(np.array([0]))
    np.testing.assert_allclose(scores, [[0.5, 0.5, 0, (0.6 + 0.8) / 2]], rtol=1e-6)
    assert scores.dtype == np.float32


def test_items_of_the_same_content_are_scored_once_and_all_get_the_score():
    rng = np.random.default_rng(0)
    kinds = rng.standard_normal((5, 3)).astype(np.float32)
    content, asked = kinds[rng.integers(0, 5, 40)], rng.standard_normal((6, 3)).astype(np.float32)
    neighbours = ContentNeighbours.between(asked, content)
    assert len(neighbours.content) == 5
    np.testing.assert_allclose(neighbours.score_block(np.array([4, 1])), asked[[4, 1]] @ content.T, rtol=1e-5)
    few = np.array([7, 3, 30])
    np.testing.assert_allclose(neighbours.among(few).score_block(np.arange(6)), asked @ content[few].T, rtol=1e-5)


def test_shapes_must_fit():
    with pytest.raises(DataError, match="3 items"):
        profiles(sparse.csr_array((2, 3), dtype=np.float32), CONTENT)
