"""Alternating least squares for ratings (ALS-WR, Zhou et al. 2008) with biases.

    L = Σ_S (r_ui - μ - b_u - b_i - u·v)² + Σ_u λ_u (|u|² + b_u²) + Σ_i λ_i (|v|² + b_i²),   λ_u = λ n_u^ν

Only observed ratings count, zeros and negative ones among them. A bias is one more factor whose partner is the constant
one, so the biases are solved with the factors by the same half-step, not averaged beforehand; μ is the mean rating.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from longtail.cf.fitting import name
from longtail.cf.solver import half_step
from longtail.core.arrays import Float32, Int64
from longtail.core.errors import DataError
from longtail.core.progress import SILENT, Progress
from longtail.core.settings import Settings
from longtail.core.vocabulary import Vocabulary


class ExplicitSettings(Settings):
    """Settings of explicit ALS.

    Attributes:
        factors: d, without the biases.
        regularization: λ.
        frequency_scaling: ν; 1 is the weighted-λ regularisation of ALS-WR.
        iterations: sweeps over both sides, at most.
        solver: see `longtail.cf.solver.half_step`.
        cg_steps: conjugate-gradient steps for long rows in each half-step.
        tolerance: stop when an iteration lowers the loss by less than this share of it; 0 never stops early.
        seed: of the initial factors.
    """

    factors: int = Field(default=64, ge=1)
    regularization: float = Field(default=0.05, gt=0, allow_inf_nan=False)
    frequency_scaling: float = Field(default=1.0, ge=0, le=1)
    iterations: int = Field(default=16, ge=1)
    solver: Literal["auto", "cg", "exact"] = "auto"
    cg_steps: int = Field(default=3, ge=1)
    tolerance: float = Field(default=0.0, ge=0, lt=1)
    seed: int = Field(default=0, ge=0)


@dataclass(frozen=True)
class ExplicitFit:
    """Fitted factors and biases.

    Attributes:
        user_factors: ``(n_users, d) float32``; item_factors: ``(n_items, d) float32``.
        user_biases: ``(n_users,) float32``; item_biases: ``(n_items,) float32``; zero for rows without ratings.
        mean: μ.
        losses: the objective after each iteration.
    """

    user_factors: Float32
    item_factors: Float32
    user_biases: Float32
    item_biases: Float32
    mean: float
    losses: tuple[float, ...]

    def predict(self, users: Int64, items: Int64) -> Float32:
        """The ratings expected of pairs of rows, ``(n,) float32``; the mean where neither has ratings."""
        inner = np.einsum("ij,ij->i", self.user_factors[users], self.item_factors[items])
        predicted: Float32 = np.float32(self.mean) + self.user_biases[users] + self.item_biases[items] + inner
        return predicted


def fit_explicit(
    ratings: Any,
    settings: ExplicitSettings,
    *,
    progress: Progress = SILENT,
    threads: int | None = None,
    users: Vocabulary | None = None,
    items: Vocabulary | None = None,
) -> ExplicitFit:
    """Minimise the squared error of the stored ratings by alternating half-steps, users first.

    Args:
        ratings: ``(n_users, n_items)`` scipy sparse; every stored value is a rating, zeros too.
        settings: see ExplicitSettings.
        progress: gets a task with one step an iteration and the loss beside it.
        threads: all available by default; the factors do not depend on it.
        users: their ids, for error messages.
        items: their ids, for error messages.

    Raises:
        DataError: not a sparse matrix, no ratings at all, or a pair that is rated twice.
        NumericalError: a rating that is NaN or infinite; names user and item.
    """
    by_user = _rated(ratings)
    n_users, n_items = by_user.shape
    by_item = _rated(by_user.T)
    d = settings.factors
    mean = float(by_user.data.mean(dtype=np.float64))
    U = _begin(n_users, d, settings.seed, 0)
    V = _begin(n_items, d, settings.seed, 1)
    sides = {"user": (by_user, users), "item": (by_item, items)}
    penalty = {
        side: settings.regularization * np.diff(rows.indptr).astype(np.float64) ** settings.frequency_scaling
        for side, (rows, _) in sides.items()
    }
    losses: list[float] = []

    def solve(side: str, other: str, x: Float32, fixed: Float32) -> tuple[Float32, float]:
        """The half-step of one side, and the squared error plus this side's penalty."""
        rows, ids = sides[side]
        target = rows.data - np.float32(mean) - fixed[rows.indices, d]
        with_one = fixed.copy()
        with_one[:, d] = 1
        step = half_step(
            rows.indptr, rows.indices, np.ones_like(target), target, with_one, unobserved_weight=0.0,
            regularization=penalty[side], start=x, solver=settings.solver, cg_steps=settings.cg_steps, threads=threads,
            name_row=name(ids, side), name_fixed=name(sides[other][1], other),
        )  # fmt: skip
        return step.factors, step.value + float(np.square(target, dtype=np.float64).sum())

    with progress.task("Explicit ALS", settings.iterations) as task:
        for _ in range(settings.iterations):
            U, _error = solve("user", "item", U, V)
            V, error = solve("item", "user", V, U)
            losses.append(error + float(penalty["user"] @ np.square(U, dtype=np.float64).sum(axis=1)))
            task.say(f"loss {losses[-1]:.6g}")
            task.advance()
            if len(losses) > 1 and losses[-2] - losses[-1] < settings.tolerance * losses[-2]:
                break
    factors = np.ascontiguousarray(U[:, :d]), np.ascontiguousarray(V[:, :d])
    return ExplicitFit(*factors, U[:, d].copy(), V[:, d].copy(), mean, tuple(losses))


def _begin(n: int, d: int, seed: int, side: int) -> Float32:
    """Factors from N(0, 0.1/√d) and a bias of zero."""
    factors = np.zeros((n, d + 1), np.float32)
    factors[:, :d] = np.random.default_rng([seed, side]).standard_normal((n, d), np.float32) * 0.1 / np.sqrt(d)
    return factors


def _rated(ratings: Any) -> Any:
    """CSR of float32 with every stored value kept."""
    if not sp.issparse(ratings):
        raise DataError(f"Ratings must be a scipy sparse matrix with users as rows; found {type(ratings).__name__}.")
    pairs: Any = sp.coo_array(ratings)  # type: ignore[call-overload]
    if not pairs.nnz:
        raise DataError("There are no ratings. Explicit ALS needs at least one; store zeros that are ratings.")
    order = np.lexsort((pairs.col, pairs.row))
    row, column = pairs.row[order], pairs.col[order]
    twice = np.flatnonzero((np.diff(row) == 0) & (np.diff(column) == 0))
    if len(twice):
        raise DataError(
            f"User row {row[twice[0]]} rated item row {column[twice[0]]} more than once. Keep one rating of each pair, "
            "such as the last or the mean."
        )
    indptr = np.searchsorted(row, np.arange(pairs.shape[0] + 1))
    return sp.csr_array((pairs.data[order].astype(np.float32), column, indptr), shape=pairs.shape)
