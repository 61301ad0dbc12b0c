"""What a judge is asked: an item, and what two methods would show beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import sparse

from longtail.bundle import Bundle
from longtail.core.arrays import Float32
from longtail.core.buckets import LABELS, bucket_of
from longtail.core.errors import DataError
from longtail.core.unit_rows import unit_rows
from longtail.evaluate.full_ranking import rank
from longtail.recommender import Recommender

#: A column has no more places than there are keys in a row of a keyboard.
MOST = 10


@dataclass(frozen=True)
class Question:
    """An item and two columns of neighbours, in the order this judge sees them.

    Attributes:
        item: the item asked about.
        left, right: ids of neighbours, best first; which method made which is not said.
    """

    item: str
    left: tuple[str, ...]
    right: tuple[str, ...]

    @property
    def neighbours(self) -> tuple[str, ...]:
        """All neighbours, each once, in the order they are seen."""
        return tuple(dict.fromkeys((*self.left, *self.right)))


@dataclass(frozen=True)
class Neighbours:
    """The neighbours that ALS alone and longtail show beside an item of a bundle.

    Attributes:
        shop: the bundle.
        k: neighbours a column, at most `MOST`.
        seed: of what ALS shows for an item without events, of which it knows nothing: items drawn at random.
    """

    shop: Recommender
    k: int = MOST
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.k <= MOST:
            raise DataError(f"A column has 1 to {MOST} neighbours; asked for {self.k}.")

    def longtail(self, item: str) -> tuple[str, ...]:
        """As the shop answers."""
        return tuple(self.shop.similar_items(item, self.k).item_ids)

    def als(self, item: str) -> tuple[str, ...]:
        """By the cosine of ALS's own vectors, among items for sale; equal scores in a seeded order, not by id."""
        bundle, unit = self.shop.bundle, self._unit
        row = np.array([bundle.items.row(item)])
        itself = sparse.csr_array(([True], ([row[0]], [row[0]])), shape=(len(bundle.items), len(bundle.items)))
        shown = rank(
            lambda rows: unit[rows] @ unit.T, row, self.k, seen=itself, candidates=bundle.sellable, seed=self.seed
        )
        return tuple(bundle.items.take(shown[0][shown[0] >= 0]))

    @cached_property
    def _unit(self) -> Float32:
        return unit_rows(self.shop.bundle.als_item_factors)


def drawn_items(bundle: Bundle, n: int, *, seed: int = 0) -> list[str]:
    """Items for sale that have content, as many of each bucket as there are, in turns: the same for every judge.

    Whoever stops early has judged some of every bucket, and two judges have judged the same items.

    Raises:
        DataError: no item is for sale and has content.
    """
    generator = np.random.default_rng(seed)
    buckets = bucket_of(bundle.n_interactions)
    wanted = bundle.sellable & bundle.has_content
    if not wanted.any():
        raise DataError("No item of this bundle is for sale and has content: there is nothing to compare by content.")
    orders = [generator.permutation(np.flatnonzero(wanted & (buckets == at))) for at in range(len(LABELS))]
    turns = [order[turn] for turn in range(n) for order in orders if turn < len(order)]
    return bundle.items.take(np.array(turns[:n], dtype=np.int64))


def ask(neighbours: Neighbours, item: str, *, judge: str) -> Question:
    """The question about an item; a coin that is tossed for each judge and item decides which column is left."""
    question = Question(item, neighbours.als(item), neighbours.longtail(item))
    toss = hashlib.sha256(f"{neighbours.seed}/{judge}/{item}".encode()).digest()[0] & 1
    return replace(question, left=question.right, right=question.left) if toss else question
