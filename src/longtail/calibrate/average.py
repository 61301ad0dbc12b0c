"""How much of the average user is added to a user of whom little is known: s and its half-life."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from longtail.calibrate.fusion import FREE
from longtail.calibrate.guard import middle, with_none
from longtail.calibrate.model import Fusion, with_average
from longtail.calibrate.quality import Quality
from longtail.calibrate.scoring import Judge
from longtail.core.arrays import Float32


def average_of(users: Float32, matrix: Any) -> Float32:
    """The mean vector of the users with interactions, ``(d,) float32``; zeros where nobody has any."""
    people = np.diff(matrix.indptr) > 0
    return np.asarray(people @ users.astype(np.float64) / max(1, int(people.sum())), dtype=np.float32)


def choose_average(
    judge: Judge,
    users: Float32,
    short: Float32,
    items: Float32,
    average: Float32,
    base: Quality,
    *,
    weights: Sequence[float],
    half_lives: Sequence[float],
    floor: float,
) -> tuple[Fusion, list[dict[str, Any]]]:
    """s and the half-life that are best for short histories, of those that cost known users nothing.

    Args:
        judge: of the users.
        users: ``(len(judge.users), d)``, by all they took; short: by the few items of ``judge.short``.
        items: ``(n_items, d)``.
        average: ``(d,)``, the mean of all users' vectors.
        base: what gains are counted from.
        weights: values of s, of one it is set; half_lives: in items a user took.
        floor: the least overall quality, but for chance.

    Returns:
        Fusion with s and its half-life, and the curve. s is 0 where nothing is better for short histories, or where all
        that is costs known users more than a hundredth of their gain, of the tail or of the rarely taken items in it.
    """
    n_taken, n_short = np.diff(judge.train.indptr), np.diff(judge.short.indptr)
    curve: list[dict[str, Any]] = []

    def short_of(fusion: Fusion) -> float:
        return judge.measure_short(with_average(short, average, fusion, n_short), items)

    def told(fusion: Fusion) -> dict[str, Any]:
        return {"weight": fusion.average_weight, "half_at": fusion.average_half_at}

    def measure(fusion: Fusion, few: float) -> Quality:
        quality = replace(judge.measure(with_average(users, average, fusion, n_taken), items), short=few)
        curve.append({**told(fusion), **quality.to_dict()})
        return quality

    lives, sizes = sorted(half_lives), with_none(weights)
    chosen = Fusion(average_weight=sizes[0], average_half_at=middle(lives))
    best = short_of(chosen)
    without = measure(chosen, best)
    enough = without.gain_over(base) - FREE

    def free(quality: Quality) -> bool:
        few = quality.tail < (1 - FREE) * without.tail or quality.rare < (1 - FREE) * without.rare
        return quality.keeps(floor) and not few and quality.gain_over(base) >= enough

    for half_at in lives:
        for weight in sizes[1:]:
            candidate = Fusion(average_weight=weight, average_half_at=half_at)
            few = short_of(candidate)
            if few <= best:  # what is no better for them need not be looked at for the others
                curve.append({**told(candidate), "short": few})
            elif free(measure(candidate, few)):
                best, chosen = few, candidate
    return chosen, curve
