"""Measures that the protocols do not have: lift of neighbours, and hits on cold items in the mixed catalog."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from longtail.core.arrays import Float64
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.data.split import by_time, cold_split
from longtail.evaluate.bootstrap import resampled_means
from longtail.evaluate.compare import compare_each
from longtail.evaluate.full_ranking import rank
from longtail.evaluate.lift import co_takings
from longtail.evaluate.metrics.ndcg import ndcg_at_k
from longtail.protocols.methods import TrainedParts, standard_methods
from longtail.protocols.neighbours import co_taken, neighbour_methods
from longtail.protocols.pairs import of_pairs, pair_counts, taken_by_anyone, whole_period
from longtail.protocols.run import Options, find_relevant

#: Asking items: fewer than the tail's bound, but some.
_TAIL = "1-19"


def lifts(
    parts: TrainedParts,
    events: Events,
    n_catalog: int,
    split: dict[str, Any],
    options: Options,
    *,
    at_least: int | None = None,
    known: bool = False,
) -> dict[str, Any]:
    """The neighbours of tail items by three measures: mean lift, pooled lift, and raw NDCG of the same queries.

    *Mean lift*: the mean over the k places of n_ij N / (n_i n_j) for neighbours that were taken together after the cut,
    0 for others: how much more often both were taken than independent takers would have. Its tail is heavy: two items
    taken twice by the same two of N users count N / 2, so that a handful of pairs of rare items decides the mean;
    ``top_percent`` says which share of it the best hundredth of the queries holds.

    *Pooled lift*: sum of n_ij over all queries and places, by that of n_i n_j / N, what independent takers would have
    taken together of the very same lists. Every taking counts once, so it does not hang on single pairs. What is
    shown and never taken adds to neither sum, so a list of dead items with one hit does well by it: it is told beside
    the others and never alone.

    The row of the table is the mean lift, as it was asked. ``n_users`` counts the queries. Takers are all who took
    after the cut, known before or not; with ``known`` only those who were, who are few in a short period and take again
    what they took: then ``at_least=1`` is what there is.

    Args:
        at_least: users who took both, for two items to belong together; None: those of the split.
        known: only users of the training run count.

    Returns:
        The comparison of mean lifts, with ``top_percent``, ``pooled`` (see `_pooled`) and ``ndcg`` (a comparison).
    """
    seen = parts.interactions
    test = by_time(events, cut=datetime.fromisoformat(split["cut"])).test
    pairs = pair_counts(test)
    if known:
        users = pc.is_in(pairs["user_id"].cast(pa.large_string()), value_set=seen.users.ids)
        pairs = pairs.filter(users)
    later = taken_by_anyone(pairs, seen.items, n_catalog).relevant
    together = co_taken(later, split["at_least"] if at_least is None else at_least)
    taken = sparse.csr_array(later.astype(np.float32))
    counts = np.bincount(later.indices, minlength=later.shape[1])
    n_users = int((np.diff(later.indptr) > 0).sum())
    few = (seen.n_interactions >= 1) & (seen.n_interactions < options.tail_below)
    asking = np.flatnonzero((np.diff(together.indptr) > 0) & few)
    own = sparse.csr_array(sparse.eye_array(len(counts), dtype=np.float32, format="csr"))
    sellable = np.arange(len(counts)) < n_catalog
    both = sparse.csr_array(sparse.csr_array(sparse.csc_array(taken)[:, asking].T) @ taken)
    right = sparse.csr_array(together[asking])
    mean, ndcg, observed, expected = {}, {}, {}, {}
    for method in neighbour_methods(parts):
        ranked = rank(method.score_block, asking, options.k, seen=own, candidates=sellable, seed=options.seed)
        ndcg[method.name] = ndcg_at_k(ranked, right, options.k)
        found, chance = co_takings(ranked, both, counts, counts[asking], n_users)
        belongs = co_takings(ranked, right.astype(np.float32), counts, counts[asking], n_users)[0] > 0
        lift = np.divide(found, chance, out=np.zeros_like(found), where=belongs & (chance > 0))
        mean[method.name] = lift.sum(axis=1) / ranked.shape[1]
        observed[method.name], expected[method.name] = found.sum(axis=1), chance.sum(axis=1)
    compared = compare_each(
        {f"lift@{options.k}": mean, f"ndcg@{options.k}": ndcg}, resamples=options.resamples, seed=options.seed
    )
    return compared[f"lift@{options.k}"].to_dict() | {
        "asking": _TAIL,
        "top_percent": {name: top_share(values) for name, values in mean.items()},
        "pooled": _pooled(observed, expected, options),
        "ndcg": compared[f"ndcg@{options.k}"].to_dict(),
    }


def top_share(values: Float64) -> float:
    """The share of a sum that its largest hundredth holds (one value at least); 0 where the sum is 0."""
    largest = np.sort(values)[::-1][: max(1, len(values) // 100)]
    return float(largest.sum() / values.sum()) if values.any() else 0.0


def _pooled(observed: dict[str, Float64], expected: dict[str, Float64], options: Options) -> dict[str, Any]:
    """Observed by expected co-takings of each method, and longtail's by each other's, with 95% percentile intervals.

    The bootstrap is over asking items, the same draws for all methods.
    """
    names = list(observed)
    columns = np.column_stack([*observed.values(), *expected.values()])
    if not len(columns):
        return {"lift": {}, "ratio": {}}
    drawn = resampled_means(columns, resamples=options.resamples, seed=options.seed)
    once = columns.mean(axis=0)[None]

    def lift(means: Float64, name: str) -> Float64:
        of = names.index(name)
        return means[:, of] / np.maximum(means[:, len(names) + of], 1e-12)

    def estimate(one: Float64, many: Float64) -> dict[str, float]:
        low, high = np.quantile(many, (0.025, 0.975))
        return {"mean": float(one[0]), "low": float(low), "high": float(high)}

    def by(means: Float64, name: str) -> Float64:
        return lift(means, "longtail") / np.maximum(lift(means, name), 1e-12)

    return {
        "lift": {name: estimate(lift(once, name), lift(drawn, name)) for name in names},
        "ratio": {name: estimate(by(once, name), by(drawn, name)) for name in names if name != "longtail"},
    }


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
