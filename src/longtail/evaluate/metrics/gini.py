"""How unevenly the shown places are spread over the candidates."""

from __future__ import annotations

import numpy as np

from longtail.core.arrays import Bool
from longtail.core.errors import DataError
from longtail.evaluate.hits import Ranked, first_k


def gini_at_k(ranked: Ranked, candidates: Bool, k: int) -> float:
    """Gini coefficient of how often each candidate is shown: 0 where all alike, near 1 where a few have everything.

    No candidates, or nothing shown: 0.

        Gini = sum over i of (2 i - n - 1) x_(i)  /  (n sum of x),  x_(1) <= ... <= x_(n) the times each is shown

    Source: Gini's index as in Shani & Gunawardana, "Evaluating recommendation systems", Recommender Systems Handbook,
    2011, section 8.3.3.

    Args:
        ranked: ``(n_users, >= k)`` item rows, best first, -1 for no more.
        candidates: ``(n_items,) bool``, the items that could have been ranked.
        k: the cut.

    Raises:
        DataError: an item that is not a candidate was ranked, or ``ranked`` is not a ranking.
    """
    top = first_k(ranked, k)
    counts = np.bincount(top[top >= 0], minlength=len(candidates))
    if len(counts) > len(candidates) or counts[~candidates].any():
        raise DataError("The ranking names items that are not candidates; pass the candidates it was made from.")
    shown = np.sort(counts[candidates]).astype(np.float64)
    n, total = len(shown), shown.sum()
    if total == 0:
        return 0.0
    return float(((2 * np.arange(1, n + 1) - n - 1) * shown).sum() / (n * total))
