"""Implicit ALS: objective, interface and edges."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from longtail.cf.als import AlsSettings, AlternatingLeastSquares, fit_als, solve_items, solve_users
from longtail.core.errors import DataError, NumericalError, UnknownIdError
from longtail.core.vocabulary import Vocabulary


def interactions(seed=0, n_users=60, n_items=35, density=0.15):
    matrix = sp.random(n_users, n_items, density, format="csr", random_state=seed, dtype=np.float32)
    matrix.data = np.ceil(matrix.data * 4)
    return matrix


def dense_loss(matrix, U, V, s, exposure=None, prior=None, precision=None):
    """The objective of the design, every pair of the matrix written out in float64."""
    C = matrix.toarray().astype(np.float64) * s.alpha
    S = C > 0
    n_users, n_items = C.shape
    e = np.ones(n_items) if exposure is None else exposure
    P = U.astype(np.float64) @ V.T.astype(np.float64)
    if s.objective == "hu":  # an observed pair weighs c, any other 1 (times exposure)
        loss = (np.where(S, C, 0) * (1 - P) ** 2 + np.where(S, 0, e) * P**2).sum()
    else:
        loss = (C * (1 - P) ** 2).sum() + s.unobserved_weight * (e * P**2).sum()
    a0, nu = s.background, s.frequency_scaling
    lam_u = s.regularization * (S.sum(1) + a0 * n_items) ** nu
    lam_i = s.regularization * (S.sum(0) + a0 * n_users) ** nu
    if prior is not None:
        lam_i = np.where(precision > 0, lam_i - s.regularization * (a0 * n_users) ** nu, lam_i)
        loss += (precision * ((V - prior) ** 2).sum(1)).sum()
    return loss + lam_u @ (U.astype(np.float64) ** 2).sum(1) + lam_i @ (V.astype(np.float64) ** 2).sum(1)


def dense_als(matrix, s, U, V):
    """Plain float64 ALS with Rendle's objective, both sides solved exactly."""
    C = matrix.toarray().astype(np.float64) * s.alpha
    for _ in range(s.iterations):
        for X, Y, W in ((U, V, C), (V, U, C.T)):
            lam = s.regularization * ((W > 0).sum(1) + s.unobserved_weight * len(Y)) ** s.frequency_scaling
            for r in range(len(X)):
                A = s.unobserved_weight * Y.T @ Y + Y.T @ (W[r][:, None] * Y) + lam[r] * np.eye(Y.shape[1])
                X[r] = np.linalg.solve(A, Y.T @ W[r])
    return U, V


@pytest.mark.parametrize("solver", ["exact", "auto", "cg"])
def test_scores_equal_dense_float64_als(solver):
    matrix = interactions(1, 43, 28, 0.2)
    s = AlsSettings(factors=6, regularization=0.1, frequency_scaling=0.5, alpha=2.0, iterations=4, solver=solver,
                    cg_steps=40, momentum=False)  # fmt: skip
    rng = np.random.default_rng(0)
    U, V = rng.normal(size=(43, 6)) * 0.3, rng.normal(size=(28, 6)) * 0.3
    fit = fit_als(matrix, s, user_start=U.astype(np.float32), item_start=V.astype(np.float32))
    U, V = dense_als(matrix, s, U, V)
    np.testing.assert_allclose(fit.item_factors, V, atol=2e-3)  # the basis is the caller's, too
    np.testing.assert_allclose(fit.user_factors @ fit.item_factors.T, U @ V.T, atol=2e-3)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    objective=st.sampled_from(["rendle", "hu"]),
    solver=st.sampled_from(["auto", "cg", "exact"]),
    nu=st.sampled_from([0.0, 0.4, 1.0]),
    exposed=st.booleans(),
    prior=st.booleans(),
    steps=st.integers(1, 3),
    momentum=st.booleans(),
    d=st.integers(1, 45),
)
def test_loss_is_the_dense_loss_and_never_rises(seed, objective, solver, nu, exposed, prior, steps, momentum, d):
    matrix = interactions(seed)
    rng = np.random.default_rng(seed)
    s = AlsSettings(factors=d, regularization=0.02, frequency_scaling=nu, alpha=3.0, iterations=12, solver=solver,
                    objective=objective, cg_steps=steps, momentum=momentum)  # fmt: skip
    given_ = {}
    if exposed:
        given_["item_exposure"] = rng.uniform(0.1, 1, 35).astype(np.float32)
    if prior:
        given_["item_prior"] = rng.normal(size=(35, d)).astype(np.float32) * 0.3
        given_["item_prior_precision"] = (rng.uniform(0, 3, 35) * rng.integers(0, 2, 35)).astype(np.float32)
    fit = fit_als(matrix, s, **given_)
    expected = dense_loss(
        matrix, fit.user_factors, fit.item_factors, s, given_.get("item_exposure"), given_.get("item_prior"),
        given_.get("item_prior_precision"),
    )  # fmt: skip
    assert fit.losses[-1] == pytest.approx(expected, rel=1e-4)
    assert np.all(np.diff(fit.losses) <= 1e-5 * np.abs(fit.losses[0]))


