"""Hit rate at a cut."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from longtail.core.arrays import Float64
from longtail.evaluate.hits import Ranked, hits_at_k


def hit_rate_at_k(ranked: Ranked, relevant: sparse.csr_array, k: int) -> Float64:
    """HitRate@k per user, ``(n_users,) float64``, 0 or 1.

    A user without relevant items gets 0 and does not belong into a mean.

        HitRate@k = 1 if one of the first k is relevant, else 0

    Source: Deshpande & Karypis, "Item-based top-N recommendation algorithms", TOIS 22(1), 2004.

    Args:
        ranked: ``(n_users, >= k)`` item rows, best first, -1 for no more.
        relevant: ``(n_users, n_items)``.
        k: the cut.

    Raises:
        DataError: see :func:`longtail.evaluate.hits.hits_at_k`.
    """
    found: Float64 = np.any(hits_at_k(ranked, relevant, k), axis=1).astype(np.float64)
    return found
