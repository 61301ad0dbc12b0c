"""Recall at a cut."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from longtail.core.arrays import Float64
from longtail.evaluate.hits import Ranked, hits_at_k, relevant_counts


def recall_at_k(ranked: Ranked, relevant: sparse.csr_array, k: int) -> Float64:
    """Recall@k per user, ``(n_users,) float64`` in [0, 1].

    A user without relevant items gets 0 and does not belong into a mean.

        Recall@k = hits among the first k / |rel|

    Source: Manning, Raghavan & Schütze, 2008, section 8.3. Divided by |rel|, not by min(k, |rel|): a user with more
    than k relevant items cannot reach 1.

    Args:
        ranked: ``(n_users, >= k)`` item rows, best first, -1 for no more.
        relevant: ``(n_users, n_items)``.
        k: the cut.

    Raises:
        DataError: see :func:`longtail.evaluate.hits.hits_at_k`.
    """
    found = hits_at_k(ranked, relevant, k).sum(axis=1).astype(np.float64)
    counts = relevant_counts(relevant)
    recall: Float64 = np.divide(found, counts, out=np.zeros_like(found), where=counts > 0)
    return recall
