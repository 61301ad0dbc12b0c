"""Reciprocal rank of the first hit."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from longtail.core.arrays import Float64
from longtail.evaluate.hits import Ranked, hits_at_k


def reciprocal_rank_at_k(ranked: Ranked, relevant: sparse.csr_array, k: int) -> Float64:
    """RR@k per user, ``(n_users,) float64`` in [0, 1]; its mean over users is MRR@k.

    A user without relevant items, or without one among the first k, gets 0; the former does not belong into a mean.

        RR@k = 1 / rank of the first hit, 0 if there is none among the first k

    Source: Voorhees, "The TREC-8 question answering track report", 1999.

    Args:
        ranked: ``(n_users, >= k)`` item rows, best first, -1 for no more.
        relevant: ``(n_users, n_items)``.
        k: the cut.

    Raises:
        DataError: see :func:`longtail.evaluate.hits.hits_at_k`.
    """
    hits = hits_at_k(ranked, relevant, k)
    return np.where(hits.any(axis=1), 1.0 / (hits.argmax(axis=1) + 1.0), 0.0)
