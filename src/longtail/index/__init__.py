"""Nearest rows by inner product: one contract, an exact and an approximate way to keep it.

A further kind is one module with a class that keeps `longtail.index.contract.Index`, and one line in `INDEXES`.
"""

from __future__ import annotations

from longtail.core.arrays import Float32, State
from longtail.core.errors import DataError
from longtail.index.contract import Hits, Index
from longtail.index.exact import ExactIndex
from longtail.index.hnsw import HnswIndex

#: Every kind of index by its name in recipes and bundles.
INDEXES: dict[str, type[ExactIndex] | type[HnswIndex]] = {"exact": ExactIndex, "hnsw": HnswIndex}


def build_index(kind: str, vectors: Float32, *, seed: int = 0, threads: int | None = None) -> Index:
    """Build an index of ``vectors (n, d) float32``. Raises DataError where the kind is unknown."""
    return _class_of(kind).build(vectors, seed=seed, threads=threads)


def restore_index(state: State, vectors: Float32) -> Index:
    """Restore an index from its state and its vectors. Raises DataError where the kind is unknown."""
    return _class_of(str(state[0].get("kind"))).from_state(state, vectors)


def _class_of(kind: str) -> type[ExactIndex] | type[HnswIndex]:
    if kind not in INDEXES:
        raise DataError(f"Unknown kind of index {kind!r}; known are {', '.join(INDEXES)}.")
    return INDEXES[kind]


__all__ = ["INDEXES", "ExactIndex", "Hits", "HnswIndex", "Index", "build_index", "restore_index"]
