"""How much each field of the catalog weighs: chosen by what it says about behaviour of items left out."""

from __future__ import annotations

from typing import Any

import numpy as np

from longtail.bridge.kernel import RIDGES, choose_landmarks, leave_one_out_curve
from longtail.bridge.training import unit_rows
from longtail.content.combine import combine
from longtail.core.arrays import Float32, Int64
from longtail.core.features import Features

#: What a field may weigh beside the strongest, which stays at 1.
WEIGHTS = (0.0, 0.25, 0.5, 1.0)
_ROWS = 4000
_LANDMARKS = 600
#: A field's weight moves only for a gain that is more than the noise of the sample.
_MARGIN = 0.002


def choose_field_weights(
    features: Features, targets: Float32, rows: Int64, *, seed: int = 0
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Weights that let a small kernel bridge predict left-out items best.

    Coordinate ascent from equal weights, by leave-one-out R² on a seeded sample of the items, two passes at most. A
    field that says nothing ends at 0 and costs nothing later; a field that gives the id away helps no left-out item
    and ends there too.

    Args:
        features: of all items.
        targets: ``(n_items, d) float32``; their directions are predicted.
        rows: items to look at.
        seed: of the sample.

    Returns:
        The weight of every field, and the tried weights with their R². Fields no row has weigh 0; a single field 1.
    """
    rng = np.random.default_rng(seed)
    if len(rows) > _ROWS:
        rows = np.sort(rng.choice(rows, _ROWS, replace=False))
    sample = features.take(rows)
    unit = unit_rows(targets[rows])
    weights = {field.name: float(field.present.any() and field.matrix.any()) for field in sample}
    active = [name for name, weight in weights.items() if weight]
    curve: list[dict[str, Any]] = []

    def score(candidate: dict[str, float]) -> float:
        z = combine(sample, candidate)
        there = np.flatnonzero(z.any(axis=1))
        if len(there) < 2:
            return -np.inf
        marks = z[there][choose_landmarks(z[there], _LANDMARKS, seed)]
        # Items this choice of fields says nothing about are predicted by nothing: they keep their whole variance.
        share = len(there) / len(rows)
        value = max(leave_one_out_curve(z[there], unit[there], marks, RIDGES[2:6]).values()) * share
        curve.append({"weights": dict(candidate), "r2": value})
        return value

    if len(active) < 2 or len(rows) < 10:
        return weights, curve
    best = score(weights)
    for _ in range(2):
        moved = False
        for name in active:
            for weight in WEIGHTS:
                candidate = {**weights, name: weight}
                if weight == weights[name] or not any(candidate.values()):
                    continue
                value = score(candidate)
                if value > best + _MARGIN:
                    weights, best, moved = candidate, value, True
        if not moved:
            break
    top = max(weights.values())
    return {name: weight / top for name, weight in weights.items()}, curve
