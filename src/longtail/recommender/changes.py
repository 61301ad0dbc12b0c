"""What events have changed since a bundle was put together: read through, and merged into it when it is saved.

A shop's matrices are large and an event touches a row or two of them. So the rows that changed stand beside the
matrices, and whoever reads looks here first.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csc_array, csr_array

from longtail.bundle import Bundle
from longtail.core.arrays import Float32, Int64
from longtail.core.vocabulary import Vocabulary


@dataclass(frozen=True)
class Pairs:
    """One row or one column of the history: who or what, ``(n,) int64`` ascending, and the weights ``(n,) float32``."""

    rows: Int64
    weights: Float32

    def weight_of(self, row: int) -> float:
        """The weight of one pair; 0 where there is none."""
        at = int(np.searchsorted(self.rows, row))
        return float(self.weights[at]) if at < len(self.rows) and self.rows[at] == row else 0.0

    def with_weights(self, changed: Mapping[int, float]) -> Pairs:
        """The same with some pairs added, or weighing something else."""
        whole = dict(zip(self.rows.tolist(), self.weights.tolist(), strict=True)) | dict(changed)
        rows = np.array(sorted(whole), dtype=np.int64)
        return Pairs(rows, np.array([whole[row] for row in rows.tolist()], dtype=np.float32))


NOBODY = Pairs(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))


def _nothing() -> Mapping[Any, Any]:
    return MappingProxyType({})


@dataclass(frozen=True)
class Changes:
    """Rows that are other than in the bundle. Nothing in it changes; a further batch makes a new one.

    Attributes:
        user_ids: rows of users the bundle does not have, by id; they stand after its own.
        user_vectors, item_vectors: ``(d,) float32`` by row.
        taken: what a user took, by the user's row.
        takers: who took an item, by the item's row.
    """

    user_ids: Mapping[str, int] = field(default_factory=_nothing)
    user_vectors: Mapping[int, Float32] = field(default_factory=_nothing)
    item_vectors: Mapping[int, Float32] = field(default_factory=_nothing)
    taken: Mapping[int, Pairs] = field(default_factory=_nothing)
    takers: Mapping[int, Pairs] = field(default_factory=_nothing)

    def __bool__(self) -> bool:
        return bool(self.user_vectors or self.item_vectors)

    def __len__(self) -> int:
        """How many rows have changed."""
        return len(self.user_vectors) + len(self.item_vectors)

    def merged_into(self, bundle: Bundle) -> Bundle:
        """The bundle with everything in its place; indexes that were built are left out."""
        if not self:
            return bundle
        new = len(self.user_ids)
        n_users = len(bundle.users) + new
        ids = pa.concat_arrays([bundle.users.ids, pa.array(list(self.user_ids), pa.large_string())])
        users = bundle.users if not new else Vocabulary(ids, bundle.users.kind)
        return replace(
            bundle,
            users=users,
            user_factors=_with_rows(bundle.user_factors, self.user_vectors, n_users),
            als_user_factors=_with_rows(bundle.als_user_factors, {}, n_users),
            item_vectors=_with_rows(bundle.item_vectors, self.item_vectors, len(bundle.items)),
            history=_with_history(bundle.history, self.taken, n_users),
            trained=(bundle.trained_users, bundle.trained_items),
            indexes={},
        )


class Columns:
    """The history by items, made when the first item is asked for. Any number of threads may ask."""

    def __init__(self, history: csr_array) -> None:
        self._history = history
        self._by_item: csc_array | None = None
        self._lock = threading.Lock()

    def of(self, item: int) -> Pairs:
        """Who took an item, by the bundle's history."""
        with self._lock:
            if self._by_item is None:
                self._by_item = csc_array(self._history)
                self._by_item.sort_indices()
            by_item = self._by_item
        if item >= by_item.shape[1]:
            return NOBODY
        return _pairs(by_item, item)


def row_of(history: csr_array, user: int) -> Pairs:
    """What a user took, by the bundle's history."""
    return _pairs(history, user)


def _pairs(matrix: csr_array | csc_array, major: int) -> Pairs:
    start, end = matrix.indptr[major : major + 2]
    rows = np.asarray(matrix.indices[start:end], dtype=np.int64)
    return Pairs(rows, np.asarray(matrix.data[start:end], dtype=np.float32))


def _with_rows(matrix: Float32, rows: Mapping[int, Float32], n: int) -> Float32:
    whole = np.zeros((n, matrix.shape[1]), dtype=np.float32)
    whole[: len(matrix)] = matrix
    for row, vector in rows.items():
        whole[row] = vector
    return whole


def _with_history(history: csr_array, taken: Mapping[int, Pairs], n_users: int) -> csr_array:
    """The history with some rows replaced, those after its own among them."""
    old = len(history.indptr) - 1
    lengths = np.zeros(n_users, dtype=np.int64)
    lengths[:old] = np.diff(history.indptr)
    for row, pairs in taken.items():
        lengths[row] = len(pairs.rows)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    indices = np.empty(int(indptr[-1]), dtype=history.indices.dtype)
    data = np.empty(len(indices), dtype=np.float32)
    first = 0
    for row in [*sorted(taken), n_users]:
        # What lies between two changed users is copied in one piece.
        source = slice(history.indptr[min(first, old)], history.indptr[min(row, old)])
        target = slice(indptr[first], indptr[row])
        indices[target], data[target] = history.indices[source], history.data[source]
        if row < n_users:
            own = slice(indptr[row], indptr[row + 1])
            indices[own], data[own] = taken[row].rows, taken[row].weights
        first = row + 1
    pointer: npt.NDArray[Any] = indptr.astype(history.indptr.dtype)
    return csr_array((data, indices, pointer), shape=(n_users, history.shape[1]))
