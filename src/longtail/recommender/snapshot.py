"""A bundle made ready to be asked: what queries and stored vectors look like, and who may be returned."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array

from longtail.bundle import Bundle
from longtail.cf.content_knn import profiles
from longtail.core.arrays import Bool, Float32, Int64
from longtail.core.ranking import SOURCES
from longtail.index import Index, build_index, restore_index
from longtail.recommender.filters import CatalogColumns


@dataclass
class Snapshot:
    """One state of the catalog. Nothing in it changes but what is made on first use, so any number of threads may read.

    user -> item: stored [v_i; g_i z_i], asked with [u; p_u].
    item -> item: stored [v_j; z_j] with both parts of unit length, asked with [(1 - g_q) v_q; g_q z_q].
    """

    bundle: Bundle
    _indexes: dict[str, Index] = field(default_factory=dict)
    _columns: CatalogColumns | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._has_vector: Bool = np.asarray(self.bundle.item_vectors.any(axis=1))
        self._has_content: Bool = self.bundle.has_content

    def answerable(self, query: Float32) -> Bool:
        """``(n_items,) bool``: items that have what the query asks by; about others their score says nothing."""
        d = self.bundle.item_vectors.shape[1]
        answerable = np.zeros(len(self.bundle.items), dtype=np.bool_)
        if query[:d].any():
            answerable |= self._has_vector
        if query[d:].any():
            answerable |= self._has_content
        return answerable

    @property
    def columns(self) -> CatalogColumns:
        """What filters and groups may speak of."""
        with self._lock:
            if self._columns is None:
                self._columns = CatalogColumns(_with_facts(self.bundle))
            return self._columns

    def index(self, name: str) -> Index:
        """The index ``user_item`` or ``item_item``, restored or built on first use."""
        with self._lock:
            if name not in self._indexes:
                vectors = STORED[name](self.bundle)
                state = self.bundle.indexes.get(name)
                self._indexes[name] = (
                    build_index(self.bundle.index, vectors) if state is None else restore_index(state, vectors)
                )
            return self._indexes[name]

    def grown(self, bundle: Bundle) -> Snapshot:
        """A snapshot of ``bundle``, which has the same items and new ones after them; indexes are added to."""
        first = len(self.bundle.items)
        with self._lock:
            built = dict(self._indexes)
        rows = np.arange(first, len(bundle.items), dtype=np.int64)
        return Snapshot(bundle, {name: index.add(STORED[name](bundle, rows)) for name, index in built.items()})


def with_index(bundle: Bundle, kind: str, *, seed: int = 0, threads: int | None = None) -> Bundle:
    """The bundle with indexes of a kind, built now, so that whoever opens it need not.

    Raises:
        DataError: the kind is unknown. MissingExtraError: it needs a library that is not installed.
    """
    built = {name: build_index(kind, make(bundle), seed=seed, threads=threads).state() for name, make in STORED.items()}
    return replace(bundle, index=kind, indexes={name: state for name, state in built.items() if state[1]})


def stored_for_users(bundle: Bundle, rows: Int64 | None = None) -> Float32:
    """[v_i; g_i z_i], ``(n, d + d_z) float32``, of all items or of some."""
    vectors, content, n = _of(bundle, rows)
    return np.concatenate([vectors, content * bundle.fusion.gain(n)[:, None]], axis=1)


def stored_for_items(bundle: Bundle, rows: Int64 | None = None) -> Float32:
    """[v_j; z_j] with both parts of unit length or zero, ``(n, d + d_z) float32``, of all items or of some."""
    vectors, content, _ = _of(bundle, rows)
    return np.concatenate([unit_rows(vectors), content], axis=1)


def item_query(bundle: Bundle, vector: Float32, content: Float32, n_interactions: int) -> Float32 | None:
    """[(1 - g_q) v_q; g_q z_q], ``(d + d_z,) float32``: an item's question for items like it.

    Where one of the two is missing the other speaks alone; None where both are.
    """
    gate = float(bundle.fusion.query_gate(np.array([n_interactions], dtype=np.int64))[0])
    if not vector.any():
        gate = 1.0
    if not content.any():
        gate = 0.0
    if not vector.any() and not content.any():
        return None
    return np.concatenate([(1.0 - gate) * unit_rows(vector[None])[0], gate * content]).astype(np.float32)


def user_query(bundle: Bundle, vector: Float32, rows: Int64) -> Float32 | None:
    """[u; p_u], ``(d + d_z,) float32``: a user's question, with the items of the history; None if it says nothing.

    Where fusion gives content no weight, p_u is left zero, so that it is no reason for an answer.
    """
    history = csr_array(
        (np.ones(len(rows), dtype=np.float32), np.arange(len(rows)), np.array([0, len(rows)])), shape=(1, len(rows))
    )
    profile = profiles(history, bundle.content[rows])[0]
    if bundle.fusion.weight == 0:
        profile = np.zeros_like(profile)
    query = np.concatenate([vector, profile]).astype(np.float32)
    return query if query.any() else None


def unit_rows(matrix: Float32) -> Float32:
    """Rows scaled to unit length, ``float32``; zero rows stay zero."""
    lengths = np.sqrt(np.einsum("ij,ij->i", matrix, matrix, dtype=np.float64))
    scale = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 1e-12)
    return np.asarray(matrix * scale[:, None], dtype=np.float32)


#: What each index holds.
STORED: dict[str, Callable[..., Float32]] = {"user_item": stored_for_users, "item_item": stored_for_items}


def _of(bundle: Bundle, rows: Int64 | None) -> tuple[Float32, Float32, Int64]:
    if rows is None:
        return bundle.item_vectors, bundle.content, bundle.n_interactions
    return bundle.item_vectors[rows], bundle.content[rows], bundle.n_interactions[rows]


def _with_facts(bundle: Bundle) -> pa.Table:
    table = bundle.catalog
    facts = {
        "item_id": bundle.items.ids,
        "n_interactions": pa.array(bundle.n_interactions),
        "source": pa.array(np.array(SOURCES, dtype=object)[bundle.source_codes], pa.string()),
    }
    taken = {name.casefold() for name in table.column_names}
    for name, values in facts.items():
        if name not in taken:
            table = table.append_column(name, values)
    return table
