"""Validation for shops without times, or where none was passed: pairs and whole items held out at random."""

from __future__ import annotations

from typing import Any

import numpy as np

from longtail.calibrate.scoring import only_pairs
from longtail.core.arrays import Bool

#: Share of the pairs of users with enough of them, and of the items, that is held out.
PAIRS = 0.1
ITEMS = 0.05
_ENOUGH = 3


def hold_out(matrix: Any, *, seed: int = 0) -> tuple[Any, Any, Bool]:
    """Split a ``(n_users, n_items)`` CSR into training and validation of the same shape, and say which items are new.

    One item in twenty (of those with at least three users) becomes new: all its pairs go to validation. Of users with
    three or more remaining pairs a tenth is held out. The same seed gives the same split.
    """
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    counts = np.bincount(matrix.indices, minlength=matrix.shape[1])
    new = (counts >= _ENOUGH) & (rng.random(matrix.shape[1]) < ITEMS)
    of_new = new[matrix.indices]
    warm_pairs = np.bincount(rows[~of_new], minlength=matrix.shape[0])
    drawn = rng.random(len(rows)) < PAIRS
    enough = warm_pairs[rows] >= _ENOUGH
    held = of_new | (drawn & enough)
    return only_pairs(matrix, ~held), only_pairs(matrix, held), new
