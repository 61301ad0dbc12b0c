"""Per-user values of several metrics, over the users that have something to find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from longtail.core.arrays import Float64, Int64
from longtail.core.errors import DataError
from longtail.evaluate.hits import Ranked, relevant_counts
from longtail.evaluate.metrics import ACCURACY


@dataclass(frozen=True)
class Scores:
    """What one ranking reached.

    Attributes:
        users: ``(n_judged,)``, the rows of the ranking that have at least one relevant item.
        n_excluded: rows that have none; no mean is taken over them.
        values: by metric with its cut (``"ndcg@10"``), ``(n_judged,) float64``.
    """

    users: Int64
    n_excluded: int
    values: dict[str, Float64]


def score(ranked: Ranked, relevant: sparse.csr_array, k: int, metrics: Sequence[str] = tuple(ACCURACY)) -> Scores:
    """Measure a ranking by several metrics; users without a relevant item are left out and counted.

    Args:
        ranked: ``(n_users, >= k)`` item rows, best first, -1 for no more.
        relevant: ``(n_users, n_items)``.
        k: the cut.
        metrics: names in :data:`longtail.evaluate.metrics.ACCURACY`.

    Raises:
        DataError: an unknown metric, or see :func:`longtail.evaluate.hits.hits_at_k`.
    """
    unknown = [name for name in metrics if name not in ACCURACY]
    if unknown:
        raise DataError(f"Unknown metrics {unknown}; there are {list(ACCURACY)}.")
    users = np.flatnonzero(relevant_counts(relevant))
    some_ranked, some_relevant = ranked[users], sparse.csr_array(relevant[users])
    values = {f"{name}@{k}": ACCURACY[name](some_ranked, some_relevant, k) for name in metrics}
    return Scores(users, ranked.shape[0] - len(users), values)
