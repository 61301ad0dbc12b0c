"""The guard: among candidates that do not cost overall quality, the one that gains most."""

from __future__ import annotations

from collections.abc import Sequence

from longtail.calibrate.scoring import Quality


def pick(candidates: Sequence[Quality], base: Quality, *, floor: float) -> int:
    """The position of the best candidate.

    Args:
        candidates: measured on the same users; the first of equals wins, so put the simplest first.
        base: what gains are counted from.
        floor: the lowest overall quality allowed.

    Returns:
        Of the candidates at or above the floor the one with the largest gain; if none is, the one with the best overall
        quality.

    Raises:
        ValueError: no candidates.
    """
    if not candidates:
        raise ValueError("There is nothing to pick from.")
    allowed = [i for i, quality in enumerate(candidates) if quality.overall >= floor]
    if not allowed:
        return max(range(len(candidates)), key=lambda i: candidates[i].overall)
    return max(allowed, key=lambda i: (candidates[i].gain_over(base), -i))
