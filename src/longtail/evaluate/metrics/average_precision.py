"""Average precision at a cut."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from longtail.core.arrays import Float64
from longtail.evaluate.hits import Ranked, hits_at_k, relevant_counts


def average_precision_at_k(ranked: Ranked, relevant: sparse.csr_array, k: int) -> Float64:
    """AP@k per user, ``(n_users,) float64`` in [0, 1]; its mean over users is MAP@k.

    A user without relevant items gets 0 and does not belong into a mean.

        AP@k = sum over hits at rank r <= k of (hits up to r) / r  /  min(k, |rel|)

    Source: Manning, Raghavan & Schütze, "Introduction to Information Retrieval", 2008, section 8.4. Cut at k it is
    divided by min(k, |rel|), so that a perfect list scores 1; some tools divide by |rel| instead.

    Args:
        ranked: ``(n_users, >= k)`` item rows, best first, -1 for no more.
        relevant: ``(n_users, n_items)``.
        k: the cut.

    Raises:
        DataError: see :func:`longtail.evaluate.hits.hits_at_k`.
    """
    hits = hits_at_k(ranked, relevant, k)
    precision = np.cumsum(hits, axis=1) / np.arange(1, k + 1)
    best = np.minimum(relevant_counts(relevant), k)
    total = (precision * hits).sum(axis=1)
    average: Float64 = np.divide(total, best, out=np.zeros_like(total), where=best > 0)
    return average
