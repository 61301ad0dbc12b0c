"""The kernel bridge: Nyström kernel ridge from content to behaviour space. NumPy and SciPy only.

With k(a, b) = exp(cos(a, b) - 1), landmarks Z_m and K = k(Z, Z_m), the weights solve (K'K + r K_mm) W = K'Y. The
hat values h_i = k_i'(K'K + r K_mm)^-1 k_i give every training row the prediction it would have got had it been left
out, y_i - (y_i - ŷ_i) / (1 - h_i), exactly and without a second fit (Allen's PRESS). Nyström: Williams & Seeger 2001.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg
from scipy import sparse

from longtail.bridge.r_squared import explained, variation
from longtail.core.arrays import Float32, Float64, Int64, State
from longtail.core.distinct import distinct, hashes
from longtail.core.errors import DataError, NumericalError

#: Ridges that are tried; the kernel is 1 on its diagonal, so they are in the units of one item.
RIDGES: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
_BLOCK = 8192
#: From as many rows on it is worth looking for equal ones.
_MANY = 1024
_SELECTION_ROWS = 4000
_SELECTION_LANDMARKS = 500


@dataclass(frozen=True)
class KernelBridge:
    """Predicts by similarity to landmarks.

    Attributes:
        landmarks: ``(m, d_z) float32`` unit rows.
        weights: ``(m, d) float32``.
    """

    landmarks: Float32
    weights: Float32

    def predict(self, z: Float32) -> Float32:
        """Predictions for content vectors ``(n, d_z)``, ``(n, d) float32``; a row without content (zero) gets zero."""
        _check_width(z, self.landmarks.shape[1])
        if len(z) >= _MANY:
            first, which, _ = distinct(z)
            if len(first) < len(z):
                return np.asarray(self._predict(z[first])[which], dtype=np.float32)
        return self._predict(z)

    def _predict(self, z: Float32) -> Float32:
        result = np.zeros((len(z), self.weights.shape[1]), dtype=np.float32)
        for start in range(0, len(z), _BLOCK):
            rows = slice(start, start + _BLOCK)
            result[rows] = kernel(z[rows], self.landmarks) @ self.weights
        result[~z.any(axis=1)] = 0.0
        return result

    def state(self) -> State:
        """Plain arrays for a bundle."""
        return {"kind": "kernel"}, {"landmarks": self.landmarks, "weights": self.weights}

    @classmethod
    def from_state(cls, meta: dict[str, object], arrays: dict[str, Float32]) -> KernelBridge:
        """Restore what ``state`` gave."""
        return cls(arrays["landmarks"], arrays["weights"])


@dataclass(frozen=True)
class KernelFit:
    """A fitted kernel bridge.

    Attributes:
        bridge: predicts new items.
        out_of_sample: ``(n, d) float32``, for each training row the prediction without that row.
        ridge: the chosen ridge.
        curve: leave-one-out R² for each ridge tried.
        whitener: ``(m, m) float32`` W with W W' = (K'K + r K_mm)^-1, see `longtail.bridge.unseen`.
    """

    bridge: KernelBridge
    out_of_sample: Float32
    ridge: float
    curve: dict[float, float]
    whitener: Float32


def kernel(a: Float32, b: Float32) -> Float32:
    """exp(cos - 1) between unit rows, ``(len(a), len(b)) float32``, in (0, 1]."""
    similarity: Float32 = a @ b.T
    similarity -= 1.0
    return np.exp(similarity, out=similarity)


def choose_landmarks(z: Float32, n: int, seed: int) -> Int64:
    """Rows of at most ``n`` distinct content vectors, sorted, drawn with the seed; all where there are fewer."""
    order = np.random.default_rng(seed).permutation(len(z))
    # Identical rows would make the landmarks' kernel singular: the first of each stays.
    _, first = np.unique(hashes(z[order]), return_index=True)
    return np.sort(order[np.sort(first)][:n]).astype(np.int64)


def fit_kernel(
    z: Float32,
    targets: Float32,
    *,
    landmarks: int = 3000,
    ridges: Sequence[float] = RIDGES,
    seed: int = 0,
) -> KernelFit:
    """Fit the kernel bridge; the ridge is the best by closed-form leave-one-out.

    Args:
        z: ``(n, d_z) float32`` unit rows of content.
        targets: ``(n, d) float32``, what to predict.
        landmarks: how many rows to compare with at most.
        ridges: what to choose from. They are compared on a seeded sample of at most 4,000 rows and 500
            landmarks: the best ridge says how noisy one target is, which does not change with the number of rows.
        seed: draws landmarks and sample.

    Raises:
        DataError: fewer than two rows, shapes that do not fit, or no ridge.
        NumericalError: a value that is not finite.
    """
    if len(z) != len(targets) or len(z) < 2 or not len(ridges):
        raise DataError(
            f"The kernel bridge needs at least two rows, as many content vectors as targets, and a ridge; found "
            f"{len(z)} content vectors, {len(targets)} targets and {len(ridges)} ridges."
        )
    if not (np.isfinite(z).all() and np.isfinite(targets).all()):
        raise NumericalError(
            "Content vectors or targets of the bridge have NaN or infinite values; check the encoders."
        )
    curve: dict[float, float]
    if len(ridges) == 1:
        ridge, curve = float(ridges[0]), {}
    else:
        rng = np.random.default_rng(seed)
        rows = np.arange(len(z))
        if len(z) > _SELECTION_ROWS:
            rows = np.sort(rng.choice(len(z), _SELECTION_ROWS, replace=False))
        sample = z[rows]
        marks = sample[choose_landmarks(sample, min(landmarks, _SELECTION_LANDMARKS), seed)]
        curve = leave_one_out_curve(sample, targets[rows], marks, ridges)
        ridge = max(curve, key=lambda value: curve[value])
    marks = z[choose_landmarks(z, landmarks, seed)]
    first, which, counts = distinct(z)
    sums = _sums(targets, which, len(first))
    gram, cross = _normal_equations(z[first], sums, marks, np.sqrt(counts))
    system = gram + ridge * _landmark_kernel(marks)
    factor = scipy.linalg.cholesky(system, lower=True, overwrite_a=True, check_finite=False)
    weights = scipy.linalg.cho_solve((factor, True), cross, check_finite=False).astype(np.float32)
    bridge = KernelBridge(np.ascontiguousarray(marks), weights)
    inverse = scipy.linalg.solve_triangular(factor, np.eye(len(factor)), lower=True, check_finite=False)
    whitener = np.ascontiguousarray(inverse.T, dtype=np.float32)
    fitted, hat = _fitted(z[first], bridge, whitener)
    # A row the fit passes through exactly would divide by zero: it keeps a thousandth of its residual.
    residual = (targets - fitted[which]) / np.maximum(1.0 - hat[which], 1e-3)[:, None]
    return KernelFit(bridge, targets - residual, ridge, curve, whitener)


def leave_one_out_curve(z: Float32, targets: Float32, marks: Float32, ridges: Sequence[float]) -> dict[float, float]:
    """R² of the leave-one-out predictions for every ridge, from one eigendecomposition."""
    gram, cross = _normal_equations(z, targets, marks)
    lower = scipy.linalg.cholesky(_landmark_kernel(marks), lower=True, check_finite=False)
    whitened = scipy.linalg.solve_triangular(lower, gram, lower=True, check_finite=False)
    whitened = scipy.linalg.solve_triangular(lower, whitened.T, lower=True, check_finite=False)
    values, vectors = scipy.linalg.eigh(whitened, check_finite=False, overwrite_a=True)
    values = np.maximum(values, 0.0)
    basis = scipy.linalg.solve_triangular(lower.T, vectors, lower=False, check_finite=False)
    design = kernel(z, marks) @ basis.astype(np.float32)
    squares = design * design
    projected = (basis.T @ cross).astype(np.float64)
    total, curve = variation(targets), {}
    for ridge in ridges:
        shrink = 1.0 / (values + ridge)
        hat = squares @ shrink.astype(np.float32)
        fitted = design @ (shrink[:, None] * projected).astype(np.float32)
        residual = (targets - fitted) / np.maximum(1.0 - hat, 1e-3)[:, None]
        curve[float(ridge)] = explained(residual, total)
    return curve


def _fitted(z: Float32, bridge: KernelBridge, whitener: Float32) -> tuple[Float32, Float32]:
    """The fit at each row, ``(n, d)``, and its hat value, ``(n,)``."""
    fitted = np.empty((len(z), bridge.weights.shape[1]), dtype=np.float32)
    hat = np.empty(len(z), dtype=np.float32)
    for start in range(0, len(z), _BLOCK):
        rows = slice(start, start + _BLOCK)
        block = kernel(z[rows], bridge.landmarks)
        fitted[rows] = block @ bridge.weights
        block = block @ whitener
        hat[rows] = np.einsum("ij,ij->i", block, block)
    return fitted, hat


def _normal_equations(
    z: Float32, sums: npt.NDArray[Any], marks: Float32, roots: Float64 | None = None
) -> tuple[Float64, Float64]:
    """K'K and K'Y of rows that stand for several equal ones each: ``sums`` of their targets, ``roots`` of how many."""
    gram = np.zeros((len(marks), len(marks)))
    cross = np.zeros((len(marks), sums.shape[1]))
    for start in range(0, len(z), _BLOCK):
        rows = slice(start, start + _BLOCK)
        # In float64: rounding in float32 would make the smallest eigenvalues negative.
        block = kernel(z[rows], marks).astype(np.float64)
        cross += block.T @ sums[rows]
        if roots is not None:
            block *= roots[rows, None]
        gram += block.T @ block
    return gram, cross


def _sums(values: Float32, which: Int64, n: int) -> Float64:
    """The sum of the rows of each of ``n`` kinds, ``(n, d) float64``."""
    ones = np.ones(len(which))
    return np.asarray(sparse.csr_array((ones, (which, np.arange(len(which)))), shape=(n, len(which))) @ values)


def _landmark_kernel(marks: Float32) -> Float64:
    matrix = np.exp(marks.astype(np.float64) @ marks.T.astype(np.float64) - 1.0)
    matrix[np.diag_indices_from(matrix)] += 1e-4  # float32 inputs: nearly equal landmarks must not break Cholesky
    return matrix


def _check_width(z: Float32, expected: int) -> None:
    if z.ndim != 2 or z.shape[1] != expected:
        raise DataError(f"The kernel bridge was fitted on content of {expected} dimensions; found shape {z.shape}.")
