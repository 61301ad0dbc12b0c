"""Popularity buckets: the one way items are grouped by their number of interactions."""

from __future__ import annotations

import numpy as np

from longtail.core.arrays import Int64

#: Lower bounds of the buckets; the last is open.
LOWER_BOUNDS: tuple[int, ...] = (0, 1, 5, 20, 100, 300)
LABELS: tuple[str, ...] = ("0", "1-4", "5-19", "20-99", "100-299", "300+")


def bucket_of(n_interactions: Int64) -> Int64:
    """The bucket of each item, ``(n,) int64`` in ``range(len(LABELS))``; counts below zero are not accepted."""
    if len(n_interactions) and n_interactions.min() < 0:
        raise ValueError(f"Numbers of interactions cannot be negative; found {n_interactions.min()}.")
    return np.searchsorted(np.asarray(LOWER_BOUNDS[1:]), n_interactions, side="right").astype(np.int64)
