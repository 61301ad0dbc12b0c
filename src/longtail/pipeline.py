"""From a recipe to a bundle: the whole of training, in the order it happens."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array

from longtail.bundle import Bundle, Evidence, Manifest, padded
from longtail.calibrate.choices import Choices, choose
from longtail.calibrate.embeddings import align, fit
from longtail.calibrate.holdout import hold_out
from longtail.calibrate.model import ItemModel, sources
from longtail.cf.als import solve_users
from longtail.cf.solver import warm_up
from longtail.content.cache import EncodingCache
from longtail.content.model import ContentModel
from longtail.core.arrays import Bool, Float32, Int64
from longtail.core.errors import DataError
from longtail.core.features import Features
from longtail.core.progress import SILENT, Progress
from longtail.core.words import many
from longtail.data.catalog import Catalog, read_catalog
from longtail.data.checks.join import check_join, in_words
from longtail.data.checks.record import record
from longtail.data.events import Events, read_events
from longtail.data.interactions import Interactions, aggregate
from longtail.data.refusals import Refusals
from longtail.data.schema import CatalogSchema
from longtail.recipe import Recipe

#: The last part of the training data that choices are scored on, whichever is shorter: these days, or this share.
VALIDATION_DAYS, VALIDATION_SHARE = 28, 0.1


#: Fitted encoders, and the features of all items of the catalog they were fitted for.
Encoded = tuple[ContentModel, Features]


@dataclass(frozen=True)
class ChoiceSplit:
    """What choices are made on: earlier pairs to try candidates on, and pairs to score them by.

    Attributes:
        earlier, scored: ``(n_users, n_items)`` CSR over the rows of all interactions.
        exposure: ``(n_items,) float32`` in ``earlier``.
        item_events: ``(n_items,) int64``, events of each item in both together.
        new: ``(n_items,) bool``, items held out whole, see `longtail.calibrate.scoring.Judge`; None: a later period.
    """

    earlier: csr_array
    scored: csr_array
    exposure: Float32
    item_events: Int64
    new: Bool | None = None


@dataclass(frozen=True)
class Learned:
    """What training found out, before it is published.

    Attributes:
        interactions: all that behaviour was learned from; its items are the catalog's, then those of events alone.
        split: what choices were made on; None where choices were given.
        content: the fitted encoders.
        features: of all items, in the order of ``interactions.items``.
        exposure: ``(n_items,) float32``, see `Interactions.exposure`.
        choices: what was chosen on validation, and which learner of the bridge was kept.
        model: every user's and item's vector.
        seconds: how long all of it took.
    """

    interactions: Interactions
    split: ChoiceSplit | None
    content: ContentModel
    features: Features
    exposure: Float32
    choices: Choices
    model: ItemModel
    seconds: float


def read(
    recipe: Recipe, *, events: Any = None, catalog: Any = None, now: datetime | None = None, progress: Progress = SILENT
) -> tuple[Events, Catalog]:
    """Read a shop's data; without a catalog, every item of the events is one without content.

    Args:
        recipe: where the data is and what it means.
        events: a dataframe instead of the recipe's source.
        catalog: a dataframe instead of the recipe's source.
        now: events more than a day later are refused; None: the current time.
        progress: where to report.

    Raises:
        DataError: a source cannot be read, no event was accepted, or none of their items is in the catalog.
    """
    warm_up()  # the solver compiles, the first time on a machine, while the data is read
    base = recipe.data_folder
    accepted = read_events(recipe.events, recipe.weights, base=base, table=events, now=now, progress=progress)
    _tell_refused(accepted.refusals, progress)
    if len(accepted) == 0:
        raise DataError(
            f"None of {accepted.refusals.read:,} rows of the events was accepted. "
            "`longtail check` says why, with examples."
            if accepted.refusals.read
            else "The events have no rows. Is events.source the right one?"
        )
    if catalog is None and recipe.catalog.source is None:
        ids = pa.table({"item_id": accepted.items().ids})
        return accepted, read_catalog(CatalogSchema(), base=base, table=ids, progress=progress)
    items = read_catalog(recipe.catalog, base=base, table=catalog, progress=progress)
    _tell_refused(items.refusals, progress)
    _check_join(accepted, items, progress)
    return accepted, items


def _tell_refused(refusals: Refusals, progress: Progress) -> None:
    """Nothing is dropped unseen."""
    if refusals.refused:
        reasons = ", ".join(f"{refusal.reason} {refusal.count:,}" for refusal in refusals.by_reason)
        progress.note(
            f"Refused: {refusals.refused:,} of {many(refusals.read, 'row')} of the {refusals.what} ({reasons}). "
            "`longtail check` shows examples."
        )


def _check_join(events: Events, catalog: Catalog, progress: Progress) -> None:
    """Say it where events and catalog hardly meet, and stop where they do not meet at all."""
    join = check_join(events, catalog)
    if join.unknown_items == join.event_items:
        raise DataError(f"{in_words(join)} `longtail check` looks for how the ids differ, and names what repairs it.")
    if join.share < 0.5:
        progress.note(f"{in_words(join)} `longtail check` looks for how the ids differ.")


def learn(
    recipe: Recipe,
    events: Events,
    catalog: Catalog,
    *,
    hidden: Sequence[str] = (),
    validation: Events | None = None,
    choices: Choices | None = None,
    encoded: Encoded | None = None,
    cache: EncodingCache | None = None,
    allow_network: bool = False,
    progress: Progress = SILENT,
) -> Learned:
    """Learn from these events and this catalog and from nothing else.

    Choices are made on a validation part, then everything is fitted again on all events.

    Args:
        recipe: settings.
        events: what may be learned from.
        catalog: every item.
        hidden: items that nothing may learn from; they are encoded and predicted like any new item.
        validation: events that only choices are scored on; None: the last part of ``events``, or a tenth of their pairs
            where they have no times.
        choices: made earlier, on an earlier part of the same shop; None: choose.
        encoded: what `encode` gave for the same catalog and the same hidden items; None: encode.
        cache: where encoded content is kept.
        allow_network: whether pretrained models may be fetched.
        progress: where to report.

    Raises:
        DataError: next to nothing to learn from.
        NumericalError: numbers that are not finite, with the user or item they belong to.
        MissingExtraError: a field needs an optional package.
    """
    started = time.perf_counter()
    with progress.task("Adding up interactions"):
        interactions = aggregate(events, recipe.weights, items=catalog.items)
    new = np.zeros(len(interactions.items), dtype=np.bool_)
    unseen = catalog.items.rows(hidden)
    new[unseen[unseen >= 0]] = True
    content, features = encoded or encode(
        recipe, catalog, hidden=hidden, cache=cache, allow_network=allow_network, progress=progress
    )
    features = align(features, interactions.items)
    split = None
    if choices is None:
        split = _split(recipe, events, interactions, validation, new if len(hidden) else None)
        choices = choose(
            split.earlier,
            split.scored,
            features,
            recipe.als,
            recipe.model,
            exposure=split.exposure,
            new=split.new,
            seed=recipe.seed,
            progress=progress,
        )
    exposure = choices.pull.exposure(interactions.matrix, _exposure(interactions, events), new)
    model = fit(
        interactions.matrix,
        features,
        choices,
        recipe.model,
        exposure=exposure,
        seed=recipe.seed,
        progress=progress,
    )
    if "bridge" in model.choices:  # neither plain ALS nor the article compare learners
        choices = replace(choices, learner=model.choices["bridge"]["kept"])
    seconds = time.perf_counter() - started
    return Learned(interactions, split, content, features, exposure, choices, model, seconds)


def encode(
    recipe: Recipe,
    catalog: Catalog,
    *,
    hidden: Sequence[str] = (),
    cache: EncodingCache | None = None,
    allow_network: bool = False,
    progress: Progress = SILENT,
) -> Encoded:
    """Fit the encoders on all items but the hidden ones, and encode all.

    Args:
        recipe: the seed, and the folder that paths of pictures are relative to; catalog: every item.
        hidden, cache, allow_network, progress: see `learn`.

    Raises:
        DataError, RecipeError, MissingExtraError: see `longtail.content.model.ContentModel.fit`.
    """
    unseen = catalog.items.rows(hidden)
    return ContentModel.fit(
        catalog,
        cache=cache,
        progress=progress,
        seed=recipe.seed,
        fit_rows=np.setdiff1d(np.arange(len(catalog)), unseen) if len(hidden) else None,
        allow_network=allow_network,
        base=recipe.data_folder,
    )


def publishable(
    recipe: Recipe, events: Events, catalog: Catalog, learned: Learned, *, metrics: dict[str, Any] | None = None
) -> Bundle:
    """What was learned as a bundle, ready to be saved.

    Args:
        recipe: its text goes into the manifest.
        events: what was learned from, for the fingerprint.
        catalog: all items.
        learned: see `learn`.
        metrics: what was measured, for the manifest.
    """
    interactions, model = learned.interactions, learned.model
    n_items = len(interactions.items)
    table, titles = padded(catalog.table, catalog.titles, n_items)
    article = recipe.model.method == "article"
    plain = model.bridge is None or article  # plain ALS counts every item as seen, and so does the article
    users = model.user_factors
    if article:  # measured with the users of ALS; served ones must be what their history folds in to
        users = solve_users(interactions.matrix, model.item_vectors, learned.choices.als).factors
    times = (events.first, events.last)
    return Bundle(
        users=interactions.users,
        items=interactions.items,
        user_factors=users,
        item_vectors=model.item_vectors,
        als_user_factors=model.als_user_factors,
        als_item_factors=model.als_item_factors,
        predictions=model.predictions,
        content=model.content,
        n_interactions=interactions.n_interactions,
        item_events=interactions.item_events,
        behaviour_share=model.behaviour_share,
        source_codes=sources(interactions.n_interactions, model.has_prediction, model.behaviour_share),
        exposure=np.ones(n_items, dtype=np.float32) if plain else learned.exposure,
        sellable=np.arange(n_items) < len(catalog),
        history=interactions.matrix,
        als=learned.choices.als.model_dump(mode="json"),
        fusion=model.fusion,
        average_user=model.average_user,
        length=model.length,
        precision=model.precision,
        field_weights=model.field_weights,
        catalog=table,
        titles=titles,
        catalog_schema=catalog.schema,
        exclude_seen=recipe.exclude_seen,
        data_folder=str(recipe.data_folder.resolve()),
        content_model=learned.content.state() if model.bridge is not None else None,
        bridge=model.bridge.state() if model.bridge is not None else None,
        reduction=model.reduction.state() if model.reduction is not None else None,
        fields=learned.features.names,
        present=learned.features.present,
        # Updates go by the same rule: without first events, what has any counts as seen all the time.
        first_seen=interactions.first_seen.astype("datetime64[s]") if learned.choices.pull.since_first else None,
        trained=(len(interactions.users), n_items),
        weights=recipe.weights,
        window=None if plain or times[0] is None or times[1] is None else (times[0], times[1]),
        evidence=_evidence(learned),
        manifest=Manifest(
            recipe=recipe.text,
            fingerprint=_fingerprint(events, catalog, interactions),
            metrics=metrics or {},
            choices=model.choices,
            training={
                "seconds": round(learned.seconds, 1),
                "tail_below": recipe.tail_below,
                "seed": recipe.seed,
                "data": record(events, catalog, interactions, recipe.data_folder),
            },
            content=learned.content.describe(),
        ),
    )


def _evidence(learned: Learned) -> Evidence | None:
    """What explanations need; nothing where content says nothing."""
    if learned.model.bridge is None:
        return None
    unseen = learned.model.unseen
    return Evidence.of(learned.features, None if unseen is None else unseen.state())


def train(
    recipe: Recipe,
    *,
    events: Any = None,
    catalog: Any = None,
    cache: EncodingCache | None = None,
    allow_network: bool = False,
    progress: Progress = SILENT,
) -> Bundle:
    """Read, learn, and hand over a bundle: ``train(Recipe.load("shop.toml")).save(...)`` in one call.

    Args:
        recipe: where the data is, what it means, which settings.
        events: a dataframe instead of the recipe's source.
        catalog: a dataframe instead of the recipe's source.
        cache: where encoded content is kept; None: nowhere.
        allow_network: whether pretrained models may be fetched.
        progress: where to report.

    Raises:
        LongtailError: see `read` and `learn`.
    """
    accepted, items = read(recipe, events=events, catalog=catalog, progress=progress)
    learned = learn(recipe, accepted, items, cache=cache, allow_network=allow_network, progress=progress)
    return publishable(recipe, accepted, items, learned)


def _split(
    recipe: Recipe, events: Events, interactions: Interactions, given: Events | None, new: Bool | None
) -> ChoiceSplit:
    def over(part: Events) -> Interactions:
        return aggregate(part, recipe.weights, items=interactions.items, users=interactions.users, extend=False)

    if given is not None:
        scored, exposure = over(given), _exposure(interactions, events)
        item_events = interactions.item_events + scored.item_events
        return ChoiceSplit(interactions.matrix, scored.matrix, exposure, item_events, new)
    if events.first is not None and events.last is not None:
        cut = events.last - min(timedelta(days=VALIDATION_DAYS), (events.last - events.first) * VALIDATION_SHARE)
        before, after = events.before(cut), events.since(cut)
        if len(before) and len(after):
            earlier, later = over(before), over(after)
            item_events = earlier.item_events + later.item_events
            return ChoiceSplit(earlier.matrix, later.matrix, _exposure(earlier, before), item_events)
    kept, held, held_whole = hold_out(interactions.matrix, seed=recipe.seed)
    whole = held_whole if new is None else held_whole | new
    return ChoiceSplit(kept, held, _exposure(interactions, events), interactions.item_events, whole)


def _exposure(interactions: Interactions, events: Events) -> Float32:
    return interactions.exposure(events.first, events.last)


def _fingerprint(events: Events, catalog: Catalog, interactions: Interactions) -> dict[str, Any]:
    """What identifies the data a bundle was trained on."""
    return {
        "events": len(events),
        "events_hash": events.fingerprint(),
        "first": None if events.first is None else events.first.isoformat(),
        "last": None if events.last is None else events.last.isoformat(),
        "users": len(interactions.users),
        "catalog_items": len(catalog),
        "pairs": int(interactions.matrix.nnz),
    }
