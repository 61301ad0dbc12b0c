"""The half-step against dense float64 algebra, and its solvers against each other."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import example, given, settings
from hypothesis import strategies as st

from longtail.cf.solver import half_step
from longtail.core.errors import DataError, NumericalError


def problem(seed, n=17, m=11, d=5, density=0.4):
    """A rectangular, asymmetric problem with every term switched on."""
    rng = np.random.default_rng(seed)
    rows = sp.random(n, m, density, format="csr", random_state=seed, dtype=np.float64)
    return rows, {
        "quadratic": rng.uniform(0, 3, rows.nnz),
        "linear": rng.uniform(0, 4, rows.nnz),
        "fixed": rng.normal(size=(m, d)),
        "unobserved_weight": 0.3,
        "fixed_exposure": rng.uniform(0, 1, m),
        "row_exposure": rng.uniform(0, 1, n),
        "regularization": rng.uniform(0.05, 0.5, n),
        "prior": rng.normal(size=(n, d)),
        "prior_precision": rng.uniform(0, 2, n) * rng.integers(0, 2, n),
    }


def dense(rows, p):
    """Every row's system written out and solved in float64, with its inverse's trace."""
    V = p["fixed"]
    shared = V.T @ (p["fixed_exposure"][:, None] * V)
    out, value = np.zeros((rows.shape[0], V.shape[1])), 0.0
    for r in range(rows.shape[0]):
        part = slice(rows.indptr[r], rows.indptr[r + 1])
        v, D, b = V[rows.indices[part]], p["quadratic"][part], p["linear"][part]
        tau, f = p["prior_precision"][r], p["prior"][r]
        A = p["unobserved_weight"] * p["row_exposure"][r] * shared + v.T @ (D[:, None] * v)
        A += (p["regularization"][r] + tau) * np.eye(V.shape[1])
        y = v.T @ b + tau * f
        out[r] = np.linalg.solve(A, y)
        value += out[r] @ A @ out[r] - 2 * out[r] @ y + tau * f @ f
    return out, value


def solve(rows, p, dtype=np.float32, **how):
    arguments = {k: v.astype(dtype) if isinstance(v, np.ndarray) else v for k, v in p.items()}
    arguments |= how
    positional = [arguments.pop(k) for k in ("quadratic", "linear", "fixed")]
    return half_step(rows.indptr, rows.indices, *positional, **arguments)


SOLVERS = {
    "exact": {"solver": "exact"},
    "dual": {"solver": "auto", "dual_below": 1000},
    "auto": {"solver": "auto", "dual_below": 3, "cg_steps": 500, "tolerance": 1e-7},
    "cg": {"solver": "cg", "cg_steps": 500, "tolerance": 1e-7},
}


@pytest.mark.parametrize("solver", SOLVERS)
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 30),
    m=st.integers(1, 40),
    d=st.integers(1, 37),
    density=st.floats(0, 1),
)
@example(seed=2329, n=22, m=18, d=15, density=0.26171875)  # a pair outweighs the penalty a thousandfold
def test_matches_dense_float64(solver, seed, n, m, d, density):
    rows, p = problem(seed, n, m, d, density)
    expected, value = dense(rows, p)
    step = solve(rows, p, **SOLVERS[solver])
    assert step.factors.dtype == np.float32
    np.testing.assert_allclose(step.factors, expected, rtol=2e-3, atol=2e-4 * max(1, np.abs(expected).max()))
    assert step.value == pytest.approx(value, rel=1e-4, abs=1e-3)


def test_float64_is_exact_to_many_digits():
    rows, p = problem(1)
    expected, value = dense(rows, p)
    step = solve(rows, p, np.float64, solver="exact")
    assert step.factors.dtype == np.float64
    np.testing.assert_allclose(step.factors, expected, rtol=1e-9, atol=1e-10)
    assert step.value == pytest.approx(value, rel=1e-11)


def test_negative_quadratic_weights_are_solved_too():
    """`hu` with confidences below one has them; the whole stays positive definite."""
    rows, p = problem(2)
    p["quadratic"] = np.full(rows.nnz, -0.1)
    p["unobserved_weight"], p["row_exposure"], p["fixed_exposure"] = 1.0, np.ones(17), np.ones(11)
    expected, _ = dense(rows, p)
    for how in SOLVERS.values():
        np.testing.assert_allclose(solve(rows, p, **how).factors, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_result_is_the_same_whatever_the_threads(solver):
    rows, p = problem(3, n=3000, m=2500, d=20, density=0.02)
    steps = [solve(rows, p, threads=threads, **SOLVERS[solver]) for threads in (1, 2, 5)]
    for other in steps[1:]:
        np.testing.assert_array_equal(steps[0].factors, other.factors)
        assert steps[0].value == other.value


@pytest.mark.parametrize("solver", SOLVERS)
def test_nothing_known_means_exactly_the_prior(solver):
    rows, p = problem(4)
    rows = sp.csr_array(rows.shape)
    p |= {"quadratic": np.zeros(0), "linear": np.zeros(0), "row_exposure": np.zeros(17), "regularization": np.zeros(17)}
    p["prior_precision"] = np.linspace(0.1, 3, 17)
    step = solve(rows, p, **SOLVERS[solver])
    np.testing.assert_array_equal(step.factors, p["prior"].astype(np.float32))


@pytest.mark.parametrize("solver", SOLVERS)
def test_empty_row_without_prior_is_zero(solver):
    rows, p = problem(5)
    p["prior_precision"] = np.zeros(17)
    p |= {"quadratic": np.zeros(0), "linear": np.zeros(0), "regularization": np.zeros(17), "row_exposure": np.zeros(17)}
    assert not solve(sp.csr_array(rows.shape), p, **SOLVERS[solver]).factors.any()


def test_one_huge_row_among_short_ones():
    rng = np.random.default_rng(6)
    n, m, d = 40, 60_000, 8
    matrix = sp.vstack([sp.csr_array(np.ones((1, m))), sp.random(n - 1, m, 1e-4, random_state=6)]).tocsr()
    p = {
        "quadratic": matrix.data * 2, "linear": matrix.data * 3, "fixed": rng.normal(size=(m, d)),
        "unobserved_weight": 0.1, "fixed_exposure": np.ones(m), "row_exposure": np.ones(n),
        "regularization": np.full(n, 0.5), "prior": np.zeros((n, d)), "prior_precision": np.zeros(n),
    }  # fmt: skip
    expected, _ = dense(matrix, p)
    step = solve(matrix, p, cg_steps=30, tolerance=1e-7)
    np.testing.assert_allclose(step.factors, expected, rtol=1e-3, atol=1e-4)


def test_without_any_penalty_the_answer_stays_finite_and_fits():
    fixed = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]], np.float32)
    one = np.ones(2, np.float32)
    step = half_step(np.array([0, 2]), np.array([0, 1]), one, one, fixed, unobserved_weight=0.0, regularization=0.0)
    np.testing.assert_allclose(fixed @ step.factors[0], 1, rtol=1e-4)


@pytest.mark.parametrize(
    ("where", "match"),
    [
        ("fixed", "item 7"),
        ("linear", "user 0 and item"),
        ("quadratic", "user 0 and item"),
        ("prior", "prior of user 3"),
    ],
)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_named(where, match, bad):
    rows, p = problem(7, density=0.9)
    p["prior_precision"] = np.ones(17)
    p[where].flat[{"fixed": 7 * 5 + 1, "prior": 3 * 5 + 2}.get(where, 0)] = bad
    with pytest.raises(NumericalError, match=match):
        solve(rows, p, name_row=lambda r: f"user {r}", name_fixed=lambda r: f"item {r}")


def test_overflow_is_named():
    rows, p = problem(8)
    p["linear"] *= 8e37
    p["quadratic"] *= 8e37
    with pytest.raises(NumericalError, match=r"row \d+"):
        solve(rows, p)


@pytest.mark.parametrize(
    "wrong",
    [
        {"quadratic": np.ones(3)},
        {"prior": np.ones((2, 2))},
        {"regularization": np.ones(4)},
        {"regularization": -1.0},
        {"regularization": np.nan},
        {"prior_precision": None},
        {"start": np.ones((17, 2), np.float32)},
        {"fixed": np.ones((4, 5))},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_does_not_fit_is_refused(wrong):
    rows, p = problem(9)
    with pytest.raises(DataError):
        solve(rows, p | wrong)
