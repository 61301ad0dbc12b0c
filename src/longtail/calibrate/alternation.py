"""Bridge and blend in turn: each teaches the other, and no item is ever held to a prediction that has seen it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from longtail.blend import blend, default_exposure, with_silent
from longtail.bridge.settings import BridgeMethod, BridgeSettings
from longtail.bridge.training import Bridge, FittedBridge, fit_bridge
from longtail.bridge.unseen import Unseen
from longtail.calibrate.model import Length
from longtail.cf.als import AlsSettings, solve_users
from longtail.core.arrays import Bool, Float32
from longtail.core.features import Features
from longtail.core.progress import SILENT, Progress


@dataclass(frozen=True)
class Pull:
    """How strongly, and at what length, items are held to their predictions; free of a data set's units.

    Attributes:
        precision: tau in multiples of λ(0), the penalty of an item without events.
        exponent: beta.
        target_exponent: how much of a learned vector's length, which follows popularity, the bridge is taught: 0 none.
        scale: the median length of a prediction, in multiples of the typical length of a learned vector.
        silent_exposure: of items on sale that nobody took, see :func:`longtail.blend.with_silent`.
        since_first: items with events are exposed from their first event on, as the window's share says; False: all the
            time. What is rarely taken has its first event late, however long it has been there.
    """

    precision: float = 1.0
    exponent: float = 0.0
    scale: float = 1.0
    target_exponent: float = 0.0
    silent_exposure: float = 0.0
    since_first: bool = True

    def tau(self, settings: AlsSettings, n_users: int) -> float:
        """The prior's precision in the objective's units."""
        return self.precision * empty_penalty(settings, n_users)

    def exposure(self, matrix: Any, given: Float32 | None, new: Bool | None) -> Float32:
        """What the items of a ``(n_users, n_items)`` matrix are solved with, ``(n_items,) float32``.

        Args:
            given: by the first event; None: 1 with events. new: see :func:`longtail.blend.with_silent`.
        """
        return with_silent(matrix, given if self.since_first else None, new, self.silent_exposure)

    def length(self, predictions: Float32, typical: float) -> Length:
        """The calibration that gives these predictions (those not zero) the wanted median length."""
        norms = np.linalg.norm(predictions, axis=1)
        norms = norms[norms > 1e-12]
        middle = float(np.median(norms**self.exponent)) if len(norms) else 1.0
        return Length(self.exponent, self.scale * typical / middle)


@dataclass(frozen=True)
class Alternation:
    """Where bridge and blend have come to after a round.

    Attributes:
        bridge: fitted in this round.
        raw: ``(n_items, d) float32`` predictions before their length is set: out of sample for items it learned from.
        user_factors: ``(n_users, d) float32``; item_vectors: ``(n_items, d) float32``.
        behaviour_share: ``(n_items,) float32``, after the last round only.
        length: the calibration of ``raw`` that was the prior of ``item_vectors``.
        scores: of the bridge.
        taught: ``(n_items,) bool``, items whose vectors were targets of the bridge in this round or an earlier one.
        unseen: how the bridge predicted the items it learned from.
    """

    bridge: Bridge
    raw: Float32
    user_factors: Float32
    item_vectors: Float32
    behaviour_share: Float32 | None
    length: Length
    scores: dict[str, Any]
    taught: Bool
    unseen: Unseen


#: Explained share of the variance of directions below which content is taken to say nothing.
MINIMAL_R2 = 0.005
#: With fewer items than this above the first round's bound, all items with events teach it.
FEW = 50


def empty_penalty(settings: AlsSettings, n_users: int) -> float:
    """λ_i(0) = λ (α₀ |users|)^ν, or λ itself where that vanishes."""
    value = float(settings.regularization * (settings.background * n_users) ** settings.frequency_scaling)
    return value if value > 0 else max(float(settings.regularization), 1e-3)


def typical_length(item_factors: Float32, counts: Any, minimum: int, tail_below: int) -> float:
    """The median length of learned vectors of rarely taken items: what a prediction's length is measured by."""
    norms = np.linalg.norm(item_factors, axis=1)
    for mask in ((counts >= minimum) & (counts < tail_below), counts >= minimum, counts > 0):
        lengths = norms[mask & (norms > 0)]
        if len(lengths):
            return float(np.median(lengths))
    return 1.0


