"""What a candidate is worth on validation, and how far it is ahead of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from longtail.core.arrays import Float64

#: What counts how much when candidates are compared.
WEIGHTS = {"overall": 2.0, "cold": 1.0, "tail": 1.0, "rare": 1.0}
LIMIT = 3.0


@dataclass(frozen=True)
class Quality:
    """NDCG of one candidate on validation.

    Attributes:
        overall: all items are candidates, all pairs count. No choice may cost this.
        cold: only new items are candidates; NaN where next to none of them sold later.
        tail: only items with few training interactions, or none, are candidates; NaN where there are next to none.
        mixed: all items are candidates, only pairs with new items count: whether new items are found among known ones;
            NaN where there are next to none.
        rare: as tail, but items held out whole are no candidates and only pairs with items that have training
            interactions count: a gain for new items must not hide a loss for those that sell now and then.
        mixed_rare: as mixed, for pairs with items that have training interactions, but few.
        short: as overall, for users of whom only one, three or ten items are known; NaN where it was not measured.
        noise: how large a loss of overall quality may be chance: so many standard errors of the paired difference to
            the judge's reference as the judge allows; 0 without a reference.
        short_noise: the same of ``short``.
        by_user: NDCG of every judged user, ``(n_users,)``, by measure; NaN for who has no pairs of it. Empty: not kept.
    """

    overall: float
    cold: float
    tail: float
    mixed: float = np.nan
    rare: float = np.nan
    short: float = np.nan
    mixed_rare: float = np.nan
    noise: float = 0.0
    short_noise: float = 0.0
    by_user: Mapping[str, Float64] = field(default_factory=dict, compare=False, repr=False)

    def keeps(self, floor: float) -> bool:
        """Whether overall quality is not below a floor by more than chance."""
        return self.overall + self.noise >= floor

    def keeps_short(self, floor: float) -> bool:
        """Whether users of whom little is known are not below a floor by more than chance; yes if not measured."""
        return not self.short + self.short_noise < floor

    def to_dict(self) -> dict[str, float | None]:
        """Plain JSON, without ``by_user``; None for what could not be measured."""
        return {name: None if np.isnan(value) else value for name, value in vars(self).items() if name != "by_user"}

    def gain_over(self, base: Quality) -> float:
        """How much better: the weighted mean of the logarithms of the ratios of what could be measured; 0 is equal.

        Overall quality counts as much as two of the others. The logarithms are cut at 3: what is nearly zero on
        either side must not decide everything. ``mixed``, ``mixed_rare`` and ``short`` do not count.
        """
        shares = self._shares(base)
        return sum(share * self._log_ratio(base, name) for name, share in shares.items())

    def lead_over(self, other: Quality, base: Quality) -> tuple[float, float]:
        """The difference between the gains of two candidates measured on the same users, and its standard error.

        Users are drawn, so what one has in several measures counts together. A gain is linear in the logarithms of
        means, whose differences are, user by user, those of values divided by their means: the delta method (Deng,
        Knoblich and Lu, "Applying the Delta Method in Metric Analytics", KDD 2018). Where that cannot tell how far a
        measure's difference is chance, because its values were not kept, one of the two has nothing but zeros in it or
        one user alone has pairs of it, the error is taken to be as large as the difference.
        """
        shares = self._shares(base)
        difference = variance = 0.0
        influence: Float64 | float = 0.0
        for name, share in shares.items():
            ratio = self._log_ratio(base, name)
            ahead = ratio - other._log_ratio(base, name)
            if ahead == 0 and abs(ratio) == LIMIT:  # cut: chance moves neither
                continue
            difference += share * ahead
            part = _influence(self.by_user.get(name), other.by_user.get(name))
            if part is None:
                variance += (share * ahead) ** 2
            else:
                influence = influence + share * part
        return difference, float(np.sqrt(variance + np.square(influence).sum()))

    def _shares(self, base: Quality) -> dict[str, float]:
        """What each measure that both have counts, of 1."""
        there = [name for name in WEIGHTS if not np.isnan(getattr(self, name) + getattr(base, name))]
        total = sum(WEIGHTS[name] for name in there)
        return {name: WEIGHTS[name] / total for name in there}

    def _log_ratio(self, base: Quality, name: str) -> float:
        mine, theirs = getattr(self, name), getattr(base, name)
        return float(np.clip(np.log(max(mine, 1e-6) / max(theirs, 1e-6)), -LIMIT, LIMIT))


def _influence(mine: Float64 | None, theirs: Float64 | None) -> Float64 | None:
    """What each user adds to the difference of the logarithms of two means; None: that cannot be told."""
    if mine is None or theirs is None:
        return None
    means, n = (np.nanmean(mine), np.nanmean(theirs)), np.count_nonzero(~np.isnan(mine))
    if min(means) <= 0 or n < 2:
        return None
    return np.asarray(np.nan_to_num(mine / means[0] - theirs / means[1]) / np.sqrt(n * (n - 1)))
