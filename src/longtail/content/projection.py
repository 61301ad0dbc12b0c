"""Linear maps that give a row the same bits alone as among a million others, and how they are found.

A matrix product may round a row differently when it is computed among other rows: libraries choose their kernels by
shape. Here products run in float64, in blocks of one fixed shape, and only the result is rounded to float32. A new
item that is read at serving time therefore gets the vector that training would have given it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from longtail.core.arrays import Float32, Float64, Int64
from longtail.core.machine import one_blas_thread

_BLOCK = 256
_OVERSAMPLING = 16
_POWER_ITERATIONS = 6
#: Directions with less than this share of the first one's variance are noise of the arithmetic.
_NEGLIGIBLE = 1e-6


def project(rows: Float32, mean: Float64, scale: Float64, directions: Float64) -> Float64:
    """``((rows - mean) / scale) @ directions`` with bits that do not depend on the other rows.

    Args:
        rows: ``(n, d)`` float32.
        mean: ``(d,)`` float64.
        scale: ``(d,)`` float64 without zeros.
        directions: ``(d, r)`` float64.

    Returns:
        ``(n, r)`` float64.
    """
    result = np.empty((len(rows), directions.shape[1]))
    block = np.zeros((_BLOCK, rows.shape[1]))
    with one_blas_thread():
        for start in range(0, len(rows), _BLOCK):
            stop = min(start + _BLOCK, len(rows))
            block[: stop - start] = (rows[start:stop] - mean) / scale
            block[stop - start :] = 0.0
            result[start:stop] = (block @ directions)[: stop - start]
    return result


class Principal(NamedTuple):
    """Principal directions of standardised rows, heaviest first.

    ``mean (d,)``; ``scale (d,)``, 1 where a column is constant; ``directions (d, r)``; ``variances (r,)``;
    ``explained``, their share of the whole variance.
    """

    mean: Float64
    scale: Float64
    directions: Float64
    variances: Float64
    explained: float


def principal_directions(rows: Float32, counts: Float64, rank: int) -> Principal:
    """Principal components of rows after each column was centred and divided by its standard deviation.

    Args:
        rows: ``(n, d)`` float32 with ``n >= 2`` rows that count.
        counts: ``(n,)`` how often each row counts; 0 leaves it out.
        rank: at most as many directions.

    Returns:
        ``r <= min(rank, d, number of rows - 1)`` directions, negligible ones left out. Signs are fixed: the largest
        component of a direction is positive.
    """
    total = counts.sum()
    width = rows.shape[1]
    mean = np.zeros(width)
    for part in _parts(len(rows), width):
        mean += counts[part] @ rows[part].astype(np.float64)
    mean /= total
    covariance = np.zeros((width, width))
    for part in _parts(len(rows), width):
        centred = (rows[part] - mean) * np.sqrt(counts[part, None])
        covariance += centred.T @ centred
    covariance /= total
    deviation = np.sqrt(np.diag(covariance))
    # A column that is constant but for the rounding of float32 would be blown up to noise.
    constant = deviation <= 1e-6 * np.abs(mean)
    scale = np.where(constant, 1.0, deviation)
    covariance[constant, :] = 0.0
    covariance[:, constant] = 0.0
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    limit = min(rank, width, max(1, int(np.count_nonzero(counts)) - 1))
    keep = np.argsort(-values, kind="stable")[:limit]
    keep = keep[values[keep] > _NEGLIGIBLE * max(float(values.max(initial=0.0)), 1e-300)]
    explained = float(values[keep].sum() / max(float(values.sum()), 1e-300))
    return Principal(mean, scale, fix_signs(vectors[:, keep]), values[keep], min(1.0, explained))


def singular_directions(matrix: sp.csr_array, rank: int, seed: int) -> tuple[Float64, Float64]:
    """Right singular vectors of a sparse matrix, strongest first, by seeded block power iteration.

    Memory is ``columns x (rank + 16)`` and a block of rows; the matrix is never made dense.

    Returns:
        directions ``(n_columns, r)`` and singular values ``(r,)``; ``r <= min(rank, shape)``, negligible ones left out.
    """
    width = min(rank + _OVERSAMPLING, *matrix.shape)
    if width == 0:
        return np.zeros((matrix.shape[1], 0)), np.zeros(0)
    basis = np.random.default_rng(seed).standard_normal((matrix.shape[1], width))
    with one_blas_thread():  # tall and narrow: threads would only wait for each other
        for _ in range(_POWER_ITERATIONS):
            basis, _ = np.linalg.qr(_gram_times(matrix, basis))
        values, rotation = np.linalg.eigh(basis.T @ _gram_times(matrix, basis))
    keep = np.argsort(-values, kind="stable")[: min(rank, width)]
    keep = keep[values[keep] > _NEGLIGIBLE * max(float(values.max()), 1e-300)]
    return fix_signs(basis @ rotation[:, keep]), np.sqrt(values[keep])


def fix_signs(directions: Float64) -> Float64:
    """Columns turned so that the component of largest magnitude is positive."""
    if not directions.size:
        return directions
    largest = np.argmax(np.abs(directions), axis=0)
    return directions * np.where(directions[largest, np.arange(directions.shape[1])] < 0, -1.0, 1.0)


def _gram_times(matrix: sp.csr_array, basis: Float64) -> Float64:
    result = np.zeros_like(basis)
    for part in _parts(matrix.shape[0], basis.shape[1]):
        rows = matrix[part]
        result += rows.T @ (rows @ basis)
    return result


def _parts(n: int, width: int) -> Iterator[slice]:
    """Blocks of rows of at most 64 MiB in float64."""
    size = max(_BLOCK, 2**23 // max(1, width))
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def row_counts(row_of: Int64, n_rows: int) -> Float64:
    """How often each of ``n_rows`` is meant by ``row_of`` (-1: none), ``(n_rows,) float64``."""
    return np.bincount(row_of[row_of >= 0], minlength=n_rows).astype(np.float64)
