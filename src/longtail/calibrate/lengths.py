"""Direction and length of a prediction apart: beta on cold items alone, then s and tau in the whole catalog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from longtail.blend import blend
from longtail.calibrate.alternation import Pull
from longtail.calibrate.guard import pick
from longtail.calibrate.model import Length
from longtail.calibrate.scoring import Judge, Quality
from longtail.cf.als import AlsSettings, solve_users
from longtail.core.arrays import Bool, Float32


def choose_exponent(
    judge: Judge, users: Float32, raw: Float32, exponents: Sequence[float]
) -> tuple[float, list[dict[str, Any]]]:
    """beta: among cold items only, where s changes nothing. Without cold pairs on validation, among the tail's.

    Args:
        users: factors of the judge's users. raw: ``(n_items, d)`` predictions, out of sample.
    """
    group = "cold" if "cold" in judge.relevant else "tail"
    if group not in judge.relevant:
        return float(exponents[0]), []
    curve = []
    for exponent in exponents:
        quality = judge.measure(users, Length(exponent, 1.0).apply(raw), only=(group,))
        curve.append({"exponent": exponent, "group": group, "ndcg": getattr(quality, group)})
    return float(max(curve, key=lambda point: point["ndcg"])["exponent"]), curve


def choose_pull(
    judge: Judge,
    matrix: Any,
    users: Float32,
    raw: Float32,
    has: Bool,
    typical: float,
    als: AlsSettings,
    base: Quality,
    *,
    exponent: float,
    target_exponent: float,
    scales: Sequence[float],
    precisions: Sequence[float],
    floor: float,
    exposure: Float32,
    start: Float32,
) -> tuple[Pull, list[dict[str, Any]]]:
    """First s at a middling tau, then tau at that s, each under the guard.

    How far up new items stand among known ones does not count here: lengths that bring them up push rarely taken items,
    which have the same prior, over better ones. That is left to fusion, which knows who has no events.

    Args:
        users: ``(n_users, d)`` factors the items are solved with; the judge's are then recomputed, because a prior that
            looks good to the old users may not to the new.
        raw: ``(n_items, d)`` predictions, out of sample; ``has``: which items have one.
        typical: see :func:`longtail.calibrate.alternation.typical_length`.
        base: what gains are counted from; ``floor``: the least overall quality.
        start: ``(n_items, d)`` vectors near the solution, which make each candidate a short solve.
    """
    curve: list[dict[str, Any]] = []

    def measure(pull: Pull) -> Quality:
        prior = pull.length(raw, typical).apply(raw)
        near = np.where(exposure[:, None] > 0, start, prior)
        items = blend(
            matrix, users, prior, has, pull.tau(als, matrix.shape[0]), als, exposure=exposure, start=near
        ).vectors
        people = solve_users(judge.train, items, als, exposure=exposure, start=users[judge.users]).factors
        quality = judge.measure(people, items)
        curve.append({"precision": pull.precision, "scale": pull.scale, **quality.to_dict()})
        return quality

    middle = sorted(precisions)[(len(precisions) - 1) // 2]
    by_scale = [Pull(middle, exponent, scale, target_exponent) for scale in sorted(scales)]
    qualities = [measure(pull) for pull in by_scale]
    chosen = pick(qualities, base, floor=floor, mixed=False)
    scale = by_scale[chosen].scale
    by_precision = [Pull(precision, exponent, scale, target_exponent) for precision in sorted(precisions)]
    again = [qualities[chosen] if pull.precision == middle else measure(pull) for pull in by_precision]
    return by_precision[pick(again, base, floor=floor, mixed=False)], curve
