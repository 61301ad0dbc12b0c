"""Rows of length 1, which cosines are inner products of."""

from __future__ import annotations

import numpy as np

from longtail.core.arrays import Float32, Float64

_BLOCK = 256
#: What is shorter counts as zero: scaled up it would be a direction of rounding errors.
_SHORTEST = 1e-12


def unit_rows(rows: Float64 | Float32) -> Float32:
    """Rows divided by their length.

    Args:
        rows: ``(n, d)``; may have no rows. A row that is not finite stays so.

    Returns:
        ``(n, d) float32``, computed in float64 row by row, so that a row's result does not depend on the others. Rows
        shorter than 1e-12 become zero.
    """
    result = np.empty(rows.shape, dtype=np.float32)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK].astype(np.float64)
        length = np.sqrt(np.square(block).sum(axis=1, keepdims=True))
        known = ~(length <= _SHORTEST)  # NaN is known to be no number
        result[start : start + _BLOCK] = np.divide(block, length, out=np.zeros_like(block), where=known)
    return result
