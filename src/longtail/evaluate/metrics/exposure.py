"""What each popularity bucket is shown, and what is taken from it."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from longtail.core.arrays import Float64, Int64
from longtail.evaluate.hits import Ranked, as_relevance, first_k


def exposure_share(ranked: Ranked, group_of_item: Int64, n_groups: int, k: int) -> Float64:
    """The share of all filled places among the first k that each group of items has, ``(n_groups,) float64``.

    Sums to 1; all zeros where nothing is shown.

        Exposure(g) = places held by items of g / filled places

    Source: Singh & Joachims, "Fairness of exposure in rankings", KDD 2018, with equal weight for each of the first k
    places.

    Args:
        ranked: ``(n_users, >= k)`` item rows, best first, -1 for no more.
        group_of_item: ``(n_items,)`` in ``range(n_groups)``, such as :func:`longtail.core.buckets.bucket_of` gives.
        n_groups: how many groups there are.
        k: the cut.

    Raises:
        DataError: ``ranked`` is not a ranking.
    """
    top = first_k(ranked, k)
    return _shares(group_of_item[top[top >= 0]], n_groups)


def taken_share(relevant: sparse.csr_array, group_of_item: Int64, n_groups: int) -> Float64:
    """The share of all relevant pairs that each group of items has, ``(n_groups,) float64``.

    Sums to 1; all zeros where nothing is relevant. Beside :func:`exposure_share` it says whether a group is shown
    more or less often than it is taken.

    Args:
        relevant: ``(n_users, n_items)``.
        group_of_item: ``(n_items,)`` in ``range(n_groups)``.
        n_groups: how many groups there are.
    """
    return _shares(group_of_item[as_relevance(relevant).indices], n_groups)


def _shares(groups: Int64, n_groups: int) -> Float64:
    counts = np.bincount(groups, minlength=n_groups).astype(np.float64)
    total = counts.sum()
    return counts / total if total else counts
