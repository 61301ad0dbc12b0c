"""A generated shop: Zipf popularity, uneven users, tastes of rank 32."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

CANDIDATES = 8
CHUNK = 250_000


def generate(n_users: int, n_items: int, n_pairs: int, *, rank: int = 32, seed: int = 0) -> sp.csr_array:
    """An ``(n_users, n_items) float32`` matrix with exactly ``n_pairs`` pairs; weights are purchase counts.

    Every pair is the item of the best taste among eight drawn by popularity, so behaviour has both a long tail and
    something to learn.
    """
    rng = np.random.default_rng(seed)
    popularity = 1.0 / np.arange(1, n_items + 1) ** 0.8
    popularity = np.cumsum(rng.permutation(popularity) / popularity.sum())
    activity = rng.lognormal(0.0, 1.0, n_users)
    activity = np.cumsum(activity / activity.sum())
    tastes_u = rng.standard_normal((n_users, rank), np.float32)
    tastes_i = rng.standard_normal((n_items, rank), np.float32)
    found = np.zeros(0, np.int64)
    while len(found) < n_pairs:
        drawn, wanted = [found], int((n_pairs - len(found)) * 1.3) + 1000
        for start in range(0, wanted, CHUNK):
            size = min(CHUNK, wanted - start)
            users = np.minimum(np.searchsorted(activity, rng.random(size)), n_users - 1)
            taste, items = np.full(size, -np.inf, np.float32), np.zeros(size, np.int64)
            for _ in range(CANDIDATES):
                offered = np.minimum(np.searchsorted(popularity, rng.random(size)), n_items - 1)
                score = np.einsum("ij,ij->i", tastes_u[users], tastes_i[offered])
                items = np.where(score > taste, offered, items)
                taste = np.maximum(taste, score)
            drawn.append(users * np.int64(n_items) + items)
        found = np.unique(np.concatenate(drawn))
    if len(found) > n_pairs:
        found = np.sort(rng.choice(found, n_pairs, replace=False))
    users, items = np.divmod(found, n_items)
    counts = rng.geometric(0.6, n_pairs).astype(np.float32)
    matrix = sp.csr_array((counts, (users, items)), shape=(n_users, n_items))
    matrix.sort_indices()
    return matrix
