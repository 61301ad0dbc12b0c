"""From values to places in a chart."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """An axis.

    Attributes:
        low, high: values at its ends.
        start, end: their places, in the chart's units; ``end`` may be the smaller.
        warp: applied to values before they are spread evenly, such as a logarithm.
    """

    low: float
    high: float
    start: float
    end: float
    warp: Callable[[float], float] = float

    def at(self, value: float) -> float:
        """Where a value is; those beyond the ends stay at the ends. An axis of no width puts all in its middle."""
        low, high = self.warp(self.low), self.warp(self.high)
        if high <= low:
            return (self.start + self.end) / 2
        share = (self.warp(min(max(value, self.low), self.high)) - low) / (high - low)
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``, steps of 1, 2 or 5 times a power of ten; ``[low]`` if they are equal."""
    if not high > low:
        return [low]
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def decades(low: float, high: float) -> list[float]:
    """0, and 1 and 3 times the powers of ten from ``low`` to ``high``, for a nearly logarithmic axis."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [0.0, *(step for power in powers for step in (10.0**power, 3 * 10.0**power) if low <= step <= high)]


def upper(values: Sequence[float]) -> float:
    """A little above the largest value; 1 where there is none above 0."""
    highest = max((value for value in values if math.isfinite(value)), default=0.0)
    return highest * 1.08 if highest > 0 else 1.0
