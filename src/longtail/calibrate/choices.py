"""Every choice, made on validation, with its curve: what a later fit on all data needs to know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from longtail.blend import with_silent
from longtail.bridge.settings import BridgeMethod, BridgeSettings
from longtail.bridge.training import FittedBridge
from longtail.calibrate.alone import fit_alone
from longtail.calibrate.als_search import choose_als
from longtail.calibrate.alternation import FEW, MINIMAL_R2, Alternation, Pull, alternate, predict_all, typical_length
from longtail.calibrate.average import average_of, choose_average
from longtail.calibrate.doubt import choose_doubt
from longtail.calibrate.fusion import Asking, choose_freshness, choose_fusion, choose_gate
from longtail.calibrate.guard import middle
from longtail.calibrate.holdout import PAIRS
from longtail.calibrate.lengths import USUAL_ROUNDS, choose_exponent, choose_length_beside, choose_pull, choose_rounds
from longtail.calibrate.model import Fusion
from longtail.calibrate.scoring import Judge
from longtail.calibrate.settings import CalibrationSettings
from longtail.calibrate.weights import choose_field_weights
from longtail.cf.als import AlsSettings, solve_users
from longtail.content.combine import combine, reduce
from longtail.core.arrays import Bool, Float32
from longtail.core.features import Features
from longtail.core.progress import SILENT, Progress

Part = TypeVar("Part", "Choices", Pull, Fusion)


@dataclass(frozen=True)
class Choices:
    """What was chosen, free of the units of the data it was chosen on.

    Attributes:
        als: settings of ALS, the baseline's as well.
        rounds: of the alternation; 0: content says nothing, or there is none, and ALS stands alone.
        min_interactions: who teaches the first round.
        field_weights: per field; empty: all equal.
        pull: precision and length of the prior.
        fusion: what counts beside the vectors; w is in multiples of ``calibrate.alternation.typical_length``.
        learner: the bridge's, as an earlier fit of the same shop kept it; None: they are compared in the fit.
        report: plain JSON: curves, qualities and notes.
    """

    als: AlsSettings
    rounds: int = 2
    min_interactions: int = 5
    field_weights: dict[str, float] = field(default_factory=dict)
    pull: Pull = field(default_factory=Pull)
    fusion: Fusion = field(default_factory=lambda: Fusion(similar_weight=0.4, similar_doubt=0.25))
    learner: BridgeMethod | None = None
    report: dict[str, Any] = field(default_factory=dict)


def choose(
    train: Any,
    validation: Any,
    features: Features,
    als: AlsSettings,
    settings: CalibrationSettings,
    *,
    exposure: Float32 | None = None,
    new: Bool | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Choices:
    """Make every choice that the settings leave open.

    Bridges are kernels here, quick and close to the final one; the learners are compared in the fit itself, on
    items they have not seen.

    Args:
        train: ``(n_users, n_items)`` CSR of what came before.
        validation: the same shape: later pairs, or pairs held out, among them pairs of items that ``train`` does not
            have. Where it holds next to nothing the defaults stand, and the report says so.
        features: of the same items in the same order.
        als: where the search for ALS's settings begins.
        settings: what may be chosen from.
        exposure: ``(n_items,)`` in ``train``; None: 1 with events, 0 without.
        new: ``(n_items,) bool``, items held out whole at random, see :class:`longtail.calibrate.scoring.Judge`.
        seed: the same seed gives the same choices.
        progress: told of each choice.
    """
    judge = Judge(
        train, validation, k=settings.k, tail_below=settings.tail_below, max_users=settings.validation_users,
        new=new, new_share=PAIRS, chance=settings.chance, seed=seed,
    )  # fmt: skip
    if not judge.usable:
        note = "Validation holds next to nothing to choose by: every choice is a default."
        progress.note(note)
        return _defaults(Choices(als=als), settings, note)
    quick = settings.bridge.model_copy(update={"landmarks": min(settings.bridge.landmarks, TRIAL_LANDMARKS)})
    report: dict[str, Any] = {"users": len(judge.users), "pairs": {k: int(v.nnz) for k, v in judge.relevant.items()}}
    if settings.tune_als:
        als, report["als"] = choose_als(judge, train, als, seed=seed, progress=progress)
    fitted = fit_alone(train, als, seed=seed, progress=progress)
    users, items = fitted.user_factors, fitted.item_factors
    alone = judge.refer_to(users[judge.users], items, solve_users(judge.short, items, als).factors)
    report["als_alone"] = alone.to_dict()
    choices = Choices(als=als, rounds=0, report=report)
    if settings.method != "longtail":
        return choices
    counts = np.bincount(train.indices, minlength=train.shape[1])
    minimum = min(settings.min_interactions)
    taught = np.flatnonzero(features.present.any(axis=1) & (counts >= minimum))
    if len(taught) < FEW:
        taught = np.flatnonzero(features.present.any(axis=1) & (counts > 0))
    if len(taught) < 10:
        return _alone(
            choices, f"Only {len(taught)} items have both content and events: nothing to learn from.", progress
        )
    weights = settings.field_weights
    if weights is None:
        with progress.task("choosing field weights"):
            weights, report["field_weights"] = choose_field_weights(
                features, items, taught, judge, users[judge.users], seed=seed
            )
        progress.note("field weights " + ", ".join(f"{name} {weight:g}" for name, weight in weights.items()))
    choices = replace(choices, field_weights=weights)
    z = combine(features, weights)
    has = np.any(z, axis=1)
    taught = taught[has[taught]]  # a field may be there and say nothing
    if len(taught) < 10:
        return _alone(
            choices, f"Only {len(taught)} items have events and content that says anything: nothing to learn from.",
            progress,
        )  # fmt: skip
    with progress.task("choosing what teaches the bridge"):
        taught_first, pull, minimum, signal, report["teaching"] = _teach(
            judge, features, z, items, users[judge.users], counts, settings, quick, seed
        )
    if signal < MINIMAL_R2:
        return _alone(choices, f"Content says nothing about behaviour (R² {signal:.3f} on unseen items).", progress)
    choices = replace(choices, min_interactions=minimum)
    reduction = reduce(z, settings.content_dimensions, taught)
    content = reduction.apply(z)
    profiles = judge.profiles(content)
    neighbours = judge.measure(profiles, content)
    report["content_alone"] = neighbours.to_dict()
    # Gains count from the better of what there was: ALS for known items, content for new ones.
    # Whether new and rarely taken items are found among all, content's own ranking says: it does not know what sells.
    base = replace(alone, cold=neighbours.cold, mixed=neighbours.mixed, mixed_rare=neighbours.mixed_rare)
    floor = alone.overall * (1.0 - settings.tolerance)
    # What was held out whole is new to this split, however long it has been in the shop.
    exposure = with_silent(train, exposure, new, 0.0)
    typical = typical_length(items, counts, minimum, settings.tail_below)
    # A gain's error is that of its noisiest part. It must not hide what many pairs tell that new items need.
    report["margin"] = margin = 0.0 if judge.knows_new else settings.margin
    if margin:
        progress.note("Few pairs tell of new items: the usual prior stays unless another gains beyond chance.")
    with progress.task("choosing the prior"):
        pull, report["pull"] = choose_pull(
            judge, train, users, taught_first[1], has, typical, als, base, exponent=pull.exponent,
            target_exponent=pull.target_exponent, scales=settings.length_scales, precisions=settings.precisions,
            silent_exposures=settings.silent_exposures, floor=floor, margin=margin, exposure=exposure, new=new,
            start=items,
        )  # fmt: skip
    progress.note(f"prior: precision {pull.precision:g} λ(0), length {pull.scale:g}, exponent {pull.exponent:g}")
    exposed = pull.exposure(train, exposure, new)

    def run(candidate: Pull) -> Iterator[Alternation]:
        return alternate(
            train, users, items, features, z, candidate, als, quick, rounds=settings.rounds, last_method="kernel",
            min_interactions=minimum, tail_below=settings.tail_below, exposure=exposed, first=taught_first,
            seed=seed, progress=progress,
        )  # fmt: skip

    def last(candidate: Pull) -> Alternation:
        *_, there = islice(run(candidate), rounds)
        return there

    def short_of(state: Alternation) -> Float32:
        return solve_users(judge.short, state.item_vectors, als, exposure=exposed).factors

    def asking_of(state: Alternation) -> Asking:
        average = average_of(state.user_factors, train)
        return Asking(judge, state.item_vectors, content, counts, als, exposed, average, typical)

    pull, rounds, state, quality, report["rounds"] = choose_rounds(
        judge, run, short_of, pull, base, scales=settings.length_scales, precisions=settings.precisions, floor=floor,
        margin=margin,
    )  # fmt: skip
    progress.note(f"after whole rounds: precision {pull.precision:g} λ(0), length {pull.scale:g}")
    if not quality.keeps(floor):
        report["guard"] = "The prior cost overall quality: items with events keep to behaviour alone."
        progress.note(report["guard"])
        # What follows is chosen for what will be served. Without a prior, items that nobody took although they were
        # seen would be solved to nothing: they keep their prediction.
        pull = replace(pull, precision=0.0, silent_exposure=0.0)
        exposed = pull.exposure(train, exposure, new)
        state = last(pull)
    asking = asking_of(state)
    with progress.task("choosing what counts beside the vectors"):
        fusion, report["average"] = choose_average(
            judge, state.user_factors[judge.users], short_of(state), state.item_vectors, asking.average, base,
            weights=settings.average_weights, half_lives=settings.average_half_lives, floor=floor,
        )  # fmt: skip
        if not judge.finds_new(profiles, content):
            # How much of content to ask for, and how far to bring it up, would be decided by a handful of lucky hits.
            base = replace(base, cold=np.nan, mixed=np.nan)
        fusion, report["fusion"] = choose_fusion(
            asking, fusion, base, weights=settings.fusion_weights, half_lives=settings.fusion_half_lives, floor=floor
        )
        if not judge.knows_new and fusion.weight and pull.precision:
            pull, state, report["length_beside"] = choose_length_beside(
                last, lambda there: asking_of(there).quality(fusion), pull, state, base,
                scales=settings.length_scales, floor=floor,
            )  # fmt: skip
            if report["length_beside"]:
                progress.note(f"with content beside the vectors: length {pull.scale:g}")
            asking = asking_of(state)
        fusion = replace(fusion, fresh_half_at=float(settings.tail_below))
        fusion, report["freshness"] = choose_freshness(asking, fusion, base, values=settings.freshness, floor=floor)
        fusion, report["similar"] = choose_gate(
            judge, fusion, validation, state.item_vectors, content, counts, tail_below=settings.tail_below,
            gates=settings.similar_gates, seed=seed,
        )  # fmt: skip
        fusion, report["similar_doubt"] = choose_doubt(
            validation, state.item_vectors, items, content, counts, fusion, tail_below=settings.tail_below,
            doubts=settings.similar_doubts, gates=settings.similar_gates, k=settings.k, seed=seed,
        )  # fmt: skip
    fusion = replace(fusion, weight=fusion.weight / typical)
    progress.note(
        f"beside the vectors: content {fusion.weight:g} for users, {fusion.similar_weight:g} for similar items, doubt "
        f"{fusion.similar_doubt:g}; new and rarely taken items longer by {fusion.freshness:g}; the average user "
        f"{fusion.average_weight:g}, halved at {fusion.average_half_at:g} items"
    )
    return replace(choices, rounds=rounds, pull=pull, fusion=fusion)


#: Landmarks of the kernels that choices are made with; the final fit has as many as the settings say.
TRIAL_LANDMARKS = 1000


def _teach(
    judge: Judge,
    features: Features,
    z: Float32,
    items: Float32,
    users: Float32,
    counts: Any,
    settings: CalibrationSettings,
    bridge: BridgeSettings,
    seed: int,
) -> tuple[tuple[FittedBridge, Float32], Pull, int, float, list[dict[str, Any]]]:
    """What the bridge is taught: whose vectors, how much of their length, and beta; by new items among themselves.

    Returns:
        The best bridge and its predictions of all items, the exponents, the fewest interactions of an item that
        teaches, R² of the plainest bridge on unseen items, and the curve.
    """
    curve: list[dict[str, Any]] = []
    minimum = min(settings.min_interactions)
    best: tuple[float, tuple[FittedBridge, Float32], Pull, int] | None = None
    signal = -np.inf

    def attempt(bound: int, target_exponent: float) -> None:
        nonlocal best, signal
        learn = z.any(axis=1) & (counts >= bound)
        if learn.sum() < FEW:
            if bound != minimum:
                return
            learn = z.any(axis=1) & (counts > 0)
        fitted, raw = predict_all(
            features, z, items, learn, bridge, method="kernel", target_exponent=target_exponent, seed=seed + 1
        )
        exponent, points = choose_exponent(judge, users, raw, settings.length_exponents)
        value = max((point["ndcg"] for point in points), default=0.0)
        told = {"min_interactions": bound, "target_exponent": target_exponent, "r2": fitted.scores["r2"]}
        curve.extend({**told, **point} for point in points)
        signal = max(signal, fitted.scores["r2"])
        # Less to learn from, or more to learn, must be worth it.
        if best is None or value > best[0] * 1.01:
            best = value, (fitted, raw), Pull(exponent=exponent, target_exponent=target_exponent), bound

    for target_exponent in settings.target_exponents:
        attempt(minimum, target_exponent)
    for bound in sorted(settings.min_interactions)[1:]:
        assert best is not None
        attempt(bound, best[2].target_exponent)
    assert best is not None
    return best[1], best[2], best[3], float(signal), curve


def _alone(choices: Choices, why: str, progress: Progress) -> Choices:
    note = f"{why} Items with events get plain ALS; new items a fallback that says it is one."
    progress.note(note)
    return replace(choices, rounds=0, report={**choices.report, "note": note})


def _defaults(choices: Choices, settings: CalibrationSettings, note: str) -> Choices:
    """What stands where nothing can be chosen: the usual, or the default, unless the settings leave one value only."""
    return _set(
        replace(
            choices,
            rounds=min(USUAL_ROUNDS, settings.rounds) if settings.method == "longtail" else 0,
            field_weights=settings.field_weights or {},
            pull=_set(
                replace(
                    choices.pull,
                    precision=middle(settings.precisions),
                    scale=middle(settings.length_scales),
                    silent_exposure=middle(settings.silent_exposures),
                ),
                exponent=settings.length_exponents,
                target_exponent=settings.target_exponents,
            ),
            fusion=_set(
                choices.fusion,
                weight=settings.fusion_weights,
                half_at=settings.fusion_half_lives,
                freshness=settings.freshness,
                average_weight=settings.average_weights,
                average_half_at=settings.average_half_lives,
                similar_weight=settings.similar_gates,
                similar_doubt=settings.similar_doubts,
            ),
            report={"note": note},
        ),
        min_interactions=settings.min_interactions,
    )


def _set(part: Part, **grids: Sequence[Any]) -> Part:
    """The same with the value of every grid that has but one."""
    return replace(part, **{name: grid[0] for name, grid in grids.items() if len(grid) == 1})
