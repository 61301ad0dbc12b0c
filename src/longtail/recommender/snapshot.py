"""A bundle made ready to be asked: what queries and stored vectors look like, and who may be returned."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pyarrow as pa

from longtail.bundle import Bundle
from longtail.cf.row import RowSystem, Shared, item_system, user_system
from longtail.core.arrays import Bool, Float32, Int64
from longtail.core.ranking import SOURCES
from longtail.core.unit_rows import unit_rows
from longtail.index import Index, build_index, restore_index
from longtail.recommender.changes import Changes, Columns, Pairs, row_of
from longtail.recommender.filters import CatalogColumns
from longtail.recommender.history import Unknown, known_row


@dataclass
class Snapshot:
    """One state of the catalog. Nothing in it changes but what is made on first use, so any number of threads may read.

    user -> item: stored b_i [v_i; g_i z_i], asked with [u + s_u ū; p], see `longtail.recommender.asking`.
    item -> item: stored [r_j v_j; z_j], asked with [(1 - g_q) v_q; g_q z_q], all v and z of unit length.

    Attributes:
        bundle: its numbers per item are of now; of its vectors and its history, what `changes` has is out of date.
        changes: what events have changed since the bundle was put together.
        by_item: the bundle's history by items.
    """

    bundle: Bundle
    changes: Changes = field(default_factory=Changes)
    by_item: Columns | None = None
    _indexes: dict[str, Index] = field(default_factory=dict)
    _shared: dict[str, Shared] = field(default_factory=dict)
    _has: tuple[Bool, Bool] | None = None
    _columns: CatalogColumns | None = None
    _whole: Bundle | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        if self.by_item is None:
            self.by_item = Columns(self.bundle.history)
        if self._has is None:  # a vector, content; handed on from one snapshot to the next
            self._has = np.asarray(self.bundle.item_vectors.any(axis=1)), self.bundle.has_content

    @property
    def whole(self) -> Bundle:
        """The bundle with the changes in their places; put together on first use."""
        with self._lock:
            if self._whole is None:
                merged = self.changes.merged_into(self.bundle)
                states = {name: self.index(name).state() for name in self.bundle.indexes} if self.changes else {}
                self._whole = replace(merged, indexes=states) if states else merged
            return self._whole

    def user_row(self, id: str, unknown: Unknown = "error") -> int | None:
        """The row of a user. Raises as `longtail.recommender.history.known_row`."""
        row = self.changes.user_ids.get(id) if isinstance(id, str) else None
        return known_row(self.bundle.users, id, unknown) if row is None else row

    def user_vector(self, row: int) -> Float32:
        """u, ``(d,) float32``."""
        changed = self.changes.user_vectors.get(row)
        return self.bundle.user_factors[row] if changed is None else changed

    def item_vector(self, row: int) -> Float32:
        """v, ``(d,) float32``."""
        changed = self.changes.item_vectors.get(row)
        return self.bundle.item_vectors[row] if changed is None else changed

    def user_vectors(self, rows: Int64) -> Float32:
        """Of some users, ``(n, d) float32``; the bundle's come in one piece."""
        return _vectors(self.bundle.user_factors, self.changes.user_vectors, rows)

    def item_vectors(self, rows: Int64) -> Float32:
        """Of some items, ``(n, d) float32``."""
        return _vectors(self.bundle.item_vectors, self.changes.item_vectors, rows)

    def taken(self, user: int) -> Pairs:
        """What a user took."""
        changed = self.changes.taken.get(user)
        return row_of(self.bundle.history, user) if changed is None else changed

    def takers(self, item: int) -> Pairs:
        """Who took an item."""
        assert self.by_item is not None
        changed = self.changes.takers.get(item)
        return self.by_item.of(item) if changed is None else changed

    def shared(self, side: Literal["users", "items"]) -> Shared:
        """What a row of the other side is solved against: U'U, or A'EA of items as users ask for them."""
        with self._lock:
            if side not in self._shared:
                bundle = self.whole
                self._shared[side] = (
                    Shared.of(bundle.user_factors, bundle.trained_users)
                    if side == "users"
                    else Shared.of(solved_against(bundle), bundle.trained_items, bundle.exposure)
                )
            return self._shared[side]

    def user_system(self, taken: Pairs) -> RowSystem:
        """The system of u, of a user with a history, known or not: what items are blended with."""
        vectors = self.item_vectors(taken.rows)
        return self._user_system(self.shared("items").leading(vectors.shape[1]), vectors, taken)

    def asking_system(self, taken: Pairs) -> RowSystem:
        """The system of [u; p], of a user with a history: what they ask with, as evaluation has it."""
        against = solved_against(self.bundle, taken.rows, self.item_vectors(taken.rows))
        return self._user_system(self.shared("items"), against, taken)

    def _user_system(self, shared: Shared, vectors: Float32, taken: Pairs) -> RowSystem:
        return user_system(
            shared, vectors, taken.weights, self.bundle.als_settings, exposure=self.bundle.exposure[taken.rows]
        )

    def item_system(self, row: int, takers: Pairs, *, exposure: float) -> RowSystem:
        """The system of an item and those who took it: the blend, see `longtail.blend`."""
        prior = self.bundle.predictions[row]
        return item_system(
            self.shared("users"), self.user_vectors(takers.rows), takers.weights, self.bundle.als_settings,
            exposure=exposure, prior=prior if prior.any() else None, precision=self.bundle.precision,
        )  # fmt: skip

    def answerable(self, query: Float32) -> Bool:
        """``(n_items,) bool``: items that have what the query asks by; about others their score says nothing."""
        d = self.bundle.item_vectors.shape[1]
        assert self._has is not None
        answerable = np.zeros(len(self.bundle.items), dtype=np.bool_)
        if query[:d].any():
            answerable |= self._has[0]
        if query[d:].any():
            answerable |= self._has[1]
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
                bundle = self.changes.merged_into(self.bundle)
                vectors = STORED[name](bundle)
                state = bundle.indexes.get(name)
                self._indexes[name] = (
                    build_index(bundle.index, vectors) if state is None else restore_index(state, vectors)
                )
            return self._indexes[name]

    def grown(self, bundle: Bundle) -> Snapshot:
        """A snapshot of ``bundle``, which has the same items and new ones after them; indexes are added to."""
        first = len(self.bundle.items)
        rows = np.arange(first, len(bundle.items), dtype=np.int64)
        assert self._has is not None
        has_vector, has_content = self._has
        with self._lock:
            # Nobody could see the new items, so that what users are solved against stays as it is.
            return Snapshot(
                bundle,
                self.changes,
                self.by_item,
                {name: index.add(STORED[name](bundle, rows)) for name, index in self._indexes.items()},
                dict(self._shared),
                (
                    np.concatenate([has_vector, bundle.item_vectors[first:].any(axis=1)]),
                    np.concatenate([has_content, bundle.content[first:].any(axis=1)]),
                ),
            )

    def renumbered(self, bundle: Bundle) -> Snapshot:
        """A snapshot of ``bundle``, which differs in numbers about items that no index holds."""
        with self._lock:
            indexes, shared = dict(self._indexes), dict(self._shared)
        return Snapshot(bundle, self.changes, self.by_item, indexes, shared, self._has)

    def staged(self, bundle: Bundle, changes: Changes, shared: dict[str, Shared]) -> Snapshot:
        """A snapshot on the way to the next one, to be solved against and not to be searched."""
        return Snapshot(bundle, changes, self.by_item, {}, shared, self._has)

    def changed(self, bundle: Bundle, changes: Changes, rows: Int64, shared: dict[str, Shared]) -> Snapshot:
        """A snapshot in which events have changed some items ``rows``, and users; indexes are put right.

        ``bundle`` has the items' new numbers, ``changes`` the new vectors, ``shared`` what both make of a whole side.
        """
        for name in self.bundle.indexes:
            self.index(name)  # a graph that was built is kept, with what it does not know beside it
        vectors = _vectors(bundle.item_vectors, changes.item_vectors, rows)
        assert self._has is not None
        has_vector = self._has[0].copy()
        has_vector[rows] = vectors.any(axis=1)
        with self._lock:
            indexes = {
                name: index.replace(rows, STORED[name](bundle, rows, vectors)) for name, index in self._indexes.items()
            }
            columns = None if self._columns is None else self._columns.renewed(_with_facts(bundle))
        return Snapshot(bundle, changes, self.by_item, indexes, shared, (has_vector, self._has[1]), columns)

    def settled(self) -> Snapshot:
        """The same state with the changes in their places: takes time for the catalog, so only now and then."""
        with self._lock:
            return Snapshot(
                self.whole, Changes(), None, dict(self._indexes), dict(self._shared), self._has, self._columns
            )


