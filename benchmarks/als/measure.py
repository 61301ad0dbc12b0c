"""Loss and recall of factors, by the same float64 code for every library."""

from __future__ import annotations

from typing import Any

import numpy as np

BLOCK = 500_000


def hu_loss(matrix: Any, U: Any, V: Any, alpha: float, regularization: float) -> float:
    """``Σ_S c (1 - u·v)² + Σ_rest (u·v)² + λ (|U|² + |V|²)`` with ``c = alpha x`` the stored weight."""
    pairs = matrix.tocoo()
    U, V = U.astype(np.float64), V.astype(np.float64)
    loss = float(((U.T @ U) * (V.T @ V)).sum()) + regularization * float((U**2).sum() + (V**2).sum())
    for start in range(0, pairs.nnz, BLOCK):
        part = slice(start, start + BLOCK)
        x = np.einsum("ij,ij->i", U[pairs.row[part]], V[pairs.col[part]])
        c = alpha * pairs.data[part].astype(np.float64)
        loss += float((c * (1 - x) ** 2 - x**2).sum())
    return loss


def recall_at(k: int, train: Any, held: Any, U: Any, V: Any, users: int = 5000, seed: int = 0) -> float:
    """Mean share of held-out items among the first k unseen ones, full ranking, over a fixed sample of users."""
    train, held = train.tocsr(), held.tocsr()
    rows = np.flatnonzero(np.diff(held.indptr))
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:users])
    found = []
    for start in range(0, len(rows), 200):
        block = rows[start : start + 200]
        scores = U[block] @ V.T
        for row, user in enumerate(block):
            scores[row, train.indices[train.indptr[user] : train.indptr[user + 1]]] = -np.inf
            best = np.argpartition(-scores[row], min(k, scores.shape[1] - 1))[:k]
            relevant = held.indices[held.indptr[user] : held.indptr[user + 1]]
            found.append(len(np.intersect1d(best, relevant)) / len(relevant))
    return float(np.mean(found)) if found else float("nan")
