"""Which of the ranked items are relevant: the one thing every accuracy metric starts from.

A ranking of many users is ``ranked``, ``(n_users, width) int``: row numbers of items, best first, ``-1`` once a user
has no more answers. What the users took is ``relevant``, a sparse ``(n_users, n_items)`` matrix in which every stored
value other than zero is a relevant item.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from longtail.core.arrays import Bool, Int64
from longtail.core.errors import DataError

Ranked = npt.NDArray[np.integer]


def hits_at_k(ranked: Ranked, relevant: sparse.csr_array, k: int) -> Bool:
    """Whether the item in each of the first ``k`` places is relevant, ``(n_users, k) bool``.

    An empty ranking (all ``-1``) has no hits; no users give ``(0, k)``.

    Raises:
        DataError: the shapes do not fit, ``k`` is larger than the ranking is wide, a user's ranking has a gap or
            names an item twice (which would count one hit twice), or an item is not a column of ``relevant``.
    """
    top = first_k(ranked, k)
    n_users, n_items = relevant.shape
    if len(top) != n_users:
        raise DataError(f"The ranking has {len(top):,} users and the relevance {n_users:,}; pass the same users.")
    if top.size and top.max() >= n_items:
        raise DataError(f"The ranking names item row {top.max():,}; the relevance has only {n_items:,} items.")
    matrix = as_relevance(relevant)
    stored = np.repeat(np.arange(n_users, dtype=np.int64), np.diff(matrix.indptr)) * n_items + matrix.indices
    asked = np.where(top >= 0, np.arange(n_users, dtype=np.int64)[:, None] * n_items + top, -1)
    if len(stored) == 0:
        return np.zeros(top.shape, dtype=np.bool_)
    place = np.minimum(np.searchsorted(stored, asked), len(stored) - 1)
    hits: Bool = stored[place] == asked
    return hits


def relevant_counts(relevant: sparse.csr_array) -> Int64:
    """Number of relevant items of each user, ``(n_users,) int64``."""
    return np.diff(as_relevance(relevant).indptr).astype(np.int64)


def as_relevance(relevant: sparse.csr_array) -> sparse.csr_array:
    """The same relevance with sorted columns and no stored zeros; the argument is left as it is."""
    matrix = sparse.csr_array(relevant)
    if matrix.data.all() and matrix.has_canonical_format:
        return matrix
    matrix = matrix.copy()
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def first_k(ranked: Ranked, k: int) -> Int64:
    """The first ``k`` columns of a ranking as ``(n_users, k) int64``, after checking that it is one.

    Raises:
        DataError: see :func:`hits_at_k`.
    """
    if k < 1:
        raise DataError(f"k must be at least 1; found {k}.")
    if ranked.ndim != 2 or not np.issubdtype(ranked.dtype, np.integer):
        raise DataError(
            f"A ranking is an integer matrix with a row a user; found {ranked.dtype} of shape {ranked.shape}."
        )
    if ranked.shape[1] < k:
        raise DataError(
            f"The ranking has {ranked.shape[1]} places and k is {k}. Rank at least k places; "
            "fill the places a user has no answer for with -1."
        )
    top = ranked[:, :k].astype(np.int64)
    if top.size == 0:
        return top
    if top.min() < -1:
        raise DataError(f"A ranking holds item rows, or -1 for no more answers; found {top.min()}.")
    if ((top[:, :-1] < 0) & (top[:, 1:] >= 0)).any():
        raise DataError("A ranking has an item after -1. Move the answers to the front; -1 means no more answers.")
    ordered = np.sort(top, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    if twice.any():
        user = int(np.flatnonzero(twice.any(axis=1))[0])
        item = int(ordered[user, 1:][twice[user]][0])
        raise DataError(f"The ranking of user row {user:,} names item row {item:,} more than once. Remove repetitions.")
    return top
