"""How fast does behaviour take over? New items of which a few events are revealed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from longtail.core.progress import SILENT, Progress
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.evaluate.result import ProtocolResult
from longtail.protocols.methods import Fit
from longtail.protocols.pairs import whole_period
from longtail.protocols.reveal import Plan, make_plan, reveal
from longtail.protocols.run import Options

QUESTION = "How fast does behaviour take over from content as a new item gathers its first events?"


LEVELS = (0, 1, 2, 5, 10)


def few_shot(
    events: Events,
    catalog: Catalog,
    fit: Fit,
    *,
    levels: Sequence[int] = LEVELS,
    most: int = 500,
    options: Options | None = None,
    progress: Progress = SILENT,
) -> ProtocolResult:
    """Reveal 0, 1, 2, 5 and 10 users of items that have twice the most of these, train at each level, rank for others.

    Half of each item's users are tested on, the same at every level.

    Args:
        events: all events; times are not needed.
        catalog: all items that may be ranked.
        fit: trains, once a level.
        levels: numbers of users.
        most: items that are drawn, from all with enough users: few beside the rest, whose learning must not change.
        options: None: the defaults; the seed is also that of what is drawn.
        progress: told of each stage.

    Raises:
        DataError: no item has enough users.
        LeakError: training saw what it should not.
    """
    options = options or Options()
    return reveal(
        "few-shot", QUESTION, events, catalog, fit, plan(events, catalog, levels=levels, most=most, options=options),
        options=options, progress=progress,
    )  # fmt: skip


def plan(
    events: Events, catalog: Catalog, *, levels: Sequence[int] = LEVELS, most: int = 500, options: Options
) -> Plan:
    """What is revealed; arguments and errors: :func:`few_shot`."""
    whole = whole_period(events, catalog)
    wanted = sorted(set(levels))
    sold = np.arange(len(whole.items)) < len(catalog.items)
    eligible = sold & (whole.n_interactions >= max(2, 2 * wanted[-1]))
    most = max(1, min(most, len(catalog.items) // 20))
    return make_plan("few-shot", whole, eligible, levels=wanted, most=most, test_share=0.5, seed=options.seed)
