"""One row's half-step where the shared part is at hand: solved exactly, and taken apart.

Training solves all rows of a side and makes V'EV on the way (`longtail.cf.solver`). Online one row changes at a time
and V'EV is known, so that what is left is one small system, the same one:

    A x = α V_r'b + τ f   with   A = α₀ e V'EV + (λ + τ) I + α V_r' D V_r

The solution is a sum over the row's pairs and its prior, which is what an explanation is made of.

All of it is too small for threads of BLAS: on a machine with anything else to do they wait for each other many times
longer than they work.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from scipy.sparse import csr_array

from longtail.cf.blocks import gram
from longtail.cf.objective import AlsSettings, Pairs, penalties
from longtail.core.arrays import Float32, Float64
from longtail.core.machine import one_blas_thread, usable_cores


@dataclass(frozen=True)
class Shared:
    """What all rows of a side have in common: the other side as a whole.

    Attributes:
        gram: ``(d, d) float64``, V'EV.
        rows: how many rows the other side had when this one was trained; penalties are scaled by it.
    """

    gram: Float64
    rows: int

    @classmethod
    def of(cls, vectors: Float32, rows: int, exposure: Float32 | None = None, threads: int | None = None) -> Shared:
        """From ``vectors (m, d)`` with exposures ``(m,)`` in [0, 1]; None: 1. The same at any number of threads."""
        with one_blas_thread():
            return cls(gram(vectors, exposure, threads or usable_cores()), rows)

    def leading(self, width: int) -> Shared:
        """The same of the first ``width`` columns of the other side's vectors."""
        return Shared(self.gram[:width, :width], self.rows)

    def changed(self, old: Float32, new: Float32, old_exposure: Float32, new_exposure: Float32) -> Shared:
        """The same after some rows have changed: vectors ``(k, d)``, exposures ``(k,)``; a new row was zero."""
        before = old.astype(np.float64) * np.sqrt(old_exposure.astype(np.float64))[:, None]
        after = new.astype(np.float64) * np.sqrt(new_exposure.astype(np.float64))[:, None]
        return Shared(self.gram + after.T @ after - before.T @ before, self.rows)


@dataclass(frozen=True)
class RowSystem:
    """The system of one row.

    Attributes:
        lower: ``(d, d) float64``, the Cholesky factor of A; None where A is singular.
        matrix: ``(d, d) float64``, A.
        pulls: ``(n, d) float64``, what each pair adds to the right side, α b_j v_j.
        prior: ``(d,) float64``, what the prior adds, τ f.
    """

    lower: Float64 | None
    matrix: Float64
    pulls: Float64
    prior: Float64

    @one_blas_thread()
    def over(self, right: Float64) -> Float64:
        """A^-1 times ``right (d,)`` or ``(d, k)``; zero in directions without penalty and evidence."""
        if self.lower is not None:
            return np.asarray(scipy.linalg.cho_solve((self.lower, True), right, check_finite=False))
        return np.asarray(scipy.linalg.pinvh(self.matrix, rtol=1e-10) @ right)

    def solve(self) -> Float32:
        """x, ``(d,) float32``; zero without pairs and prior."""
        return np.asarray(self.over(self.pulls.sum(axis=0) + self.prior), dtype=np.float32)

    def by_pair(self, direction: Float64) -> Float64:
        """What each pair brings to ``x · direction``, ``(n,)``, or ``(n, k)`` for directions ``(d, k)``."""
        return np.asarray(self.pulls @ self.over(direction))

    def by_prior(self) -> Float64:
        """What the prior brings to x, ``A^-1 τ f (d,)``."""
        return self.over(self.prior)


def user_system(
    shared: Shared, vectors: Float32, weights: Float32, settings: AlsSettings, *, exposure: Float32 | None = None
) -> RowSystem:
    """The system of a user.

    Args:
        shared: of the items.
        vectors: ``(n, d)``, of the items that were taken.
        weights: ``(n,)``, without alpha; positive.
        settings: α, α₀, λ, ν.
        exposure: ``(n,)``, of the items that were taken.
    """
    pairs = Pairs(_one_row(weights), settings, column_exposure=exposure)
    return _system(shared, vectors, pairs, settings)


def item_system(
    shared: Shared,
    vectors: Float32,
    weights: Float32,
    settings: AlsSettings,
    *,
    exposure: float,
    prior: Float32 | None = None,
    precision: float = 0.0,
) -> RowSystem:
    """The system of an item, as `longtail.blend.blend` has it.

    Args:
        shared: of the users.
        vectors: ``(n, d)``, of the users who took it.
        weights: ``(n,)``, without alpha; positive.
        settings: α, α₀, λ, ν.
        exposure: e in [0, 1].
        prior: ``(d,)`` f; None: plain ALS.
        precision: τ; 0: plain ALS.
    """
    pairs = Pairs(_one_row(weights), settings, row_exposure=np.array([exposure], dtype=np.float32))
    tau = 0.0 if prior is None else float(precision)
    return _system(shared, vectors, pairs, settings, exposure=float(exposure), prior=prior, precision=tau)


def _one_row(weights: Float32) -> csr_array:
    n = len(weights)
    return csr_array((np.asarray(weights, np.float32), np.arange(n), np.array([0, n])), shape=(1, n))


@one_blas_thread()
def _system(
    shared: Shared,
    vectors: Float32,
    pairs: Pairs,
    settings: AlsSettings,
    *,
    exposure: float = 1.0,
    prior: Float32 | None = None,
    precision: float = 0.0,
) -> RowSystem:
    d = len(shared.gram)
    wide = vectors.astype(np.float64)
    penalty = float(penalties(pairs.lengths, shared.rows, settings, precision=np.array([precision]))[0])
    matrix = (settings.background * exposure) * shared.gram
    matrix[np.diag_indices(d)] += penalty + precision
    weights = pairs.scale * (pairs.quadratic.astype(np.float64) - pairs.offset)
    if (weights >= 0).all():  # numpy knows the product of a matrix with its own transpose, at half the work
        rooted = wide * np.sqrt(weights)[:, None]
        matrix += rooted.T @ rooted
    else:
        matrix += (wide.T * weights) @ wide
    pulls = wide * (pairs.scale * pairs.linear.astype(np.float64))[:, None]
    pull = np.zeros(d) if prior is None else precision * prior.astype(np.float64)
    return RowSystem(_factor(matrix), matrix, pulls, pull)


def _factor(matrix: Float64) -> Float64 | None:
    """The lower Cholesky factor; None where the matrix is singular, or so nearly that rounding decides."""
    try:
        factor = np.asarray(scipy.linalg.cholesky(matrix, lower=True, check_finite=False))
    except np.linalg.LinAlgError:
        return None
    diagonal = np.diagonal(factor)
    return factor if not len(diagonal) or diagonal.min() > 1e-6 * diagonal.max() else None