def predict_all(
    features: Features,
    z: Float32,
    targets: Float32,
    learn: Bool,
    settings: BridgeSettings,
    *,
    method: BridgeMethod | None,
    target_exponent: float,
    seed: int,
    progress: Progress = SILENT,
) -> tuple[FittedBridge, Float32]:
    """Fit a bridge on some items and predict all: out of sample for those it learned from, plainly for the others."""
    fitted = fit_bridge(
        features, z, targets, np.flatnonzero(learn), settings, method=method, target_exponent=target_exponent,
        seed=seed, progress=progress,
    )  # fmt: skip
    raw = np.zeros(targets.shape, dtype=np.float32)
    others = np.any(z, axis=1)
    others[fitted.rows] = False
    rest = np.flatnonzero(others)
    if len(rest):
        raw[rest] = fitted.bridge.predict(features.take(rest), z[rest])
    raw[fitted.rows] = fitted.out_of_sample
    return fitted, raw


def alternate(
    matrix: Any,
    user_factors: Float32,
    item_factors: Float32,
    features: Features,
    z: Float32,
    pull: Pull,
    als: AlsSettings,
    bridge: BridgeSettings,
    *,
    rounds: int,
    min_interactions: int,
    tail_below: int,
    last_method: BridgeMethod | None = None,
    exposure: Float32 | None = None,
    first: tuple[FittedBridge, Float32] | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Iterator[Alternation]:
    """Fit the bridge, solve the items with its out-of-sample predictions as prior, recompute the users; again.

    Args:
        matrix: ``(n_users, n_items)`` CSR weights.
        user_factors, item_factors: ALS alone, where the first round begins.
        features, z: of all items, in the matrix's order.
        pull: precision and length of the prior.
        als, bridge: settings.
        rounds: how often; before the last only the kernel is fitted, since the targets still move.
        min_interactions: who teaches the first round; later ones learn from every item with events, whose blended
            vectors are worth learning from.
        tail_below: whose lengths are typical.
        last_method: learner of the last round; None: as the bridge's settings say.
        exposure: ``(n_items,)``; None: 1 with events, 0 without.
        first: the first round's bridge and its predictions of all items, where :func:`predict_all` has given them
            already for the same vectors, items, target exponent and ``seed + 1``; None: fitted here.
        seed: the same seed gives the same result.
        progress: told of each round.

    Raises:
        DataError: fewer than two items with content and events.

    Yields what each round came to.
    """
    counts = np.bincount(matrix.indices, minlength=matrix.shape[1])
    exposure = default_exposure(matrix) if exposure is None else exposure
    typical = typical_length(item_factors, counts, min_interactions, tail_below)
    tau = pull.tau(als, matrix.shape[0])
    has = np.any(z, axis=1)
    users, items = user_factors, item_factors
    taught = np.zeros(len(has), dtype=np.bool_)
    with progress.task("bridge and blend", rounds) as task:
        for number in range(1, rounds + 1):
            learn = has & (counts >= (min_interactions if number == 1 else 1))
            if number == 1 and learn.sum() < FEW:  # hardly any item is taken that often: learn from all that are taken
                learn = has & (counts >= 1)
            method = last_method if number == rounds else "kernel"
            fitted, raw = (first if number == 1 else None) or predict_all(
                features, z, items, learn, bridge, method=method, target_exponent=pull.target_exponent,
                seed=seed + number, progress=progress,
            )  # fmt: skip
            length = pull.length(raw, typical)
            prior = length.apply(raw)
            near = np.where((counts > 0)[:, None], items, prior)
            posterior = blend(
                matrix, users, prior, has, tau, als, exposure=exposure, start=near, with_share=number == rounds
            )
            items = posterior.vectors
            users = solve_users(matrix, items, als, exposure=exposure, start=users).factors
            taught[fitted.rows] = True
            task.say(f"round {number}: {fitted.scores['kept']}")
            task.advance()
            yield Alternation(
                fitted.bridge,
                raw,
                users,
                items,
                posterior.behaviour_share,
                length,
                fitted.scores,
                taught.copy(),
                Unseen.of(fitted, raw),
            )
