"""What will people take next, among rarely bought items? Split by time."""

from __future__ import annotations

from datetime import datetime, timedelta

from longtail.core.errors import DataError
from longtail.core.progress import SILENT, Progress
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.evaluate.result import ProtocolResult
from longtail.protocols.leaks import check_training
from longtail.protocols.measure import candidate_sets
from longtail.protocols.methods import Fit
from longtail.protocols.pairs import pair_counts
from longtail.protocols.run import Ask, Options, conclude, find_relevant

QUESTION = "What will people take next, among rarely bought items?"

#: The last part of the data that is tested, whichever is shorter: these days, or this share of the whole span.
LONGEST, SHARE = timedelta(days=28), 0.1


def default_cut(events: Events) -> datetime:
    """The end of training: four weeks before the last event, or a tenth of the span where that is less.

    Raises:
        DataError: no events, or no times.
    """
    if events.first is None or events.last is None:
        raise DataError("A split by time needs events with a timestamp. Name the column in the recipe's [events].")
    return events.last - min(LONGEST, (events.last - events.first) * SHARE)


def tail(
    events: Events,
    catalog: Catalog,
    fit: Fit,
    *,
    cut: datetime | None = None,
    options: Options | None = None,
    progress: Progress = SILENT,
) -> ProtocolResult:
    """Train on what is before the cut, and rank for every user what they took from then on.

    Candidates are the whole catalog, its tail, and each bucket of items by training users; the bucket ``0`` holds items
    nobody took before the cut, among them all that were new. Relevant is what a user took from the cut on and, with
    ``exclude_seen``, had not taken before.

    Args:
        events: all events, with times.
        catalog: all items that may be ranked.
        fit: trains on the events before the cut.
        cut: the first moment that is tested; None: :func:`default_cut`.
        options: None: the defaults.
        progress: told of each stage.

    Raises:
        DataError: no times, or nothing on one side of the cut, or nothing that can be tested.
        LeakError: training saw what is tested.
    """
    options = options or Options()
    cut = default_cut(events) if cut is None else cut
    training, later = events.before(cut), events.since(cut)
    if len(training) == 0 or len(later) == 0:
        raise DataError(
            f"The cut {cut} leaves {len(training):,} events before and {len(later):,} after it; both sides need some. "
            f"The events are from {events.first} to {events.last}."
        )
    parts = fit(training, catalog)
    check_training(parts, pair_counts(training), cut=cut)
    tested = find_relevant(parts, later, catalog, options)
    candidates = candidate_sets(parts.interactions.n_interactions, len(catalog.items), options.tail_below)
    return conclude(
        "tail",
        QUESTION,
        parts,
        catalog,
        tested,
        [Ask(tested.relevant, candidates)],
        options,
        split={
            "by": "time",
            "cut": cut.isoformat(),
            "first": events.first.isoformat() if events.first else None,
            "last": events.last.isoformat() if events.last else None,
        },
        counts={"training events": len(training), "held-out events": len(later)},
        progress=progress,
    )
