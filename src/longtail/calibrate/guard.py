"""The guard: among candidates that do not cost overall quality, the one that gains most, or the usual one.

Where one is usual, others must gain beyond chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from longtail.calibrate.quality import Quality


def pick(
    candidates: Sequence[Quality], base: Quality, *, floor: float, usual: int | None = None, margin: float = 0.0
) -> int:
    """The position of the candidate of :func:`admitted` with the largest gain; arguments and errors as there.

    Args:
        usual: the position of what is chosen if it is admitted, unless others gain beyond chance; then of these the one
            with the largest gain. Of many candidates measured on few users the best is too often one that was lucky.
            None, or not admitted: the first of equals wins, so put the simplest first.
        margin: how many standard errors of the paired difference in gain count as chance.
    """
    allowed = admitted(candidates, base, floor=floor)
    if usual is not None and usual in allowed:
        ahead = {i: candidates[i].lead_over(candidates[usual], base) for i in allowed}
        allowed = [i for i, (difference, error) in ahead.items() if difference > margin * error] or [usual]
    return max(allowed, key=lambda i: (candidates[i].gain_over(base), -i))


def middle(values: Sequence[Any]) -> Any:
    """The usual one of the values of a grid: the middle, of two in the middle the smaller."""
    return sorted(values)[(len(values) - 1) // 2]


def with_none(values: Sequence[float]) -> list[float]:
    """What is tried of a grid, ascending: 0 as well, which is to do without. A single value is set instead."""
    return [float(values[0])] if len(values) == 1 else sorted({0.0, *map(float, values)})


def admitted(candidates: Sequence[Quality], base: Quality, *, floor: float) -> list[int]:
    """Which candidates may be chosen, ascending positions.

    Args:
        candidates: measured on the same users.
        base: what gains are counted from.
        floor: the lowest overall quality allowed, but for chance: see `Quality.noise`.

    Returns:
        The candidates at or above the floor that cost neither the tail nor the rarely taken items in it, and of those
        the ones that, but for chance, do not cost users of whom little is known either. A condition that no candidate
        meets is dropped; if none is at or above the floor, the one that costs least.

    Raises:
        ValueError: no candidates.
    """
    if not candidates:
        raise ValueError("There is nothing to pick from.")
    allowed = [i for i, quality in enumerate(candidates) if quality.keeps(floor)]
    if not allowed:
        return [max(range(len(candidates)), key=lambda i: candidates[i].overall)]
    kept = [i for i in allowed if not (candidates[i].tail < base.tail or candidates[i].rare < base.rare)] or allowed
    return [i for i in kept if candidates[i].keeps_short(base.short)] or kept
