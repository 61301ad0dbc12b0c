"""Normalised discounted cumulative gain of binary relevance."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from longtail.core.arrays import Float64
from longtail.evaluate.hits import Ranked, hits_at_k, relevant_counts


def ndcg_at_k(ranked: Ranked, relevant: sparse.csr_array, k: int) -> Float64:
    """NDCG@k per user, ``(n_users,) float64`` in [0, 1].

    A user without relevant items gets 0 and does not belong into a mean: see :func:`longtail.evaluate.score.score`.

        NDCG@k = sum over hits of 1 / log2(rank + 1)  /  sum over rank = 1..min(k, |rel|) of 1 / log2(rank + 1)

    Source: Järvelin & Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 20(4), 2002, with binary
    gains and the discount log2(rank + 1).

    Args:
        ranked: ``(n_users, >= k)`` item rows, best first, -1 for no more.
        relevant: ``(n_users, n_items)``.
        k: the cut.

    Raises:
        DataError: see :func:`longtail.evaluate.hits.hits_at_k`.
    """
    hits = hits_at_k(ranked, relevant, k)
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(relevant_counts(relevant), k)]
    gain = hits @ discount
    ndcg: Float64 = np.divide(gain, ideal, out=np.zeros_like(gain), where=ideal > 0)
    return ndcg