def with_index(bundle: Bundle, kind: str, *, seed: int = 0, threads: int | None = None) -> Bundle:
    """The bundle with indexes of a kind, built now, so that whoever opens it need not.

    Raises:
        DataError: the kind is unknown. MissingExtraError: it needs a library that is not installed.
    """
    built = {name: build_index(kind, make(bundle), seed=seed, threads=threads).state() for name, make in STORED.items()}
    return replace(bundle, index=kind, indexes={name: state for name, state in built.items() if state[1]})


def solved_against(bundle: Bundle, rows: Int64 | None = None, vectors: Float32 | None = None) -> Float32:
    """What users are solved against, ``(n, d + d_z) float32``, of all items or of some; ``(n, d)`` where content is no
    part of it. ``vectors`` stand instead of the bundle's.
    """
    vectors, content, n = _of(bundle, rows, vectors)
    if bundle.fusion.averaged or not bundle.fusion.weight:
        return vectors
    return bundle.fusion.solved_against(vectors, content, n)


def stored_for_users(bundle: Bundle, rows: Int64 | None = None, vectors: Float32 | None = None) -> Float32:
    """b_i a_i, ``(n, d + d_z) float32``; arguments as `solved_against`."""
    return bundle.fusion.asked_for(*_of(bundle, rows, vectors))


