"""What every choice is scored on: later purchases, ranked in full, for a fixed sample of users."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from longtail.calibrate.quality import WEIGHTS, Quality
from longtail.cf.content_knn import profiles
from longtail.core.arrays import Bool, Float32, Float64, Int64
from longtail.evaluate.full_ranking import rank_each
from longtail.evaluate.hits import relevant_counts
from longtail.evaluate.metrics.ndcg import ndcg_at_k

#: Fewer pairs than this say too little about a group of items to choose by.
ENOUGH_PAIRS = 30

#: Fewer pairs than this choose by chance what is best for new or rarely taken items.
ENOUGH_NEW = 500

#: What users are like of whom little is known: they took so many items.
SHORT = (1, 3, 10)
#: Scores computed for one candidate at most: bounds the users of large catalogs, whose users have more pairs each.
CELLS = 60_000_000


class Judge:
    """Scores candidates on the same users and pairs.

    Args:
        train: ``(n_users, n_items)`` CSR; what a user has is never recommended again.
        validation: ``(n_users, n_items)`` CSR of later or held-out pairs. Pairs that are in ``train`` do not count, nor
            do users without training interactions, about whom no factors exist.
        k: the cut.
        tail_below: items with fewer training interactions are the tail.
        max_users: drawn with the seed; fewer, but at least 300, where the catalog is so large that one look would take
            more than 60 million scores.
        new: ``(n_items,) bool``, items held out whole at random, with all their pairs. Only those that have validation
            pairs are candidates, and where all items are candidates only ``new_share`` of their pairs counts, or a list
            of nothing but new items would look best. None: a later period, whose new items are all those that nobody
            took in training.
        new_share: the share of pairs that was held out of the other items.
        chance: how many standard errors of the difference to the reference count as chance.
        seed: of the users, the share, and ties.
    """

    def __init__(
        self,
        train: Any,
        validation: Any,
        *,
        k: int = 10,
        tail_below: int = 20,
        max_users: int = 1500,
        new: Bool | None = None,
        new_share: float = 0.1,
        chance: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.k, self.seed, self.chance = k, seed, chance
        counts = np.bincount(train.indices, minlength=train.shape[1])
        known = relevant_counts(train) > 0
        relevant = without(validation, train)
        counted = relevant if new is None else _thinned(relevant, new, new_share, seed)
        max_users = min(max_users, max(300, CELLS // max(1, train.shape[1])))
        # Most of the sample are people who count where all items are candidates; the others only know new items.
        first = _draw(np.flatnonzero((relevant_counts(counted) > 0) & known), max_users * 3 // 4, seed)
        others = (relevant_counts(relevant) > 0) & known
        others[first] = False
        rest = _draw(np.flatnonzero(others), max_users - len(first), seed)
        users = np.sort(np.concatenate([first, rest]))
        self.users: Int64 = users
        self.train = sparse.csr_array(train[users])
        wanted = sparse.csr_array(relevant[users])
        counted = sparse.csr_array(counted[users])
        few, cold = counts < tail_below, counts == 0
        self.masks: dict[str, Bool] = {"overall": np.ones(train.shape[1], dtype=np.bool_), "cold": cold, "tail": few}
        if new is not None:
            # Those held out for another purpose are neither right nor wrong here.
            cold = new & (np.bincount(wanted.indices, minlength=train.shape[1]) > 0)
            there = ~new | cold
            self.masks = {"overall": there, "cold": cold, "tail": few & there, "rare": few & ~new}
        parts = {
            "overall": counted,
            "cold": only_columns(wanted, cold),
            "tail": only_columns(counted, few),
            "mixed": only_columns(counted, cold),
            "rare": only_columns(counted, few & (counts > 0)),
        }
        parts["mixed_rare"] = parts["rare"]
        self.relevant: dict[str, Any] = {
            name: part for name, part in parts.items() if name == "overall" or part.nnz >= ENOUGH_PAIRS
        }
        # Some measures are one ranking, looked at for different pairs.
        self._ranking = {"mixed": "overall", "mixed_rare": "overall"}
        if "rare" not in self.masks:
            self._ranking["rare"] = "tail"
        self._references: dict[str, Float64] = {}
        self.short: Any = _shortened(self.train, SHORT, seed)

    @property
    def usable(self) -> bool:
        """Whether there is enough to choose by."""
        return len(self.users) > 0 and self.relevant["overall"].nnz >= ENOUGH_PAIRS

    @property
    def knows_new(self) -> bool:
        """Whether there are pairs enough to tell what is best for new items."""
        return self._knows("cold")

    @property
    def knows_rare(self) -> bool:
        """Whether there are pairs enough to tell what is best for rarely taken items."""
        return self._knows("rare")

    def _knows(self, name: str) -> bool:
        return name in self.relevant and self.relevant[name].nnz >= ENOUGH_NEW

    def refer_to(self, users: Float32, items: Float32, short: Float32) -> Quality:
        """Measure what all later candidates are compared with, user by user: ALS alone; arguments as for `measure`."""
        self._references = {"overall": self._overall(users, items), "short": self._overall(short, items)}
        return self.measure(users, items, short=short)

    def measure(
        self, users: Float32, items: Float32, *, short: Float32 | None = None, only: tuple[str, ...] | None = None
    ) -> Quality:
        """Quality of ``users @ items.T``.

        Args:
            users: ``(len(self.users), d)``, factors of this judge's users.
            items: ``(n_items, d)``.
            short: the same users folded in by ``self.short``: of each one, three or ten items, drawn with the seed.
                What is left out of the rankings is the same: all that a user has. None: not measured.
            only: the measures wanted; None: all.
        """
        quality = self.measure_scores(lambda rows: users[rows] @ items.T, only=only)
        if short is None:
            return quality
        values = self._overall(short, items)
        return replace(quality, short=float(values.mean()), short_noise=self._noise("short", values))

    def measure_short(self, users: Float32, items: Float32) -> float:
        """Overall quality of users folded in by ``self.short``, and nothing else."""
        return float(self._overall(users, items).mean())

    def _overall(self, users: Float32, items: Float32) -> Float64:
        return self._values(lambda rows: users[rows] @ items.T, ["overall"])["overall"]

    def _noise(self, name: str, values: Float64) -> float:
        """How large a difference to the reference may be chance; 0 without one."""
        return self.chance * _standard_error(values - self._references[name]) if name in self._references else 0.0

    def measure_scores(self, score_block: Any, *, only: tuple[str, ...] | None = None) -> Quality:
        """Quality of any scores; rows are positions in ``self.users``."""
        names = [name for name in self.relevant if only is None or name in only]
        values = {name: per for name, per in self._values(score_block, names).items() if len(per)}
        means = dict.fromkeys(WEIGHTS, np.nan) | {name: float(per.mean()) for name, per in values.items()}
        noise = self._noise("overall", values["overall"]) if "overall" in values else 0.0
        return Quality(**means, noise=noise, by_user={name: self._by_user(name, per) for name, per in values.items()})

    def _has_pairs(self, name: str) -> Bool:
        """Which judged users have relevant items by a measure."""
        return np.asarray(relevant_counts(self.relevant[name]) > 0)

    def _by_user(self, name: str, values: Float64) -> Float64:
        by_user = np.full(len(self.users), np.nan)
        by_user[self._has_pairs(name)] = values
        return by_user

    def finds_new(self, users: Float32, items: Float32) -> bool:
        """Whether new items among themselves are found by more than luck: NDCG above two standard errors."""
        if "cold" not in self.relevant:
            return False
        values = self.ndcg_among("cold", users, items[self.masks["cold"]])
        return bool(values.mean() > 2 * _standard_error(values))

    def _values(self, score_block: Any, names: list[str]) -> dict[str, Float64]:
        """NDCG of every user who has relevant items, by measure."""
        sets = sorted({self._ranking.get(name, name) for name in names})
        rankings = rank_each(
            score_block,
            np.arange(len(self.users), dtype=np.int64),
            self.k,
            [self.masks[name] for name in sets],
            seen=self.train,
            seed=self.seed,
        )
        ranked_of = dict(zip(sets, rankings, strict=True))
        return {
            name: ndcg_at_k(ranked_of[self._ranking.get(name, name)], self.relevant[name], self.k)[
                self._has_pairs(name)
            ]
            for name in names
        }

    def ndcg_among(self, group: str, users: Float32, items: Float32) -> Float64:
        """NDCG of each user who has relevant items of a group that is ranked among itself: ``cold`` or ``tail``.

        Args:
            users: ``(len(self.users), d)``. items: ``(number of the group's items, d)`` in row order.
        """
        columns = np.flatnonzero(self.masks[group])
        relevant = sparse.csr_array(self.relevant[group][:, columns])
        seen = sparse.csr_array(self.train[:, columns])
        rows = np.flatnonzero(relevant_counts(relevant))
        ranked = rank_each(lambda block: users[block] @ items.T, rows, self.k, None, seen=seen, seed=self.seed)[0]
        return ndcg_at_k(ranked, sparse.csr_array(relevant[rows]), self.k)

    def profiles(self, content: Float32) -> Float32:
        """Mean content of each judged user's history, ``(len(self.users), d_z) float32``."""
        return profiles(self.train, content)


def _standard_error(differences: Float64) -> float:
    return float(differences.std(ddof=1) / np.sqrt(len(differences))) if len(differences) > 1 else 0.0


def without(pairs: Any, others: Any) -> Any:
    """The pairs of one sparse matrix that are not in another, as CSR of ones."""
    kept = pattern(pairs)
    kept = sparse.csr_array(kept - kept.multiply(pattern(others)))
    kept.eliminate_zeros()
    kept.sort_indices()
    return kept


def only_columns(matrix: Any, mask: Bool) -> Any:
    """The stored entries in some columns, as CSR of the same shape."""
    return only_pairs(matrix, mask[matrix.indices])


def only_pairs(matrix: Any, keep: Bool) -> Any:
    """Some stored entries, ``keep (nnz,) bool``, as CSR of the same shape."""
    indptr = np.concatenate([[0], np.cumsum(keep)])[matrix.indptr]
    return sparse.csr_array((matrix.data[keep], matrix.indices[keep], indptr), shape=matrix.shape)


def _draw(rows: Int64, size: int, seed: int) -> Int64:
    if len(rows) <= size:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, size, replace=False))


def _shortened(pairs: Any, lengths: tuple[int, ...], seed: int) -> Any:
    """So many pairs of each user, drawn with the seed: as the first, the second, ... of the lengths says, in turn."""
    counts = np.diff(pairs.indptr)
    rows = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((np.random.default_rng([seed, 2]).random(pairs.nnz), rows))
    place = np.empty(pairs.nnz, dtype=np.int64)
    place[order] = np.arange(pairs.nnz) - np.repeat(pairs.indptr[:-1], counts)
    keep = place < np.resize(lengths, len(counts))[rows]
    return only_pairs(pairs, keep)


def _thinned(pairs: Any, new: Bool, share: float, seed: int) -> Any:
    drawn = np.random.default_rng([seed, 1]).random(pairs.nnz) < share
    keep = ~new[pairs.indices] | drawn
    return only_pairs(pairs, keep)


def pattern(matrix: Any) -> Any:
    """The same sparse matrix with a one for every stored value other than zero."""
    result = sparse.csr_array(matrix, copy=True)
    result.sum_duplicates()
    result.eliminate_zeros()
    result.data = np.ones(len(result.data), dtype=np.float32)
    return result
