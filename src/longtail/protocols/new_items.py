"""Brand-new items as time brings them: nobody took them before a cut, few do after it, so cuts are pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from scipy import sparse

from longtail.core.arrays import Bool, Float32, Int64
from longtail.core.errors import DataError
from longtail.core.progress import SILENT, Progress
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.data.split import by_time
from longtail.evaluate.result import ProtocolResult
from longtail.protocols.leaks import check_training
from longtail.protocols.measure import measure
from longtail.protocols.methods import Fit, Method
from longtail.protocols.pairs import pair_counts
from longtail.protocols.run import Options, check_rows, find_relevant, methods_of

QUESTION = "Do people find items that nobody took before, as they appear?"

NEW = "new items"


@dataclass(frozen=True)
class Pooled:
    """One method of several training runs over the users of all of them, one run after the other.

    Attributes:
        name: what results call it.
        runs: the method, trained before each cut.
        starts: ``(n_runs + 1,)`` the first row of each run's users, and the end.
        candidates: ``(n_items,) bool`` of each run; the first ``n_items`` of a run's items are the catalog's.
    """

    name: str
    runs: tuple[Method, ...]
    starts: Int64
    candidates: tuple[Bool, ...]

    def score_block(self, users: Int64) -> Float32:
        """``(len(users), n_items) float32``; minus infinity where an item is no candidate before that cut."""
        n_items = len(self.candidates[0])
        scores = np.full((len(users), n_items), -np.inf, dtype=np.float32)
        run_of = np.searchsorted(self.starts, users, side="right") - 1
        for number, (method, mask) in enumerate(zip(self.runs, self.candidates, strict=True)):
            rows = np.flatnonzero(run_of == number)
            if len(rows):
                found = method.score_block(users[rows] - self.starts[number])[:, :n_items]
                scores[rows] = np.where(mask, found, -np.inf)
        return scores

    def among(self, items: Int64) -> Pooled:
        """The same over some items."""
        runs = tuple(method.among(items) for method in self.runs)
        return Pooled(self.name, runs, self.starts, tuple(mask[items] for mask in self.candidates))


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
    relevant, counts, masks, methods = [], [], [], []
    n_events = 0
    for cut in cuts:
        split = by_time(events, cut=cut)
        parts = fit(split.train, catalog)
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
    stacked = sparse.csr_array(sparse.vstack(relevant, format="csr"))
    if stacked.nnz == 0:
        raise DataError("Nobody took an item after a cut that nobody had taken before. Choose other cuts.")
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    pooled = [Pooled(runs[0].name, tuple(runs), starts, tuple(masks)) for runs in zip(*methods, strict=True)]
    measured = measure(
        pooled, stacked, {NEW: np.any(masks, axis=0)}, np.zeros(n_items, dtype=np.int64),
        k=options.k, seen=None, resamples=options.resamples, seed=options.seed, progress=progress,
    )  # fmt: skip
    return ProtocolResult(
        protocol="new-items",
        question=QUESTION,
        k=options.k,
        methods=tuple(method.name for method in pooled),
        split={"by": "time", "cuts": [cut.isoformat() for cut in cuts], "seed": options.seed},
        counts={"held-out events": n_events, "tested pairs": int(stacked.nnz)},
        excluded={},
        sections=measured.sections,
        notes=("Users tested after several cuts count once for each.",),
    )
