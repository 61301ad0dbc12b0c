"""Numbers as directions: how a scalar becomes a few coordinates whose inner product says how near two values are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from longtail.core.arrays import Float64, Int64

#: Coordinates of one position.
WIDTH = 4
_QUANTILES = 33
#: A group of fewer values than this has no ranks of its own.
_MIN_GROUP = 10


def on_arc(position: Float64) -> Float64:
    """Unit vectors of positions in [0, 1], ``(n, 4)``; the inner product of two falls with their distance.

    A standardised number of unit length would only keep its sign. Here a position is an angle on the half circle and,
    with half the weight, on the whole one, which makes the inner product fall faster near zero distance.
    """
    angle = np.pi * position
    first, second = np.sqrt(2.0 / 3.0), np.sqrt(1.0 / 3.0)
    return np.stack(
        [first * np.cos(angle), first * np.sin(angle), second * np.cos(2 * angle), second * np.sin(2 * angle)], axis=1
    )


def centre_and_spread(values: Float64) -> tuple[float, float]:
    """Median, and the interquartile range as a standard deviation; 1 where the values do not differ.

    Where more than half of the values are the same the standard deviation takes over.
    """
    if not len(values):
        return 0.0, 1.0
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    spread = (high - low) / 1.349 or float(values.std())
    return float(middle), float(spread) if spread > 0 else 1.0


def squash(values: Float64, centre: Float64 | float, spread: Float64 | float) -> Float64:
    """Robustly scaled values brought into (0, 1): the median is at one half, outliers near the ends."""
    scaled = np.clip((values - centre) / spread, -30.0, 30.0)
    return 1.0 / (1.0 + np.exp(-scaled))


@dataclass(frozen=True)
class Ranks:
    """Ranks within groups, from quantiles.

    Attributes:
        groups: names of the groups that have quantiles of their own.
        quantiles: ``(len(groups) + 1, 33) float64``; the last row is that of all values together, for small and unknown
            groups.
    """

    groups: list[str]
    quantiles: Float64

    @classmethod
    def fit(cls, values: Float64, group: Int64, names: list[str]) -> Self:
        """Quantiles of the values of each group (``group``: position in ``names``, -1 none) and of all."""
        levels = np.linspace(0.0, 1.0, _QUANTILES)
        order = np.argsort(group, kind="stable")
        starts = np.searchsorted(group[order], np.arange(len(names) + 1))
        kept, rows = [], []
        for at, name in enumerate(names):
            members = values[order[starts[at] : starts[at + 1]]]
            if len(members) >= _MIN_GROUP:
                kept.append(name)
                rows.append(np.quantile(members, levels))
        rows.append(np.quantile(values, levels) if len(values) else np.zeros(_QUANTILES))
        return cls(kept, np.stack(rows))

    def of(self, values: Float64, group: Int64, names: list[str]) -> Float64:
        """The rank of each value among its group's, in [0, 1]; equal values share the middle of their places."""
        row_of = {name: row for row, name in enumerate(self.groups)}
        mapped = np.fromiter((row_of.get(name, len(self.groups)) for name in names), np.int64, len(names))
        rows = np.append(mapped, len(self.groups))[group]
        result = np.empty(len(values))
        order = np.argsort(rows, kind="stable")
        edges = np.searchsorted(rows[order], np.arange(len(self.quantiles) + 1))
        for row in np.unique(rows):
            members = order[edges[row] : edges[row + 1]]
            quantiles = self.quantiles[row]
            below = np.searchsorted(quantiles, values[members], side="left")
            above = np.searchsorted(quantiles, values[members], side="right")
            result[members] = (below + above) / (2.0 * _QUANTILES)
        return result
