"""What counts beside the vectors: content and freshness for users, content's gate for similar items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import numpy as np
from scipy import sparse

from longtail.calibrate.guard import admitted, middle, pick, with_none
from longtail.calibrate.model import Fusion, with_average
from longtail.calibrate.quality import Quality
from longtail.calibrate.scoring import ENOUGH_PAIRS, Judge
from longtail.calibrate.similar_queries import Weighing, draw_queries
from longtail.cf.als import AlsSettings, solve_users
from longtail.core.arrays import Float32, Int64
from longtail.core.unit_rows import unit_rows
from longtail.evaluate.hits import relevant_counts
from longtail.evaluate.metrics.ndcg import ndcg_at_k

#: What may be lost in gain and still count as nothing.
FREE = 0.01
#: The share of overall quality that finding rare items may cost, and new ones; and of the tail's quality among itself.
SPENT, SPENT_ON_NEW, TRADED = 0.005, 0.015, 0.2


@dataclass(frozen=True)
class Asking:
    """What users are solved and scored with while fusion is chosen.

    Attributes:
        judge: of the users.
        items: ``(n_items, d)``, solved before and not changed here; content: ``(n_items, d_z)`` unit rows.
        n_interactions: ``(n_items,)``.
        als, exposure: what users are solved with.
        average: ``(d,)``, the average user.
        typical: see :func:`longtail.calibrate.alternation.typical_length`.
    """

    judge: Judge
    items: Float32
    content: Float32
    n_interactions: Int64
    als: AlsSettings
    exposure: Float32
    average: Float32
    typical: float

    def users(self, fusion: Fusion, history: Any) -> Float32:
        """What users with a history ask with; solved against items as fusion has them."""
        against = fusion.solved_against(self.items, fusion.counted(self.content), self.n_interactions)
        solved = solve_users(history, against, self.als, exposure=self.exposure).factors
        return with_average(solved, self.average, fusion, np.diff(history.indptr))

    def stored(self, fusion: Fusion) -> Float32:
        """Items as users ask for them."""
        return fusion.asked_for(self.items, fusion.counted(self.content), self.n_interactions)

    def quality(self, fusion: Fusion) -> Quality:
        """Of users who ask for items as fusion has them."""
        stored = self.stored(fusion)
        known, short = self.users(fusion, self.judge.train), self.users(fusion, self.judge.short)
        return self.judge.measure(known, stored, short=short)


def choose_fusion(
    asking: Asking,
    fusion: Fusion,
    base: Quality,
    *,
    weights: Sequence[float],
    half_lives: Sequence[float],
    floor: float,
) -> tuple[Fusion, list[dict[str, Any]]]:
    """w, in multiples of the typical length of a learned vector, and kappa: w at the middle kappa, then kappa at w.

    Users are solved against [v_i; g_i z_i] by the half-step of ALS: what they like of content is what explains, beside
    the vectors, what they took and what they passed by. The mean content of what they took, which is simpler, does not
    know what is common to all items.

    Args:
        fusion: has what was chosen before.
        base: what gains are counted from. How far up new items stand among known ones does not count here.
        floor: the least overall quality; a weight that costs more is not taken, so 0 may be the answer.

    Returns:
        ``fusion`` with both, and the curve.
    """
    lives, sizes = sorted(half_lives), with_none(weights)
    start = replace(fusion, half_at=middle(lives), weight=sizes[0] * asking.typical)
    without = asking.quality(start)
    tried = {start: without}

    def best_of(candidates: list[Fusion]) -> Fusion:
        for candidate in candidates:
            if candidate not in tried:
                tried[candidate] = asking.quality(candidate)
        if asking.judge.knows_new:
            return candidates[pick([tried[candidate] for candidate in candidates], base, floor=floor)]
        # Too few pairs tell what is best for new items, who have most of content: as much of it as costs nothing, and
        # nothing with which they are found less than without it.
        safe = [one for one in candidates if np.isnan(base.cold) or not tried[one].cold < without.cold]
        # The largest is taken, which would use up what is allowed for chance in short histories: nothing is.
        qualities = [replace(tried[candidate], cold=np.nan, short_noise=0.0) for candidate in safe]
        enough = qualities[pick(qualities, base, floor=floor)].gain_over(base) - FREE
        kept = admitted(qualities, base, floor=floor)
        return safe[max(i for i in kept if qualities[i].gain_over(base) >= enough)]

    best = best_of([replace(start, weight=weight * asking.typical) for weight in sizes])
    if best.weight:
        best = best_of([replace(best, half_at=half_at) for half_at in lives])
    return best, [
        {"weight": one.weight / asking.typical, "half_at": one.half_at, **quality.to_dict()}
        for one, quality in tried.items()
    ]


def choose_freshness(
    asking: Asking, fusion: Fusion, base: Quality, *, values: Sequence[float], floor: float
) -> tuple[Fusion, list[dict[str, Any]]]:
    """b: the least with which new items and rarely taken ones are found among all well enough, of those that the guard
    allows; if none is enough, the one with which they are found best. Content's own ranking finds them easily, knowing
    nothing of how the others sell: as well as it does is enough.

    Of overall quality next to nothing may be spent, :data:`SPENT`, or :data:`SPENT_ON_NEW` as long as new items are not
    found well enough, and little of what blending and content gained for rarely taken items among themselves,
    :data:`TRADED`, down to what ALS alone has of it: values are tried in ascending order until one costs more.

    Args:
        fusion, base, floor: see :func:`choose_fusion`; ``base.mixed`` and ``base.mixed_rare`` are of content's own
            ranking.

    Returns:
        ``fusion`` with b, and the curve. b is 0 where validation has too few pairs with such items to tell. A single
        value is set.
    """
    curve: list[dict[str, Any]] = []
    tried = with_none(values)
    fusion = replace(fusion, freshness=tried[0])
    best, best_share = fusion, -1.0
    most = dict.fromkeys(("overall", "tail", "rare"), 0.0)
    known = {"mixed": asking.judge.knows_new, "mixed_rare": asking.judge.knows_rare}
    wanted = {name: getattr(base, name) for name, enough in known.items() if enough}
    wanted = {name: value for name, value in wanted.items() if value > 0}  # neither NaN nor what content never finds
    if not wanted:
        return fusion, curve
    users = asking.users(fusion, asking.judge.train)  # nobody is solved against freshness
    lacking = "mixed" in wanted  # new items are not found well enough yet
    keep: dict[str, float] = {}
    for value in tried:
        candidate = replace(fusion, freshness=value)
        quality = asking.judge.measure(users, asking.stored(candidate))
        curve.append({"freshness": value, **quality.to_dict()})
        most = {name: max(highest, getattr(quality, name)) for name, highest in most.items()}
        least = {"overall": (1 - (SPENT_ON_NEW if lacking else SPENT)) * most["overall"]}
        keep = keep or {name: min(getattr(base, name), getattr(quality, name)) for name in ("tail", "rare")}
        least |= {name: max(bound, (1 - TRADED) * most[name]) for name, bound in keep.items()}
        dear = any(getattr(quality, name) < bound for name, bound in least.items())  # NaN is not dear
        if value != tried[0] and (dear or not quality.keeps(floor)):
            break
        lacking = lacking and quality.mixed < wanted["mixed"]
        share = fmean(min(1.0, getattr(quality, name) / enough) for name, enough in wanted.items())
        if share > best_share:
            best, best_share = candidate, share
        if best_share >= 1:
            break
    return best, curve


def choose_gate(
    judge: Judge,
    fusion: Fusion,
    validation: Any,
    items: Float32,
    content: Float32,
    n_interactions: Int64,
    *,
    tail_below: int,
    gates: Sequence[float],
    half_lives: Sequence[float] = (5.0, 20.0, 100.0),
    seed: int = 0,
) -> tuple[Fusion, list[dict[str, Any]]]:
    """Content's part in similar items: by what users of rarely taken items also took in the validation period.

    Args:
        validation: ``(n_users, n_items)`` CSR; an item's neighbours are right if the same user took both there. Popular
            items are right by chance, so a hit counts the less the more often its item was taken: queries are scored by
            the geometric mean of plain NDCG and NDCG among candidates no more popular than 20 times the query's bound.
        items: ``(n_items, d)``; content: ``(n_items, d_z)`` unit rows.
        tail_below: queries have fewer interactions than this.

    Returns:
        ``fusion`` with the gate at no interactions and the interactions at which it is halved, and the curve.
    """
    lives = sorted(half_lives)
    fusion = replace(fusion, similar_weight=with_none(gates)[0], similar_half_at=middle(lives))
    asked = draw_queries(validation, (n_interactions < tail_below) & content.any(axis=1), seed)
    together = asked.together
    if together.nnz < ENOUGH_PAIRS:
        return fusion, []
    vectors, meanings = unit_rows(items), unit_rows(content)
    rare = n_interactions < 20 * tail_below
    rare_together = sparse.csr_array(together.multiply(sparse.csr_array(rare.astype(np.float32)[None, :])))
    rare_together.eliminate_zeros()
    everything = np.ones(len(items), dtype=np.bool_)
    all_trusted = everything.astype(np.float32)
    curve: list[dict[str, Any]] = []
    tried: dict[Fusion, float] = {}

    def best_of(candidates: list[Fusion]) -> Fusion:
        fresh = [one for one in candidates if one not in tried]
        asking = vectors[asked.items], meanings[asked.items], n_interactions[asked.items]
        weighings = [Weighing(all_trusted, one.query_gate(*asking)) for one in fresh]
        shown = asked.neighbours(vectors, meanings, weighings, judge.k, candidates=[everything, rare], seed=seed)
        for one, rankings in zip(fresh, shown, strict=True):
            values = []
            for relevant, ranked in zip((together, rare_together), rankings, strict=True):
                judged = relevant_counts(relevant) > 0
                values.append(float(ndcg_at_k(ranked, relevant, judge.k)[judged].mean()) if judged.any() else 0.0)
            tried[one] = float(np.sqrt(values[0] * values[1]))
            told = {"weight": one.similar_weight, "half_at": one.similar_half_at}
            curve.append({**told, "ndcg": values[0], "rare_ndcg": values[1], "score": tried[one]})
        return max(candidates, key=lambda one: tried[one])

    best = best_of([replace(fusion, similar_weight=gate) for gate in with_none(gates)])
    if best.similar_weight:
        best = best_of([replace(best, similar_half_at=half_at) for half_at in lives])
    return best, curve
