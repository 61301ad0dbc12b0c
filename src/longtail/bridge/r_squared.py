"""The share of what targets differ by that predictions explain."""

from __future__ import annotations

import numpy as np

from longtail.core.arrays import Float32


def r_squared(targets: Float32, predictions: Float32) -> float:
    """R² = 1 - sum |y - f|² / sum |y - mean y|²; below zero, predicting the mean would be better.

    Args:
        targets, predictions: ``(n, d)``; sums are in float64. Without rows, or where
            targets do not differ, it is 0.
    """
    if not len(targets):
        return 0.0
    away = targets - targets.mean(axis=0, dtype=np.float64)
    total = float(np.einsum("ij,ij->", away, away))
    left = targets - predictions
    error = float(np.einsum("ij,ij->", left, left, dtype=np.float64))
    return 1.0 - error / total if total > 1e-12 else 0.0
