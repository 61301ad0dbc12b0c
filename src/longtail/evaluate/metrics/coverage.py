"""Share of the candidates that are shown to anyone."""

from __future__ import annotations

import numpy as np

from longtail.core.arrays import Bool
from longtail.core.errors import DataError
from longtail.evaluate.hits import Ranked, first_k


def coverage_at_k(ranked: Ranked, candidates: Bool, k: int) -> float:
    """Catalog coverage: the share of candidate items that stand in at least one user's first k, in [0, 1].

    No candidates or no users: 0.

        Coverage@k = |union of the users' first k| / |candidates|

    Source: Herlocker, Konstan, Terveen & Riedl, "Evaluating collaborative filtering recommender systems", TOIS 22(1),
    2004, section 4.2; Ge, Delgado-Battenfeld & Jannach, "Beyond accuracy", RecSys 2010 ("catalog coverage").

    Args:
        ranked: ``(n_users, >= k)`` item rows, best first, -1 for no more.
        candidates: ``(n_items,) bool``, the items that could have been ranked.
        k: the cut.

    Raises:
        DataError: an item that is not a candidate was ranked, or ``ranked`` is not a ranking.
    """
    top = first_k(ranked, k)
    shown = np.unique(top[top >= 0])
    n_candidates = int(candidates.sum())
    if len(shown) and (shown[-1] >= len(candidates) or not candidates[shown].all()):
        raise DataError("The ranking names items that are not candidates; pass the candidates it was made from.")
    return len(shown) / n_candidates if n_candidates else 0.0
