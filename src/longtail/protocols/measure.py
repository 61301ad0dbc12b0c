"""Rank and measure: the part that is the same in every protocol that asks what users take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from longtail.calibrate.scoring import only_columns
from longtail.core.arrays import Bool, Float64, Int64
from longtail.core.buckets import LABELS, bucket_of
from longtail.core.progress import SILENT, Progress
from longtail.evaluate.compare import compare_each
from longtail.evaluate.full_ranking import rank_each
from longtail.evaluate.hits import as_relevance
from longtail.evaluate.metrics import ACCURACY, coverage_at_k, exposure_share, gini_at_k, novelty_at_k, taken_share
from longtail.evaluate.result import Section
from longtail.evaluate.score import score
from longtail.protocols.methods import Method

WHOLE, TAIL = "whole catalog", "tail"


@dataclass(frozen=True)
class Measured:
    """Sections in the order of the candidate sets, and exposure beside taken per bucket, over the first section."""

    sections: tuple[Section, ...]
    exposure: dict[str, dict[str, float]]
    taken: dict[str, float]


def candidate_sets(n_interactions: Int64, n_candidates: int, tail_below: int) -> dict[str, Bool]:
    """The whole catalog, its tail, and each bucket that has items, by name, as masks ``(n_items,) bool``.

    Args:
        n_interactions: ``(n_items,)`` training users of each item; the catalog's items come first.
        n_candidates: items of the catalog; those after them are never candidates.
        tail_below: items with fewer training users are the tail.
    """
    sellable = np.arange(len(n_interactions)) < n_candidates
    buckets = bucket_of(n_interactions)
    sets = {WHOLE: sellable, TAIL: sellable & (n_interactions < tail_below)}
    sets.update({label: sellable & (buckets == number) for number, label in enumerate(LABELS)})
    return {name: mask for name, mask in sets.items() if mask.any()}


def measure(
    methods: Sequence[Method],
    relevant: sparse.csr_array,
    candidates: Mapping[str, Bool],
    n_interactions: Int64,
    *,
    k: int,
    seen: sparse.csr_array | None,
    groups: Mapping[str, Bool] | None = None,
    metrics: Sequence[str] = tuple(ACCURACY),
    resamples: int = 2_000,
    seed: int = 0,
    n_users: int | None = None,
    progress: Progress = SILENT,
) -> Measured:
    """Rank the candidates by every method for every user who took something, and compare.

    Args:
        methods: over the rows of ``relevant``.
        relevant: ``(n_users, n_items) bool``; users without any are not ranked for.
        candidates: masks ``(n_items,)`` by name; exposure and taken share are of the first.
        n_interactions: ``(n_items,)`` training users of each item.
        k: the cut.
        seen: training pairs that are left out of rankings; None: nothing is.
        groups: masks ``(n_users,) bool`` by name; each that has relevant users is a section of its own behind the
            others, over the first candidates.
        metrics: names in :data:`longtail.evaluate.metrics.ACCURACY`.
        resamples: of the bootstrap.
        seed: of ties and bootstrap.
        n_users: training users, for novelty; None: the rows of ``relevant``.
        progress: told of each method.

    Raises:
        DataError: shapes do not fit.
        NumericalError: a method gave NaN.
    """
    relevant = as_relevance(relevant)
    users = np.flatnonzero(np.diff(relevant.indptr))
    wanted = sparse.csr_array(relevant[users])
    parts = {name: only_columns(wanted, mask) for name, mask in candidates.items()}
    whole = next(iter(candidates), None)
    # A view is a set of candidates and the rows of users it is averaged over, of those that are ranked for.
    judged = {name: np.flatnonzero(np.diff(part.indptr)) for name, part in parts.items()}
    views = {name: (name, rows) for name, rows in judged.items()}
    if whole is not None:
        of_groups = {name: judged[whole][mask[users[judged[whole]]]] for name, mask in (groups or {}).items()}
        views.update({name: (whole, rows) for name, rows in of_groups.items() if len(rows)})
    values: dict[str, dict[str, dict[str, Float64]]] = {name: {f"{m}@{k}": {} for m in metrics} for name in views}
    spread: dict[str, dict[str, dict[str, float]]] = {name: {} for name in views}
    exposure: dict[str, dict[str, float]] = {}
    buckets = bucket_of(n_interactions)
    with progress.task("measuring", total=len(methods)) as task:
        for method in methods:
            task.say(method.name)
            found = _rank(method, users, k, list(candidates.values()), seen, seed)
            rankings = dict(zip(candidates, found, strict=True))
            scores = {name: score(ranked, parts[name], k, metrics) for name, ranked in rankings.items()}
            for name, (among, rows) in views.items():
                places = np.searchsorted(judged[among], rows)
                for metric, column in scores[among].values.items():
                    values[name][metric][method.name] = column[places]
                shown, mask = rankings[among][rows], candidates[among]
                novelty = novelty_at_k(shown, n_interactions, n_users or relevant.shape[0], k)
                spread[name][method.name] = {
                    "coverage": coverage_at_k(shown, mask, k),
                    "gini": gini_at_k(shown, mask, k),
                    "novelty": float(novelty.mean()) if len(novelty) else 0.0,
                }
            if whole is not None:
                shares = exposure_share(rankings[whole], buckets, len(LABELS), k)
                exposure[method.name] = dict(zip(LABELS, shares.tolist(), strict=True))
            task.advance()
    sections = []
    for name, (among, rows) in views.items():
        part = sparse.csr_array(parts[among][rows])
        asked = len(users) if name == among else int((groups or {})[name][users].sum())
        sections.append(
            Section(
                name=name,
                n_candidates=int(candidates[among].sum()),
                n_relevant_items=len(np.unique(part.indices)),
                n_users=len(rows),
                n_users_without=asked - len(rows),
                n_pairs=int(part.nnz),
                comparisons=compare_each(values[name], resamples=resamples, seed=seed),
                spread=spread[name],
            )
        )
    taken = taken_share(parts[whole], buckets, len(LABELS)).tolist() if whole else [0.0] * len(LABELS)
    return Measured(tuple(sections), exposure, dict(zip(LABELS, taken, strict=True)))


def _rank(
    method: Method, users: Int64, k: int, masks: list[Bool], seen: sparse.csr_array | None, seed: int
) -> list[Int64]:
    """Rankings within each mask; where all together are few items, no others are scored."""
    rows = np.flatnonzero(np.any(masks, axis=0)) if masks else np.zeros(0, dtype=np.int64)
    if not masks or 2 * len(rows) > len(masks[0]):
        return rank_each(method.score_block, users, k, masks, seen=seen, seed=seed)
    few = None if seen is None else sparse.csr_array(seen[:, rows])
    ranked = rank_each(method.among(rows).score_block, users, k, [mask[rows] for mask in masks], seen=few, seed=seed)
    return [np.where(places >= 0, rows[np.maximum(places, 0)], -1) for places in ranked] if len(rows) else ranked
