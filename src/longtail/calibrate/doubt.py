"""How far the learned vectors of items shown beside another are doubted: the r_j of similar items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from longtail.calibrate.guard import with_none
from longtail.calibrate.model import Fusion
from longtail.calibrate.scoring import ENOUGH_PAIRS
from longtail.calibrate.similar_queries import SimilarQueries, Weighing, draw_queries
from longtail.core.arrays import Float32, Float64, Int64
from longtail.core.unit_rows import unit_rows
from longtail.evaluate.hits import relevant_counts
from longtail.evaluate.lift import co_takings
from longtail.evaluate.metrics.ndcg import ndcg_at_k

#: Lift is noisy: more queries than the gate takes.
_QUERIES = 1000


def choose_doubt(
    validation: Any,
    items: Float32,
    alone: Float32,
    content: Float32,
    n_interactions: Int64,
    fusion: Fusion,
    *,
    tail_below: int,
    doubts: Sequence[float],
    gates: Sequence[float] = (0.0,),
    k: int = 10,
    seed: int = 0,
) -> tuple[Fusion, list[dict[str, Any]]]:
    """The doubt with which tail items' neighbours are furthest ahead of ALS's and content's, in NDCG and lift at once,
    and whether content keeps its part beside it.

    NDCG by itself is pleased by popular neighbours, lift (n_ij N / (n_i n_j), mean over the places) by rare ones, so
    that neither may be bought with the other: each is divided by the better of ALS's cosine and content's, and the
    doubt is taken whose smaller ratio is the larger. Doubt and content's part do the same for an item that few took, so
    the part may no longer be worth it: without it is tried as well.

    Args:
        validation: ``(n_users, n_items)`` CSR; an item's neighbours are right if the same user took both there.
        items: ``(n_items, d)``, blended; alone: ``(n_items, d)``, ALS's; content: ``(n_items, d_z)`` unit rows.
        fusion: with the gate that was chosen.
        tail_below: queries have at least one interaction and fewer than this.
        doubts: what may be chosen; of equals the smallest.
        gates: what content's part may be; of one value it is not given up.
        k: neighbours shown.

    Returns:
        ``fusion`` with the doubt, and with its gate or none, and the curve. Too few pairs to choose by: doubt 0 and an
        empty curve. A single doubt is set.
    """
    few = (n_interactions >= 1) & (n_interactions < tail_below)
    asked = draw_queries(validation, few & content.any(axis=1), seed, most=_QUERIES)
    if asked.together.nnz < ENOUGH_PAIRS:
        return replace(fusion, similar_doubt=with_none(doubts)[0]), []
    vectors, meanings, unblended = unit_rows(items), unit_rows(content), unit_rows(alone)
    asking = vectors[asked.items], meanings[asked.items], n_interactions[asked.items]
    all_trusted = np.ones(len(vectors), dtype=np.float32)
    by_vector, by_content = (
        Weighing(all_trusted, np.full(len(asked.items), gate, dtype=np.float32)) for gate in (0.0, 1.0)
    )
    base = _quality(asked, asked.neighbours(unblended, meanings[:, :0], [by_vector], k, seed=seed)[0][0], k)
    tried = [
        replace(fusion, similar_weight=weight, similar_doubt=float(doubt))
        for weight in sorted({fusion.similar_weight, with_none(gates)[0]})
        for doubt in with_none(doubts)
    ]
    weighings = [Weighing(one.trust(n_interactions), one.query_gate(*asking)) for one in tried]
    ranked = asked.neighbours(vectors, meanings, [by_content, *weighings], k, seed=seed)
    of_content, *found = (_quality(asked, places, k) for (places,) in ranked)
    base = np.maximum(base, of_content)
    curve = [
        {
            "weight": one.similar_weight,
            "doubt": one.similar_doubt,
            "ndcg": float(quality[0]),
            "lift": float(quality[1]),
            "score": float((quality / np.maximum(base, 1e-12)).min()),
        }
        for one, quality in zip(tried, found, strict=True)
    ]
    best = max(curve, key=lambda point: point["score"])  # the first of equals
    return replace(fusion, similar_weight=best["weight"], similar_doubt=best["doubt"]), curve


def _quality(asked: SimilarQueries, ranked: Int64, k: int) -> Float64:
    """NDCG and mean lift, ``(2,)``, of what is shown, ``(n, k)``."""
    judged = relevant_counts(asked.together) > 0
    ndcg = ndcg_at_k(ranked, asked.together, k)[judged].mean()
    both, chance = co_takings(ranked, asked.together, asked.takers, asked.takers[asked.items], asked.n_users)
    lift = np.divide(both, chance, out=np.zeros(ranked.shape), where=chance > 0)
    return np.array([ndcg, lift[judged].mean()])
