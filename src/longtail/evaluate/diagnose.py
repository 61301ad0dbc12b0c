"""How long the tail is: who has the events, and how many items have next to none.

Two counts an item are in use and are never mixed: its *events* (raw rows) for the Pareto curve, and its
*interactions* (distinct users) for buckets, head and tail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longtail.core.arrays import Int64
from longtail.core.buckets import LABELS, bucket_of
from longtail.core.words import many


def pareto_share(counts: Int64, share: float = 0.8) -> float:
    """The smallest share of items that together have at least ``share`` of all events.

    Args:
        counts: ``(n,)`` events per item, items without any included; never negative.
        share: in (0, 1].

    Returns:
        A number in (0, 1]; 0.0 where there are no items or no events.

    Raises:
        ValueError: ``share`` is outside (0, 1] or a count is negative.
    """
    if not 0 < share <= 1:
        raise ValueError(f"A share lies in (0, 1]; found {share}.")
    _not_negative(counts)
    total = int(counts.sum())
    if total == 0:
        return 0.0
    curve = np.cumsum(np.sort(counts)[::-1])
    # In whole events, so that 80% of 10 is 8 and not 8.000000000000002.
    needed = int(np.ceil(round(share * total, 6)))
    return float(np.searchsorted(curve, needed) + 1) / len(counts)


def gini(counts: Int64) -> float:
    """The Gini coefficient: 0 where every item has the same number of events, towards 1 where one has all.

    ``Σ_i (2i - n - 1) x_(i) / (n Σ x)`` over the sorted counts. 0.0 where there are no items or no events.

    Raises:
        ValueError: a count is negative.
    """
    _not_negative(counts)
    total = float(counts.sum())
    n = len(counts)
    if n == 0 or total == 0:
        return 0.0
    ranks = np.arange(1, n + 1, dtype=np.float64)
    return float(((2 * ranks - n - 1) * np.sort(counts)).sum() / (n * total))


def items_per_bucket(n_interactions: Int64) -> Int64:
    """How many items fall into each bucket of `longtail.core.buckets`, ``(6,) int64``."""
    return np.bincount(bucket_of(n_interactions), minlength=len(LABELS)).astype(np.int64)


def events_per_bucket(n_interactions: Int64, item_events: Int64) -> Int64:
    """How many events the items of each bucket have, ``(6,) int64``; both arguments are ``(n_items,)``."""
    _same_length(n_interactions, item_events)
    sums = np.zeros(len(LABELS), dtype=np.int64)
    np.add.at(sums, bucket_of(n_interactions), item_events)
    return sums


def items_without_any(n_interactions: Int64) -> int:
    """How many items nobody has touched."""
    return int((n_interactions == 0).sum())


@dataclass(frozen=True)
class TailDiagnosis:
    """The shape of a shop's demand.

    Attributes:
        items: items in all, those without events included.
        events: raw events in all.
        pareto_80: smallest share of items that has 80% of the events.
        gini: Gini coefficient of events per item.
        tail_below: fewer interactions than this make a tail item.
        tail_items: items below it, those with none included.
        tail_events: events of those items.
        without_any: items with no interaction.
        bucket_items: items per bucket, in the order of `longtail.core.buckets.LABELS`.
        bucket_events: events per bucket, in the same order.
    """

    items: int
    events: int
    pareto_80: float
    gini: float
    tail_below: int
    tail_items: int
    tail_events: int
    without_any: int
    bucket_items: tuple[int, ...]
    bucket_events: tuple[int, ...]


def diagnose(n_interactions: Int64, item_events: Int64, tail_below: int) -> TailDiagnosis:
    """Diagnose a shop from its counts.

    Args:
        n_interactions: ``(n_items,)`` distinct users per item.
        item_events: ``(n_items,)`` raw events per item.
        tail_below: the recipe's border between tail and head, at least 1.

    Raises:
        ValueError: the arrays differ in length, a count is negative or ``tail_below`` is below 1.
    """
    _same_length(n_interactions, item_events)
    if tail_below < 1:
        raise ValueError(f"tail_below must be at least 1; found {tail_below}.")
    tail = n_interactions < tail_below
    return TailDiagnosis(
        items=len(n_interactions),
        events=int(item_events.sum()),
        pareto_80=pareto_share(item_events),
        gini=gini(item_events),
        tail_below=tail_below,
        tail_items=int(tail.sum()),
        tail_events=int(item_events[tail].sum()),
        without_any=items_without_any(n_interactions),
        bucket_items=tuple(items_per_bucket(n_interactions).tolist()),
        bucket_events=tuple(events_per_bucket(n_interactions, item_events).tolist()),
    )


def in_words(diagnosis: TailDiagnosis) -> list[str]:
    """The diagnosis as short sentences for people."""
    if diagnosis.items == 0:
        return ["There are no items."]
    if diagnosis.events == 0:
        return [f"None of {many(diagnosis.items, 'item')} has an event: everything would be predicted from content."]
    tail_share = diagnosis.tail_items / diagnosis.items
    event_share = diagnosis.tail_events / diagnosis.events
    none_share = diagnosis.without_any / diagnosis.items
    return [
        f"{_percent(diagnosis.pareto_80)} of the items have 80% of the events (Gini {diagnosis.gini:.2f}).",
        f"{_percent(tail_share)} of the items are tail (fewer than {many(diagnosis.tail_below, 'interaction')}); "
        f"together they have {_percent(event_share)} of the events.",
        f"{many(diagnosis.without_any, 'item')} ({_percent(none_share)}) without any interaction.",
    ]


def _percent(share: float) -> str:
    if 0 < share < 0.001:
        return "under 0.1%"
    if 0.999 < share < 1:
        return "over 99.9%"
    # Near the ends a tenth of a percent tells something.
    return f"{share:.1%}" if 0 < share < 0.0995 or 0.9 < share < 1 else f"{share:.0%}"


def _not_negative(counts: Int64) -> None:
    if len(counts) and counts.min() < 0:
        raise ValueError(f"Numbers of events cannot be negative; found {counts.min()}.")


def _same_length(n_interactions: Int64, item_events: Int64) -> None:
    if len(n_interactions) != len(item_events):
        raise ValueError(f"Found {len(n_interactions):,} interaction counts for {len(item_events):,} event counts.")
