"""What takers of an item also took in the validation period: the questions that similar items are chosen by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from longtail.core.arrays import Bool, Float32, Int64
from longtail.evaluate.full_ranking import BLOCK_BYTES, rank_each
from longtail.evaluate.hits import relevant_counts


@dataclass(frozen=True)
class Weighing:
    """How much behaviour and content count in similar items.

    Attributes:
        trust: ``(n_items,) float32``, r of the items that are shown. gates: ``(n,) float32``, g of the asking items.
    """

    trust: Float32
    gates: Float32


@dataclass(frozen=True)
class SimilarQueries:
    """Asking items and what was taken with them.

    Attributes:
        items: ``(n,)`` rows of the asking items, ascending.
        together: ``(n, n_items)`` CSR, users who took both, without the asking item itself.
        own: ``(n, n_items)`` CSR, the asking item itself, which is never shown.
        takers: ``(n_items,)`` users of each item in validation.
        n_users: users who took anything.
    """

    items: Int64
    together: sparse.csr_array
    own: sparse.csr_array
    takers: Int64
    n_users: int

    def neighbours(
        self,
        vectors: Float32,
        content: Float32,
        weighings: Sequence[Weighing],
        k: int,
        *,
        candidates: Sequence[Bool] | None = None,
        seed: int = 0,
    ) -> list[list[Int64]]:
        """What is shown beside each asking item for every weighing and set of candidates, ``(n, k) int64`` each:
        [(1 - g_q) v_q; g_q z_q] against [r_j v_j; z_j].

        Args:
            vectors: ``(n_items, d)``; content: ``(n_items, d_z)``, unit rows.
            weighings: r and g; products are made once for all of them.
            candidates: masks, see :func:`longtail.evaluate.full_ranking.rank_each`. None: one set, of all items.
        """
        found: list[list[list[Int64]]] = []
        size = max(1, BLOCK_BYTES // (8 * max(1, len(vectors))))
        for start in range(0, max(1, len(self.items)), size):  # without asking items one block, of none
            rows = np.arange(start, min(start + size, len(self.items)))
            asking = self.items[rows]
            behaviour, meaning = vectors[asking] @ vectors.T, content[asking] @ content.T
            found.append([self._ranked(one, rows, behaviour, meaning, k, candidates, seed) for one in weighings])
        return [[np.concatenate(parts) for parts in zip(*same, strict=True)] for same in zip(*found, strict=True)]

    def _ranked(
        self,
        weighing: Weighing,
        rows: Int64,
        behaviour: Float32,
        meaning: Float32,
        k: int,
        candidates: Sequence[Bool] | None,
        seed: int,
    ) -> list[Int64]:
        def scores(wanted: Int64) -> Float32:
            at, gates = wanted - rows[0], weighing.gates[wanted, None]
            result: Float32 = (1 - gates) * (behaviour[at] * weighing.trust) + gates * meaning[at]
            return result

        return rank_each(scores, rows, k, candidates, seen=self.own, seed=seed)


def draw_queries(validation: Any, eligible: Bool, seed: int = 0, *, most: int = 400) -> SimilarQueries:
    """At most ``most`` eligible items that somebody took in validation, drawn with the seed.

    Args:
        validation: ``(n_users, n_items)`` CSR; its values do not count. Nothing in it: no queries.
        eligible: ``(n_items,) bool``.
    """
    taken = sparse.csr_array(validation)
    taken = sparse.csr_array((np.ones(taken.nnz, dtype=np.float32), taken.indices, taken.indptr), shape=taken.shape)
    by_item = sparse.csr_array(taken.T)
    takers = relevant_counts(by_item)
    queries = np.flatnonzero(eligible & (takers > 0))
    rng = np.random.default_rng(seed)
    if len(queries) > most:
        queries = np.sort(rng.choice(queries, most, replace=False))
    together = sparse.csr_array(by_item[queries] @ taken)
    own = sparse.csr_array(
        (np.ones(len(queries), np.float32), (np.arange(len(queries)), queries)), shape=together.shape
    )
    together = sparse.csr_array(together - together.multiply(own))
    together.eliminate_zeros()
    n_users = int((np.diff(taken.indptr) > 0).sum())
    return SimilarQueries(queries, together, own, takers, n_users)
