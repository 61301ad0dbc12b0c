"""ALS alone: the "before", and where the "after" begins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from longtail.cf.als import AlsFit, AlsSettings, fit_als, solve_users
from longtail.core.progress import SILENT, Progress


def fit_alone(matrix: Any, als: AlsSettings, *, seed: int = 0, progress: Progress = SILENT) -> AlsFit:
    """ALS with its users solved once more, against the last items, as fold-in solves them.

    Training ends with the items. Measured as they are then, known users would not be the ones that are served, nor
    those that the same history gets tomorrow.

    Args:
        matrix: ``(n_users, n_items) float32`` CSR weights.
        als: settings; seed: of the initial factors.
        progress: told of each iteration.
    """
    fitted = fit_als(matrix, als, seed=seed, progress=progress)
    return replace(fitted, user_factors=solve_users(matrix, fitted.item_factors, als).factors)
