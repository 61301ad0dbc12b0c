"""What every index promises, whatever is behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, Self

import numpy as np

from longtail.core.arrays import Bool, Float32, Float64, Int64, State
from longtail.core.errors import DataError, NumericalError


class Hits(NamedTuple):
    """The answer to one query, best first: ``rows (m,) int64`` and ``scores (m,) float32`` with m <= k."""

    rows: Int64
    scores: Float32


class Index(Protocol):
    """Rows of a matrix with the highest inner product with a query.

    All kinds keep the same promises, which `tests/contracts/test_index.py` runs over each of them:

    - scores are inner products in float64, rounded to float32, so that equal vectors have equal scores;
    - best first, ties by row number, lowest first;
    - rows that are not allowed are left out before the cut; never padded: min(k, allowed rows) hits come back;
    - searching is thread-safe, and ``add`` and ``replace`` give a new index and leave the old one as it was.

    Kinds differ in recall only: an approximate one may miss a row that belongs in the k best.
    """

    kind: str

    @classmethod
    def build(cls, vectors: Float32, *, seed: int = 0, threads: int | None = None) -> Self:
        """Index ``vectors (n, d) float32``; kept, not copied. Raises NumericalError where they are not finite."""

    @classmethod
    def from_state(cls, state: State, vectors: Float32) -> Self:
        """Restore from ``state()`` and the vectors, which the state leaves out because a bundle has them already."""

    def state(self) -> State: ...

    def __len__(self) -> int: ...

    def search(self, queries: Float32, k: int, *, allowed: Bool | None = None) -> list[Hits]:
        """The best rows of each of ``queries (b, d)``; ``allowed (n,) bool`` holds for all of them.

        Raises:
            DataError: k is not positive, or queries or mask do not fit the index.
        """

    def add(self, vectors: Float32) -> Index:
        """An index of the old rows followed by ``vectors (m, d)``."""

    def replace(self, rows: Int64, vectors: Float32) -> Index:
        """An index in which some rows have other vectors ``(len(rows), d)``; costs what is replaced, not all rows."""


def checked_vectors(vectors: Float32) -> Float32:
    """``vectors`` as contiguous rows of float32; raises DataError on another shape, NumericalError on NaN."""
    if vectors.ndim != 2 or vectors.dtype != np.float32:
        raise DataError(f"An index needs a float32 matrix (n, d); found {vectors.dtype} {vectors.shape}.")
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise NumericalError(f"Row {row:,} of the vectors to index has NaN or infinite values.")
    return np.ascontiguousarray(vectors)


def checked_queries(queries: Float32, k: int, allowed: Bool | None, n: int, d: int) -> Float32:
    """``queries`` as contiguous float32; raises DataError where anything does not fit an index of ``(n, d)``."""
    if k < 1:
        raise DataError(f"k must be at least 1; found {k}.")
    if queries.ndim != 2 or queries.shape[1] != d:
        raise DataError(f"This index takes queries of shape (b, {d}); found {queries.shape}.")
    if not np.isfinite(queries).all():
        raise NumericalError("A query has NaN or infinite values.")
    if allowed is not None and (allowed.shape != (n,) or allowed.dtype != np.bool_):
        raise DataError(f"The mask must be ({n},) bool; found {allowed.dtype} {allowed.shape}.")
    return np.ascontiguousarray(queries, dtype=np.float32)


def inner_products(vectors: Float32, query: Float32) -> Float64:
    """``vectors (n, d)`` times ``query (d,)``, the same for a row wherever it stands, ``(n,)``."""
    return np.asarray((vectors * query.astype(np.float64)).sum(axis=1))


def rank(take: Callable[[Int64], Float32], query: Float32, rows: Int64, k: int) -> Hits:
    """The ``k`` best of some rows by their inner product with ``query (d,)``, scored the way every index scores.

    ``take`` gives the vectors of some rows.

    BLAS rounds a row's product differently by where the row stands in a block, so its scores only choose candidates;
    what is returned and ordered by is computed here, the same for every row.
    """
    scores = np.empty(len(rows), dtype=np.float64)
    for start in range(0, len(rows), 65_536):
        part = slice(start, start + 65_536)
        scores[part] = inner_products(take(rows[part]), query)
    rounded: Float32 = scores.astype(np.float32)
    order = np.lexsort((rows, -rounded))[:k]
    return Hits(rows[order], rounded[order])
