"""Say why a half-step met numbers that are not finite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from longtail.core.errors import NumericalError


def explain(
    indptr: Any, indices: Any, quadratic: Any, linear: Any, fixed: Any, x: Any, prior: Any,
    name_row: Callable[[int], str], name_fixed: Callable[[int], str], value: Any,
) -> NoReturn:  # fmt: skip
    """Find the first cause and raise it; called only when something is known to be wrong, so it may take its time.

    Raises:
        NumericalError: always; names the row, the cause and the remedy.
    """
    row = _first_bad(fixed)
    if row is not None:
        raise NumericalError(
            f"The factors of {name_fixed(row)} are not finite, so nothing can be solved against them. If you passed "
            "them, check where they come from; if training made them, raise the regularization or lower alpha."
        )
    for weights in (linear, quadratic):
        bad = np.flatnonzero(~np.isfinite(weights))
        if len(bad):
            row = int(np.searchsorted(indptr, bad[0], side="right")) - 1
            column = name_fixed(int(indices[bad[0]]))
            raise NumericalError(
                f"The weight of {name_row(row)} and {column} is {weights[bad[0]]}. Weights must be finite: remove or "
                "repair these events (`longtail check` counts them), and look at alpha."
            )
    if prior is not None and (row := _first_bad(prior)) is not None:
        raise NumericalError(
            f"The prior of {name_row(row)} is not finite. Check its content features and the bridge that predicted it."
        )
    row = int(np.flatnonzero(~np.isfinite(value))[0])
    if not np.isfinite(x[row]).all():
        raise NumericalError(
            f"The factors solved for {name_row(row)} ({indptr[row + 1] - indptr[row]:,} pairs) are not finite: its "
            "start was not, or its weights overflow float32. Lower alpha, or raise the regularization."
        )
    raise NumericalError(
        f"The system of {name_row(row)} ({indptr[row + 1] - indptr[row]:,} pairs) is not positive definite. Its "
        "weights are too large for the penalty, or negative: raise the regularization or lower alpha."
    )


def _first_bad(matrix: Any) -> int | None:
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    return int(bad[0]) if len(bad) else None
