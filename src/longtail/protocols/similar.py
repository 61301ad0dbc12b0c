"""Are an item's neighbours right? Judged by what is taken together in a later period."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from scipy import sparse

from longtail.core.buckets import LABELS, bucket_of
from longtail.core.errors import DataError
from longtail.core.progress import SILENT, Progress
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.data.split import by_time
from longtail.evaluate.result import ProtocolResult
from longtail.protocols.leaks import check_training
from longtail.protocols.measure import observe, sum_up
from longtail.protocols.methods import Fit
from longtail.protocols.neighbours import co_taken, draw_per_group, neighbour_methods
from longtail.protocols.pairs import pair_counts, taken_by_anyone
from longtail.protocols.run import Options, als_alone, check_rows, taken
from longtail.protocols.tail import default_cut

QUESTION = "Are the items shown beside an item those that are taken together with it later?"

ALL = "all items"


def similar(
    events: Events,
    catalog: Catalog,
    fit: Fit,
    *,
    cut: datetime | None = None,
    at_least: int = 2,
    most: int = 3_000,
    options: Options | None = None,
    progress: Progress = SILENT,
) -> ProtocolResult:
    """Train before the cut, and ask for the neighbours of every item that is taken after it.

    Two items belong together if at least ``at_least`` users took both after the cut, and more than would by chance if
    takers were independent. All users of that time count, those without a history as well: the question is about items,
    and in a shop of many newcomers known users are few. Sections are by the asking item's training users; candidates
    are always the whole catalog but the item itself. A mean is over items, so every interval is a bootstrap over items.

    Args:
        events: all events, with times.
        catalog: all items that may be shown.
        fit: trains on the events before the cut.
        cut: None: as in the tail protocol.
        at_least: users who took both.
        most: asking items of each bucket, drawn with the seed.
        options: None: the defaults.
        progress: told of each stage.

    Raises:
        DataError: no times, nothing on one side of the cut, or no two items were taken together after it.
        LeakError: training saw what is tested.
    """
    options = options or Options()
    split = by_time(events, cut=default_cut(events) if cut is None else cut)
    parts = fit(split.train, catalog)
    check_training(parts, pair_counts(split.train), cut=split.cut)
    check_rows(parts, catalog)
    seen, n_catalog = parts.interactions, len(catalog.items)
    counts = seen.n_interactions
    later = taken_by_anyone(pair_counts(taken(split.test, options)), seen.items, n_catalog)
    together = co_taken(later.relevant, at_least)
    asking = draw_per_group(np.diff(together.indptr) > 0, bucket_of(counts), most, options.seed)
    if not asking.any():
        raise DataError(f"No two items were taken together by {at_least} users after {split.cut}. Move the cut back.")
    methods = neighbour_methods(parts, options.foreign)
    itself = sparse.csr_array(sparse.eye_array(len(counts), dtype=np.float32, format="csr"))
    sellable = np.arange(len(counts)) < n_catalog
    observed = observe(
        methods,
        sparse.csr_array(sparse.diags_array(asking.astype(np.float32)) @ together).astype(np.bool_),
        {ALL: sellable},
        counts,
        k=options.k,
        seen=itself,
        groups={label: bucket_of(counts) == number for number, label in enumerate(LABELS)},
        seed=options.seed,
        n_users=len(seen.users),
        progress=progress,
    )
    measured = sum_up([observed], resamples=options.resamples, seed=options.seed)
    return ProtocolResult(
        protocol="similar",
        question=QUESTION,
        k=options.k,
        methods=tuple(method.name for method in methods),
        split={"by": "time", "cut": split.cut.isoformat(), "at_least": at_least, "seed": options.seed},
        counts={
            "training events": len(split.train),
            "held-out events": len(split.test),
            "catalog items": n_catalog,
            "asking items": int(asking.sum()),
            "items taken together with another": int((np.diff(together.indptr) > 0).sum()),
            "held-out pairs": later.n_pairs,
            "tested pairs": int(later.relevant.nnz),
        },
        excluded=later.excluded,
        sections=measured.sections,
        exposure=measured.exposure,
        taken=measured.taken,
        notes=("Means and intervals are over asking items, not over users.", *als_alone(parts)),
    )
