"""Takings of two items together, beside those of independent takers: what popularity does not explain of neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from longtail.core.arrays import Float64, Int64


def co_takings(ranked: Int64, both: Any, counts: Int64, asked: Int64, n_users: int) -> tuple[Float64, Float64]:
    """Of every place, how many took both items, and how many would have if takers were independent.

    Their ratio is the lift, n_ij N / (n_i n_j).

    Args:
        ranked: ``(n, k)`` neighbours, -1 where a list ends: 0 and 0. both: ``(n, n_items)`` CSR, takers of both.
        counts: ``(n_items,)`` takers; asked: ``(n,)`` takers of the asking items; n_users: who took anything.

    Returns:
        Two ``(n, k) float64``.
    """
    there = ranked >= 0
    shown = np.where(there, ranked, 0)
    rows = np.repeat(np.arange(len(ranked)), ranked.shape[1])
    found = np.asarray(both[rows, shown.ravel()]).reshape(ranked.shape)
    chance = asked[:, None] * counts[shown] / max(n_users, 1)
    return np.where(there, found, 0).astype(np.float64), np.where(there, chance, 0.0)
