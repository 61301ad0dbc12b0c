"""Metrics of rankings, one a file: pure functions of ranked rows, relevance and counts.

``ACCURACY`` is the registry of those that say how right a ranking is, one value a user; a new one is a file and a line
here, and the contract tests pick it up. Their names carry no cut; results add it (``ndcg@10``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scipy import sparse

from longtail.core.arrays import Float64
from longtail.evaluate.metrics.average_precision import average_precision_at_k
from longtail.evaluate.metrics.coverage import coverage_at_k
from longtail.evaluate.metrics.exposure import exposure_share, taken_share
from longtail.evaluate.metrics.gini import gini_at_k
from longtail.evaluate.metrics.hit_rate import hit_rate_at_k
from longtail.evaluate.metrics.irrelevance import irrelevant_share
from longtail.evaluate.metrics.mrr import reciprocal_rank_at_k
from longtail.evaluate.metrics.ndcg import ndcg_at_k
from longtail.evaluate.metrics.novelty import novelty_at_k
from longtail.evaluate.metrics.recall import recall_at_k

#: ``metric(ranked, relevant, k) -> (n_users,) float64`` in [0, 1], 1 for a perfect list (but recall: see there).
Metric = Callable[[Any, sparse.csr_array, int], Float64]

ACCURACY: dict[str, Metric] = {
    "ndcg": ndcg_at_k,
    "recall": recall_at_k,
    "map": average_precision_at_k,
    "hit_rate": hit_rate_at_k,
    "mrr": reciprocal_rank_at_k,
}

#: Metrics of which less is better, by name without the cut.
LOWER_IS_BETTER = frozenset({"irrelevant"})

__all__ = [
    "ACCURACY",
    "LOWER_IS_BETTER",
    "Metric",
    "average_precision_at_k",
    "coverage_at_k",
    "exposure_share",
    "gini_at_k",
    "hit_rate_at_k",
    "irrelevant_share",
    "ndcg_at_k",
    "novelty_at_k",
    "recall_at_k",
    "reciprocal_rank_at_k",
    "taken_share",
]
