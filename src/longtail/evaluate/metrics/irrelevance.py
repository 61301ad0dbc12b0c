"""The share of what is shown beside something that does not belong there."""

from __future__ import annotations

import numpy as np

from longtail.core.arrays import Float64
from longtail.core.errors import DataError


def irrelevant_share(relevant: Float64) -> Float64:
    """1 - mean relevance of each row's known places, ``(n,) float64`` in [0, 1]; lower is better.

    Args:
        relevant: ``(n, k)``, how relevant what stands in each place is, in [0, 1]; NaN where that is not known or
            nothing stands there, which counts neither way.

    Returns:
        One value a row; NaN for a row of which nothing is known.

    Raises:
        DataError: not a matrix, or a value outside [0, 1].
    """
    if relevant.ndim != 2 or (relevant < 0).any() or (relevant > 1).any():
        raise DataError("Relevance is a matrix of values from 0 to 1, or NaN where it is not known.")
    known = ~np.isnan(relevant)
    n_known = known.sum(axis=1)
    total = np.where(known, relevant, 0.0).sum(axis=1)
    shares = np.full(len(relevant), np.nan)
    some = n_known > 0
    shares[some] = 1.0 - total[some] / n_known[some]
    return shares
