"""Equal rows: the content of many items of a shop is the same, and what follows from it need be computed once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from longtail.core.arrays import Float32, Int64

_BLOCK = 8192


def distinct(matrix: Float32) -> tuple[Int64, Int64, Int64]:
    """Which rows are equal, to five digits.

    Args:
        matrix: ``(n, d) float32``, finite and not far above 1; may have no rows.

    Returns:
        The first row of each kind, ascending, ``(m,) int64``; the kind of every row, ``(n,) int64``, so that
        ``matrix[first][which]`` is the matrix; and how many rows there are of each kind, ``(m,) int64``.
    """
    _, first, which, counts = np.unique(hashes(matrix), return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return first[order], place[which], counts[order]


def hashes(matrix: Float32) -> npt.NDArray[np.uint64]:
    """A number for each row, ``(n,) uint64``, equal where rows are, to five digits: sorting rows themselves is slow."""
    factors = np.random.default_rng(0).integers(1, 2**63, matrix.shape[1], dtype=np.uint64)
    result = np.empty(len(matrix), dtype=np.uint64)
    for start in range(0, len(matrix), _BLOCK):
        digits = np.round(matrix[start : start + _BLOCK] * np.float32(1e5)).astype(np.int32).astype(np.uint64)
        result[start : start + _BLOCK] = (digits * factors).sum(axis=1, dtype=np.uint64)
    return result
