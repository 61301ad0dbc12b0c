"""From a training run and what was held out to a result: shared by the protocols that ask what users take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse

from longtail.core.arrays import Bool
from longtail.core.errors import DataError
from longtail.core.progress import Progress
from longtail.data.catalog import Catalog
from longtail.data.database import literal
from longtail.data.events import Events
from longtail.data.judgements import Judgements
from longtail.evaluate.result import ProtocolResult
from longtail.protocols.measure import Observed, mean_observed, methods_of_all, observe, sum_up
from longtail.protocols.methods import ForeignMethod, Method, TrainedParts, standard_methods
from longtail.protocols.pairs import HeldOut, held_out_pairs, pair_counts


@dataclass(frozen=True)
class Ask:
    """Something to measure with one training run.

    Attributes:
        relevant: ``(n_users, n_items) bool``.
        candidates: masks ``(n_items,) bool`` by the name of the section.
    """

    relevant: sparse.csr_array
    candidates: Mapping[str, Bool]


@dataclass(frozen=True)
class Options:
    """What can be set in every protocol.

    Attributes:
        k: the cut of the rankings.
        tail_below: items with fewer training users are the tail.
        exclude_seen: whether rankings leave out what a user took before, and tests with them.
        relevant_types: event types that count as taken; None: all. Training sees every type.
        foreign: further methods to measure.
        judgements: what people said of neighbours, for the relevance protocol.
        relevant_by: the column of the catalog that stands in for judgements; None: the first category.
        windows: of the tail protocol: how many stretches of time are tested, each after training on what came before.
        seeds: of the tail, cold and random protocols: how many trainings a split is tested after, see
            :func:`longtail.protocols.tail.tail`; 1: one, by the fit's own seed.
        resamples: of the bootstrap over users.
        seed: of splits, ties and bootstrap, and the first of several ``seeds``.
    """

    k: int = 10
    tail_below: int = 20
    exclude_seen: bool = True
    relevant_types: Sequence[str] | None = None
    foreign: Sequence[ForeignMethod] = ()
    judgements: Judgements | None = None
    relevant_by: str | None = None
    windows: int = 1
    seeds: int = 1
    resamples: int = 2_000
    seed: int = 0


def check_rows(parts: TrainedParts, catalog: Catalog) -> None:
    """See that the items of a training run are the catalog's in their order, and after them others.

    Raises:
        DataError: they are not.
    """
    if not parts.interactions.items.ids[: len(catalog.items)].equals(catalog.items.ids):
        raise DataError(
            "The items of a training run must be the catalog's in their order, then those of events alone. "
            "Aggregate with `items=catalog.items`."
        )


def methods_of(parts: TrainedParts, options: Options) -> list[Method]:
    """All methods over the rows of a training run. Raises DataError if a foreign method's files do not fit."""
    seen = parts.interactions
    return [*standard_methods(parts), *(method.bind(seen.users, seen.items) for method in options.foreign)]


def taken(events: Events, options: Options) -> Events:
    """The events that count as taken."""
    if options.relevant_types is None:
        return events
    return events.where(f"event_type IN ({', '.join(map(literal, options.relevant_types))})")


def check_types(events: Events, options: Options) -> None:
    """See that the types that count as taken occur.

    Raises:
        DataError: one does not; names those that do.
    """
    if options.relevant_types is None:
        return
    types = events.query("SELECT DISTINCT event_type FROM events ORDER BY ALL")["event_type"].to_pylist()
    if missing := [type for type in options.relevant_types if type not in types]:
        raise DataError(f"No event has the type {missing[0]!r}, so it cannot count as taken. Events have {types}.")


def find_relevant(parts: TrainedParts, held_out: Events, catalog: Catalog, options: Options) -> HeldOut:
    """The held-out pairs that can be tested."""
    seen = parts.interactions
    return held_out_pairs(
        pair_counts(taken(held_out, options)),
        seen.users,
        seen.items,
        len(catalog.items),
        seen.matrix,
        exclude_seen=options.exclude_seen,
    )


@dataclass(frozen=True)
class Found:
    """What one training run gave.

    Attributes:
        observed: of each ask, the most important first.
        people: ids of all tested users.
        counts: events, users, items and pairs on both sides.
        excluded: held-out pairs that could not be tested, by reason.
        notes: for readers.
    """

    observed: tuple[Observed, ...]
    people: pa.Array
    counts: Mapping[str, int]
    excluded: Mapping[str, int]
    notes: tuple[str, ...]


