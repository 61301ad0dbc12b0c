"""What became of a shop's data, in counts that a bundle may carry: no id and no value of the shop is among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from longtail.data.catalog import Catalog
from longtail.data.checks.coverage import cover
from longtail.data.events import Events
from longtail.data.interactions import Interactions


def record(events: Events, catalog: Catalog, interactions: Interactions, base: Path) -> dict[str, Any]:
    """Rows read and refused, how events and catalog meet, and how much of the catalog each field covers; plain JSON.

    Args:
        events: what was learned from; its refusals are those of everything that was read.
        catalog: all items.
        interactions: aggregated from ``events`` over the catalog's items and those of events alone.
        base: the folder relative names of pictures start from.

    Returns:
        ``events`` and ``catalog`` (see `longtail.data.refusals.Refusals.counts`), ``join``, ``users``, ``fields``.
    """
    listed = len(catalog)
    per_item = interactions.item_events
    return {
        "events": events.refusals.counts(),
        "catalog": catalog.refusals.counts(),
        "join": {
            "events": int(per_item.sum()),
            "unknown_events": int(per_item[listed:].sum()),
            "event_items": int(np.count_nonzero(per_item)),
            "unknown_items": int(np.count_nonzero(per_item[listed:])),
            "catalog_items": listed,
            "silent_items": int((per_item[:listed] == 0).sum()),
        },
        "users": {
            "users": len(interactions.users),
            "users_with_one": int((interactions.user_interactions == 1).sum()),
            "zero_pairs": interactions.zero_pairs,
        },
        "fields": [
            {
                "name": field.name,
                "kind": field.kind,
                "share": field.share,
                "distinct": field.distinct,
                "unparsable": field.unparsable,
                "files_missing": field.files_missing,
            }
            for field in cover(catalog, base)
        ],
    }