def stored_for_items(bundle: Bundle, rows: Int64 | None = None, vectors: Float32 | None = None) -> Float32:
    """[r_j v_j; z_j], ``(n, d + d_z) float32``, v and z of unit length or zero; as `stored_for_users` otherwise."""
    vectors, content, n = _of(bundle, rows, vectors)
    return np.concatenate([unit_rows(vectors) * bundle.fusion.trust(n)[:, None], content], axis=1)


def item_query(bundle: Bundle, vector: Float32, content: Float32, n_interactions: int) -> Float32 | None:
    """[(1 - g_q) v_q; g_q z_q], ``(d + d_z,) float32``: an item's question for items like it; None where both are
    missing.
    """
    unit = unit_rows(vector[None])
    if not unit.any() and not content.any():
        return None
    gate = bundle.fusion.query_gate(unit, content[None], np.array([n_interactions], dtype=np.int64))[0]
    return np.concatenate([(1 - gate) * unit[0], gate * content])


#: What each index holds.
STORED: dict[str, Callable[..., Float32]] = {"user_item": stored_for_users, "item_item": stored_for_items}


def _of(bundle: Bundle, rows: Int64 | None, vectors: Float32 | None) -> tuple[Float32, Float32, Int64]:
    if rows is None:
        return bundle.item_vectors, bundle.content, bundle.n_interactions
    vectors = bundle.item_vectors[rows] if vectors is None else vectors
    return vectors, bundle.content[rows], bundle.n_interactions[rows]


def _vectors(matrix: Float32, changed: Mapping[int, Float32], rows: Int64) -> Float32:
    """Rows of a matrix, some of which have changed, ``(len(rows), d) float32``; those after its own must have."""
    if not changed:
        return np.asarray(matrix[rows])
    vectors = np.asarray(matrix[np.minimum(rows, len(matrix) - 1)])
    for at, row in enumerate(rows.tolist()):
        vector = changed.get(row)
        if vector is not None:
            vectors[at] = vector
    return vectors


def _with_facts(bundle: Bundle) -> pa.Table:
    table = bundle.catalog
    facts = {
        "item_id": bundle.items.ids,
        "n_interactions": pa.array(bundle.n_interactions),
        "source": pa.array(SOURCES, pa.string()).take(pa.array(bundle.source_codes)),
    }
    taken = {name.casefold() for name in table.column_names}
    for name, values in facts.items():
        if name not in taken:
            table = table.append_column(name, values)
    return table
