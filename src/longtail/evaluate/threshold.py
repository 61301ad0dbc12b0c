"""Where one line overtakes another: the number of interactions from which on behaviour says more than content."""

from __future__ import annotations

import numpy as np

from longtail.evaluate.result import ProtocolResult


def threshold(result: ProtocolResult, metric: str = "ndcg") -> float | None:
    """The number of interactions from which on ALS alone is above the bridge alone.

    Between two levels the crossing is interpolated in log(1 + n). None: ALS is below at the highest level measured.
    """
    levels = [float(level) for level in result.split["levels"]]
    gaps = []
    for section in result.sections:
        estimates = section.comparisons[f"{metric}@{result.k}"].estimates
        gaps.append(estimates["ALS"].mean - estimates["bridge"].mean)
    if gaps[-1] < 0:
        return None
    below = [position for position, gap in enumerate(gaps) if gap < 0]
    if not below:
        return levels[0]
    last = below[-1]
    low, high = np.log1p(levels[last]), np.log1p(levels[last + 1])
    share = -gaps[last] / (gaps[last + 1] - gaps[last])
    return float(np.expm1(low + share * (high - low)))
