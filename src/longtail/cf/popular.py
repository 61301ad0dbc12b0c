"""The popularity baseline: everyone is shown what most people took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from longtail.core.arrays import Float32, Int64
from longtail.core.errors import DataError


@dataclass(frozen=True)
class Popularity:
    """The same score for every user: the number of distinct users of an item.

    Items with equal counts are tied, among them all without interactions; whoever ranks decides how ties fall.

    Attributes:
        scores: ``(n_items,) float32``.
    """

    scores: Float32

    def __post_init__(self) -> None:
        if self.scores.ndim != 1 or not np.isfinite(self.scores).all():
            raise DataError("Popularity needs one finite score an item.")

    @classmethod
    def from_matrix(cls, matrix: sparse.csr_array) -> Popularity:
        """Count the stored entries of each column of a ``(n_users, n_items)`` matrix; no users: all 0."""
        return cls(np.bincount(matrix.indices, minlength=matrix.shape[1]).astype(np.float32))

    def score_block(self, users: Int64) -> Float32:
        """``(len(users), n_items) float32``, a read-only view."""
        return np.broadcast_to(self.scores, (len(users), len(self.scores)))

    def among(self, items: Int64) -> Popularity:
        """The same over some items."""
        return Popularity(self.scores[items])
