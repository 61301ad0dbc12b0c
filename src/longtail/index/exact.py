"""The exact index: every row is looked at."""

from __future__ import annotations

from copy import copy

import numpy as np

from longtail.core.arrays import Bool, Float32, Int64, State
from longtail.index.contract import Hits, checked_queries, checked_vectors, rank

#: Scores held at once, in numbers: 64 MB.
_BLOCK = 16_000_000
#: Below this share of allowed rows only they are gathered and scored.
_SPARSE = 0.1
#: So many replaced rows are always kept beside the others.
_MUCH = 1024


class ExactIndex:
    """Brute force by BLAS, in blocks. Nothing to build; the one to use up to some hundred thousand rows."""

    kind = "exact"

    def __init__(self, vectors: Float32) -> None:
        self._vectors = checked_vectors(vectors)
        self._longest = _longest(self._vectors)
        #: Rows that have other vectors than those above, in ascending order, and these vectors.
        self._replaced: Int64 = np.empty(0, dtype=np.int64)
        self._fresh: Float32 = self._vectors[:0]

    @classmethod
    def build(cls, vectors: Float32, *, seed: int = 0, threads: int | None = None) -> ExactIndex:
        """Index ``vectors``; ``seed`` and ``threads`` mean nothing here."""
        return cls(vectors)

    @classmethod
    def from_state(cls, state: State, vectors: Float32) -> ExactIndex:
        """The index of ``vectors``; the state of an exact index is empty."""
        return cls(vectors)

    def state(self) -> State:
        """Nothing but the kind."""
        return {"kind": self.kind}, {}

    def __len__(self) -> int:
        return len(self._vectors)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and dimensions."""
        return self._vectors.shape

    def search(self, queries: Float32, k: int, *, allowed: Bool | None = None) -> list[Hits]:
        """See `longtail.index.contract.Index.search`."""
        queries = checked_queries(queries, k, allowed, *self.shape)
        rows = None if allowed is None else np.flatnonzero(allowed)
        sparse = rows is not None and len(rows) < _SPARSE * len(self)
        pool = self.take(rows) if sparse and rows is not None else self._vectors
        block = max(1, _BLOCK // max(1, len(pool)))
        hits: list[Hits] = []
        for start in range(0, len(queries), block):
            part = queries[start : start + block]
            scores = part @ pool.T
            if not sparse:
                scores[:, self._replaced] = part @ self._fresh.T
            for query, row_scores in zip(part, scores, strict=True):
                if rows is not None and len(row_scores) > len(rows):
                    row_scores = row_scores[rows]
                chosen = self._candidates(row_scores, query, k)
                hits.append(rank(self.take, query, chosen if rows is None else rows[chosen], k))
        return hits

    def add(self, vectors: Float32) -> ExactIndex:
        """See `longtail.index.contract.Index.add`; copies the old vectors."""
        grown = copy(self)
        grown._vectors = np.concatenate([self._vectors, checked_vectors(vectors)])
        grown._longest = max(self._longest, _longest(vectors))
        return grown

    def replace(self, rows: Int64, vectors: Float32) -> ExactIndex:
        """See `longtail.index.contract.Index.replace`; what is replaced stands beside the rest until it is much."""
        vectors = checked_vectors(vectors)
        kept = ~np.isin(self._replaced, rows)
        replaced = np.concatenate([self._replaced[kept], rows])
        order = np.argsort(replaced, kind="stable")
        changed = copy(self)
        changed._replaced = replaced[order]
        changed._fresh = np.concatenate([self._fresh[kept], vectors])[order]
        changed._longest = max(self._longest, _longest(vectors))
        if len(replaced) > max(_MUCH, len(self) // 8):
            changed._vectors = self._vectors.copy()
            changed._vectors[changed._replaced] = changed._fresh
            changed._replaced, changed._fresh = changed._replaced[:0], changed._fresh[:0]
        return changed

    def take(self, rows: Int64) -> Float32:
        """The vectors of some rows, ``(len(rows), d)``."""
        vectors: Float32 = self._vectors[rows]
        if len(self._replaced):
            at = np.minimum(np.searchsorted(self._replaced, rows), len(self._replaced) - 1)
            stale = self._replaced[at] == rows
            vectors[stale] = self._fresh[at[stale]]
        return vectors

    def _candidates(self, scores: Float32, query: Float32, k: int) -> Int64:
        """Positions that are among the ``k`` best whatever BLAS rounded: the best k and all within rounding of them."""
        if len(scores) <= k:
            return np.arange(len(scores), dtype=np.int64)
        slack = 1e-5 * float(np.linalg.norm(query)) * self._longest
        threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
        return np.flatnonzero(scores >= threshold - slack)


def _longest(vectors: Float32) -> float:
    if not len(vectors):
        return 0.0
    return float(np.sqrt(np.einsum("ij,ij->i", vectors, vectors).max()))
