"""How protocols train: the pipeline on what may be seen, and the article's method beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from longtail.calibrate.choices import Choices
from longtail.calibrate.embeddings import fit
from longtail.calibrate.model import ItemModel
from longtail.cf.als import AlsFit
from longtail.content.cache import EncodingCache
from longtail.content.combine import combine
from longtail.core.errors import DataError, MissingExtraError
from longtail.core.progress import SILENT, Progress
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.pipeline import Encoded, Learned, encode, learn
from longtail.protocols.catalog_leaks import check_catalog
from longtail.protocols.methods import ChosenOn, Provenance, TrainedParts
from longtail.recipe import Recipe


class Trainer:
    """Trains by a recipe; see `longtail.protocols.methods.Fit`.

    Args:
        recipe: settings.
        keep_choices: make the choices of validation in the first run and keep them for later ones, for protocols that
            train the same shop at several levels: levels then differ in what is known and not in what was chosen. The
            first run must be the one that sees least: every later one is checked for what choices were made on.
        article: whether the article's method is trained beside longtail.
        cache: where encoded content is kept.
        allow_network: whether pretrained models may be fetched.
        progress: where to report.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        keep_choices: bool = False,
        article: bool = True,
        cache: EncodingCache | None = None,
        allow_network: bool = False,
        progress: Progress = SILENT,
    ) -> None:
        self.recipe = recipe
        self.keep_choices = keep_choices
        self.article = article
        self.cache = cache
        self.allow_network = allow_network
        self.progress = progress
        #: What the last run chose; None before the first.
        self.choices: Choices | None = None
        self._chosen_on: ChosenOn | None = None
        self._catalogs = _Catalogs()
        self._last: tuple[Any, TrainedParts] | None = None

    def at_levels(self, events: Events, catalog: Catalog, *, hidden: Sequence[str]) -> Trainer:
        """A trainer like this one whose choices are made here, once, on the least that any level sees."""
        other = Trainer(
            self.recipe,
            keep_choices=True,
            article=self.article,
            cache=self.cache,
            allow_network=self.allow_network,
            progress=self.progress,
        )
        # What this one found out about the catalog need not be found out again.
        other._catalogs = self._catalogs
        learned = learn(
            self.recipe, events, catalog, hidden=hidden, encoded=other._encoded(catalog, hidden), progress=self.progress
        )
        other.choices, other._chosen_on = learned.choices, chosen_on(learned)
        return other

    def __call__(
        self,
        events: Events,
        catalog: Catalog,
        *,
        hidden: Sequence[str] = (),
        validation: Events | None = None,
        seed: int | None = None,
    ) -> TrainedParts:
        """Train on these events and this catalog; asked for the last run once more, it is handed out again.

        A seed other than the recipe's changes what learning draws, not how content is encoded.
        """
        recipe = self.recipe if seed is None else self.recipe.seeded(seed)
        asked = (
            events.fingerprint(), tuple(hidden), None if validation is None else validation.fingerprint(), recipe.seed
        )  # fmt: skip
        if self._last is not None and self._last[0] == (asked, catalog.items):
            return self._last[1]
        self._last = None
        learned = learn(
            recipe,
            events,
            catalog,
            hidden=hidden,
            validation=validation,
            choices=self.choices if self.keep_choices else None,
            encoded=self._encoded(catalog, hidden),
            progress=self.progress,
        )
        self.choices = learned.choices
        parts = parts_of(recipe, learned, article=self.article, chosen_on=self._chosen_on, progress=self.progress)
        self._chosen_on = parts.provenance.choices
        if not self.keep_choices:
            self._last = ((asked, catalog.items), parts)
        return parts

    def _encoded(self, catalog: Catalog, hidden: Sequence[str]) -> Encoded:
        """The content of a catalog, which neither events nor what learning draws can change: encoded once for the same
        hidden items, of which the last are kept beside those of none.
        """
        known = self._catalogs
        if known.catalog is not catalog:
            check_catalog(self.recipe, catalog, progress=self.progress)
            known.catalog, known.encoded = catalog, {}
        out = tuple(hidden)
        if out not in known.encoded:
            known.encoded = {some: encoded for some, encoded in known.encoded.items() if not some}
            known.encoded[out] = encode(
                self.recipe, catalog, hidden=hidden, cache=self.cache, allow_network=self.allow_network,
                progress=self.progress,
            )  # fmt: skip
        return known.encoded[out]


@dataclass
class _Catalogs:
    """The catalog trained with last, which was looked at for leaks, and its content encoded, by the hidden items."""

    catalog: Catalog | None = None
    encoded: dict[tuple[str, ...], Encoded] = field(default_factory=dict)


def parts_of(
    recipe: Recipe,
    learned: Learned,
    *,
    article: bool = True,
    chosen_on: ChosenOn | None = None,
    progress: Progress = SILENT,
) -> TrainedParts:
    """What a protocol needs of a training run, with the article's method on the same interactions and features.

    ``chosen_on``: what choices were made on that are kept from an earlier run.
    """
    plain = None
    if article and learned.features.present.any():
        try:
            plain = fit(
                learned.interactions.matrix,
                learned.features,
                learned.choices,
                recipe.model.model_copy(update={"method": "article"}),
                exposure=learned.exposure,
                alone=AlsFit(learned.model.als_user_factors, learned.model.als_item_factors, ()),
                seed=recipe.seed,
                progress=progress,
            )
        except (DataError, MissingExtraError) as error:  # the baseline must not cost what it is compared with
            progress.note(f"The article's method is not measured. {error}")
    return TrainedParts(
        interactions=learned.interactions,
        model=learned.model,
        content=combine(learned.features, learned.choices.field_weights),
        article=plain,
        provenance=_provenance(learned, plain, chosen_on),
        weights=recipe.weights,
        als=learned.choices.als,
        exposure=learned.exposure,
    )


def chosen_on(learned: Learned) -> ChosenOn | None:
    """What a run made its choices on, as its own matrices have it; None where choices were given."""
    split, seen = learned.split, learned.interactions
    if split is None:
        return None
    users, items = (np.concatenate(rows) for rows in zip(split.earlier.nonzero(), split.scored.nonzero(), strict=True))
    counted = np.flatnonzero(split.item_events)
    return ChosenOn(
        pa.table({"user_id": seen.users.ids.take(pa.array(users)), "item_id": seen.items.ids.take(pa.array(items))}),
        pa.table({"item_id": seen.items.ids.take(pa.array(counted)), "events": split.item_events[counted]}),
    )


def _provenance(learned: Learned, article: ItemModel | None, kept: ChosenOn | None) -> Provenance:
    """What every stage of a run says it learned from."""
    n_items = len(learned.interactions.items)
    taught = np.zeros(n_items, dtype=np.bool_)
    for model in (learned.model, article):
        if model is not None and model.taught is not None:
            taught |= model.taught
    encoded = None
    if learned.content.fitted_on is not None:
        encoded = np.zeros(n_items, dtype=np.bool_)
        encoded[: len(learned.content.fitted_on)] = learned.content.fitted_on
    return Provenance(taught, encoded, kept if learned.split is None else chosen_on(learned))
