"""From interactions and features to every item's vector: the choices applied."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from longtail.blend import default_exposure
from longtail.bridge.article import fit_article
from longtail.bridge.training import Bridge
from longtail.calibrate.alone import fit_alone
from longtail.calibrate.alternation import MINIMAL_R2, Alternation, alternate, typical_length
from longtail.calibrate.average import average_of
from longtail.calibrate.choices import Choices, choose
from longtail.calibrate.holdout import hold_out
from longtail.calibrate.model import Fusion, ItemModel, Length
from longtail.calibrate.settings import CalibrationSettings
from longtail.cf.als import AlsFit, AlsSettings, solve_users
from longtail.content.combine import combine, reduce
from longtail.core.arrays import Bool, Float32
from longtail.core.errors import DataError
from longtail.core.features import Features, Field
from longtail.core.progress import SILENT, Progress
from longtail.core.vocabulary import Vocabulary


class Behaviour(Protocol):
    """What is needed of ``longtail.data.interactions.Interactions``."""

    @property
    def items(self) -> Vocabulary:
        """Ids of the columns."""

    @property
    def matrix(self) -> Any:
        """``(n_users, n_items) float32`` CSR."""


def fit_embeddings(
    interactions: Behaviour,
    features: Features | None,
    als: AlsSettings,
    settings: CalibrationSettings,
    *,
    validation: Behaviour | None = None,
    new: Bool | None = None,
    exposure: Float32 | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> ItemModel:
    """Choose on validation, then fit on ``interactions``.

    Args:
        interactions: what the model may see. features: of catalog items; items it does not have count as without
            content. None: no content at all.
        als, settings: see there.
        validation: pairs of a later period over the same users and items; chosen by, not learned from. None: a
            tenth of the pairs and some items are held out of ``interactions`` for the choices, and the fit sees all.
        new: ``(n_items,) bool``, items of which ``validation`` holds all pairs, see
            :class:`longtail.calibrate.scoring.Judge`.
        exposure: ``(n_items,)`` in [0, 1]; None: 1 with events, 0 without.
        seed: the same seed gives the same model.
        progress: told of stages and choices.

    Raises:
        DataError: there are no interactions, or the validation has other users or items.
    """
    matrix = interactions.matrix
    aligned = align(features, interactions.items)
    if validation is not None:
        if validation.matrix.shape != matrix.shape:
            raise DataError(
                f"Validation is {validation.matrix.shape}, the interactions are {matrix.shape}; aggregate both over "
                "the same users and items."
            )
        choices = choose(
            matrix, validation.matrix, aligned, als, settings, exposure=exposure, new=new, seed=seed,
            progress=progress,
        )  # fmt: skip
    else:
        train, held, held_whole = hold_out(matrix, seed=seed)
        choices = choose(train, held, aligned, als, settings, new=held_whole, seed=seed, progress=progress)
    exposure = choices.pull.exposure(matrix, exposure, new)
    return fit(matrix, aligned, choices, settings, exposure=exposure, seed=seed, progress=progress)


def align(features: Features | None, items: Vocabulary) -> Features:
    """Features with the rows of another vocabulary; items they do not have lack every field."""
    if features is None:
        return Features(items, ())
    if features.items == items:
        return features
    rows = features.items.rows(items)
    known = rows >= 0
    fields = []
    for old in features:
        matrix = np.zeros((len(items), old.matrix.shape[1]), dtype=np.float32)
        present = np.zeros(len(items), dtype=np.bool_)
        matrix[known], present[known] = old.matrix[rows[known]], old.present[rows[known]]
        fields.append(Field(old.name, matrix, present))
    return Features(items, tuple(fields))


def fit(
    matrix: Any,
    features: Features,
    choices: Choices,
    settings: CalibrationSettings,
    *,
    exposure: Float32 | None = None,
    alone: AlsFit | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> ItemModel:
    """Fit with choices made before, usually on an earlier or smaller part of the same shop.

    Args:
        matrix: ``(n_users, n_items)`` CSR of everything the model may see.
        features: of the same items in the same order, see :func:`align`.
        choices: from :func:`longtail.calibrate.choices.choose`.
        settings, exposure, seed, progress: see :func:`fit_embeddings`.
        alone: ALS alone on the same matrix with the same choices and seed, where another method has fitted it already.

    Raises:
        DataError: there are no interactions, or features of other items.
    """
    if not matrix.nnz:
        raise DataError("There are no interactions to learn from. Check the events with `longtail check`.")
    if len(features.items) != matrix.shape[1]:
        raise DataError(f"There are features of {len(features.items):,} items and {matrix.shape[1]:,} in the matrix.")
    if alone is None:
        alone = fit_alone(matrix, choices.als, seed=seed, progress=progress)
    if settings.method == "article":
        return _article(matrix, features, alone, choices, settings, seed)
    model = _behaviour_only(alone, matrix, choices)
    if settings.method == "als":
        note = 'The recipe asks for ALS alone (method = "als").'
        return replace(model, choices={**model.choices, "note": note})
    if not choices.rounds:
        return model
    counts = model_counts(matrix)
    z = combine(features, choices.field_weights)
    has = np.any(z, axis=1)
    if int((has & (counts > 0)).sum()) < 10:
        note = "Fewer than ten items have both content and events: plain ALS, and a fallback for new items."
        progress.note(note)
        return replace(model, choices={**model.choices, "note": note})
    rounds: list[Alternation] = []
    for state in alternate(
        matrix, alone.user_factors, alone.item_factors, features, z, choices.pull, choices.als, settings.bridge,
        rounds=choices.rounds, min_interactions=choices.min_interactions, last_method=choices.learner,
        tail_below=settings.tail_below, exposure=exposure, seed=seed, progress=progress,
    ):  # fmt: skip
        # Later rounds learn from vectors that hold predictions already; whether content says anything, the first tells.
        if not rounds and state.scores["r2"] < MINIMAL_R2:
            note = f"Content says nothing about behaviour (R² {state.scores['r2']:.3f} on unseen items): plain ALS."
            progress.note(note)
            return replace(model, choices={**model.choices, "note": note, "bridge": state.scores})
        rounds = [state]
    (state,) = rounds
    share = np.ones(len(has), np.float32) if state.behaviour_share is None else state.behaviour_share
    # No R² is told: later rounds' targets hold part of what is predicted, so that it would flatter.
    progress.note(f"bridge: {state.scores['kept']} of {', '.join(state.scores['scores'])}")
    # To the end, as fold-in solves them: the same history gets the same vector tomorrow, and splits without a rest.
    exposed = default_exposure(matrix) if exposure is None else exposure
    users = solve_users(matrix, state.item_vectors, choices.als, exposure=exposed).factors
    reduction = reduce(z, settings.content_dimensions, np.flatnonzero(has))
    content = reduction.apply(z)
    typical = typical_length(alone.item_factors, counts, choices.min_interactions, settings.tail_below)
    fusion = replace(choices.fusion, weight=choices.fusion.weight * typical)
    return replace(
        model,
        user_factors=users,
        item_vectors=state.item_vectors,
        predictions=state.length.apply(state.raw),
        has_prediction=has,
        behaviour_share=np.where(has, share, np.float32(1.0)).astype(np.float32),
        bridge=state.bridge,
        field_weights={field.name: float(choices.field_weights.get(field.name, 1.0)) for field in features},
        reduction=reduction,
        content=content,
        fusion=fusion,
        precision=choices.pull.tau(choices.als, matrix.shape[0]),
        length=state.length,
        choices={**model.choices, "bridge": state.scores},
        taught=state.taught,
        unseen=state.unseen,
        average_user=average_of(users, matrix),
    )


def model_counts(matrix: Any) -> Any:
    """Distinct users of each item, ``(n_items,) int64``."""
    return np.bincount(matrix.indices, minlength=matrix.shape[1])


def describe(choices: Choices) -> dict[str, Any]:
    """Choices as plain JSON, curves included."""
    return {
        "als": choices.als.model_dump(),
        "rounds": choices.rounds,
        "min_interactions": choices.min_interactions,
        "field_weights": choices.field_weights,
        "pull": dict(vars(choices.pull)),
        "fusion": choices.fusion.to_dict(),
        "curves": choices.report,
    }


def _behaviour_only(alone: AlsFit, matrix: Any, choices: Choices) -> ItemModel:
    n_items = matrix.shape[1]
    return ItemModel(
        als_user_factors=alone.user_factors,
        als_item_factors=alone.item_factors,
        user_factors=alone.user_factors,
        item_vectors=alone.item_factors,
        predictions=np.zeros_like(alone.item_factors),
        has_prediction=np.zeros(n_items, dtype=np.bool_),
        behaviour_share=(model_counts(matrix) > 0).astype(np.float32),
        bridge=None,
        field_weights={},
        reduction=None,
        content=np.zeros((n_items, 0), dtype=np.float32),
        fusion=Fusion(),
        precision=0.0,
        length=Length(),
        choices=describe(choices),
    )


def _article(
    matrix: Any, features: Features, alone: AlsFit, choices: Choices, settings: CalibrationSettings, seed: int
) -> ItemModel:
    model = _behaviour_only(alone, matrix, choices)
    network, head = fit_article(
        features, alone.item_factors, model_counts(matrix), threshold=settings.article_threshold, seed=seed
    )
    has = np.any(features.present, axis=1)
    predicted = network.predict(features)
    return replace(
        model,
        item_vectors=np.where((head | ~has)[:, None], alone.item_factors, predicted),
        predictions=predicted,
        has_prediction=has,
        behaviour_share=(head | ~has).astype(np.float32),
        bridge=Bridge(None, network, 0.0, 1.0),
        field_weights={field.name: 1.0 for field in features},
        taught=head & has,
    )
