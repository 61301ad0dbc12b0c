"""How much each field of the catalog weighs: chosen by what it says about behaviour of items nobody has taken yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from longtail.bridge.kernel import choose_landmarks, fit_kernel, leave_one_out_curve
from longtail.bridge.training import unit_rows
from longtail.calibrate.model import Length
from longtail.calibrate.scoring import Judge
from longtail.content.combine import combine
from longtail.core.arrays import Float32, Float64, Int64
from longtail.core.features import Features

#: What a field may weigh beside the others.
WEIGHTS = (0.0, 0.2, 0.5, 1.0)
_ROWS = 4000
_LANDMARKS = 600
_RIDGE = 1.0
#: A weight moves only for a gain of as many standard errors over users, where there are users to tell by,
_ERRORS = 2.0
#: and otherwise for a gain larger than this share: less is noise.
_MARGIN = 0.01


def choose_field_weights(
    features: Features, targets: Float32, rows: Int64, judge: Judge, users: Float32, *, seed: int = 0
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Weights that let a small kernel bridge rank new items best.

    Coordinate search from equal weights, two passes at most. A field that says nothing ends low and costs nothing
    later; a field that gives the id away helps no unseen item and ends low too. Where validation has next to no new
    items, leave-one-out R² on a sample stands in for the ranking; on fashion it is the worse guide (it chose .049
    where the ranking chose .061 for content neighbours).

    Args:
        features: of all items.
        targets: ``(n_items, d) float32``; their directions are predicted.
        rows: items to learn from, of which at most 4,000 are drawn.
        judge: what new items' rankings are measured by; users: ``(len(judge.users), d)`` factors.
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
    by_rank = "cold" in judge.relevant
    new = features.take(np.flatnonzero(judge.masks["cold"])) if by_rank else sample

    def score(candidate: dict[str, float]) -> Float64:
        z = combine(sample, candidate)
        there = np.flatnonzero(z.any(axis=1))
        if len(there) < 10:
            return np.zeros(1)
        if by_rank:
            fitted = fit_kernel(z[there], unit[there], landmarks=_LANDMARKS, ridges=(_RIDGE,), seed=seed, quick=True)
            # Half the length: between forgetting and trusting how sure the prediction is.
            value = judge.cold_ndcg(users, Length(0.5, 1.0).apply(fitted.bridge.predict(combine(new, candidate))))
        else:
            marks = z[there][choose_landmarks(z[there], _LANDMARKS, seed)]
            r2 = leave_one_out_curve(z[there], unit[there], marks, (_RIDGE,))[_RIDGE]
            value = np.array([r2 * len(there) / len(rows)])
        curve.append({"weights": dict(candidate), "by": "ndcg" if by_rank else "r2", "score": float(value.mean())})
        return value

    return _climb(weights, active, score), curve


def _better(candidate: Float64, best: Float64) -> bool:
    """Whether a gain, user by user where there are several, is more than noise."""
    if len(candidate) != len(best) or len(best) < 2:
        return bool(candidate.mean() > best.mean() + abs(best.mean()) * _MARGIN)
    gain = candidate - best
    return bool(gain.mean() > _ERRORS * gain.std(ddof=1) / np.sqrt(len(gain)))


def _climb(
    weights: dict[str, float], active: list[str], score: Callable[[dict[str, float]], Float64]
) -> dict[str, float]:
    tried: dict[tuple[float, ...], Float64] = {}

    def of(candidate: dict[str, float]) -> Float64:
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
                if _better(value, best):
                    weights, best, moved = candidate, value, True
        if not moved:
            break
    top = max(weights.values())
    return {name: weight / top for name, weight in weights.items()}
