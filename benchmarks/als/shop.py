"""A generated shop: Zipf popularity, uneven users, tastes of rank 32."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import scipy.sparse as sp

CANDIDATES = 8
#: How finely popularity is cut into equal parts to draw from.
PARTS = 1 << 22


@numba.njit(nogil=True, inline="always")
def _next(state: Any) -> Any:
    """The next random number in [0, 1) of a splitmix generator, whose state is an array of one."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.float64((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


@numba.njit(nogil=True, fastmath=True)
def _draw(seed: Any, activity: Any, popular: Any, tastes_u: Any, tastes_i: Any, pairs: Any) -> None:
    state = np.full(1, seed, np.uint64)
    n_users, n_items, rank = len(tastes_u), len(tastes_i), tastes_u.shape[1]
    for pair in range(len(pairs)):
        user = min(np.searchsorted(activity, _next(state)), n_users - 1)
        best, item = np.float32(-np.inf), 0
        for _ in range(CANDIDATES):
            offered = popular[int(_next(state) * PARTS)]
            score = np.float32(0)
            for k in range(rank):
                score += tastes_u[user, k] * tastes_i[offered, k]
            if score > best:
                best, item = score, offered
        pairs[pair] = user * n_items + item


def generate(
    n_users: int, n_items: int, n_pairs: int, *, rank: int = 32, seed: int = 0, tastes: Any = None
) -> sp.csr_array:
    """An ``(n_users, n_items) float32`` matrix with exactly ``n_pairs`` pairs; weights are purchase counts.

    Every pair is the item of the best taste among eight drawn by popularity, so behaviour has both a long tail and
    something to learn. What an item is liked for is random, or ``tastes (n_items, rank) float32``.
    """
    if tastes is not None:
        rank = tastes.shape[1]
    rng = np.random.default_rng(seed)
    popularity = np.cumsum(rng.permutation(1.0 / np.arange(1, n_items + 1) ** 0.8))
    middles = (np.arange(PARTS) + 0.5) / PARTS * popularity[-1]
    popular = np.minimum(np.searchsorted(popularity, middles), n_items - 1).astype(np.int32)
    activity = np.cumsum(rng.lognormal(0.0, 1.0, n_users))
    activity /= activity[-1]
    tastes_u = rng.standard_normal((n_users, rank), np.float32)
    tastes_i = rng.standard_normal((n_items, rank), np.float32) if tastes is None else tastes
    found = np.zeros(0, np.int64)
    while len(found) < n_pairs:
        drawn = np.empty(int((n_pairs - len(found)) * 1.2) + 1000, np.int64)
        _draw(np.uint64(rng.integers(2**63)), activity, popular, tastes_u, tastes_i, drawn)
        found = np.concatenate([found, drawn])
        found.sort()
        found = found[np.concatenate([[True], found[1:] != found[:-1]])]
    if len(found) > n_pairs:
        keep = np.ones(len(found), bool)
        keep[rng.choice(len(found), len(found) - n_pairs, replace=False, shuffle=False)] = False
        found = found[keep]
    rows = (found // n_items).astype(np.int32)
    found -= rows * np.int64(n_items)
    counts = rng.geometric(0.6, n_pairs).astype(np.float32)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_users))])
    return sp.csr_array((counts, found.astype(np.int32), indptr), shape=(n_users, n_items))
