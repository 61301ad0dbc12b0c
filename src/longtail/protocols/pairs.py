"""Events as pairs of rows: what was taken by whom, aligned with the vocabularies of a training run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from longtail.core.arrays import Bool, Int64
from longtail.core.vocabulary import Vocabulary
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.data.interactions import Interactions, aggregate
from longtail.data.schema import WeightSettings

#: Why a pair of somebody nobody knows is not tested.
UNKNOWN = "user without training history"


def pair_counts(events: Events) -> pa.Table:
    """The distinct pairs of some events with their number: ``user_id``, ``item_id``, ``events``."""
    return events.query("SELECT user_id, item_id, count(*)::BIGINT AS events FROM events GROUP BY ALL ORDER BY ALL")


def whole_period(events: Events, catalog: Catalog) -> Interactions:
    """All pairs of some events, every event of weight 1, for choosing what is held out; nothing learns from it."""
    return aggregate(events, WeightSettings(), items=catalog.items)


def of_pairs(events: Events, whole: Interactions, pairs: Bool) -> Events:
    """The events of some pairs of :func:`whole_period`; ``pairs`` is ``(nnz,) bool``."""
    rows, columns = whole.pairs()
    return events.of_pairs(whole.users.take(rows[pairs]), whole.items.take(columns[pairs]))


def without_pairs(events: Events, whole: Interactions, pairs: Bool) -> Events:
    """The events of all other pairs."""
    rows, columns = whole.pairs()
    return events.without_pairs(whole.users.take(rows[pairs]), whole.items.take(columns[pairs]))


def rows_of(ids: pa.ChunkedArray | pa.Array, vocabulary: Vocabulary) -> Int64:
    """The row of each id, ``(n,) int64``; -1 where the id is unknown or null."""
    found = pc.index_in(ids.cast(pa.large_string()), value_set=vocabulary.ids)
    rows: Int64 = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return rows


@dataclass(frozen=True)
class HeldOut:
    """The distinct pairs of held-out events that can be tested, and the others, counted by reason.

    Attributes:
        relevant: ``(n_users, n_items) bool``.
        excluded: pairs that cannot be tested, by reason; a pair is counted under the first that applies.
        n_pairs: distinct pairs before anything was excluded.
    """

    relevant: sparse.csr_array
    excluded: dict[str, int]
    n_pairs: int


def held_out_pairs(
    held_out: pa.Table,
    users: Vocabulary,
    items: Vocabulary,
    n_candidates: int,
    history: sparse.csr_array,
    *,
    exclude_seen: bool = True,
) -> HeldOut:
    """What is relevant to whom: the held-out pairs of known users and candidate items.

    Args:
        held_out: distinct pairs, see :func:`pair_counts`. May be empty.
        users: of the training run.
        items: of the training run; the first ``n_candidates`` are the catalog's.
        n_candidates: items that can be ranked.
        history: ``(n_users, n_items)``, training pairs.
        exclude_seen: whether pairs of the training history are left out, since rankings leave them out too.
    """
    user, item = rows_of(held_out["user_id"], users), rows_of(held_out["item_id"], items)
    known_user = user >= 0
    known_user[known_user] = np.diff(history.indptr)[user[known_user]] > 0
    candidate = (item >= 0) & (item < n_candidates)
    keep = known_user & candidate
    excluded = {
        UNKNOWN: int((~known_user).sum()),
        "item not in the catalog": int((known_user & ~candidate).sum()),
    }
    if exclude_seen:
        repeated = np.zeros(len(keep), dtype=np.bool_)
        repeated[keep] = contains(history, user[keep], item[keep])
        excluded["already in the user's history"] = int(repeated.sum())
        keep &= ~repeated
    relevant = sparse.csr_array(
        (np.ones(int(keep.sum()), dtype=np.bool_), (user[keep], item[keep])), shape=(len(users), len(items))
    )
    relevant.sort_indices()
    return HeldOut(relevant, excluded, len(held_out))


def taken_by_anyone(held_out: pa.Table, items: Vocabulary, n_candidates: int) -> HeldOut:
    """Who took what, known or not: for questions about items, which need nobody's history.

    Args:
        held_out: distinct pairs, see :func:`pair_counts`. May be empty.
        items: of the training run; the first ``n_candidates`` are the catalog's.
        n_candidates: items that can be shown.

    Returns:
        A row for each of the held-out users, in the order they come in.
    """
    item = rows_of(held_out["item_id"], items)
    candidate = (item >= 0) & (item < n_candidates)
    users = pc.unique(held_out["user_id"].cast(pa.large_string()))
    user = rows_of(held_out["user_id"], Vocabulary(users, "user"))
    taken = sparse.csr_array(
        (np.ones(int(candidate.sum()), dtype=np.bool_), (user[candidate], item[candidate])),
        shape=(len(users), len(items)),
    )
    taken.sort_indices()
    return HeldOut(taken, {"item not in the catalog": int((~candidate).sum())}, len(held_out))


def contains(matrix: sparse.csr_array, rows: Int64, columns: Int64) -> Bool:
    """Whether each pair is stored in the matrix, ``(n,) bool``."""
    n_rows, n_columns = matrix.shape
    stored = np.repeat(np.arange(n_rows, dtype=np.int64), np.diff(matrix.indptr)) * n_columns + matrix.indices
    return among(rows.astype(np.int64) * n_columns + columns, stored)


def among(values: Int64, others: Int64) -> Bool:
    """Which of millions of numbers are among others, ``(n,) bool``; by hashing, where numpy would sort."""
    return np.asarray(pc.is_in(pa.array(values), value_set=pa.array(others)), dtype=np.bool_)
