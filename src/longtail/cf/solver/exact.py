"""The compiled reference: Cholesky of every row's own ``d x d`` matrix.

Arguments as in `longtail.cf.solver.kernels`; works in float64 when given float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from longtail.cf.solver.compile import compiled


@compiled
def _factorise(
    begin: Any,
    end: Any,
    indices: Any,
    quadratic: Any,
    offset: Any,
    fixed: Any,
    d: Any,
    width: Any,
    diagonal: Any,
    matrix: Any,
) -> Any:
    """The lower Cholesky factor of ``diag(diagonal) + Σ D_j v_j v_j'``; False where that is not positive definite."""
    matrix[:] = 0
    for i in range(d):
        matrix[i, i] = diagonal[i]
    for j in range(begin, end):
        at = np.intp(indices[j]) * width
        for i in range(d):
            w = (quadratic[j] - offset) * fixed[at + i]
            for k in range(i + 1):
                matrix[i, k] += w * fixed[at + k]
    for i in range(d):
        for j in range(i + 1):
            s = matrix[i, j]
            for k in range(j):
                s -= matrix[i, k] * matrix[j, k]
            if j < i:
                matrix[i, j] = s / matrix[j, j]
            elif s > 0:
                matrix[i, i] = np.sqrt(s)
            else:
                return False
    return True


@compiled
def solve_rows_exactly(
    rows: Any, indptr: Any, indices: Any, quadratic: Any, offset: Any, linear: Any, fixed: Any, spectrum: Any,
    unobserved: Any,
    ridge: Any, constant: Any, x: Any, value: Any, d: Any,
) -> None:  # fmt: skip
    """Solve some rows by Cholesky; ``d``: how many of the columns are not padding."""
    width = len(spectrum)
    dtype = spectrum.dtype
    diagonal = np.empty(d, dtype)
    matrix = np.empty((d, d), dtype)
    least = dtype.type(1e-30)
    for k in range(d):
        least = max(least, dtype.type(1e-7) * spectrum[k])
    for r in rows:
        begin, end = indptr[r], indptr[r + 1]
        y = x[r * width : r * width + d]
        h = np.zeros(d, dtype)
        if len(constant) > 0:
            h[:] = constant[r * width : r * width + d]
        y[:] = h
        if begin == end and not h.any():
            value[r] = 0.0
            continue
        floor = least * max(unobserved[r], dtype.type(1)) if begin < end else dtype.type(0)
        for k in range(d):
            diagonal[k] = max(unobserved[r] * spectrum[k] + ridge[r], floor)
        for j in range(begin, end):
            at = np.intp(indices[j]) * width
            for k in range(d):
                y[k] += linear[j] * fixed[at + k]
        if not _factorise(begin, end, indices, quadratic, offset, fixed, d, width, diagonal, matrix):
            value[r] = np.nan
            continue
        for i in range(d):
            for k in range(i):
                y[i] -= matrix[i, k] * y[k]
            y[i] /= matrix[i, i]
        for i in range(d - 1, -1, -1):
            y[i] /= matrix[i, i]
            for k in range(i):
                y[k] -= matrix[i, k] * y[i]
        result = 0.0
        for k in range(d):
            result += np.float64(y[k]) * (np.float64(diagonal[k]) * y[k] - 2.0 * np.float64(h[k]))
        for j in range(begin, end):
            at = np.intp(indices[j]) * width
            s = 0.0
            for k in range(d):
                s += np.float64(fixed[at + k]) * y[k]
            result += s * ((quadratic[j] - offset) * s - 2.0 * np.float64(linear[j]))
        value[r] = result
