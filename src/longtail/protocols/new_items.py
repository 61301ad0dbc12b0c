"""Brand-new items as time brings them: nobody took them before a cut, few do after it, so cuts are pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from longtail.calibrate.scoring import only_columns
from longtail.core.errors import DataError
from longtail.core.progress import SILENT, Progress
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.data.split import by_time
from longtail.evaluate.result import ProtocolResult
from longtail.protocols.leaks import check_training
from longtail.protocols.methods import Fit
from longtail.protocols.pairs import pair_counts
from longtail.protocols.run import Ask, Found, Options, answer, conclude, find_relevant

QUESTION = "Do people find items that nobody took before, as they appear?"

NEW = "new items"
#: Why a held-out pair is not tested.
KNOWN = "item taken before"


def new_items(
    events: Events,
    catalog: Catalog,
    fit: Fit,
    *,
    cuts: Sequence[datetime],
    options: Options | None = None,
    progress: Progress = SILENT,
) -> ProtocolResult:
    """Train before each cut and rank the items nobody took before it, for those who took one of them after it.

    A user who is tested after several cuts is averaged over as one: :func:`longtail.protocols.measure.sum_up`.

    Args:
        events: all events, with times.
        catalog: all items that may be ranked.
        fit: trains on the events before a cut.
        cuts: the first moment of each test part; all end with the events.
        options: None: the defaults.
        progress: told of each stage.

    Raises:
        DataError: no cut, a cut without events on one side, or nobody took a new item.
        LeakError: training saw what is tested.
    """
    if not cuts:
        raise DataError("New items need at least one cut.")
    options = options or Options()
    runs = [_run(events, catalog, fit, cut, options, progress) for cut in cuts]
    if not any(run.counts["tested pairs"] for run in runs):
        raise DataError("Nobody took an item after a cut that nobody had taken before. Choose other cuts.")
    return conclude(
        "new-items",
        QUESTION,
        runs,
        options,
        split={"by": "time", "cuts": [cut.isoformat() for cut in cuts]},
        notes=["What was trained on is told of the last cut; users tested after several of them count once."],
    )


def _run(events: Events, catalog: Catalog, fit: Fit, cut: datetime, options: Options, progress: Progress) -> Found:
    """One cut; nothing else of its training is kept."""
    split = by_time(events, cut=cut)
    parts = fit(split.train, catalog)
    check_training(parts, pair_counts(split.train), cut=cut)
    held_out = find_relevant(parts, split.test, catalog, options)
    new = parts.interactions.n_interactions == 0
    new[len(catalog.items) :] = False
    tested = only_columns(held_out.relevant, new)
    known = {KNOWN: int(held_out.relevant.nnz - tested.nnz)}
    held_out = replace(held_out, relevant=tested, excluded={**held_out.excluded, **known})
    counts = {"training events": len(split.train), "held-out events": len(split.test)}
    return answer(parts, catalog, held_out, [Ask(tested, {NEW: new})], options, counts=counts, progress=progress)
