"""What will people take next, among rarely bought items? Split by time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from longtail.core.errors import DataError
from longtail.core.progress import SILENT, Progress
from longtail.data.catalog import Catalog
from longtail.data.events import Events, utc
from longtail.data.split import by_time
from longtail.evaluate.result import WINDOW, ProtocolResult
from longtail.protocols.leaks import check_training
from longtail.protocols.measure import TAIL, WHOLE, candidate_sets
from longtail.protocols.methods import Fit
from longtail.protocols.pairs import pair_counts
from longtail.protocols.run import Ask, Found, Options, answer, conclude, find_relevant, mean_of
from longtail.protocols.seeds import by_seed, sections_apart, with_each

QUESTION = "What will people take next, among rarely bought items?"

#: The last part of the data that is tested, whichever is shorter: these days, or this share of the whole span.
LONGEST, SHARE = timedelta(days=28), 0.1
_DAY = timedelta(days=1)


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
        DataError: no events, or no times, or no window, or so many that nothing is left to train on.
    """
    if events.first is None or events.last is None:
        raise DataError("A split by time needs events with a timestamp. Name the column in the recipe's [events].")
    span = events.last - events.first
    length = min(LONGEST, span * SHARE)
    if windows < 1 or (windows > 1 and length * windows >= span):
        most = max(1, math.ceil(span / length) - 1) if length else 1
        raise DataError(
            f"{windows:,} windows of {length / _DAY:.3g} days leave nothing of {span / _DAY:.3g} days to train on; "
            f"ask for 1 to {most}."
        )
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

    Few users tell little. With several cuts everything is trained anew before each and tested up to the next (a rolling
    origin: Tashman, "Out-of-sample tests of forecasting accuracy", 2000), and the people of all stretches of time are
    measured together; see :func:`longtail.protocols.measure.sum_up`. No event is tested twice. Behind stand the whole
    catalog and the tail of each stretch by itself.

    A training draws: where ALS begins, who is validated on. With ``options.seeds`` each stretch is tested after so many
    trainings, by ``options.seed`` and others a hundred apart, and what a person was shown counts with the mean over
    them (Bouthillier et al., "Accounting for variance in machine learning benchmarks", 2021). Intervals are over people
    and of that mean: they may be narrower than those of one training. What each gave stands behind.

    Args:
        events: all events, with times.
        catalog: all items that may be ranked.
        fit: trains on the events before a cut; with several seeds it must take them.
        cut: the first moment that is tested; None: :func:`default_cut`.
        cuts: instead, those of several stretches, in any order; the last ends with the events. None: ``cut`` alone or,
            where it is None too, as many of :func:`default_cuts` as ``options.windows`` says.
        options: None: the defaults.
        progress: told of each stage.

    Raises:
        DataError: no times, no cut, no seed, nothing before a cut or between it and the next, or nothing that can be
            tested.
        LeakError: training saw what is tested.
        ValueError: both ``cut`` and ``cuts``.
    """
    options = options or Options()
    if cut is not None and cuts is not None:
        raise ValueError("Give either cut or cuts.")
    if cuts is None:
        cuts = default_cuts(events, options.windows) if cut is None else [cut]
    begins = sorted({utc(one) for one in cuts})
    if not begins:
        raise DataError("A split by time needs at least one cut.")
    trained = [
        by_seed(fit, partial(_run, events, catalog, begin, end, options=options, progress=progress), options)
        for begin, end in zip(begins, [*begins[1:], None], strict=True)
    ]
    runs = [mean_of(each) for each in trained]
    split: dict[str, Any] = {
        "by": "time",
        "cut": begins[0].isoformat(),
        "first": events.first.isoformat() if events.first else None,
        "last": events.last.isoformat() if events.last else None,
    }
    notes = []
    if len(begins) > 1:
        split["cuts"] = [begin.isoformat() for begin in begins]
        notes.append(
            f"{len(begins)} stretches of time were tested, each after a training of its own and up to the next: from "
            f"{', '.join(begin.isoformat(' ', 'minutes').removesuffix(' 00:00') for begin in begins)} on. What was "
            "trained on is told of the last; who took something in several of them counts once."
        )
    if options.foreign and len(begins) > 1:
        notes.append(
            f"{', '.join(method.name for method in options.foreign)}: the same files in every stretch. They must come "
            f"from a system that had seen nothing from {begins[0]} on."
        )
    result = conclude("tail", QUESTION, runs, options, split=split, notes=notes)
    if len(begins) > 1:
        windows = [
            section
            for number, run in enumerate(runs, 1)
            for section in sections_apart(f"{WINDOW}{number}", [run], result.methods, options, views=(WHOLE, TAIL))
        ]
        result = replace(result, sections=(*result.sections, *windows))
    of = "each stretch of time" if len(begins) > 1 else "the split"
    return with_each(result, trained, options, views=(WHOLE, TAIL), of=of)


def _run(
    events: Events,
    catalog: Catalog,
    begin: datetime,
    end: datetime | None,
    fit: Fit,
    *,
    options: Options,
    progress: Progress,
) -> Found:
    """One stretch of time, tested after training on what came before it; nothing else of the training is kept."""
    split = by_time(events, cut=begin)
    later = split.test if end is None else split.test.before(end)
    if not len(later):
        raise DataError(f"Nothing happened from {begin} to {end}, so nothing can be tested. Choose other cuts.")
    parts = fit(split.train, catalog)
    check_training(parts, pair_counts(split.train), cut=begin)
    tested = find_relevant(parts, later, catalog, options)
    candidates = candidate_sets(parts.interactions.n_interactions, len(catalog.items), options.tail_below)
    counts = {"training events": len(split.train), "held-out events": len(later)}
    return answer(parts, catalog, tested, [Ask(tested.relevant, candidates)], options, counts=counts, progress=progress)
