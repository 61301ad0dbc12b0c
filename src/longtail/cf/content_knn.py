"""The content baseline: users are shown what resembles the things they took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from longtail.core.arrays import Float32, Int64
from longtail.core.distinct import distinct
from longtail.core.errors import DataError


def profiles(history: sparse.csr_array, content: Float32) -> Float32:
    """The mean content vector of the items a user took, ``(n_users, d) float32``.

    Every item counts once, however often it was taken, and items without content (zero rows) do not count. A user
    with no item that has content gets zeros, and with them no opinion.

    Args:
        history: ``(n_users, n_items)``; stored entries are taken items.
        content: ``(n_items, d)`` unit rows, zero where an item has no content.

    Raises:
        DataError: the shapes do not fit.
    """
    if history.shape[1] != len(content):
        raise DataError(f"The history has {history.shape[1]:,} items and the content {len(content):,}.")
    taken = sparse.csr_array(
        (np.ones(len(history.indices), dtype=np.float32), history.indices, history.indptr), shape=history.shape
    )
    known: Float32 = np.any(content, axis=1).astype(np.float32)
    counts = np.asarray(taken @ known, dtype=np.float32)
    sums = np.asarray(taken @ content, dtype=np.float32)
    return np.divide(sums, np.maximum(counts, 1.0)[:, None], dtype=np.float32)


@dataclass(frozen=True)
class ContentNeighbours:
    """Score of an item for a user: its mean cosine with the items the user took.

    Attributes:
        profiles: ``(n_users, d) float32``, from :func:`profiles`.
        content: ``(n_kinds, d) float32``, unit rows; items with the same content are of one kind and scored once.
        kind: ``(n_items,) int64``, the row of each item in ``content``.
    """

    profiles: Float32
    content: Float32
    kind: Int64

    @classmethod
    def from_matrix(cls, matrix: sparse.csr_array, content: Float32) -> ContentNeighbours:
        """From a ``(n_users, n_items)`` history and the items' content. Raises DataError if shapes do not fit."""
        return cls.between(profiles(matrix, content), content)

    @classmethod
    def between(cls, profiles: Float32, content: Float32) -> ContentNeighbours:
        """From what is asked with, ``(n, d)``, and the items' content, ``(n_items, d)``."""
        first, kind, _ = distinct(content)
        return cls(profiles, content[first], kind)

    def score_block(self, users: Int64) -> Float32:
        """``(len(users), n_items) float32``; items without content score 0."""
        scores: Float32 = self.profiles[users] @ self.content.T
        if len(self.content) == len(self.kind):
            return scores
        return np.take(scores, self.kind, axis=1)

    def among(self, items: Int64) -> ContentNeighbours:
        """The same over some items."""
        return ContentNeighbours.between(self.profiles, self.content[self.kind[items]])
