"""Two measures that the protocols do not have: lift of neighbours, and hits on cold items in the mixed catalog."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
from scipy import sparse

from longtail.core.arrays import Int64
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.data.split import by_time, cold_split
from longtail.evaluate.compare import compare
from longtail.evaluate.full_ranking import rank
from longtail.protocols.methods import TrainedParts, standard_methods
from longtail.protocols.neighbours import co_taken, neighbour_methods
from longtail.protocols.pairs import held_out_pairs, of_pairs, pair_counts, whole_period
from longtail.protocols.run import Options, find_relevant

#: Asking items: fewer than the tail's bound, but some.
_TAIL = "1-19"


def lifts(
    parts: TrainedParts, events: Events, n_catalog: int, split: dict[str, Any], options: Options
) -> dict[str, Any]:
    """Lift@k of the neighbours of tail items, raw NDCG's popularity-corrected sibling.

    The mean over the k places of n_ij N / (n_i n_j) for neighbours that were taken together after the cut, 0 for
    others: how much more often both were taken than independent takers would have.
    """
    seen = parts.interactions
    later = held_out_pairs(
        pair_counts(by_time(events, cut=datetime.fromisoformat(split["cut"])).test),
        seen.users, seen.items, n_catalog, seen.matrix, exclude_seen=False,
    ).relevant  # fmt: skip
    together = co_taken(later, split["at_least"])
    taken = sparse.csr_array(later.astype(np.float32))
    counts = np.bincount(later.indices, minlength=later.shape[1])
    n_users = int((np.diff(later.indptr) > 0).sum())
    few = (seen.n_interactions >= 1) & (seen.n_interactions < options.tail_below)
    asking = np.flatnonzero((np.diff(together.indptr) > 0) & few)
    own = sparse.csr_array(sparse.eye_array(len(counts), dtype=np.float32, format="csr"))
    sellable = np.arange(len(counts)) < n_catalog
    by_item = sparse.csc_array(taken)
    both = sparse.csr_array(sparse.csr_array(by_item[:, asking].T) @ taken)
    values = {}
    for method in neighbour_methods(parts):
        ranked = rank(method.score_block, asking, options.k, seen=own, candidates=sellable, seed=options.seed)
        values[method.name] = _lift(ranked, asking, both, together, counts, n_users)
    return compare(f"lift@{options.k}", values, resamples=options.resamples, seed=options.seed).to_dict() | {
        "asking": _TAIL
    }


def _lift(ranked: Int64, asking: Int64, both: Any, together: Any, counts: Any, n_users: int) -> Any:
    found = np.zeros(len(asking))
    for at, (item, shown) in enumerate(zip(asking, ranked, strict=True)):
        belong = set(together.indices[together.indptr[item] : together.indptr[item + 1]].tolist())
        columns = both.indices[both.indptr[at] : both.indptr[at + 1]]
        number = dict(zip(columns.tolist(), both.data[both.indptr[at] : both.indptr[at + 1]].tolist(), strict=True))
        for other in shown[shown >= 0].tolist():
            if other in belong:
                found[at] += number[other] * n_users / (counts[item] * counts[other])
    return found / ranked.shape[1]


def cold_hits(parts: TrainedParts, events: Events, catalog: Catalog, options: Options) -> dict[str, float]:
    """Hits a thousand users on cold items among all items, by method, on the mixed part of the cold split."""
    sold = whole_period(events.of_items(catalog.items), catalog)
    split = cold_split(sold, options.seed)
    relevant = find_relevant(parts, of_pairs(events, sold, split.mixed_test), catalog, options).relevant
    n_items = relevant.shape[1]
    cold, candidates = np.zeros(n_items, np.bool_), np.zeros(n_items, np.bool_)
    n = len(catalog.items)
    cold[:n] = split.items.test[:n]
    candidates[:n] = (split.items.test | split.items.warm)[:n]
    users = np.flatnonzero(np.diff(relevant.indptr))
    hits = {}
    for method in standard_methods(parts):
        ranked = rank(
            method.score_block, users, options.k, seen=parts.interactions.matrix, candidates=candidates,
            seed=options.seed,
        )  # fmt: skip
        total = 0
        for user, shown in zip(users, ranked, strict=True):
            wanted = relevant.indices[relevant.indptr[user] : relevant.indptr[user + 1]]
            total += int(np.isin(shown, wanted[cold[wanted]]).sum())
        hits[method.name] = 1000 * total / len(users)
    return hits
