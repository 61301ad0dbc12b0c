"""What implicit ALS minimises: settings, weights and penalties."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
import scipy.sparse as sp
from pydantic import Field, model_validator

from longtail.core.arrays import Float32, Int32, Int64
from longtail.core.errors import DataError
from longtail.core.settings import Settings

Objective = Literal["rendle", "hu"]


class AlsSettings(Settings):
    """Settings of implicit ALS."""

    factors: int = Field(default=64, ge=1)
    """d, the length of the vectors."""
    regularization: float = Field(default=0.003, ge=0, allow_inf_nan=False)
    """λ, before scaling by frequency."""
    frequency_scaling: float = Field(default=1.0, ge=0, le=1)
    """ν; a row with n pairs is penalised with λ (n + α₀ times the rows of the other side)^ν."""
    alpha: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Multiplies the weights of the matrix; c = alpha w is a pair's confidence."""
    unobserved_weight: float = Field(default=0.1, ge=0, allow_inf_nan=False)
    """α₀, the weight of a pair that was not observed; always 1 with ``hu``."""
    iterations: int = Field(default=16, ge=1)
    """Sweeps over both sides."""
    objective: Objective = "rendle"
    """``rendle``: Σ_S c (1 - u·v)² + α₀ Σ (u·v)²; ``hu``: observed pairs weigh c, all others 1, as `implicit`."""
    solver: Literal["auto", "cg", "exact"] = "auto"
    """``cg``: conjugate gradients for every row; ``exact``: Cholesky of every row, slow, for reference. See
    `longtail.cf.solver.half_step`."""
    cg_steps: int = Field(default=2, ge=1)
    """Conjugate-gradient steps for long rows in each half-step of training."""
    momentum: bool = True
    """Accelerate training; the objective and its minimum are the same without."""
    tolerance: float = Field(default=0.0, ge=0, lt=1)
    """Stop when an iteration lowers the loss by less than this share of it; 0 never stops early."""
    seed: int = Field(default=0, ge=0)
    """Of the initial factors."""
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """Where training runs. ``cpu``: the compiled solver; ``cuda``: `longtail.cf.torch_solver`; ``auto``: the latter
    where torch sees a CUDA device. One-sided solves, as serving makes them, are always the compiled solver's."""

    @model_validator(mode="after")
    def _hu_has_unit_weight(self) -> Self:
        if self.objective == "hu" and "unobserved_weight" in self.model_fields_set and self.unobserved_weight != 1:
            raise ValueError(
                f"objective 'hu' weighs every unobserved pair with 1; found unobserved_weight = "
                f"{self.unobserved_weight}. Leave it out, or use objective 'rendle'."
            )
        return self

    @property
    def background(self) -> float:
        """α₀ as the objective has it."""
        return 1.0 if self.objective == "hu" else self.unobserved_weight


class Pairs:
    """The observed pairs by row, with their weights in the linear (b) and the quadratic term (D = quadratic - offset).

    Everything is divided by alpha, so that the weights of the matrix serve as they are and need no copy; a half-step
    then takes α₀, the penalties and the precisions divided by `scale` too, and its value is to be multiplied with it.

    Args:
        matrix: ``(n, m)`` sparse weights, without alpha; explicit zeros are dropped, duplicates summed.
        settings: alpha and objective.
        column_exposure, row_exposure: e in [0, 1]; with "hu" an observed pair weighs c in all, so D = c - e.

    Attributes:
        scale: alpha.

    Raises:
        DataError: not a two-dimensional sparse matrix, or a negative weight.
    """

    def __init__(
        self, matrix: Any, settings: AlsSettings, *, row_exposure: Any = None, column_exposure: Any = None
    ) -> None:
        rows = as_rows(matrix)
        self.shape: tuple[int, int] = rows.shape
        self.scale = settings.alpha
        self.indptr: Int64 = rows.indptr.astype(np.int64, copy=False)
        self.indices: Int32 = rows.indices.astype(np.int32, copy=False)
        self.linear: Float32 = rows.data
        self.quadratic: Float32 = self.linear
        self.offset = 1.0 / self.scale if settings.objective == "hu" else 0.0
        if settings.objective == "hu" and not (row_exposure is None and column_exposure is None):
            unobserved: Float32 = np.full(1, 1.0 / self.scale, np.float32)
            if column_exposure is not None:
                unobserved = unobserved * np.asarray(column_exposure, np.float32)[self.indices]
            if row_exposure is not None:
                unobserved = np.repeat(np.asarray(row_exposure, np.float32), np.diff(self.indptr)) * unobserved
            self.quadratic, self.offset = self.linear - unobserved, 0.0

    @property
    def lengths(self) -> Int64:
        """Pairs a row."""
        return np.diff(self.indptr)

    @property
    def weight(self) -> float:
        """``Σ c``: the loss at factors of zero, penalties apart, not divided by anything."""
        return float(self.linear.sum(dtype=np.float64)) * self.scale


def as_rows(matrix: Any) -> Any:
    """The matrix as float32 CSR with sorted columns and no explicit zeros; shared with the input where it is so."""
    if not sp.issparse(matrix) or len(getattr(matrix, "shape", ())) != 2:
        raise DataError(
            f"Interactions must be a scipy sparse matrix with users as rows; found {type(matrix).__name__}. "
            "Build one with scipy.sparse.csr_array((weights, (user_rows, item_rows)))."
        )
    rows: Any = sp.csr_array(matrix)  # type: ignore[call-overload]
    if rows.dtype != np.float32:
        rows = rows.astype(np.float32)
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    if len(rows.data) and not rows.data.all():
        rows = rows.copy()
        rows.eliminate_zeros()
    if len(rows.data) and rows.data.min() < 0:
        row = int(np.searchsorted(rows.indptr, int(rows.data.argmin()), side="right")) - 1
        raise DataError(
            f"Weights must not be negative; found {rows.data.min()} in row {row}. A dislike is not a negative "
            "confidence: leave such events out, or give them a small weight."
        )
    return rows


def penalties(counts: Int64, others: int, settings: AlsSettings, *, precision: Any = None) -> Float32:
    """λ_r of rows with so many pairs, ``(n,) float32``.

    Rows with a prior (precision > 0) get only the part that grows with n, ``λ_r - λ_r(0)``: the rest is the prior's
    to say, so that nothing pulls an item without events to zero.
    """
    background = settings.background * others
    power = settings.frequency_scaling
    scaled = settings.regularization * (counts + background) ** power
    if precision is not None:
        scaled = np.where(np.asarray(precision) > 0, scaled - settings.regularization * background**power, scaled)
    return np.maximum(scaled, 0).astype(np.float32)
