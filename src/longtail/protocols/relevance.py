"""What share of an item's nearest neighbours does not belong beside it, by how often the item was taken?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from longtail.core.arrays import Bool, Float64, Int64
from longtail.core.buckets import bucket_of
from longtail.core.errors import DataError
from longtail.core.progress import SILENT, Progress
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.evaluate.agreement import agreements, mean_kappa
from longtail.evaluate.full_ranking import rank
from longtail.evaluate.relevance import compare_relevance
from longtail.evaluate.result import ProtocolResult
from longtail.protocols.leaks import check_training
from longtail.protocols.methods import Fit, Method, TrainedParts
from longtail.protocols.neighbours import draw_per_group, neighbour_methods
from longtail.protocols.pairs import pair_counts
from longtail.protocols.run import Options, als_alone, check_rows
from longtail.protocols.tail import default_cut

QUESTION = "What share of an item's nearest neighbours does not belong beside it?"


@dataclass(frozen=True)
class Relevance:
    """Who says what belongs beside an item.

    Attributes:
        of: ``(n,)`` item rows and their ``(n, k)`` neighbours -> relevance in [0, 1], NaN where nothing is known.
        asked: ``(n_items,) bool``, items about whose neighbours something is known.
        candidates: how many items something is known of as neighbours.
        about: where it comes from, as JSON values; ``proxy`` says whether a field stands in for people.
        note: the same for readers.
    """

    of: Callable[[Int64, Int64], Float64]
    asked: Bool
    candidates: int
    about: dict[str, Any] = field(default_factory=dict)
    note: str = ""


def relevance(
    events: Events,
    catalog: Catalog,
    fit: Fit,
    *,
    most: int = 1_000,
    options: Options | None = None,
    progress: Progress = SILENT,
) -> ProtocolResult:
    """Show every method's nearest neighbours of items, and count those that do not belong there.

    What belongs there the judgements say, where there are any, else a field of the catalog: the same category is taken
    to be relevant, which is a proxy and is called so. Neighbours of which nothing is known count neither way. The
    metric is ``irrelevant@k``, lower is better; sections are by the asking item's training users; means and intervals
    are over asking items, the same for all methods. Candidates are the whole catalog but the item itself. A method that
    knows nothing of an item, as ALS of one without events, shows items at random.

    Training is that of the tail protocol where the shop has times, and on all events where it has none: nothing that is
    counted here comes from events.

    Args:
        events: all events.
        catalog: all items that may be shown.
        fit: trains.
        most: asking items of each bucket, drawn with the seed.
        options: None: the defaults.
        progress: told of each method.

    Raises:
        DataError: there are neither judgements nor a category, or they say nothing of what is shown.
        LeakError: training saw later events.
    """
    options = options or Options()
    cut = None if events.last is None or events.first == events.last else default_cut(events)
    training = events if cut is None else events.before(cut)
    parts = fit(training, catalog)
    check_training(parts, pair_counts(training), cut=cut)
    check_rows(parts, catalog)
    counts = parts.interactions.n_interactions
    known = by_judgements(parts, options) if options.judgements is not None else by_field(catalog, parts, options)
    asking = np.flatnonzero(draw_per_group(known.asked, bucket_of(counts), most, options.seed))
    methods = neighbour_methods(parts, options.foreign)
    said = _ask(methods, asking, known, len(catalog.items), options, progress)
    told, sections = compare_relevance(
        said,
        counts[asking],
        n_candidates=len(catalog.items),
        n_known=known.candidates,
        resamples=options.resamples,
        seed=options.seed,
    )
    if not sections:
        raise DataError(
            f"Nothing is known of the neighbours of {len(asking):,} items by {known.note.rstrip('.')}. "
            "Judge more of what is shown, or name another column of the catalog."
        )
    return ProtocolResult(
        protocol="relevance",
        question=QUESTION,
        k=options.k,
        methods=tuple(said),
        split={
            "by": "nothing" if cut is None else "time",
            "cut": None if cut is None else cut.isoformat(),
            "relevance": known.about,
            "seed": options.seed,
        },
        counts={
            "training events": len(training),
            "catalog items": len(catalog.items),
            "items with known relevance": int(known.asked.sum()),
            "asking items": int(told.sum()),
            "asking items left out, of whose neighbours by some method nothing is known": int((~told).sum()),
            **{f"unknown neighbours of {name}": int(np.isnan(answers[told]).sum()) for name, answers in said.items()},
        },
        excluded={},
        sections=sections,
        notes=(
            "Lower is better. Means and intervals are over asking items, not over users.",
            known.note,
            *als_alone(parts),
        ),
    )


def by_field(catalog: Catalog, parts: TrainedParts, options: Options) -> Relevance:
    """The same value of a column of the catalog, by default of its first category.

    Raises:
        DataError: there is no category, or no such column.
    """
    categories = [name for name, schema in catalog.schema.fields.items() if schema.kind == "category"]
    column = options.relevant_by or next(iter(categories), None)
    if column is None:
        raise DataError(
            "Nothing says which neighbours are relevant: the catalog has no field of the kind category. Name a column "
            "with --relevant-by, or judge with `longtail judge` and pass the file with --judgements."
        )
    if column not in catalog.table.column_names:
        raise DataError(f"There is no column {column!r} in the catalog; there are {catalog.table.column_names}.")
    coded = catalog.table[column].combine_chunks().dictionary_encode()
    codes = np.full(len(parts.interactions.items), -1, dtype=np.int64)
    codes[: len(catalog)] = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)

    def of(items: Int64, neighbours: Int64) -> Float64:
        there = (neighbours >= 0) & (codes[neighbours] >= 0)
        return np.where(there, codes[items][:, None] == codes[neighbours], np.nan)

    note = (
        f"Relevant is a neighbour of the same {column}: a proxy, which stands in for people's judgement and which "
        "methods that read this field know."
    )
    about = {"from": "field", "proxy": True, "field": column, "values": len(coded.dictionary)}
    return Relevance(of, codes >= 0, int((codes >= 0).sum()), about, note)


def by_judgements(parts: TrainedParts, options: Options) -> Relevance:
    """What people said of pairs; where several did, the share of them who found it relevant.

    Raises:
        DataError: no judged item is in the catalog.
    """
    judgements = options.judgements
    assert judgements is not None
    votes = judgements.votes(parts.interactions.items)
    if not len(votes.keys):
        raise DataError(
            f"None of {len(judgements):,} judgements is about two items of this shop. Are the ids the same, as text?"
        )
    asked = np.zeros(len(parts.interactions.items), dtype=np.bool_)
    asked[votes.items] = True
    kappas = agreements(judgements.by_judge())
    about = {
        "from": "judgements",
        "proxy": False,
        "judgements": len(judgements),
        "judges": len(judgements.judges),
        "kappa": mean_kappa(kappas),
        "judged by two": sum(one.n for one in kappas),
    }
    note = f"Relevant is what {len(judgements.judges)} judges said of {len(votes.keys):,} pairs."
    return Relevance(votes.of, asked, len(votes.neighbours), about, note)


def _ask(
    methods: list[Method], asking: Int64, known: Relevance, n_catalog: int, options: Options, progress: Progress
) -> dict[str, Float64]:
    """By method, how relevant each asking item's neighbours are, ``(n, k)``, NaN where nothing is known."""
    said: dict[str, Float64] = {}
    if not len(asking):
        return said
    n_items = methods[0].score_block(asking[:1]).shape[1]
    itself = sparse.csr_array(sparse.eye_array(n_items, dtype=np.float32, format="csr"))
    sold = np.arange(n_items) < n_catalog
    with progress.task("measuring", total=len(methods)) as task:
        for method in methods:
            task.say(method.name)
            shown = rank(method.score_block, asking, options.k, seen=itself, candidates=sold, seed=options.seed)
            said[method.name] = known.of(asking, shown)
            task.advance()
    return said
