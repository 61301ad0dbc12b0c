"""The approximate index: a navigable graph by the library `voyager`, for catalogs too large to look at every row."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from longtail.core.arrays import Bool, Float32, Int64, State
from longtail.core.extras import require
from longtail.index.contract import Hits, checked_queries, checked_vectors, rank
from longtail.index.exact import ExactIndex

#: Edges a node, and how wide the graph is searched while it is built.
_EDGES = 16
_BUILD_WIDTH = 200
#: At least this many candidates are looked at in a search. Inner products are harder for a graph than distances: on
#: 20,000 vectors without any structure, the worst case, 512 find .94 of the best ten at 64 dimensions, 128 only .66.
_SEARCH_WIDTH = 512
#: Where a mask leaves fewer rows than this, or a smaller share, they are all looked at instead.
_FEW_ROWS = 5_000
_FEW_SHARE = 0.05
_NONE: Int64 = np.empty(0, dtype=np.int64)


class HnswIndex:
    """Candidates from the graph, scored exactly. Rows added later stand beside the graph and are all looked at.

    The graph knows no masks: it is asked for more candidates than k, in proportion to what the mask leaves, and where
    still too few of them are allowed the search is exact. So the answer is never short.

    Raises:
        MissingExtraError: the extra ``hnsw`` is not installed.
    """

    kind = "hnsw"

    def __init__(self, exact: ExactIndex, graph: Any, in_graph: int, stale: Int64 = _NONE) -> None:
        self._exact = exact
        self._graph = graph
        self._in_graph = in_graph
        #: Rows that stand in the graph with other vectors than they have now.
        self._stale = stale

    @classmethod
    def build(cls, vectors: Float32, *, seed: int = 0, threads: int | None = None) -> HnswIndex:
        """Index ``vectors``. One thread (the default) gives the same graph every time; more are faster."""
        vectors = checked_vectors(vectors)
        voyager = require("voyager", extra="hnsw", purpose="An approximate index")
        n, d = vectors.shape
        graph = voyager.Index(
            voyager.Space.InnerProduct,
            num_dimensions=max(1, d),
            M=_EDGES,
            ef_construction=_BUILD_WIDTH,
            random_seed=seed + 1,
            max_elements=max(1, n),
        )
        if n and d:
            graph.add_items(vectors, num_threads=threads or 1)
        return cls(ExactIndex(vectors), graph, n if d else 0)

    @classmethod
    def from_state(cls, state: State, vectors: Float32) -> HnswIndex:
        """Restore the graph; ``vectors`` are those it was built from and what was replaced, then what was added."""
        meta, arrays = state
        voyager = require("voyager", extra="hnsw", purpose="An approximate index")
        graph = voyager.Index.load(io.BytesIO(arrays["graph"].tobytes()))
        stale = np.asarray(arrays.get("stale", _NONE), dtype=np.int64)
        return cls(ExactIndex(vectors), graph, int(meta["in_graph"]), stale)

    def state(self) -> State:
        """The graph as bytes, how many rows are in it, and which of them have other vectors now."""
        graph = np.frombuffer(self._graph.as_bytes(), dtype=np.uint8)
        arrays: dict[str, npt.NDArray[Any]] = {"graph": graph}
        if len(self._stale):
            arrays["stale"] = self._stale
        return {"kind": self.kind, "in_graph": self._in_graph}, arrays

    def __len__(self) -> int:
        return len(self._exact)

    def search(self, queries: Float32, k: int, *, allowed: Bool | None = None) -> list[Hits]:
        """See `longtail.index.contract.Index.search`."""
        queries = checked_queries(queries, k, allowed, *self._exact.shape)
        rows = len(self) if allowed is None else int(np.count_nonzero(allowed))
        share = rows / max(1, len(self))
        # The graph's own search widens with k, so it pays only while it looks at a small part of the rows.
        wanted = max(k, int(np.ceil(1.5 * k / max(share, 1e-9))))
        if rows < _FEW_ROWS or share < _FEW_SHARE or 8 * wanted > self._in_graph:
            return self._exact.search(queries, k, allowed=allowed)
        found = self._graph.query(queries, wanted, num_threads=1, query_ef=max(_SEARCH_WIDTH, 2 * wanted))[0]
        return [self._hits(query, row, k, allowed) for query, row in zip(queries, found.astype(np.int64), strict=True)]

    def _hits(self, query: Float32, candidates: Int64, k: int, allowed: Bool | None) -> Hits:
        beside = np.arange(self._in_graph, len(self), dtype=np.int64)
        if len(self._stale):
            candidates = candidates[~np.isin(candidates, self._stale)]
        rows = np.concatenate([candidates, self._stale, beside])
        if allowed is not None:
            rows = rows[allowed[rows]]
        if len(rows) < k:
            return self._exact.search(query[None], k, allowed=allowed)[0]
        return rank(self._exact.take, query, rows, k)

    def add(self, vectors: Float32) -> HnswIndex:
        """See `longtail.index.contract.Index.add`."""
        return HnswIndex(self._exact.add(vectors), self._graph, self._in_graph, self._stale)

    def replace(self, rows: Int64, vectors: Float32) -> HnswIndex:
        """See `longtail.index.contract.Index.replace`; what is replaced is looked at beside the graph from then on."""
        stale = np.union1d(self._stale, rows[rows < self._in_graph])
        return HnswIndex(self._exact.replace(rows, vectors), self._graph, self._in_graph, stale)