def answer(
    parts: TrainedParts,
    catalog: Catalog,
    tested: HeldOut,
    asks: Sequence[Ask],
    options: Options,
    *,
    counts: Mapping[str, int],
    progress: Progress,
) -> Found:
    """Rank by every method of a training run for every ask.

    Args:
        parts: the training run, already checked for leaks.
        catalog: all items that may be ranked.
        tested: everything that is relevant, for the counts.
        asks: what to measure, the most important first.
        options: see there.
        counts: of the protocol itself, such as held-out events.
        progress: told of each method.

    Raises:
        DataError: see :func:`check_rows` and :func:`methods_of`.
    """
    check_rows(parts, catalog)
    seen = parts.interactions
    methods = methods_of(parts, options)
    missing = [name for name in ("content kNN", "article") if name not in {method.name for method in methods}]
    observed = tuple(
        observe(
            methods,
            one.relevant,
            one.candidates,
            seen.n_interactions,
            k=options.k,
            seen=seen.matrix if options.exclude_seen else None,
            seed=options.seed,
            ids=seen.users,
            progress=progress,
        )
        for one in asks
    )
    n_catalog = len(catalog.items)
    return Found(
        observed,
        seen.users.ids.take(pa.array(np.flatnonzero(np.diff(tested.relevant.indptr)))),
        {
            **counts,
            "training users": int((seen.user_interactions > 0).sum()),
            "training pairs": int(seen.matrix.nnz),
            "catalog items": n_catalog,
            "catalog items without training events": int((seen.item_events[:n_catalog] == 0).sum()),
            "held-out pairs": tested.n_pairs,
            "tested pairs": int(tested.relevant.nnz),
        },
        tested.excluded,
        (*(f"{name} was not measured: a training run has none." for name in missing), *als_alone(parts)),
    )


def mean_of(runs: Sequence[Found]) -> Found:
    """The same split after several trainings, which differ in what they drew: of every number the mean.

    A note that is not of every run says of how many it is.

    Raises:
        ValueError: no run, or runs that were not tested on the same people and pairs.
    """
    if not runs or any(run.counts != runs[0].counts for run in runs):
        raise ValueError("Means are of one run or more on the same split.")
    if len(runs) == 1:
        return runs[0]
    observed = tuple(mean_observed(each) for each in zip(*(run.observed for run in runs), strict=True))
    told = Counter(note for run in runs for note in run.notes)
    notes = (note if n == len(runs) else f"In {n} of {len(runs)} trainings: {note}" for note, n in told.items())
    return replace(runs[0], observed=observed, notes=tuple(notes))


def conclude(
    protocol: str,
    question: str,
    runs: Sequence[Found],
    options: Options,
    *,
    split: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> ProtocolResult:
    """Sum up one training run or several, and put the counts beside the numbers.

    Args:
        protocol: its name.
        question: what it answers.
        runs: see :func:`longtail.protocols.measure.sum_up`; what was held out and tested is the sum of theirs,
            people counted once; what was trained on is told of the last. Exposure is of the ask with the most
            candidates.
        options: see there.
        split: how the data was divided.
        notes: for readers.

    Raises:
        DataError: nothing can be tested.
    """
    counts = {
        name: last if name.startswith(("training", "catalog")) else sum(run.counts[name] for run in runs)
        for name, last in runs[-1].counts.items()
    }
    counts["tested users"] = len(pa.chunked_array([run.people for run in runs]).unique())
    excluded = {why: sum(run.excluded[why] for run in runs) for why in runs[0].excluded}
    if counts["tested pairs"] == 0:
        raise DataError(
            f"None of {counts['held-out pairs']:,} held-out pairs can be tested: "
            f"{', '.join(f'{why} {n:,}' for why, n in excluded.items())}. "
            "Choose another cut, or test with seen items included."
        )
    measured = [
        sum_up(one, resamples=options.resamples, seed=options.seed)
        for one in zip(*(run.observed for run in runs), strict=True)
    ]
    widest = max(measured, key=lambda one: one.sections[0].n_candidates)
    return ProtocolResult(
        protocol=protocol,
        question=question,
        k=options.k,
        methods=tuple(methods_of_all([run.observed[0] for run in runs])),
        split={
            **split,
            "tail_below": options.tail_below,
            "exclude_seen": options.exclude_seen,
            "relevant_types": None if options.relevant_types is None else list(options.relevant_types),
            "seed": options.seed,
        },
        counts=counts,
        excluded=excluded,
        sections=tuple(section for one in measured for section in one.sections),
        exposure=widest.exposure,
        taken=widest.taken,
        notes=(*notes, *dict.fromkeys(note for run in runs for note in run.notes)),
    )


def als_alone(*runs: TrainedParts) -> tuple[str, ...]:
    """A note for each reason why longtail is ALS alone in some run: two equal columns are explained."""
    notes = []
    for parts in runs:
        if parts.model.is_als:
            choices = parts.model.choices
            why = choices.get("note") or choices.get("curves", {}).get("note", "")
            notes.append(f"longtail is ALS alone here. {why}".strip())
    return tuple(dict.fromkeys(notes))
