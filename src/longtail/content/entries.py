"""Encodings in memory: one matrix, filled from the cache and by the encoder."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from longtail.content.cache import EncodingCache
from longtail.core.arrays import Int64

#: Entries of the cache in memory beside the matrix they are put into.
_AT_ONCE = 20_000


class Entries:
    """Encodings on their way from and to the cache.

    Attributes:
        matrix: ``(n, d) float16``; d is 0 until the first entry tells it. Missing rows are zero.
        missing: ``(n,) bool``.
    """

    def __init__(self, n: int) -> None:
        self.matrix = np.zeros((n, 0), np.float16)
        self.missing = np.ones(n, np.bool_)

    def fill(self, rows: Int64, vectors: npt.NDArray[np.float16]) -> None:
        """Put rows into their places."""
        if not self.matrix.shape[1]:
            self.matrix = np.zeros((len(self.matrix), vectors.shape[1]), np.float16)
        self.matrix[rows] = vectors
        self.missing[rows] = False


def known(cache: EncodingCache | None, space: str, keys: list[bytes]) -> Entries:
    """What the cache has of ``keys``; without a cache, nothing."""
    entries = Entries(len(keys))
    if cache is not None:
        for start in range(0, len(keys), _AT_ONCE):
            found = cache.get(space, keys[start : start + _AT_ONCE], np.float16)
            if found:
                entries.fill(start + np.fromiter(found, np.int64, len(found)), np.stack(list(found.values())))
    return entries
