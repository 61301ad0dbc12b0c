"""Brand-new items as time brings them: nobody took them before a cut, few do after it, so cuts are pooled."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from scipy import sparse

from longtail.core.errors import DataError
from longtail.core.progress import SILENT, Progress
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.data.split import by_time
from longtail.evaluate.result import ProtocolResult
from longtail.protocols.leaks import check_training
from longtail.protocols.measure import measure
from longtail.protocols.methods import Fit
from longtail.protocols.pairs import pair_counts
from longtail.protocols.pooled import pool, stacked
from longtail.protocols.run import Options, als_alone, check_rows, find_relevant, methods_of

QUESTION = "Do people find items that nobody took before, as they appear?"

NEW = "new items"


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

    A user who is tested after two cuts counts twice; resampling is over these.

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
    n_items = len(catalog.items)
    relevant, counts, masks, methods, runs = [], [], [], [], []
    n_events = 0
    for cut in cuts:
        split = by_time(events, cut=cut)
        parts = fit(split.train, catalog)
        runs.append(parts)
        check_training(parts, pair_counts(split.train), cut=cut)
        check_rows(parts, catalog)
        new = parts.interactions.n_interactions[:n_items] == 0
        found = find_relevant(parts, split.test, catalog, options).relevant[:, :n_items]
        keep = sparse.csr_array(found.multiply(new[None, :]).astype(np.bool_))
        keep.eliminate_zeros()
        keep.sort_indices()
        relevant.append(keep)
        masks.append(new)
        counts.append(found.shape[0])
        methods.append(methods_of(parts, options))
        n_events += len(split.test)
    tested = stacked(relevant)
    if tested.nnz == 0:
        raise DataError("Nobody took an item after a cut that nobody had taken before. Choose other cuts.")
    pooled = pool(methods, counts, masks)
    measured = measure(
        pooled, tested, {NEW: np.any(masks, axis=0)}, np.zeros(n_items, dtype=np.int64),
        k=options.k, seen=None, resamples=options.resamples, seed=options.seed, progress=progress,
    )  # fmt: skip
    return ProtocolResult(
        protocol="new-items",
        question=QUESTION,
        k=options.k,
        methods=tuple(method.name for method in pooled),
        split={"by": "time", "cuts": [cut.isoformat() for cut in cuts], "seed": options.seed},
        counts={"held-out events": n_events, "tested pairs": int(tested.nnz)},
        excluded={},
        sections=measured.sections,
        notes=("Users tested after several cuts count once for each.", *als_alone(*runs)),
    )
