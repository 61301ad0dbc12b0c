"""Rank and measure: the part that is the same in every protocol that asks what users take.

A training run is observed, user by user; the observations of one run, or of several, are then summed up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from scipy import sparse

from longtail.calibrate.scoring import only_columns
from longtail.core.arrays import Bool, Float64, Int64
from longtail.core.buckets import LABELS, bucket_of
from longtail.core.progress import SILENT, Progress
from longtail.core.vocabulary import Vocabulary
from longtail.evaluate.compare import compare_each
from longtail.evaluate.full_ranking import rank_each
from longtail.evaluate.hits import as_relevance
from longtail.evaluate.metrics import ACCURACY, coverage_at_k, exposure_share, gini_at_k, novelty_at_k, taken_share
from longtail.evaluate.result import Section
from longtail.evaluate.score import score
from longtail.protocols.methods import Method

WHOLE, TAIL = "whole catalog", "tail"


@dataclass(frozen=True)
class View:
    """Some candidates and the users they are averaged over, in one training run.

    Attributes:
        n_candidates, n_pairs: see :class:`longtail.evaluate.result.Section`.
        users: ``(n_users,)`` ids of those averaged over.
        asked: ids of all tested users, those who took none of the candidates as well.
        relevant_items: rows of the candidates that anyone took, ascending.
        values: ``(n_users,) float64`` by metric with its cut, then by method.
        spread: by method, see there.
    """

    n_candidates: int
    n_pairs: int
    users: pa.Array
    asked: pa.Array
    relevant_items: Int64
    values: dict[str, dict[str, Float64]]
    spread: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Observed:
    """One training run, user by user: its views by name, and exposure beside taken over the first of them."""

    views: dict[str, View]
    exposure: dict[str, dict[str, float]]
    taken: dict[str, float]


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


def observe(
    methods: Sequence[Method],
    relevant: sparse.csr_array,
    candidates: Mapping[str, Bool],
    n_interactions: Int64,
    *,
    k: int,
    seen: sparse.csr_array | None,
    groups: Mapping[str, Bool] | None = None,
    metrics: Sequence[str] = tuple(ACCURACY),
    seed: int = 0,
    ids: Vocabulary | None = None,
    n_users: int | None = None,
    progress: Progress = SILENT,
) -> Observed:
    """Rank the candidates by every method for every user who took something.

    Args:
        methods: over the rows of ``relevant``.
        relevant: ``(n_users, n_items) bool``; users without any are not ranked for.
        candidates: masks ``(n_items,)`` by name; exposure and taken share are of the first.
        n_interactions: ``(n_items,)`` training users of each item.
        k: the cut.
        seen: training pairs that are left out of rankings; None: nothing is.
        groups: masks ``(n_users,) bool`` by name; each that has relevant users is a view of its own behind the
            others, over the first candidates.
        metrics: names in :data:`longtail.evaluate.metrics.ACCURACY`.
        seed: of ties.
        ids: of the rows of ``relevant``, by which people are known again in other runs; None: there are none.
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
    # Of each view the set of candidates and the rows of users it is averaged over, of those that are ranked for.
    judged = {name: np.flatnonzero(np.diff(part.indptr)) for name, part in parts.items()}
    averaged = {name: (name, rows) for name, rows in judged.items()}
    if whole is not None:
        of_groups = {name: judged[whole][mask[users[judged[whole]]]] for name, mask in (groups or {}).items()}
        averaged.update({name: (whole, rows) for name, rows in of_groups.items() if len(rows)})
    values: dict[str, dict[str, dict[str, Float64]]] = {name: {f"{m}@{k}": {} for m in metrics} for name in averaged}
    spread: dict[str, dict[str, dict[str, float]]] = {name: {} for name in averaged}
    exposure: dict[str, dict[str, float]] = {}
    buckets = bucket_of(n_interactions)
    with progress.task("measuring", total=len(methods)) as task:
        for method in methods:
            task.say(method.name)
            found = _rank(method, users, k, list(candidates.values()), seen, seed)
            rankings = dict(zip(candidates, found, strict=True))
            scores = {name: score(ranked, parts[name], k, metrics) for name, ranked in rankings.items()}
            for name, (among, rows) in averaged.items():
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
    known = pa.array(users) if ids is None else ids.ids.take(pa.array(users))
    views = {}
    for name, (among, rows) in averaged.items():
        part = sparse.csr_array(parts[among][rows])
        views[name] = View(
            n_candidates=int(candidates[among].sum()),
            n_pairs=int(part.nnz),
            users=known.take(pa.array(rows)),
            asked=known if name == among else known.filter(pa.array((groups or {})[name][users])),
            relevant_items=np.unique(part.indices).astype(np.int64),
            values=values[name],
            spread=spread[name],
        )
    taken = taken_share(parts[whole], buckets, len(LABELS)).tolist() if whole else [0.0] * len(LABELS)
    return Observed(views, exposure, dict(zip(LABELS, taken, strict=True)))


