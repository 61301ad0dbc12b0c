"""The half-step: every row of one side solved, the other side fixed. Training, fold-in and blending all come here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from longtail.cf.blocks import gram, padded, rotate, spread
from longtail.cf.solver.checks import explain
from longtail.cf.solver.exact import solve_rows_exactly
from longtail.cf.solver.kernels import solve_rows
from longtail.cf.solver.vector import LANES
from longtail.core.arrays import Float32, Float64, Int32, Int64
from longtail.core.errors import DataError
from longtail.core.machine import one_blas_thread, usable_cores

Floats = npt.NDArray[np.floating[Any]]
Solver = Literal["auto", "cg", "exact"]

#: With solver="auto", rows with at most so many pairs are solved exactly through their dual; found by measurement.
DUAL_BELOW = 12


@dataclass(frozen=True)
class HalfStep:
    """What a half-step gives.

    Attributes:
        factors: ``(n_rows, d)`` of the dtype of the fixed side.
        value: ``Σ_rows [x'Ax - 2x'y + τ|f|²]``; the constant ``Σ c`` and the other side's penalty make it the loss.
    """

    factors: Float32
    value: float


def row_name(row: int) -> str:
    """How a row is called in errors where no ids are known."""
    return f"row {row}"


def half_step(
    indptr: Int64 | Int32,
    indices: Int64 | Int32,
    quadratic: Floats,
    linear: Floats,
    fixed: Floats,
    *,
    unobserved_weight: float,
    regularization: Floats | float,
    quadratic_offset: float = 0.0,
    fixed_exposure: Floats | None = None,
    row_exposure: Floats | None = None,
    prior: Floats | None = None,
    prior_precision: Floats | float | None = None,
    start: Floats | None = None,
    solver: Solver = "auto",
    cg_steps: int = 3,
    tolerance: float = 0.0,
    dual_below: int = DUAL_BELOW,
    threads: int | None = None,
    name_row: Callable[[int], str] = row_name,
    name_fixed: Callable[[int], str] = row_name,
) -> HalfStep:
    """Solve ``(α₀ e_r V'EV + (λ_r + τ_r) I + V_r' D V_r) x = V_r' b + τ_r f_r`` for every row r.

    Hu, Koren & Volinsky (2008) with separate weights, exposure and prior. The shared part is diagonal in the eigenbasis
    of ``V'EV``; there, short rows are solved exactly through their dual and long ones by conjugate gradients.

    Args:
        indptr: ``(n + 1,)``, where the pairs of each row begin.
        indices: ``(nnz,)``, their columns in ``range(len(fixed))``.
        quadratic: ``(nnz,)`` D, see the objectives in `longtail.cf.objective`.
        linear: ``(nnz,)`` b.
        fixed: ``(m, d)`` V, float32; float64 makes everything float64.
        unobserved_weight: α₀.
        regularization: λ_r, ``(n,)`` or one number, already scaled by frequency.
        quadratic_offset: subtracted from all D, so that D = c - 1 and b = c can share one array.
        fixed_exposure: ``(m,)`` E in [0, 1]; 1 by default.
        row_exposure: ``(n,)`` e in [0, 1]; 1 by default.
        prior: ``(n, d)`` f.
        prior_precision: ``(n,)`` or a number, τ; rows with τ = 0 have no prior.
        start: ``(n, d)`` where conjugate gradients begin; the prior, or zero, by default.
        solver: "auto": exact dual for short rows, else conjugate gradients; "cg": conjugate gradients for all;
            "exact": Cholesky of the d x d matrix for all.
        cg_steps: at most so many conjugate-gradient steps a row.
        tolerance: fewer steps where the relative error falls below this.
        dual_below: what is a short row for "auto".
        threads: all available by default; the result does not depend on it.
        name_row: how rows are named in errors.
        name_fixed: how rows of the fixed side are named in errors.

    Raises:
        DataError: shapes that do not fit together.
        NumericalError: a NaN or infinite number came in or came out; names the row, the cause and the remedy.

    A row without pairs gets ``τ f / (α₀ e λ_k(V'EV) + λ + τ)`` per eigen-direction, exactly its prior if exposure and λ
    are zero, and zero without a prior.
    """
    dtype = np.float64 if fixed.dtype == np.float64 else np.float32
    n, d = len(indptr) - 1, fixed.shape[1]
    width = width_for(d)
    begin = start if start is not None else prior
    if begin is not None and begin.shape != (n, d):
        raise DataError(f"The start and the prior need the shape {(n, d)}; found {begin.shape}.")
    x = padded(np.zeros((n, 0)) if begin is None else begin, width, dtype)
    solved = RotatedStep(
        indptr, indices, quadratic, linear, padded(fixed, width, dtype), x, d,
        unobserved_weight=unobserved_weight, regularization=regularization, quadratic_offset=quadratic_offset,
        fixed_exposure=fixed_exposure, row_exposure=row_exposure, prior=prior, prior_precision=prior_precision,
        solver=solver, cg_steps=cg_steps,
        tolerance=tolerance, dual_below=dual_below, threads=threads, name_row=name_row, name_fixed=name_fixed,
    )  # fmt: skip
    with one_blas_thread():
        rotate(x, np.ascontiguousarray(solved.basis.T), solved.threads)
    x = np.ascontiguousarray(x[:, :d])
    if prior is not None:  # without pairs, exposure and penalty the answer is the prior itself, to the last bit
        bare = (np.diff(indptr) == 0) & (solved.unobserved == 0) & (solved.precision > 0)
        share = solved.precision[bare] / solved.ridge[bare]
        x[bare] = np.asarray(prior)[bare] * share[:, None]
    return HalfStep(x, solved.value)


def width_for(d: int) -> int:
    """The columns that ``d`` factors take in the solver: a multiple of LANES, the rest zero."""
    return -(-d // LANES) * LANES


class RotatedStep:
    """A half-step in place, left in the eigenbasis: ``fixed`` and ``x`` come back multiplied by ``basis``.

    Scores ``x·v`` do not change when both sides are rotated, so training keeps both sides in the current basis and
    saves the way back. Arguments as in `half_step`; ``x`` holds the start. Both are padded to ``width_for(d)`` columns.

    Attributes:
        basis: ``(width, width)`` the rotation, of the dtype of ``fixed``; the padding stays in its place.
        value: see HalfStep.
        unobserved, ridge, precision: ``(n,)`` α₀ e, λ + τ and τ of every row.
        parts: the rows as they are handed to threads; passed to a later step on the same pairs, which then trusts that
            everything fits together as it did.
    """

    def __init__(
        self, indptr: Any, indices: Any, quadratic: Floats, linear: Floats, fixed: Floats, x: Floats, d: int, *,
        unobserved_weight: float, regularization: Floats | float, quadratic_offset: float,
        fixed_exposure: Floats | None,
        row_exposure: Floats | None, prior: Floats | None, prior_precision: Floats | float | None, solver: Solver,
        cg_steps: int, tolerance: float, dual_below: int, threads: int | None, name_row: Callable[[int], str],
        name_fixed: Callable[[int], str], parts: list[Int64] | None = None,
    ) -> None:  # fmt: skip
        dtype = fixed.dtype
        n, width = x.shape
        self.d = d
        if parts is None:
            check_shapes(indptr, indices, quadratic, linear, fixed, x, prior, prior_precision)
            parts = portions(indptr, d)
        self.parts = parts
        self.threads = threads or usable_cores()
        indptr, indices = np.ascontiguousarray(indptr, np.int64), np.ascontiguousarray(indices, np.int32)
        self.indptr, self.indices = indptr, indices
        self.quadratic = np.ascontiguousarray(quadratic, dtype)
        self.offset = dtype.type(quadratic_offset)
        self.fixed = fixed
        self.unobserved = per_row(row_exposure, n, dtype, "row exposure", 1.0) * dtype.type(unobserved_weight)
        self.precision = per_row(prior_precision, n, dtype, "prior precision", 0.0)
        self.ridge = per_row(regularization, n, dtype, "regularization") + self.precision
        linear = np.ascontiguousarray(linear, dtype)
        exposure = None if fixed_exposure is None else per_row(fixed_exposure, len(fixed), dtype, "fixed exposure")
        value = np.zeros(n)
        problem = (indptr, indices, self.quadratic, linear, fixed, x, prior, name_row, name_fixed)
        with one_blas_thread():
            shared = gram(fixed, exposure, self.threads)
            if not np.isfinite(shared).all():
                explain(*problem, np.full(n, np.nan))
            spectrum, basis = np.linalg.eigh(shared[:d, :d])
            self.basis = np.eye(width, dtype=dtype)
            self.basis[:d, :d] = basis
            self.spectrum = np.ones(width, dtype)
            self.spectrum[:d] = np.maximum(spectrum, 0)
            rotate(fixed, self.basis, self.threads)
            rotate(x, self.basis, self.threads)
            constant = np.zeros((0, width), dtype)
            if prior is not None:
                constant = padded(self.precision[:, None] * np.asarray(prior, dtype), width, dtype)
                rotate(constant, self.basis, self.threads)
        mean_square = self.spectrum / dtype.type(max(len(fixed), 1))
        mean_square[d:] = 0

        def work(rows: Int64) -> None:
            flat = (fixed.reshape(-1), self.spectrum)
            if solver == "exact":
                solve_rows_exactly(
                    rows, indptr, indices, self.quadratic, self.offset, linear, *flat, self.unobserved, self.ridge,
                    constant.reshape(-1), x.reshape(-1), value, d,
                )  # fmt: skip
            else:
                solve_rows(
                    rows, indptr, indices, self.quadratic, self.offset, linear, *flat, mean_square, self.unobserved,
                    self.ridge,
                    constant.reshape(-1), x.reshape(-1), value, dual_below if solver == "auto" else 0, cg_steps,
                    float(tolerance),
                )  # fmt: skip

        spread(work, parts, self.threads)
        self.value = float(value.sum())
        if not np.isfinite(self.value):
            explain(*problem, value)
        if prior is not None:
            self.value += float(self.precision @ np.einsum("ij,ij->i", prior, prior, dtype=np.float64))


def repeated_steps() -> Callable[..., RotatedStep]:
    """A `RotatedStep` for every call, what depends on the pairs alone done once; for the half-steps of one fit."""
    there: dict[int, tuple[Any, list[Int64]]] = {}

    def step(indptr: Any, indices: Any, *more: Any, **how: Any) -> RotatedStep:
        parts = there[id(indices)][1] if id(indices) in there else None
        solved = RotatedStep(indptr, indices, *more, parts=parts, **how)
        there[id(indices)] = (indices, solved.parts)  # kept beside its pairs, so that the number stays its own
        return solved

    return step


def portions(indptr: Int64 | Int32, d: int) -> list[Int64]:
    """Rows in portions of about equal work: the longest rows alone and first, so that none is left for last."""
    lengths = np.diff(indptr).astype(np.int64)
    total = int(lengths.sum()) + 16 * len(lengths)
    fair = max(total // 128, 2_000_000 // (d + 1))
    long = np.flatnonzero(lengths > fair)
    first = [np.array([row]) for row in long[np.argsort(-lengths[long], kind="stable")]]
    rest = np.flatnonzero(lengths <= fair)
    if not len(rest):
        return first
    bounds = np.searchsorted(np.cumsum(lengths[rest] + 16), np.arange(fair, total, fair))
    return first + [part for part in np.split(rest, np.unique(bounds)) if len(part)]


def per_row(values: Any, n: int, dtype: Any, what: str, default: float | None = None) -> Any:
    """One number for each of ``n`` rows, finite and not negative; raises DataError."""
    if values is None:
        values = default
    if np.ndim(values) not in (0, 1) or (np.ndim(values) == 1 and len(values) != n):
        raise DataError(f"The {what} needs one number, or one for each of {n:,} rows; found {np.shape(values)}.")
    array = np.full(n, values, dtype) if np.ndim(values) == 0 else np.ascontiguousarray(values, dtype)
    if not (array >= 0).all() or not np.isfinite(array).all():
        row = int(np.flatnonzero(~((array >= 0) & np.isfinite(array)))[0])
        raise DataError(f"The {what} must be finite and not negative; found {array[row]} in row {row}.")
    return array


def check_shapes(
    indptr: Any, indices: Any, quadratic: Any, linear: Any, fixed: Any, x: Any, prior: Any, precision: Any
) -> None:
    """Raise DataError where the arguments of a half-step do not fit together."""
    if fixed.ndim != 2 or x.ndim != 2 or fixed.shape[1] != x.shape[1] or len(indptr) != len(x) + 1:
        raise DataError(f"Rows {len(indptr) - 1:,}, start {x.shape} and fixed side {fixed.shape} do not fit together.")
    if not len(indices) == len(quadratic) == len(linear) == (indptr[-1] if len(indptr) else 0):
        raise DataError(
            f"The row pointer ends at {indptr[-1]:,}, but there are {len(indices):,} indices, {len(quadratic):,} "
            f"quadratic and {len(linear):,} linear weights."
        )
    if len(indices) and (indices.min() < 0 or indices.max() >= len(fixed)):
        raise DataError(f"Column numbers must be below {len(fixed):,}; found {indices.min()} to {indices.max()}.")
    if prior is not None and len(prior) != len(x):
        raise DataError(f"The prior needs {len(x):,} rows; found {prior.shape}.")
    if prior is not None and precision is None:
        raise DataError("A prior needs its precision: pass prior_precision too.")


__all__ = ["DUAL_BELOW", "Float64", "HalfStep", "RotatedStep", "half_step", "repeated_steps"]
