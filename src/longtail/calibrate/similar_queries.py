"""What takers of an item also took in the validation period: the questions that similar items are chosen by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from longtail.core.arrays import Bool, Float32, Int64
from longtail.evaluate.full_ranking import rank
from longtail.evaluate.hits import relevant_counts


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
        stored: Float32,
        content: Float32,
        gates: Float32,
        k: int,
        *,
        candidates: Bool | None = None,
        seed: int = 0,
    ) -> Int64:
        """What is shown beside each asking item, ``(n, k) int64``: [(1 - g_q) v_q; g_q z_q] against [stored_j; z_j].

        Args:
            vectors, stored: ``(n_items, d)``; content: ``(n_items, d_z)``, unit rows.
            gates: ``(n,)``, g_q of the asking items.
            candidates: see :func:`longtail.evaluate.full_ranking.rank`.
        """
        columns, meanings, parts = stored.T, content.T, gates[:, None]

        def scores(rows: Int64) -> Float32:
            asking = self.items[rows]
            behaviour = (1 - parts[rows]) * (vectors[asking] @ columns)
            result: Float32 = behaviour + parts[rows] * (content[asking] @ meanings)
            return result

        rows = np.arange(len(self.items), dtype=np.int64)
        return rank(scores, rows, k, seen=self.own, candidates=candidates, seed=seed)


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