def mean_observed(runs: Sequence[Observed]) -> Observed:
    """Several trainings observed on the same people and candidates: of every number the mean, of methods that all have.

    Raises:
        ValueError: people or candidates differ.
    """
    first, methods = runs[0], methods_of_all(runs)
    views = {}
    for name, view in first.views.items():
        others = [run.views[name] for run in runs if name in run.views]
        if len(others) < len(runs) or not all(view.users.equals(other.users) for other in others):
            raise ValueError(f"{name!r} is not of the same people in all runs.")
        values = {
            metric: {m: np.mean([other.values[metric][m] for other in others], axis=0) for m in methods}
            for metric in view.values
        }
        spread = _average([other.spread for other in others], [1] * len(others), methods)
        views[name] = replace(view, values=values, spread=spread)
    exposure = _average([run.exposure for run in runs], [1] * len(runs), methods)
    return Observed(views, exposure, first.taken)


def sum_up(runs: Sequence[Observed], *, resamples: int = 2_000, seed: int = 0) -> Measured:
    """Compare the methods over the people of all runs together.

    Who is tested in several runs counts once, with the mean of what they were shown there: otherwise intervals would
    take them for so many people. What differs between the runs themselves is in no interval. Candidates and spread are
    means over the runs; what is shown is a mean weighted by users, what is taken one weighted by pairs.

    Args:
        runs: over the same items, the same methods first to last. A view that a run lacks is of the others; a method
            that any run lacks is left out everywhere.
        resamples: of the bootstrap over users.
        seed: of the bootstrap.

    Raises:
        ValueError: no run.
    """
    if not runs:
        raise ValueError("There is nothing to sum up: at least one run is needed.")
    methods = methods_of_all(runs)
    most = max(runs, key=lambda run: len(run.views))  # its order is the order of all
    sections = []
    for name in dict.fromkeys(name for run in (most, *runs) for name in run.views):
        views = [run.views[name] for run in runs if name in run.views]
        person, n_users = _people([view.users for view in views])
        asked = len(pa.chunked_array([view.asked for view in views]).unique())
        values = {
            metric: {
                method: _mean_of_each(person, n_users, [view.values[metric][method] for view in views])
                for method in methods
            }
            for metric in views[0].values
        }
        sections.append(
            Section(
                name=name,
                n_candidates=round(sum(view.n_candidates for view in views) / len(views)),
                n_relevant_items=len(np.unique(np.concatenate([view.relevant_items for view in views]))),
                n_users=n_users,
                n_users_without=asked - n_users,
                n_pairs=sum(view.n_pairs for view in views),
                comparisons=compare_each(values, resamples=resamples, seed=seed),
                spread=_average([view.spread for view in views], [len(view.users) for view in views], methods),
            )
        )
    first = [next(iter(run.views.values()), None) for run in runs]
    return Measured(
        tuple(sections),
        _average([run.exposure for run in runs], [len(view.users) if view else 0 for view in first], methods),
        _mean([run.taken for run in runs], [view.n_pairs if view else 0 for view in first]),
    )


def _people(runs: Sequence[pa.Array]) -> tuple[Int64, int]:
    """Who each row of all runs is, ``(n_rows,)`` from 0 on in order of appearance, and how many they are."""
    known = pa.chunked_array(runs).combine_chunks().dictionary_encode()
    return known.indices.to_numpy(zero_copy_only=False).astype(np.int64), len(known.dictionary)


def _mean_of_each(person: Int64, n_people: int, runs: Sequence[Float64]) -> Float64:
    """The mean of each person's values, ``(n_people,) float64``; of a single one the value itself."""
    values = np.concatenate(runs)
    if len(values) == n_people:
        return values
    total: Float64 = np.bincount(person, values, n_people) / np.bincount(person, minlength=n_people)
    return total


def methods_of_all(runs: Sequence[Observed]) -> list[str]:
    """The methods that every run has, in the order of the first; see :func:`sum_up`."""
    return [method for method in runs[0].exposure if all(method in run.exposure for run in runs)]


def _average(
    runs: Sequence[dict[str, dict[str, float]]], weights: Sequence[int], methods: Sequence[str]
) -> dict[str, dict[str, float]]:
    return {name: _mean([run[name] for run in runs], weights) for name in methods}


def _mean(runs: Sequence[dict[str, float]], weights: Sequence[int]) -> dict[str, float]:
    """The weighted mean of each number; where all weights are 0 they count alike."""
    if len(runs) == 1:
        return runs[0]
    return {
        key: float(np.average([run[key] for run in runs], weights=weights if any(weights) else None)) for key in runs[0]
    }


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
