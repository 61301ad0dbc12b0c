"""The torch half-step against the compiled one, on the CPU and, where there is one, on a CUDA device."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp

from longtail.cf import fitting, solver, torch_solver
from longtail.cf.als import AlsSettings, fit_als
from longtail.core.errors import DataError, MissingExtraError, NumericalError

torch = pytest.importorskip("torch", reason="torch is not installed")

NO_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device on this machine")
DEVICES = ["cpu", pytest.param("cuda", marks=NO_CUDA)]


def problem(seed=0, n=60, m=40, d=9, density=0.2):
    rng = np.random.default_rng(seed)
    rows = sp.random(n, m, density, format="csr", random_state=seed)
    rows = sp.vstack([rows, sp.csr_array((3, m)), sp.csr_array(np.ones((1, m)))]).tocsr()
    n = rows.shape[0]
    arrays = (rows.indptr, rows.indices, rng.uniform(1, 3, rows.nnz), rng.uniform(0, 4, rows.nnz),
              rng.normal(size=(m, d)).astype(np.float32))  # fmt: skip
    more = {
        "unobserved_weight": 0.3, "quadratic_offset": 0.5, "fixed_exposure": rng.uniform(0, 1, m),
        "row_exposure": rng.uniform(0, 1, n), "regularization": rng.uniform(0.1, 1, n),
        "prior": rng.normal(size=(n, d)).astype(np.float32),
        "prior_precision": rng.uniform(0, 2, n) * rng.integers(0, 2, n),
    }  # fmt: skip
    return arrays, more


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("batch_pairs", [7, 100, 1 << 20])
@pytest.mark.parametrize("how", [{"solver": "exact"}, {"solver": "cg", "cg_steps": 60, "tolerance": 1e-7}])
def test_agrees_with_the_compiled_solver(device, batch_pairs, how):
    arrays, more = problem()
    expected = solver.half_step(*arrays, **more, solver="exact")
    step = torch_solver.half_step(*arrays, **more, **how, device=device, batch_pairs=batch_pairs)
    np.testing.assert_allclose(step.factors, expected.factors, rtol=1e-3, atol=2e-4)
    assert step.value == pytest.approx(expected.value, rel=1e-4)


@pytest.mark.parametrize("device", DEVICES)
def test_few_steps_agree_step_by_step(device):
    arrays, more = problem(1)
    how = {"solver": "cg", "cg_steps": 2}
    expected = solver.half_step(*arrays, **more, **how)
    step = torch_solver.half_step(*arrays, **more, **how, device=device)
    np.testing.assert_allclose(step.factors, expected.factors, rtol=1e-3, atol=2e-4)
    assert step.value == pytest.approx(expected.value, rel=1e-4)
    again = torch_solver.half_step(*arrays, **more, **how, device=device)
    np.testing.assert_array_equal(step.factors, again.factors)


@pytest.mark.parametrize("device", DEVICES)
def test_nothing_known_means_exactly_the_prior(device):
    (_, _, _, _, fixed), more = problem(2)
    n = len(more["prior"])
    more |= {"row_exposure": np.zeros(n), "regularization": np.zeros(n), "prior_precision": np.ones(n)}
    none = np.zeros(0)
    step = torch_solver.half_step(np.zeros(n + 1, int), none.astype(int), none, none, fixed, **more, device=device)
    np.testing.assert_array_equal(step.factors, more["prior"])


def test_errors_are_the_same():
    arrays, more = problem(3)
    arrays[3][0] = np.nan
    with pytest.raises(NumericalError, match="weight of row 0"):
        torch_solver.half_step(*arrays, **more)
    with pytest.raises(DataError, match="regularization"):
        torch_solver.half_step(*arrays, **(more | {"regularization": -1.0}))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_missing_device_is_named():
    arrays, more = problem(4)
    with pytest.raises(DataError, match="no CUDA device"):
        torch_solver.half_step(*arrays, **more, device="cuda")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_training_without_a_cuda_device():
    """With "auto" it is then the compiled solver to the last bit; "cuda" is an error."""
    matrix = sp.random(60, 40, 0.2, format="csr", random_state=0, dtype=np.float32)
    expected = fit_als(matrix, AlsSettings(factors=5, iterations=2))
    found = fit_als(matrix, AlsSettings(factors=5, iterations=2, device="auto"))
    np.testing.assert_array_equal(found.user_factors, expected.user_factors)
    with pytest.raises(DataError, match="no CUDA device"):
        fit_als(matrix, AlsSettings(factors=5, iterations=2, device="cuda"))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("objective", ["rendle", "hu"])
@pytest.mark.parametrize("more", [{"solver": "exact"}, {"solver": "cg", "momentum": False}])
def test_training_agrees_with_the_compiled_solver(monkeypatch, device, objective, more):
    rng = np.random.default_rng(5)
    matrix = sp.random(70, 45, 0.2, format="csr", random_state=5, dtype=np.float32)
    how = {"item_exposure": rng.uniform(0.5, 1, 45).astype(np.float32), "item_prior_precision": 0.7,
           "item_prior": rng.normal(0, 0.3, (45, 6)).astype(np.float32)}  # fmt: skip
    settings = AlsSettings(factors=6, iterations=4, objective=objective, alpha=2.0, **more)
    expected = fit_als(matrix, settings, **how)
    monkeypatch.setattr(fitting, "find_device", lambda _: device)
    found = fit_als(matrix, settings, **how)
    assert found.losses == pytest.approx(expected.losses, rel=1e-4)
    scores, others = (fit.user_factors @ fit.item_factors.T for fit in (found, expected))
    np.testing.assert_allclose(scores, others, rtol=1e-2, atol=2e-3)
    again = fit_als(matrix, settings, **how)
    np.testing.assert_array_equal(found.item_factors, again.item_factors)


@pytest.mark.parametrize("device", DEVICES)
def test_training_names_what_is_not_finite(monkeypatch, device):
    monkeypatch.setattr(fitting, "find_device", lambda _: device)
    matrix = sp.csr_array(np.array([[1, 2], [np.nan, 1]], np.float32))
    with pytest.raises(NumericalError, match="user row 1 and item row 0"):
        fit_als(matrix, AlsSettings(factors=2, iterations=1))


def test_without_torch_the_hint_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert torch_solver.find_device("cpu") is None
    assert torch_solver.find_device("auto") is None
    with pytest.raises(MissingExtraError, match=r"longtail\[gpu\]"):
        torch_solver.find_device("cuda")


def test_nothing_imports_torch_unless_asked():
    script = (
        "import sys, numpy as np, scipy.sparse as sp\n"
        "from longtail.cf.als import AlsSettings, fit_als\n"
        "fit_als(sp.eye_array(9, dtype=np.float32, format='csr'), AlsSettings(factors=4, iterations=1))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_batches_cover_every_row_once_within_the_limit():
    lengths = np.array([5, 0, 9, 1, 1, 0, 30, 2])
    found = list(torch_solver.batches(np.concatenate([[0], np.cumsum(lengths)]), 10))
    assert sorted(np.concatenate([rows for rows, _ in found]).tolist()) == list(range(8))
    assert all(len(rows) == 1 or len(rows) * width <= 10 for rows, width in found)
    assert all((lengths[rows] == 0).all() or (lengths[rows] > 0).all() for rows, _ in found)
