"""How little known the shown items are."""

from __future__ import annotations

import numpy as np

from longtail.core.arrays import Float64, Int64
from longtail.evaluate.hits import Ranked, first_k


def novelty_at_k(ranked: Ranked, n_interactions: Int64, n_users: int, k: int) -> Float64:
    """Mean self-information of a user's first k items in bits, ``(n_users ranked,) float64``, never negative.

    A user who is shown nothing gets 0.

        Novelty@k = mean over the shown items of -log2((n_i + 1) / (n_users + 1))

    Source: Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS 107(10), 2010;
    Vargas & Castells, RecSys 2011 (mean self-information). The ones are added here, since an item without
    interactions would be infinitely novel.

    Args:
        ranked: ``(n_users ranked, >= k)`` item rows, best first, -1 for no more.
        n_interactions: ``(n_items,)``, distinct training users of each item, at most ``n_users``.
        n_users: number of users of the training data.
        k: the cut.

    Raises:
        DataError: ``ranked`` is not a ranking.
    """
    top = first_k(ranked, k)
    information = -np.log2((n_interactions + 1.0) / (n_users + 1.0))
    shown = top >= 0
    total = np.where(shown, information[np.where(shown, top, 0)], 0.0).sum(axis=1) if len(information) else 0.0
    places = shown.sum(axis=1)
    novelty: Float64 = np.divide(total, places, out=np.zeros(len(top)), where=places > 0)
    return novelty
