"""The weighted user x item matrix and how it is made of events."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

from longtail.core.arrays import Bool, Float32, Float64, Int64
from longtail.core.errors import DataError, NumericalError
from longtail.core.vocabulary import Vocabulary
from longtail.data.database import explained, literal
from longtail.data.events import Events, utc
from longtail.data.judging import event_weight
from longtail.data.schema import WeightSettings

Times = npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class Interactions:
    """Users x items after aggregation; users are rows, always.

    Attributes:
        users: ids of the rows.
        items: ids of the columns.
        matrix: ``(n_users, n_items) float32`` CSR, summed (and, where the settings say so, log'ed) weights without
            alpha; indices sorted, no explicit zeros.
        item_events: ``(n_items,) int64`` raw events, those of weight zero among them.
        first_seen: ``(n_items,) datetime64[s]``, the first event; NaT where there is none or the shop has no times.
        zero_pairs: pairs whose total weight is zero, which are therefore not in the matrix.
        left_out: pairs whose user or item is in no vocabulary (`aggregate` with ``extend=False``).

    Raises:
        DataError: shapes or dtypes do not fit together.
    """

    users: Vocabulary
    items: Vocabulary
    matrix: sparse.csr_array
    item_events: Int64
    first_seen: Times
    zero_pairs: int = 0
    left_out: int = 0

    def __post_init__(self) -> None:
        shape = (len(self.users), len(self.items))
        if self.matrix.shape != shape or self.matrix.dtype != np.float32:
            raise DataError(
                f"{shape[0]:,} users and {shape[1]:,} items need a float32 matrix of that shape; found "
                f"{self.matrix.dtype} {self.matrix.shape}."
            )
        for name in ("item_events", "first_seen"):
            if getattr(self, name).shape != (shape[1],):
                raise DataError(f"{name} needs one entry for each of {shape[1]:,} items.")

    @property
    def n_interactions(self) -> Int64:
        """``(n_items,) int64``: different users of each item, the number that buckets and results show."""
        return np.bincount(self.matrix.indices, minlength=len(self.items)).astype(np.int64)

    @property
    def user_interactions(self) -> Int64:
        """``(n_users,) int64``: different items of each user."""
        return np.diff(self.matrix.indptr).astype(np.int64)

    def pairs(self) -> tuple[Int64, Int64]:
        """Rows and columns of the stored pairs, each ``(nnz,) int64``, sorted by (row, column)."""
        rows = np.repeat(np.arange(len(self.users), dtype=np.int64), self.user_interactions)
        return rows, self.matrix.indices.astype(np.int64)

    def exposure(
        self,
        window_start: datetime | np.datetime64 | None,
        window_end: datetime | np.datetime64 | None,
        *,
        available_from: Times | None = None,
    ) -> Float32:
        """The share of a window in which each item was in the catalog, ``(n_items,) float32`` in [0, 1].

        An item is in the catalog from its first event, or from its catalog date if that is earlier. Items without
        events have 0: nothing is known of who could have seen them. Without times (or a window of no length) items
        with events have 1.

        Args:
            window_start: where the training window begins, such as the first event.
            window_end: where it ends, such as the last event.
            available_from: ``(n_items,) datetime64``, dates the catalog gives; NaT where it gives none.
        """
        seen = (self.item_events > 0).astype(np.float32)
        if window_start is None or window_end is None:
            return seen
        start, end = (np.datetime64(edge).astype("datetime64[s]") for edge in (window_start, window_end))
        if end <= start:
            return seen
        since = self.first_seen.astype("datetime64[s]")
        if available_from is not None:
            since = np.fmin(since, available_from.astype("datetime64[s]"))
        return (exposure_since(since, start, end) * seen).astype(np.float32)

    def keep(self, pairs: Bool) -> Interactions:
        """The same users and items with some pairs only, for hold-outs inside training.

        ``item_events`` then counts the pairs that stay, and ``first_seen`` is NaT for items left without any: such an
        item is new. Where raw events are at hand, `Events.without_pairs` and a fresh aggregation are exact.

        Args:
            pairs: ``(nnz,) bool`` in the order of `pairs`.
        """
        rows, columns = (part[pairs] for part in self.pairs())
        indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(self.users)))])
        matrix = csr(self.matrix.data[pairs], columns, indptr, (len(self.users), len(self.items)))
        events = np.bincount(columns, minlength=len(self.items)).astype(np.int64)
        first_seen = self.first_seen.copy()
        first_seen[events == 0] = np.datetime64("NaT")
        return replace(self, matrix=matrix, item_events=events, first_seen=first_seen)


def exposure_since(since: Times, start: np.datetime64, end: np.datetime64) -> Float32:
    """The share of a window after a time, ``(n,) float32`` in [0, 1]; 1 where the time is not known (NaT)."""
    length = (end - start).astype("timedelta64[s]").astype(np.float64)
    share = np.clip((end - since).astype("timedelta64[s]").astype(np.float64) / length, 0.0, 1.0)
    share[np.isnat(since)] = 1.0
    return np.asarray(share, dtype=np.float32)


def csr(
    data: npt.NDArray[Any], indices: npt.NDArray[Any], indptr: npt.NDArray[Any], shape: tuple[int, int]
) -> sparse.csr_array:
    """A float32 CSR matrix from parts that are sorted already; int32 indices unless there are too many entries."""
    index = np.int32 if max(len(data), *shape, 1) < np.iinfo(np.int32).max else np.int64
    matrix = sparse.csr_array(
        (data.astype(np.float32, copy=False), indices.astype(index), indptr.astype(index)), shape=shape
    )
    matrix.has_sorted_indices = True
    return matrix


def aggregate(
    events: Events,
    weights: WeightSettings,
    *,
    items: Vocabulary | None = None,
    users: Vocabulary | None = None,
    reference_time: datetime | None = None,
    extend: bool = True,
) -> Interactions:
    """Sum the weights of events per user and item: type weight x value^gamma x 2^(-age / half-life).

    The result does not depend on the number of threads: weights are summed as integers of a common unit, at most the
    number of events x 2^-122 of the largest weight. What is smaller than that beside it counts as zero.

    Args:
        events: what to aggregate.
        weights: how events become weights. Alpha belongs to the factorization and is not applied.
        items: ids in the wanted order, such as the catalog's; None: those of the events, sorted by id.
        users: the same for users.
        reference_time: when ages are measured from; None: the last of these events. Later events have age 0.
        extend: append ids that are not in ``items`` or ``users`` behind them, sorted (a delisted item still carries
            behaviour). False: leave their pairs out and count them.

    Raises:
        DataError: an event's type has no weight.
        NumericalError: the weight of a pair is too large for float32; names it.
    """
    database = events.database
    with explained("The events cannot be aggregated"):
        _check_types(events, weights)
        all_users = _extended(events.users(), users, "user", extend)
        all_items = _extended(events.items(), items, "item", extend)
        user_rows, item_rows = (
            database.keep("rows", pa.table({"id": ids.ids, "row": np.arange(len(ids), dtype=np.int32)}))
            for ids in (all_users, all_items)
        )
        weight = event_weight(weights, "event_type", "value") + _decay(weights, reference_time or events.last)
        count, largest = database.row(f"SELECT count(*), max({weight}) FROM {events.relation}")
        shift = _shift(count, largest or 0.0)
        # Sums of doubles depend on their order, which threads do not keep; sums of integers do not.
        total = f"CAST(sum(CAST(({weight}) * {2.0**shift!r} AS HUGEINT)) AS DOUBLE) * {2.0**-shift!r}"
        pairs = database.arrow(
            f"""
            SELECT u.row AS user_row, i.row AS item_row, w AS weight
            FROM (SELECT user_id, item_id, {total} AS w FROM {events.relation} GROUP BY user_id, item_id) p
            JOIN {user_rows} u ON u.id = p.user_id JOIN {item_rows} i ON i.id = p.item_id
            ORDER BY user_row, item_row
            """
        )
        n_pairs = len(pairs)
        if not extend:
            (n_pairs,) = database.row(f"SELECT count(*) FROM (SELECT DISTINCT user_id, item_id FROM {events.relation})")
        per_item = database.arrow(
            f"SELECT i.row AS row, count(*) AS n, min(timestamp) AS first FROM {events.relation} e "
            f"JOIN {item_rows} i ON i.id = e.item_id GROUP BY i.row"
        )
        database.execute(f"DROP TABLE {user_rows}; DROP TABLE {item_rows}")
    rows, columns = (pairs[name].to_numpy() for name in ("user_row", "item_row"))
    data = _confidence(pairs["weight"].to_numpy(), weights)
    _check_finite(data, rows, columns, all_users, all_items)
    stored = data > 0
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows[stored], minlength=len(all_users)))])
    item_events = np.zeros(len(all_items), dtype=np.int64)
    item_events[per_item["row"].to_numpy()] = per_item["n"].to_numpy()
    first_seen = np.full(len(all_items), np.datetime64("NaT"), dtype="datetime64[s]")
    first_seen[per_item["row"].to_numpy()] = per_item["first"].to_numpy().astype("datetime64[s]")
    return Interactions(
        users=all_users,
        items=all_items,
        matrix=csr(data[stored], columns[stored], indptr, (len(all_users), len(all_items))),
        item_events=item_events,
        first_seen=first_seen,
        zero_pairs=int(len(data) - stored.sum()),
        left_out=int(n_pairs - len(data)),
    )


def _extended(found: Vocabulary, wanted: Vocabulary | None, kind: str, extend: bool) -> Vocabulary:
    if wanted is None:
        return found
    if not extend:
        return wanted
    new = [id for id in found if id not in wanted]
    return Vocabulary(pa.concat_arrays([wanted.ids, pa.array(new, wanted.ids.type)]), kind) if new else wanted


def _check_types(events: Events, weights: WeightSettings) -> None:
    if not weights.types:
        return
    known = ", ".join(map(literal, weights.types))
    rows = events.query(f"SELECT DISTINCT event_type AS t FROM events WHERE event_type NOT IN ({known}) ORDER BY t")
    if len(rows):
        raise DataError(
            f"Events of the types {', '.join(map(repr, rows['t'].to_pylist()))} have no weight; weights.types names "
            f"{', '.join(map(repr, weights.types))}. Name them too, or read the events with these weights."
        )


def _decay(weights: WeightSettings, reference: datetime | None) -> str:
    if weights.half_life_days is None or reference is None:
        return ""
    now = f"epoch(TIMESTAMP {literal(utc(reference).isoformat(sep=' '))})"
    days = f"greatest({now} - epoch(timestamp), 0.0) / 86400.0"
    return f" * pow(2.0, -({days}) / {weights.half_life_days!r})"


def _shift(count: int, largest: float) -> int:
    """The power of two to scale weights by so that the sum of all of them just fits into 126 bits."""
    if largest <= 0:
        return 0
    return min(125 - math.ceil(math.log2(largest)) - math.ceil(math.log2(count + 1)), 1000)


def _confidence(sums: Float64, weights: WeightSettings) -> Float32:
    with np.errstate(over="ignore", under="ignore"):
        # Not the logarithm of 1 + w: the sum has lost what is small beside 1.
        data = sums if weights.confidence == "linear" else np.log1p(sums / weights.epsilon)
        return np.asarray(data, dtype=np.float32)


def _check_finite(data: Float32, rows: Int64, columns: Int64, users: Vocabulary, items: Vocabulary) -> None:
    wrong = np.flatnonzero(~np.isfinite(data))
    if len(wrong):
        user, item = users.id(rows[wrong[0]]), items.id(columns[wrong[0]])
        raise NumericalError(
            f"The weights of {len(wrong):,} pairs are too large for float32, the first of user {user!r} and item "
            f"{item!r}. Lower weights.value_exponent, use confidence = 'log', or divide the value."
        )