def test_hu_optimises_the_objective_of_implicit():
    implicit = pytest.importorskip("implicit.cpu.als", reason="implicit is not installed here")
    matrix = interactions(3, 80, 50, 0.1)
    model = implicit.AlternatingLeastSquares(factors=8, regularization=0.5, alpha=5.0, iterations=50, random_state=1)
    model.fit(matrix, show_progress=False)
    s = AlsSettings(factors=8, regularization=0.5, frequency_scaling=0.0, alpha=5.0, objective="hu", iterations=50)
    ours = fit_als(matrix, s).losses[-1]
    assert ours == pytest.approx(dense_loss(matrix, model.user_factors, model.item_factors, s), rel=0.01)


@pytest.mark.parametrize("objective", ["rendle", "hu"])
def test_fold_in_equals_the_training_half_step(objective):
    matrix = interactions(4)
    exposure = np.linspace(0.2, 1, 35).astype(np.float32)
    s = AlsSettings(factors=8, regularization=0.05, iterations=3, solver="exact", objective=objective, alpha=2.0)
    fit = fit_als(matrix, s, item_exposure=exposure)
    for solver in ("exact", "auto", "cg"):
        how = s.model_copy(update={"solver": solver})
        items = solve_items(matrix, fit.user_factors, how, exposure=exposure).factors
        np.testing.assert_allclose(items, fit.item_factors, atol=2e-5)
        some = solve_items(matrix[:, [3, 30]], fit.user_factors, how, exposure=exposure[[3, 30]]).factors
        np.testing.assert_allclose(some, fit.item_factors[[3, 30]], atol=2e-5)
    users = solve_users(matrix, fit.item_factors, s, exposure=exposure).factors
    new = solve_users(matrix[[5, 17]], fit.item_factors, s, exposure=exposure).factors
    np.testing.assert_allclose(new, users[[5, 17]], atol=1e-6)


def test_prior_fades_with_evidence_and_without_it_is_everything():
    rng = np.random.default_rng(5)
    s = AlsSettings(factors=6, regularization=0.01, solver="exact")
    U = rng.normal(size=(300, 6)).astype(np.float32)
    matrix = np.zeros((300, 4), np.float32)
    matrix[:3, 1] = 1
    matrix[:40, 2] = 1
    matrix[:280, 3] = 1
    prior = rng.normal(size=(4, 6)).astype(np.float32)
    system = {"exposure": np.array([0, 1, 1, 1], np.float32), "prior": prior, "prior_precision": 200.0}
    blended = solve_items(sp.csr_array(matrix), U, s, **system)
    by_prior = solve_items(sp.csr_array(matrix), U, s, prior_alone=True, **system).factors
    alone = solve_items(sp.csr_array(matrix), U, s)
    np.testing.assert_array_equal(blended.factors[0], prior[0])
    np.testing.assert_array_equal(by_prior[0], prior[0])
    assert np.all(np.diff(np.linalg.norm(by_prior, axis=1) / np.linalg.norm(prior, axis=1)) < 0)
    to_prior = np.linalg.norm(blended.factors - prior, axis=1)
    to_events = np.linalg.norm(blended.factors - alone.factors, axis=1)
    assert to_prior[1] < to_events[1]
    assert to_events[3] < to_prior[3]
    strong = solve_items(sp.csr_array(matrix), U, s, prior=prior, prior_precision=1e7)
    np.testing.assert_allclose(strong.factors, prior, atol=1e-3)


def test_same_seed_same_factors_whatever_the_threads():
    matrix = interactions(6, 2500, 1300, 0.01)
    s = AlsSettings(factors=20, iterations=3, alpha=4)
    fits = [fit_als(matrix, s, threads=threads) for threads in (1, 2, 4, 1)]
    for other in fits[1:]:
        np.testing.assert_array_equal(fits[0].user_factors, other.user_factors)
        np.testing.assert_array_equal(fits[0].item_factors, other.item_factors)
        assert fits[0].losses == other.losses
    assert not np.array_equal(fits[0].item_factors, fit_als(matrix, s, seed=1).item_factors)


@pytest.mark.parametrize("shape", [(1, 7), (7, 1), (1, 1), (3, 2), (0, 4), (4, 0)])
@pytest.mark.parametrize("solver", ["auto", "exact", "cg"])
def test_tiny_shapes_with_more_factors_than_rows(shape, solver):
    fit = fit_als(sp.csr_array(np.ones(shape, np.float32)), AlsSettings(factors=33, solver=solver, iterations=3))
    assert fit.user_factors.shape == (shape[0], 33)
    assert fit.item_factors.shape == (shape[1], 33)
    assert np.isfinite(fit.user_factors).all()
    assert np.isfinite(fit.item_factors).all()


