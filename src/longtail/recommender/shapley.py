"""Exact Shapley values of a few players (Shapley 1953): what each brings, averaged over every order of coming in."""

from __future__ import annotations

from math import factorial

import numpy as np

from longtail.core.arrays import Bool, Float64

#: More players than this are grouped: every one of them doubles the work.
MOST_PLAYERS = 10


def coalitions(n: int) -> Bool:
    """``(2^n, n) bool``, who is in each coalition: row number's bits, from nobody to all."""
    return np.asarray((np.arange(2**n)[:, None] >> np.arange(n)) % 2, dtype=np.bool_)


def shapley_values(worth: Float64) -> Float64:
    """What each player brings, ``(n,)``; their sum is the worth of all less the worth of nobody.

    Args:
        worth: ``(2^n,)``, of each coalition in the order of `coalitions`.
    """
    n = len(worth).bit_length() - 1
    members = coalitions(n)
    sizes = members.sum(axis=1)
    weight = np.array([factorial(size) * factorial(n - size - 1) / factorial(n) if size < n else 0 for size in sizes])
    values = np.zeros(n)
    for player in range(n):
        without = np.flatnonzero(~members[:, player])
        gain = worth[without + 2**player] - worth[without]
        values[player] = float(weight[without] @ gain)
    return values
