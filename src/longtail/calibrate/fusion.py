"""How much content itself says beside the vectors: w and kappa for users, the gate for similar items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from longtail.bridge.training import unit_rows
from longtail.calibrate.guard import pick
from longtail.calibrate.model import Fusion
from longtail.calibrate.scoring import ENOUGH_PAIRS, Judge, Quality
from longtail.calibrate.similar_queries import draw_queries
from longtail.core.arrays import Float32, Int64
from longtail.evaluate.hits import relevant_counts
from longtail.evaluate.metrics.ndcg import ndcg_at_k

_SAMPLE = 256
#: What content may cost in gain and still count as costing nothing.
FREE = 0.01


def fusion_unit(users: Float32, items: Float32, profiles: Float32, content: Float32, seed: int = 0) -> float:
    """What w = 1 stands for: spread of behaviour's scores over spread of content's, on a seeded sample of pairs."""
    rng = np.random.default_rng(seed)
    some = rng.choice(len(users), min(_SAMPLE, len(users)), replace=False)
    columns = rng.choice(len(items), min(4 * _SAMPLE, len(items)), replace=False)
    behaviour = float((users[some] @ items[columns].T).std())
    spread = float((profiles[some] @ content[columns].T).std())
    return behaviour / spread if spread > 1e-9 and behaviour > 0 else 0.0


def choose_fusion(
    judge: Judge,
    users: Float32,
    items: Float32,
    content: Float32,
    n_interactions: Int64,
    base: Quality,
    *,
    weights: Sequence[float],
    half_lives: Sequence[float],
    floor: float,
    seed: int = 0,
) -> tuple[float, float, list[dict[str, Any]]]:
    """w (in multiples of :func:`fusion_unit`) and kappa: w at a middling kappa, then kappa at that w.

    Args:
        users: ``(len(judge.users), d)``; items ``(n_items, d)``; content ``(n_items, d_z)`` unit rows.
        floor: the least overall quality; a weight that costs more is not taken, so 0 may be the answer.
    """
    profiles = judge.profiles(content)
    unit = fusion_unit(users, items, profiles, content, seed)
    curve: list[dict[str, Any]] = []
    columns = np.ascontiguousarray(items.T)
    content_columns = np.ascontiguousarray(content.T)

    def measure(weight: float, half_at: float) -> Quality:
        gain = Fusion(weight * unit, half_at).gain(n_interactions)

        def scores(rows: Int64) -> Float32:
            block: Float32 = users[rows] @ columns
            if weight:
                block += gain * (profiles[rows] @ content_columns)
            return block

        quality = judge.measure_scores(scores)
        curve.append({"weight": weight, "half_at": half_at, **quality.to_dict()})
        return quality

    middle = sorted(half_lives)[(len(half_lives) - 1) // 2]
    ordered = sorted({0.0, *weights})
    if unit == 0.0:
        return 0.0, middle, curve
    qualities = [measure(weight, middle) for weight in ordered]
    chosen = pick(qualities, base, floor=floor) if judge.knows_new else _free(qualities, base, floor)
    weight = ordered[chosen]
    if weight == 0.0:
        return 0.0, middle, curve
    lives = sorted(half_lives)
    again = [qualities[chosen] if half_at == middle else measure(weight, half_at) for half_at in lives]
    return weight, lives[pick(again, base, floor=floor)], curve


def _free(qualities: Sequence[Quality], base: Quality, floor: float) -> int:
    """The largest weight that costs known items nothing, where too few pairs tell what is best for new ones."""

    def gain(quality: Quality) -> float:
        return replace(quality, cold=np.nan).gain_over(base, mixed=False)

    enough = gain(qualities[0]) - FREE
    return max(i for i, quality in enumerate(qualities) if not i or (quality.keeps(floor) and gain(quality) >= enough))


def choose_gate(
    judge: Judge,
    validation: Any,
    items: Float32,
    content: Float32,
    n_interactions: Int64,
    *,
    tail_below: int,
    gates: Sequence[float],
    half_lives: Sequence[float] = (5.0, 20.0, 100.0),
    seed: int = 0,
) -> tuple[float, float, list[dict[str, Any]]]:
    """Content's part in similar items: by what users of rarely taken items also took in the validation period.

    Args:
        validation: ``(n_users, n_items)`` CSR; an item's neighbours are right if the same user took both there. Popular
            items are right by chance, so a hit counts the less the more often its item was taken: queries are scored by
            the geometric mean of plain NDCG and NDCG among candidates no more popular than 20 times the query's bound.
        items: ``(n_items, d)``; content: ``(n_items, d_z)`` unit rows.
        tail_below: queries have fewer interactions than this.

    Returns:
        The gate at no interactions, the interactions at which it is halved, and the curve.
    """
    middle = sorted(half_lives)[len(half_lives) // 2]
    asked = draw_queries(validation, (n_interactions < tail_below) & content.any(axis=1), seed)
    together = asked.together
    if together.nnz < ENOUGH_PAIRS:
        return 0.0, middle, []
    vectors, meanings = unit_rows(items), unit_rows(content)
    rare = n_interactions < 20 * tail_below
    rare_together = sparse.csr_array(together.multiply(sparse.csr_array(rare.astype(np.float32)[None, :])))
    rare_together.eliminate_zeros()
    curve: list[dict[str, Any]] = []

    def measure(weight: float, half_at: float) -> float:
        gate = Fusion(similar_weight=weight, similar_half_at=half_at).query_gate(n_interactions[asked.items])
        values = []
        for relevant, mask in ((together, None), (rare_together, rare)):
            judged = relevant_counts(relevant) > 0
            ranked = asked.neighbours(vectors, vectors, meanings, gate, judge.k, candidates=mask, seed=seed)
            values.append(float(ndcg_at_k(ranked, relevant, judge.k)[judged].mean()) if judged.any() else 0.0)
        value = float(np.sqrt(values[0] * values[1]))
        curve.append({"weight": weight, "half_at": half_at, "ndcg": values[0], "rare_ndcg": values[1], "score": value})
        return value

    ordered = sorted(gates)
    values = [measure(gate, middle) for gate in ordered]
    weight = ordered[int(np.argmax(values))]
    if weight == 0.0:
        return 0.0, middle, curve
    lives = sorted(half_lives)
    again = [max(values) if half_at == middle else measure(weight, half_at) for half_at in lives]
    return weight, lives[int(np.argmax(again))], curve
