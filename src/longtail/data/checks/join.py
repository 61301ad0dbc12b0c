"""Whether the items of the events are those of the catalog."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from longtail.core.words import many
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.data.ids import Mismatch, explain_mismatch

#: Below this share of the events' items in the catalog, another way of writing ids is looked for.
_SUSPICIOUS = 0.5


@dataclass(frozen=True)
class Join:
    """How events and catalog meet.

    Attributes:
        events: events in all.
        unknown_events: events whose item is not in the catalog.
        event_items: different items in the events.
        unknown_items: those of them that are not in the catalog.
        unknown_examples: such ids with their events, the most frequent first, at most 5.
        catalog_items: items in the catalog.
        silent_items: those of them without any event.
        silent_examples: such ids, at most 5.
        mismatch: how the two sides would meet if written alike, looked for where less than half of the items meet.
    """

    events: int
    unknown_events: int
    event_items: int
    unknown_items: int
    unknown_examples: tuple[tuple[str, int], ...]
    catalog_items: int
    silent_items: int
    silent_examples: tuple[str, ...]
    mismatch: Mismatch | None

    @property
    def share(self) -> float:
        """The share of the events' different items that are in the catalog; 1.0 where there are no events."""
        return 1 - self.unknown_items / self.event_items if self.event_items else 1.0


def in_words(join: Join) -> str:
    """How little events and catalog meet, with ids of both sides."""
    theirs = ", ".join(repr(id) for id, _ in join.unknown_examples[:3])
    ours = ", ".join(repr(id) for id in join.silent_examples[:3]) or "none left"
    return (
        f"Only {join.event_items - join.unknown_items:,} of {many(join.event_items, 'item')} in the events are in "
        f"the catalog. In the events: {theirs}. In the catalog: {ours}."
    )


def check_join(events: Events, catalog: Catalog) -> Join:
    """Compare the item ids of events and catalog, letter by letter."""
    database = events.database
    ids = database.keep("catalog_ids", pa.table({"id": catalog.items.ids}))
    counts = database.fresh("event_items")
    database.execute(
        f"CREATE TABLE {counts} AS SELECT item_id AS id, count(*) AS n FROM {events.relation} GROUP BY item_id"
    )
    try:
        known = f"id IN (SELECT id FROM {ids})"
        total, unknown_events, items, unknown_items = database.row(
            f"SELECT coalesce(sum(n), 0), coalesce(sum(n) FILTER (NOT {known}), 0), count(*), "
            f"count(*) FILTER (NOT {known}) FROM {counts}"
        )
        unknown = database.rows(f"SELECT id, n FROM {counts} WHERE NOT {known} ORDER BY n DESC, id LIMIT 5")
        silent = f"FROM {ids} WHERE id NOT IN (SELECT id FROM {counts})"
        (silent_items,) = database.row(f"SELECT count(*) {silent}")
        silent_examples = database.rows(f"SELECT id {silent} ORDER BY id LIMIT 5")
        mismatch = None
        if items and len(catalog) and unknown_items > (1 - _SUSPICIOUS) * items:
            mismatch = explain_mismatch(database, f"SELECT id FROM {counts}", f"SELECT id FROM {ids}")
    finally:
        database.execute(f"DROP TABLE {counts}")
        database.execute(f"DROP TABLE {ids}")
    return Join(
        events=int(total),
        unknown_events=int(unknown_events),
        event_items=int(items),
        unknown_items=int(unknown_items),
        unknown_examples=tuple((str(id), int(n)) for id, n in unknown),
        catalog_items=len(catalog),
        silent_items=int(silent_items),
        silent_examples=tuple(str(id) for (id,) in silent_examples),
        mismatch=mismatch,
    )
