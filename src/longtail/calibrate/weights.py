"""How much each field of the catalog weighs: chosen by what it says about behaviour of items nobody has taken yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from longtail.bridge.kernel import fit_kernel
from longtail.bridge.r_squared import r_squared
from longtail.calibrate.model import Length
from longtail.calibrate.scoring import Judge
from longtail.content.combine import combine
from longtail.core.arrays import Float32, Float64, Int64
from longtail.core.features import Features
from longtail.core.unit_rows import unit_rows

#: What a field may weigh beside the others.
WEIGHTS = (0.0, 0.2, 0.5, 1.0)
_ROWS = 4000
_LANDMARKS = 600
_RIDGE = 1.0
#: A weight moves for a gain in ranking of as many standard errors over users,
_ERRORS = 2.0
#: or for a gain in R² of this share of it that costs the ranking no more than one standard error: less is noise.
_R2_GAIN = 0.02
#: Where few pairs tell of new items R² must gain this much.
_R2_GAIN_FEW = 0.1


def choose_field_weights(
    features: Features, targets: Float32, rows: Int64, judge: Judge, users: Float32, *, seed: int = 0
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Weights that let a small kernel bridge rank new items best.

    Coordinate search from equal weights, two passes at most. Two judges: the ranking of new items, which is what counts
    and is noisy, and leave-one-out R² on a sample, which is steady and the worse guide. Where few pairs tell of new
    items, rarely taken ones are ranked with them, each by what is predicted without its own vector, and R² must gain
    more: what it gains by less is none for the ranking. Where validation has next to nothing of either R² decides
    alone. A field that says nothing ends low and costs nothing later; one that gives the id away helps no unseen item
    and ends low too.

    Args:
        features: of all items.
        targets: ``(n_items, d) float32``; their directions are predicted.
        rows: items to learn from, of which at most 4,000 are drawn.
        judge: what rankings are measured by; users: ``(len(judge.users), d)`` factors.
        seed: of the sample.

    Returns:
        The weight of every field, the largest 1, and the weights that were tried with their scores.
    """
    if len(rows) > _ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _ROWS, replace=False))
    sample = features.take(rows)
    unit = unit_rows(targets[rows])
    weights = {field.name: float(field.present.any() and field.matrix.any()) for field in sample}
    active = [name for name, weight in weights.items() if weight]
    curve: list[dict[str, Any]] = []
    if len(active) < 2 or len(rows) < 10:
        return weights, curve
    group = "cold" if judge.knows_new or "tail" not in judge.relevant else "tail"
    by_rank = group in judge.relevant
    ranked = np.flatnonzero(judge.masks[group] if by_rank else np.zeros(len(targets), dtype=np.bool_))
    _, learned, drawn = np.intersect1d(ranked, rows, return_indices=True)
    others = np.setdiff1d(np.arange(len(ranked)), learned)
    rest = features.take(ranked[others])

    def score(candidate: dict[str, float]) -> _Score:
        z = combine(sample, candidate)
        there = np.flatnonzero(z.any(axis=1))
        if len(there) < 10:
            return _Score(-np.inf, None)
        fitted = fit_kernel(z[there], unit[there], landmarks=_LANDMARKS, ridges=(_RIDGE,), seed=seed)
        r2 = r_squared(unit[there], fitted.out_of_sample) * len(there) / len(rows)
        ranking = None
        if by_rank:
            unseen = np.zeros_like(unit)
            unseen[there] = fitted.out_of_sample
            raw = np.zeros((len(ranked), targets.shape[1]), dtype=np.float32)
            raw[others] = fitted.bridge.predict(combine(rest, candidate))
            raw[learned] = unseen[drawn]
            # Half the length: between forgetting and trusting how sure the prediction is.
            ranking = judge.ndcg_among(group, users, Length(0.5, 1.0).apply(raw))
        ndcg = None if ranking is None else float(ranking.mean())
        curve.append({"weights": dict(candidate), "r2": r2, "group": group, "ndcg": ndcg})
        return _Score(r2, ranking)

    return _climb(weights, active, score, _R2_GAIN if judge.knows_new else _R2_GAIN_FEW), curve


@dataclass(frozen=True)
class _Score:
    """What weights are worth: R² on unseen items, and each user's NDCG among a group of them where measured."""

    r2: float
    ranking: Float64 | None

    def beats(self, other: _Score, r2_gain: float) -> bool:
        """Whether it is better by more than noise; ``r2_gain``: the share of R² that it must gain to count."""
        steadier = self.r2 > other.r2 + abs(other.r2) * r2_gain
        if self.ranking is None or other.ranking is None or len(self.ranking) < 2:
            return steadier
        gain = self.ranking - other.ranking
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        return bool(gain.mean() > _ERRORS * error or (steadier and gain.mean() >= -error))


def _climb(
    weights: dict[str, float], active: list[str], score: Callable[[dict[str, float]], _Score], r2_gain: float
) -> dict[str, float]:
    tried: dict[tuple[float, ...], _Score] = {}

    def of(candidate: dict[str, float]) -> _Score:
        top = max(candidate.values())
        key = tuple(candidate[name] / top for name in active)
        if key not in tried:
            tried[key] = score(candidate)
        return tried[key]

    best = of(weights)
    for _ in range(2):
        moved = False
        for name in active:
            for weight in sorted(WEIGHTS, reverse=True):
                candidate = {**weights, name: weight}
                if not any(candidate.values()):
                    continue
                value = of(candidate)
                if value.beats(best, r2_gain):
                    weights, best, moved = candidate, value, True
        if not moved:
            break
    top = max(weights.values())
    return {name: weight / top for name, weight in weights.items()}
