"""Explicit ALS with biases."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from longtail.cf.explicit import ExplicitSettings, fit_explicit
from longtail.core.errors import DataError, NumericalError


def ratings(seed=0, n_users=80, n_items=50, density=0.4, noise=0.1):
    """Ratings of rank 2 with biases, and the pairs held out."""
    rng = np.random.default_rng(seed)
    truth = 3 + rng.normal(size=(n_users, 1)) + rng.normal(size=(1, n_items))
    truth = truth + rng.normal(size=(n_users, 2)) @ rng.normal(size=(2, n_items))
    seen = rng.random((n_users, n_items)) < density
    row, column = np.nonzero(seen)
    values = truth[row, column] + noise * rng.normal(size=len(row))
    return sp.coo_array((values, (row, column)), shape=truth.shape), truth, seen


def dense_loss(matrix, fit, s):
    pairs = matrix.tocoo()
    error = pairs.data - fit.predict(pairs.row, pairs.col).astype(np.float64)
    loss = (error**2).sum()
    for counts, factors, biases in (
        (np.bincount(pairs.row, minlength=matrix.shape[0]), fit.user_factors, fit.user_biases),
        (np.bincount(pairs.col, minlength=matrix.shape[1]), fit.item_factors, fit.item_biases),
    ):
        loss += s.regularization * counts**s.frequency_scaling @ ((factors**2).sum(1) + biases**2)
    return loss


@pytest.mark.parametrize("solver", ["auto", "cg", "exact"])
@pytest.mark.parametrize("nu", [0.0, 1.0])
def test_loss_is_the_dense_loss_and_never_rises(solver, nu):
    matrix, _, _ = ratings()
    s = ExplicitSettings(factors=5, frequency_scaling=nu, solver=solver, iterations=8)
    fit = fit_explicit(matrix, s)
    assert fit.losses[-1] == pytest.approx(dense_loss(matrix, fit, s), rel=1e-4)
    assert np.all(np.diff(fit.losses) <= 1e-5 * fit.losses[0])


def test_recovers_held_out_ratings_better_than_biases_alone():
    matrix, truth, seen = ratings(1)
    fit = fit_explicit(matrix, ExplicitSettings(factors=2, regularization=0.01, iterations=30))
    row, column = np.nonzero(~seen)
    error = np.sqrt(np.mean((fit.predict(row, column) - truth[row, column]) ** 2))
    bias_only = fit.mean + fit.user_biases[row] + fit.item_biases[column]
    assert error < 0.5
    assert error < 0.5 * np.sqrt(np.mean((bias_only - truth[row, column]) ** 2))


def test_last_half_step_is_the_dense_least_squares_solution():
    matrix, _, _ = ratings(2, 30, 20)
    s = ExplicitSettings(factors=3, solver="exact", iterations=3)
    fit = fit_explicit(matrix, s)
    pairs = matrix.tocsc()
    for item in range(20):
        part = slice(pairs.indptr[item], pairs.indptr[item + 1])
        users = pairs.indices[part]
        X = np.column_stack([fit.user_factors[users], np.ones(len(users))]).astype(np.float64)
        y = pairs.data[part] - fit.mean - fit.user_biases[users]
        expected = np.linalg.solve(X.T @ X + s.regularization * len(users) * np.eye(4), X.T @ y)
        np.testing.assert_allclose(fit.item_factors[item], expected[:3], atol=1e-4)
        assert fit.item_biases[item] == pytest.approx(expected[3], abs=1e-4)


def test_zero_and_negative_ratings_count_and_unrated_rows_get_the_mean():
    matrix = sp.coo_array(([-1.0, 0.0, 1.0, 0.0], ([0, 0, 1, 1], [0, 1, 0, 1])), shape=(3, 3))
    fit = fit_explicit(matrix, ExplicitSettings(factors=2))
    assert fit.mean == 0
    assert not fit.user_factors[2].any()
    assert fit.item_biases[2] == 0
    assert fit.predict(np.array([2]), np.array([2]))[0] == pytest.approx(fit.mean)
    assert fit.predict(np.array([0]), np.array([0]))[0] < fit.predict(np.array([1]), np.array([0]))[0]


def test_same_factors_whatever_the_threads():
    matrix, _, _ = ratings(3)
    one, two = (fit_explicit(matrix, ExplicitSettings(factors=4, iterations=3), threads=t) for t in (1, 3))
    np.testing.assert_array_equal(one.user_factors, two.user_factors)


def test_bad_ratings_are_refused():
    with pytest.raises(DataError, match="sparse"):
        fit_explicit(np.ones((2, 2)), ExplicitSettings())
    with pytest.raises(DataError, match="no ratings"):
        fit_explicit(sp.csr_array((2, 2)), ExplicitSettings())
    with pytest.raises(DataError, match="User row 1 rated item row 0"):
        fit_explicit(sp.coo_array(([1.0, 2.0], ([1, 1], [0, 0])), shape=(2, 2)), ExplicitSettings())
    matrix, _, _ = ratings(4)
    matrix.data[5] = np.nan
    with pytest.raises(NumericalError, match="user row 0 and item row"):
        fit_explicit(matrix, ExplicitSettings(factors=3))
