"""Which events may be seen and which are held out: by time, by pair, by item. Selections only, nothing is read.

Each function says *which* ids or pairs; `Events.before`, `without_items`, `without_pairs` and `Interactions.keep` apply
it. The same seed on the same data gives the same split.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from longtail.core.arrays import Bool, Int64
from longtail.core.errors import DataError
from longtail.core.vocabulary import Vocabulary
from longtail.data.events import Events
from longtail.data.interactions import Interactions


@dataclass(frozen=True)
class TimeSplit:
    """Events before a time, and from then on.

    Attributes:
        cut: the time.
        train: the events strictly before it.
        test: the events at it or later.
    """

    cut: datetime
    train: Events
    test: Events


def by_time(events: Events, *, cut: datetime | None = None, last: timedelta | None = None) -> TimeSplit:
    """Split at a time, or so that the test part is the last stretch of the events.

    Args:
        events: with times.
        cut: the first moment of the test part.
        last: instead of ``cut``, how long the test part is; the last event is in it.

    Raises:
        DataError: the events have no times, or one part would be empty.
        ValueError: not exactly one of ``cut`` and ``last`` is given.
    """
    if (cut is None) == (last is None):
        raise ValueError("Give either cut or last.")
    if events.first is None or events.last is None:
        raise DataError(
            "A split by time needs events with times; these have none. Name events.timestamp in the recipe."
        )
    if cut is None:
        assert last is not None
        cut = events.last - last + timedelta(microseconds=1)
    parts = TimeSplit(cut, events.before(cut), events.since(cut))
    if not len(parts.train) or not len(parts.test):
        raise DataError(
            f"A cut at {cut} leaves {len(parts.train):,} events before and {len(parts.test):,} after; the events are "
            f"from {events.first} to {events.last}. Choose a cut between them."
        )
    return parts


@dataclass(frozen=True)
class ColdItems:
    """Items held out of everything that learns from behaviour.

    Attributes:
        test: ``(n_items,) bool``.
        validation: ``(n_items,) bool``, disjoint from ``test``.
    """

    test: Bool
    validation: Bool

    @property
    def warm(self) -> Bool:
        """``(n_items,) bool``: neither."""
        return ~(self.test | self.validation)


def cold_items(
    counts: Int64, items: Vocabulary, generator: np.random.Generator, *, at_least: int = 5, group: int = 10
) -> ColdItems:
    """Choose cold items so that they have the same popularity as the warm ones.

    Items with at least ``at_least`` different users, sorted by (count, id), go in consecutive groups of ten; in each,
    permuted by the generator, the first two are test items and the third is a validation item. A last group that is
    not full is permuted likewise.

    Args:
        counts: ``(n_items,) int64`` different users of each item over the whole period.
        items: their ids.
        generator: ``numpy.random.default_rng(seed)``; pass it on to `warm_pairs` for the split that is shared by the
            project's marks.
        at_least: items with fewer are never cold: there would be nothing to measure.
        group: items a group.
    """
    eligible = np.flatnonzero(counts >= at_least)
    ids = items.take(eligible)
    order = eligible[np.array(sorted(range(len(eligible)), key=lambda at: (counts[eligible[at]], ids[at])), dtype=int)]
    test, validation = np.zeros(len(counts), dtype=np.bool_), np.zeros(len(counts), dtype=np.bool_)
    for start in range(0, len(order), group):
        permuted = generator.permutation(order[start : start + group])
        test[permuted[:2]] = True
        validation[permuted[2:3]] = True
    return ColdItems(test, validation)


@dataclass(frozen=True)
class PairSplit:
    """Where each stored pair goes; the three are disjoint and together everything.

    Attributes:
        train, validation, test: ``(n_pairs,) bool`` in the order the pairs were given in.
    """

    train: Bool
    validation: Bool
    test: Bool


def warm_pairs(
    rows: Int64,
    columns: Int64,
    n_users: int,
    warm: Bool,
    generator: np.random.Generator,
    *,
    validation: float = 0.1,
    test: float = 0.1,
    at_least: int = 3,
) -> PairSplit:
    """Hold out warm pairs at random: with x uniform, x < .1 is validation and .1 <= x < .2 is test.

    One x is drawn for every pair, cold ones among them, so that the same generator gives the same numbers whatever is
    warm. Pairs of cold items are in no part.

    Args:
        rows: ``(n_pairs,) int64`` user of each pair; pairs are sorted by (user, item).
        columns: ``(n_pairs,) int64`` item of each pair.
        n_users: how many users there are.
        warm: ``(n_items,) bool``, see `ColdItems.warm`.
        generator: what `cold_items` left of the generator.
        validation: share of eligible pairs.
        test: share of eligible pairs.
        at_least: users with fewer warm items keep all of them.

    Raises:
        ValueError: shares that are negative or leave nothing to train on.
    """
    if validation < 0 or test < 0 or validation + test >= 1:
        raise ValueError(f"Shares {validation} and {test} must not be negative and leave something to train on.")
    x = generator.random(len(rows))
    is_warm = warm[columns]
    eligible = is_warm & (np.bincount(rows[is_warm], minlength=n_users)[rows] >= at_least)
    in_validation = eligible & (x < validation)
    in_test = eligible & (x >= validation) & (x < validation + test)
    return PairSplit(is_warm & ~in_validation & ~in_test, in_validation, in_test)


@dataclass(frozen=True)
class ColdSplit:
    """The cold-item split of a whole period, as selections over one `Interactions`.

    Attributes:
        items: which items are cold.
        pairs: where the pairs of warm items go.
        cold_test: ``(nnz,) bool`` pairs of cold test items.
        cold_validation: ``(nnz,) bool`` pairs of cold validation items.
        mixed_test: ``(nnz,) bool`` the warm test pairs, and cold test pairs thinned to the warm hold-out rate: else a
            list of all cold items first would win.
    """

    items: ColdItems
    pairs: PairSplit
    cold_test: Bool
    cold_validation: Bool
    mixed_test: Bool


def cold_split(interactions: Interactions, seed: int = 0) -> ColdSplit:
    """The cold-item split that the project's marks are measured on: `cold_items`, then `warm_pairs`.

    Args:
        interactions: of the whole period; users and items in any order, pairs are taken in the order of ids.
        seed: of the one generator both steps draw from.
    """
    generator = np.random.default_rng(seed)
    rows, columns = interactions.pairs()
    cold = cold_items(interactions.n_interactions, interactions.items, generator)
    order = np.lexsort((_rank(interactions.items)[columns], _rank(interactions.users)[rows]))
    sorted_parts = warm_pairs(rows[order], columns[order], len(interactions.users), cold.warm, generator)
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    pairs = PairSplit(sorted_parts.train[back], sorted_parts.validation[back], sorted_parts.test[back])
    cold_test = cold.test[columns]
    warm_total = int(cold.warm[columns].sum())
    rate = pairs.test.sum() / warm_total if warm_total else 0.0
    thinned = np.zeros(len(rows), dtype=np.bool_)
    thinned[order] = generator.random(len(rows)) < rate
    return ColdSplit(cold, pairs, cold_test, cold.validation[columns], pairs.test | (cold_test & thinned))


def _rank(ids: Vocabulary) -> Int64:
    """The place of each row when ids are sorted."""
    rank = np.empty(len(ids), dtype=np.int64)
    rank[np.array(sorted(range(len(ids)), key=list(ids).__getitem__), dtype=np.int64)] = np.arange(len(ids))
    return rank
