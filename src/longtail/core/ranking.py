"""Ordered answers: item ids with scores, where each came from, and on how much evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa

from longtail.core.arrays import Bool, Float32, Int64
from longtail.core.errors import DataError

#: Where an answer comes from: behaviour alone, behaviour and content, content alone, or neither.
Source = Literal["learned", "blended", "predicted", "fallback"]
SOURCES: tuple[Source, ...] = get_args(Source)


class Ranked(NamedTuple):
    """One row of a ranking; ``rank`` starts at 1."""

    item_id: str
    score: float
    rank: int
    source: Source
    n_interactions: int


@dataclass(frozen=True)
class Ranking:
    """The answer to one query, best first. Never padded: as long as there are real answers, at most k.

    Attributes:
        rows: the items with scores, sources and interaction counts.
        note: what a person should know about this answer (a fallback's reason), or empty.
    """

    rows: tuple[Ranked, ...]
    note: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Ranked]:
        return iter(self.rows)

    def __getitem__(self, position: int) -> Ranked:
        return self.rows[position]

    @property
    def item_ids(self) -> list[str]:
        return [row.item_id for row in self.rows]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Plain dictionaries with the keys ``item_id, score, rank, source, n_interactions``."""
        return [row._asdict() for row in self.rows]

    def to_arrow(self) -> pa.Table:
        """An Arrow table with the columns ``item_id, score, rank, source, n_interactions``."""
        columns = list(zip(*self.rows, strict=True)) if self.rows else [()] * 5
        types = (pa.string(), pa.float32(), pa.int32(), pa.string(), pa.int64())
        arrays = [pa.array(column, type=kind) for column, kind in zip(columns, types, strict=True)]
        return pa.Table.from_arrays(arrays, names=list(Ranked._fields))


def top_k(scores: Float32, k: int, allowed: Bool | None = None) -> Int64:
    """Rows of the ``k`` highest scores, best first; ties by row number, lowest first.

    Args:
        scores: ``(n,)``; NaN and minus infinity are never returned.
        k: how many at most; fewer come back when fewer are allowed and finite.
        allowed: ``(n,) bool``, rows that may be returned; applied before the cut.

    Raises:
        DataError: ``k`` is not positive.
    """
    if k < 1:
        raise DataError(f"k must be at least 1; found {k}.")
    usable = scores > -np.inf  # False for NaN too
    if allowed is not None:
        usable &= allowed
    rows = np.flatnonzero(usable)
    if len(rows) > k:
        values = scores[rows]
        threshold = np.partition(values, len(values) - k)[len(values) - k]
        rows = rows[values >= threshold]
    order = np.argsort(-scores[rows], kind="stable")[:k]
    best: Int64 = rows[order]
    return best
