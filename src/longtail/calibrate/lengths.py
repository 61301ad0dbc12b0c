"""Direction and length of a prediction apart: beta on cold items alone, then s and tau in the whole catalog.

s and tau are first chosen on one solve with the first predictions, which is cheap, and then moved by a step of their
grids where whole alternations are better for it: predictions of a later round are worth another trust than the first.
Where few pairs tell of new items, of each a usual value stays unless another gains beyond chance: on few users the best
of many is one that was lucky, and which one that is changes with the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from longtail.blend import blend
from longtail.calibrate.alternation import Alternation, Pull
from longtail.calibrate.guard import middle, pick
from longtail.calibrate.model import Length
from longtail.calibrate.quality import Quality
from longtail.calibrate.scoring import Judge
from longtail.cf.als import AlsSettings, solve_users
from longtail.core.arrays import Bool, Float32

#: In the second round the bridge learns from blended vectors, the rarely taken items' as well: usually that is enough.
USUAL_ROUNDS = 2


def choose_exponent(
    judge: Judge, users: Float32, raw: Float32, exponents: Sequence[float]
) -> tuple[float, list[dict[str, Any]]]:
    """beta: among cold items only, where s changes nothing. With few cold pairs on validation among the tail's.

    Args:
        users: factors of the judge's users. raw: ``(n_items, d)`` predictions, out of sample.
    """
    group = "cold" if judge.knows_new else "tail"
    if group not in judge.relevant:
        return float(exponents[0]), []
    curve = []
    for exponent in exponents:
        quality = judge.measure(users, Length(exponent, 1.0).apply(raw), only=(group,))
        curve.append({"exponent": exponent, "group": group, "ndcg": getattr(quality, group)})
    return float(max(curve, key=lambda point: point["ndcg"])["exponent"]), curve


def choose_pull(
    judge: Judge,
    matrix: Any,
    users: Float32,
    raw: Float32,
    has: Bool,
    typical: float,
    als: AlsSettings,
    base: Quality,
    *,
    exponent: float,
    target_exponent: float,
    scales: Sequence[float],
    precisions: Sequence[float],
    silent_exposures: Sequence[float],
    floor: float,
    margin: float,
    exposure: Float32,
    new: Bool | None,
    start: Float32,
) -> tuple[Pull, list[dict[str, Any]]]:
    """s, tau and the exposures under the guard: one after the other, twice.

    The middle of each grid is usual, and exposure from the first event on.

    How far up new items stand among known ones does not count here: lengths that bring them up push rarely taken items,
    which have the same prior, over better ones. That is left to freshness, which fades as they sell.

    Args:
        users: ``(n_users, d)`` factors the items are solved with; the judge's are then recomputed, because a prior that
            looks good to the old users may not to the new.
        raw: ``(n_items, d)`` predictions, out of sample; ``has``: which items have one.
        typical: see :func:`longtail.calibrate.alternation.typical_length`.
        base: what gains are counted from; ``floor``: the least overall quality; ``margin``: how many standard errors of
            the difference in gain count as chance.
        exposure: ``(n_items,)``, 0 for items without events; ``new``: see :meth:`Pull.exposure`.
        start: ``(n_items, d)`` vectors near the solution, which make each candidate a short solve.
    """
    curve: list[dict[str, Any]] = []
    seen: dict[Pull, Quality] = {}

    def measure(pull: Pull) -> Quality:
        if pull not in seen:
            prior = pull.length(raw, typical).apply(raw)
            exposed = pull.exposure(matrix, exposure, new)
            near = np.where(exposure[:, None] > 0, start, prior)
            tau = pull.tau(als, matrix.shape[0])
            items = blend(matrix, users, prior, has, tau, als, exposure=exposed, start=near).vectors
            people = solve_users(judge.train, items, als, exposure=exposed, start=users[judge.users]).factors
            newcomers = solve_users(judge.short, items, als, exposure=exposed).factors
            seen[pull] = judge.measure(people, items, short=newcomers)
            told = {name: getattr(pull, name) for name in ("precision", "scale", "silent_exposure", "since_first")}
            curve.append({**told, **seen[pull].to_dict()})
        return seen[pull]

    axes: dict[str, Sequence[Any]] = {
        "scale": sorted(scales),
        "precision": sorted(precisions),
        "silent_exposure": sorted(silent_exposures),
    }
    usual = best = Pull(
        exponent=exponent, target_exponent=target_exponent, **{name: middle(values) for name, values in axes.items()}
    )
    if "cold" not in judge.relevant:  # nothing tells what the silent are, so their prediction is left as it is
        del axes["silent_exposure"]
    if np.any((exposure > 0) & (exposure < 1)):  # otherwise there are no times, or nothing to tell apart
        axes["since_first"] = (True, False)
    for _ in range(2):
        before = best
        for name, values in axes.items():
            candidates = [replace(best, **{name: value}) for value in values]
            at = values.index(getattr(usual, name))
            chosen = pick([measure(pull) for pull in candidates], base, floor=floor, usual=at, margin=margin)
            best = candidates[chosen]
        if best == before:
            break
    return best, curve


def choose_rounds(
    judge: Judge,
    run: Callable[[Pull], Iterable[Alternation]],
    short_of: Callable[[Alternation], Float32],
    pull: Pull,
    base: Quality,
    *,
    scales: Sequence[float],
    precisions: Sequence[float],
    floor: float,
    margin: float,
) -> tuple[Pull, int, Alternation, Quality, list[dict[str, Any]]]:
    """The rounds of the alternation, and with them tau and s once more, a step of their grids either way.

    Two rounds are usual, and the pull that was chosen before.

    Args:
        run: the alternation with a pull, round by round.
        short_of: the users of ``judge.short`` solved against what a round came to.
        pull: from :func:`choose_pull`.
        base, floor, margin: see :func:`choose_pull`.

    Returns:
        The pull, how many rounds, where they came to, how good that is, and the curve: a point a round.
    """
    curve: list[dict[str, Any]] = []

    def attempt(candidate: Pull) -> tuple[Pull, int, Alternation, Quality]:
        tried = []
        for number, state in enumerate(run(candidate), 1):
            quality = judge.measure(state.user_factors[judge.users], state.item_vectors, short=short_of(state))
            told = {"precision": candidate.precision, "scale": candidate.scale, "round": number}
            curve.append({**told, **quality.to_dict()})
            tried.append((candidate, number, state, quality))
        return best_of(tried, usual=min(USUAL_ROUNDS, len(tried)) - 1)

    def best_of(
        tried: list[tuple[Pull, int, Alternation, Quality]], usual: int
    ) -> tuple[Pull, int, Alternation, Quality]:
        return tried[pick([quality for *_, quality in tried], base, floor=floor, usual=usual, margin=margin)]

    best = attempt(pull)
    for name, values in (("precision", sorted(precisions)), ("scale", sorted(scales))):
        here = values.index(getattr(pull, name))
        near: list[Any] = [values[place] for place in (here - 1, here + 1) if 0 <= place < len(values)]
        best = best_of([best, *(attempt(replace(best[0], **{name: value})) for value in near)], usual=0)
    return *best, curve


def choose_length_beside(
    run: Callable[[Pull], Alternation],
    measure: Callable[[Alternation], Quality],
    pull: Pull,
    state: Alternation,
    base: Quality,
    *,
    scales: Sequence[float],
    floor: float,
) -> tuple[Pull, Alternation, list[dict[str, Any]]]:
    """s once more, with content beside the vectors, which says again what the prior says.

    Lengths of the grid down to half of the chosen one are tried, or of the usual one where that is longer, and the one
    that gains most is taken, of equals the longest.

    Args:
        run: where whole rounds with a pull come to; measure: how good that is with content beside it.
        pull, state: from :func:`choose_rounds`.
        base, floor: see :func:`choose_pull`.

    Returns:
        The pull, where it came to, and the curve; empty where the grid has no such length.
    """
    least = max(pull.scale, middle(scales)) / 2
    lengths = [scale for scale in sorted(scales, reverse=True) if least <= scale < pull.scale]
    if not lengths:
        return pull, state, []
    shorter = [replace(pull, scale=scale) for scale in lengths]
    tried = [(pull, state), *((one, run(one)) for one in shorter)]
    qualities = [measure(there) for _, there in tried]
    curve = [{"scale": one.scale, **quality.to_dict()} for (one, _), quality in zip(tried, qualities, strict=True)]
    return *tried[pick(qualities, base, floor=floor)], curve
