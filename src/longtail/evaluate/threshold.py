"""Where one line overtakes another: the number of interactions from which on behaviour says more than content."""

from __future__ import annotations

import numpy as np

from longtail.evaluate.levels import by_level
from longtail.evaluate.result import ProtocolResult


def threshold(result: ProtocolResult, metric: str = "ndcg", *, themselves: bool = False) -> float | None:
    """The number of interactions from which on ALS alone is above the bridge alone.

    Between two levels the crossing is interpolated in log(1 + n). None: ALS is not above at the highest level measured,
    or one of the two was not measured.

    Args:
        result: of a protocol with levels.
        metric: without its cut.
        themselves: among the chosen items instead of the whole catalog, see :func:`longtail.evaluate.levels.by_level`.
    """
    sections = by_level(result, themselves=themselves)
    levels, gaps = [float(level) for level in sections], []
    for section in sections.values():
        estimates = section.comparisons[f"{metric}@{result.k}"].estimates
        if not {"ALS", "bridge"} <= set(estimates):
            return None
        gaps.append(estimates["ALS"].mean - estimates["bridge"].mean)
    if not gaps or gaps[-1] <= 0:
        return None
    below = [position for position, gap in enumerate(gaps) if gap <= 0]
    if not below:
        return levels[0]
    last = below[-1]
    low, high = np.log1p(levels[last]), np.log1p(levels[last + 1])
    share = -gaps[last] / (gaps[last + 1] - gaps[last])
    return float(np.expm1(low + share * (high - low)))


def beyond_chance(
    result: ProtocolResult, metric: str = "ndcg", *, themselves: bool = False
) -> tuple[int | None, int | None]:
    """How sure the threshold is: up to which level ALS is below the bridge, and from which on above, beyond chance.

    Args:
        result, metric, themselves: see :func:`threshold`.

    Returns:
        The highest level where it is below, None where it nowhere is; and the lowest from which on it is above at every
        level, None where it is not at the highest. The threshold lies between the two.
    """
    below, above = None, None
    for level, section in by_level(result, themselves=themselves).items():
        sign = section.comparisons[f"{metric}@{result.k}"].direction("ALS", "bridge")
        above = (level if above is None else above) if sign > 0 else None
        if sign < 0:
            below = level
    return below, above
