"""The share of what targets differ by that predictions explain: R² = 1 - sum |y - f|² / sum |y - mean y|².

Below zero, predicting the mean would be better. Sums are in float64.
"""

from __future__ import annotations

import numpy as np

from longtail.core.arrays import Float32


def r_squared(targets: Float32, predictions: Float32) -> float:
    """R² of predictions, both ``(n, d)``. Without rows, or where the targets do not differ, it is 0."""
    return explained(targets - predictions, variation(targets))


def variation(targets: Float32) -> float:
    """The sum of |y - mean y|² over the rows of ``targets (n, d)``; 0 without rows."""
    if not len(targets):
        return 0.0
    away = targets - targets.mean(axis=0, dtype=np.float64)
    return float(np.einsum("ij,ij->", away, away))


def explained(residual: Float32, total: float) -> float:
    """R² of what predictions leave over, ``(n, d)``, of a total that `variation` gave; 0 where there is none."""
    error = float(np.einsum("ij,ij->", residual, residual, dtype=np.float64))
    return 1.0 - error / total if total > 1e-12 else 0.0
