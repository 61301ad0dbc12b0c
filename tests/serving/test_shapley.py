from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longtail.recommender.shapley import coalitions, shapley_values


@given(n=st.integers(0, 5), seed=st.integers(0, 99))
def test_is_the_mean_gain_over_every_order_of_coming_in(n: int, seed: int) -> None:
    worth = np.random.default_rng(seed).standard_normal(2**n)
    expected = np.zeros(n)
    orders = list(itertools.permutations(range(n)))
    for order in orders:
        here = 0
        for player in order:
            expected[player] += worth[here | 1 << player] - worth[here]
            here |= 1 << player
    np.testing.assert_allclose(shapley_values(worth), expected / len(orders), atol=1e-12)


@given(n=st.integers(1, 8), seed=st.integers(0, 9))
def test_values_sum_to_what_all_bring(n: int, seed: int) -> None:
    worth = np.random.default_rng(seed).standard_normal(2**n)
    assert shapley_values(worth).sum() == pytest.approx(worth[-1] - worth[0])


def test_a_sum_of_players_gives_each_their_own() -> None:
    own = np.array([3.0, -1.0, 0.5])
    assert shapley_values(coalitions(3) @ own) == pytest.approx(own)
