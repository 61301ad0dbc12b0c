"""What will people take next, among rarely bought items? Split by time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from longtail.core.errors import DataError
from longtail.core.progress import SILENT, Progress
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.data.split import by_time
from longtail.evaluate.result import ProtocolResult
from longtail.protocols.leaks import check_training
from longtail.protocols.measure import candidate_sets
from longtail.protocols.methods import Fit
from longtail.protocols.pairs import pair_counts
from longtail.protocols.run import Ask, Options, ask, conclude, find_relevant

QUESTION = "What will people take next, among rarely bought items?"

#: The last part of the data that is tested, whichever is shorter: these days, or this share of the whole span.
LONGEST, SHARE = timedelta(days=28), 0.1


def default_cut(events: Events) -> datetime:
    """The end of training: four weeks before the last event, or a tenth of the span where that is less.

    Raises:
        DataError: no events, or no times.
    """
    return default_cuts(events, 1)[0]


def default_cuts(events: Events, windows: int) -> list[datetime]:
    """The beginnings of so many stretches of time, one after the other up to the last event, ascending.

    Each is four weeks, or a tenth of the span where that is less.

    Raises:
        DataError: no events, or no times, or fewer than one window or more than nine, which would leave nothing to
            train on.
    """
    if events.first is None or events.last is None:
        raise DataError("A split by time needs events with a timestamp. Name the column in the recipe's [events].")
    if not 1 <= windows < 1 / SHARE:
        raise DataError(
            f"{windows} windows of a tenth of the time cannot be tested; ask for 1 to {int(1 / SHARE) - 1}."
        )
    length = min(LONGEST, (events.last - events.first) * SHARE)
    return [events.last - length * number for number in range(windows, 0, -1)]


def tail(
    events: Events,
    catalog: Catalog,
    fit: Fit,
    *,
    cut: datetime | None = None,
    cuts: Sequence[datetime] | None = None,
    options: Options | None = None,
    progress: Progress = SILENT,
) -> ProtocolResult:
    """Train on what is before the cut, and rank for every user what they took from then on.

    Candidates are the whole catalog, its tail, and each bucket of items by training users; the bucket ``0`` holds items
    nobody took before the cut, among them all that were new. Relevant is what a user took from the cut on and, with
    ``exclude_seen``, had not taken before.

    One stretch of time is one draw: a season, a campaign. With several cuts everything is trained anew before each and
    tested up to the next (a rolling origin: Tashman, "Out-of-sample tests of forecasting accuracy", 2000), and the
    users of all stretches are measured together; see :func:`longtail.protocols.measure.sum_up`. No event is tested
    twice.

    Args:
        events: all events, with times.
        catalog: all items that may be ranked.
        fit: trains on the events before a cut.
        cut: the first moment that is tested; None: :func:`default_cut`.
        cuts: instead, those of several stretches, in any order; the last ends with the events. None: ``cut`` alone or,
            where ``options.windows`` asks for more, :func:`default_cuts`.
        options: None: the defaults.
        progress: told of each stage.

    Raises:
        DataError: no times, or nothing on one side of a cut, or nothing that can be tested.
        LeakError: training saw what is tested.
        ValueError: both ``cut`` and ``cuts``.
    """
    options = options or Options()
    if cut is not None and cuts is not None:
        raise ValueError("Give either cut or cuts.")
    begins = sorted(set(cuts)) if cuts else [cut] if cut is not None else default_cuts(events, options.windows)
    runs = []
    for begin, end in zip(begins, [*begins[1:], None], strict=True):
        split = by_time(events, cut=begin)
        later = split.test if end is None else split.test.before(end)
        parts = fit(split.train, catalog)
        check_training(parts, pair_counts(split.train), cut=begin)
        tested = find_relevant(parts, later, catalog, options)
        candidates = candidate_sets(parts.interactions.n_interactions, len(catalog.items), options.tail_below)
        counts = {"training events": len(split.train), "held-out events": len(later)}
        asks = [Ask(tested.relevant, candidates)]
        runs.append(ask(parts, catalog, tested, asks, options, counts=counts, progress=progress))
    times = {"first": events.first.isoformat() if events.first else None,
             "last": events.last.isoformat() if events.last else None}  # fmt: skip
    told = [begin.isoformat() for begin in begins]
    if len(begins) == 1:
        return conclude("tail", QUESTION, runs, options, split={"by": "time", "cut": told[0], **times})
    note = f"Users tested in several of the {len(begins)} stretches of time count once for each."
    return conclude("tail", QUESTION, runs, options, split={"by": "time", "cuts": told, **times}, notes=[note])