def test_no_interactions_and_empty_rows():
    empty = fit_als(sp.csr_array((5, 4), dtype=np.float32), AlsSettings(factors=3))
    assert not empty.user_factors.any()
    assert not empty.item_factors.any()
    matrix = interactions(7).tolil()
    matrix[4, :] = 0
    matrix[:, 9] = 0
    fit = fit_als(matrix.tocsr(), AlsSettings(factors=4))
    assert not fit.user_factors[4].any()
    assert not fit.item_factors[9].any()


def test_input_is_left_as_it_was_and_any_sparse_form_will_do():
    matrix = interactions(8)
    kept = matrix.copy()
    s = AlsSettings(factors=4, alpha=3, objective="hu", iterations=2)
    expected = fit_als(matrix, s)
    assert (matrix != kept).nnz == 0
    stored_zero = matrix.astype(np.float64).tocoo()
    stored_zero = sp.coo_array(
        (np.append(stored_zero.data, [0.0]), (np.append(stored_zero.row, 0), np.append(stored_zero.col, 0))),
        shape=matrix.shape,
    )
    np.testing.assert_array_equal(fit_als(stored_zero, s).item_factors, expected.item_factors)


def test_tolerance_stops_early():
    matrix = interactions(9)
    assert len(fit_als(matrix, AlsSettings(factors=4, iterations=50, tolerance=0.01)).losses) < 20


def test_bad_input_is_named():
    matrix = interactions(10)
    users, items = Vocabulary([f"u{r:02}" for r in range(60)], "user"), Vocabulary([f"i{r}" for r in range(35)])
    broken = matrix.copy()
    broken.data[broken.indptr[7]] = np.nan
    with pytest.raises(NumericalError, match=f"user 'u07' and item 'i{broken.indices[broken.indptr[7]]}' is nan"):
        fit_als(broken, AlsSettings(factors=4), users=users, items=items)
    broken.data[broken.indptr[7]] = -2
    with pytest.raises(DataError, match="row 7"):
        fit_als(broken, AlsSettings(factors=4))
    with pytest.raises(DataError, match="sparse"):
        fit_als(matrix.toarray(), AlsSettings(factors=4))
    start = np.zeros((35, 4), np.float32)
    start[2, 1] = np.inf
    with pytest.raises(NumericalError, match="item 'i2'"):
        fit_als(matrix, AlsSettings(factors=4), item_start=start, users=users, items=items)
    with pytest.raises(DataError, match="precision"):
        fit_als(matrix, AlsSettings(factors=4), item_prior=start)
    with pytest.raises(ValidationError, match="unobserved_weight"):
        AlsSettings(objective="hu", unobserved_weight=0.5)


def test_estimator_follows_implicit():
    matrix = interactions(11)
    model = AlternatingLeastSquares(factors=8, regularization=0.01, alpha=2.0, iterations=5, random_state=3)
    assert model.fit(matrix) is model
    ids, scores = model.recommend(4, matrix[[4]], N=6)
    assert len(ids) == 6
    assert np.all(np.diff(scores) <= 0)
    assert not set(ids) & set(matrix[[4]].indices)
    np.testing.assert_allclose(scores, model.item_factors[ids] @ model.user_factors[4], rtol=1e-4)
    again, _ = model.recommend(0, matrix[[4]], N=6, recalculate_user=True)
    fresh = model.recalculate_user(0, matrix[[4]])
    assert again[0] == max(set(range(35)) - set(matrix[[4]].indices), key=lambda i: model.item_factors[i] @ fresh)
    many, values = model.recommend([1, 2, 3], matrix[[1, 2, 3]], N=40)
    assert many.shape == values.shape == (3, 40)
    assert np.all((many == -1) == np.isneginf(values))
    assert (many == -1).any()
    near, cosines = model.similar_items(5, N=4)
    assert near[0] == 5
    assert cosines[0] == pytest.approx(1, abs=1e-5)
    only, _ = model.recommend(4, N=3, filter_already_liked_items=False, items=[1, 2, 8], filter_items=[2])
    assert set(only) == {1, 8}
    np.testing.assert_allclose(model.recalculate_item(0, matrix.T.tocsr()[[6]]), model.item_factors[6], atol=5e-3)


def test_estimator_with_ids():
    matrix = interactions(12)
    users, items = Vocabulary([f"u{r}" for r in range(60)], "user"), Vocabulary([f"00{r}" for r in range(35)])
    model = AlternatingLeastSquares(factors=4, iterations=2).fit(matrix, users=users, items=items)
    assert model.similar_items("007")[0][0] == "007"
    ids, _ = model.recommend("u3", matrix[[3]], N=3)
    assert all(isinstance(id, str) and id.startswith("00") for id in ids)
    with pytest.raises(UnknownIdError, match="u99"):
        model.recommend("u99", matrix[[3]])
    with pytest.raises(DataError, match="fit"):
        AlternatingLeastSquares().similar_items(1)
    with pytest.raises(DataError, match="user_items"):
        model.recommend("u3")
    with pytest.raises(DataError, match="60 users"):
        AlternatingLeastSquares().fit(matrix, users=items)
