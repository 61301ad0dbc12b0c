"""Where does ALS overtake the bridge, in this shop? The article's 300, measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from longtail.core.progress import SILENT, Progress
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.evaluate.levels import by_level
from longtail.evaluate.result import ProtocolResult
from longtail.evaluate.threshold import beyond_chance, threshold
from longtail.protocols.methods import Fit
from longtail.protocols.pairs import whole_period
from longtail.protocols.reveal import Plan, make_plan, reveal
from longtail.protocols.run import Options

QUESTION = "From how many interactions on does behaviour alone say more than content alone, in this shop?"


LEVELS = (0, 1, 3, 10, 30, 100, 300)


def truncated_heads(
    events: Events,
    catalog: Catalog,
    fit: Fit,
    *,
    levels: Sequence[int] = LEVELS,
    most: int = 200,
    options: Options | None = None,
    progress: Progress = SILENT,
) -> ProtocolResult:
    """Cut the histories of popular items to 0, 1, 3, ... users, train at each level, and test on a fifth of the users.

    The items are those with enough users for the highest level beside the tested fifth; where fewer than ten have that
    many, the highest level is left out, and so on. Where the lines of ``ALS`` and ``bridge`` cross,
    :func:`~longtail.evaluate.threshold.threshold` says.

    Args:
        events: all events; times are not needed.
        catalog: all items that may be ranked.
        fit: trains, once a level.
        levels: numbers of users.
        most: items that are drawn.
        options: None: the defaults; the seed is also that of what is drawn.
        progress: told of each stage.

    Raises:
        DataError: no item has enough users for the lowest level.
        LeakError: training saw what it should not.
    """
    options = options or Options()
    planned = plan(events, catalog, levels=levels, most=most, options=options)
    result = reveal(
        "truncated-heads", QUESTION, events, catalog, fit, planned,
        options=options, progress=progress,
    )  # fmt: skip
    notes = [_said(result, "Among the whole catalog", themselves=False)]
    if by_level(result, themselves=True):
        notes.append(_said(result, "Among themselves", themselves=True))
    return replace(result, notes=(*result.notes, *notes))


def _said(result: ProtocolResult, among: str, *, themselves: bool) -> str:
    crossing = threshold(result, themselves=themselves)
    if crossing is None:
        said = f"up to {result.split['levels'][-1]:,} interactions ALS alone does not overtake the bridge."
    else:
        said = f"ALS alone overtakes the bridge at about {crossing:,.0f} interactions."
    below, above = beyond_chance(result, themselves=themselves)
    sure = [
        "nowhere below" if below is None else f"below at {below:,}",
        "not above at the highest level" if above is None else f"above from {above:,} on",
    ]
    return f"{among}: {said} Beyond chance it is {' and '.join(sure)}."


def plan(
    events: Events, catalog: Catalog, *, levels: Sequence[int] = LEVELS, most: int = 200, options: Options
) -> Plan:
    """What is revealed; arguments and errors: :func:`truncated_heads`."""
    whole = whole_period(events, catalog)
    sold = np.arange(len(whole.items)) < len(catalog.items)
    # A level needs as many users beside the tested fifth, of which there is at least one.
    wanted = sorted(set(levels))
    needed = {level: max(level + 1, int(np.ceil(level / 0.8))) for level in wanted}
    kept = [level for level in wanted if (sold & (whole.n_interactions >= needed[level])).sum() >= 10] or wanted[:1]
    eligible = sold & (whole.n_interactions >= needed[kept[-1]])
    most = max(1, min(most, len(catalog.items) // 20))
    return make_plan("truncated-heads", whole, eligible, levels=kept, most=most, test_share=0.2, seed=options.seed)
