"""How protocols train: the pipeline on what may be seen, and the article's method beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from longtail.calibrate.choices import Choices
from longtail.calibrate.embeddings import fit
from longtail.cf.als import AlsFit
from longtail.content.cache import EncodingCache
from longtail.content.combine import combine
from longtail.core.arrays import Int64
from longtail.core.progress import SILENT, Progress
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.pipeline import Learned, learn
from longtail.protocols.methods import Provenance, TrainedParts
from longtail.recipe import Recipe


class Trainer:
    """Trains by a recipe; see `longtail.protocols.methods.Fit`.

    Args:
        recipe: settings.
        keep_choices: make the choices of validation in the first run and keep them for later ones, for protocols that
            train the same shop at several levels: levels then differ in what is known and not in what was chosen. The
            first run must be the one that sees least.
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

    def __call__(
        self,
        events: Events,
        catalog: Catalog,
        *,
        hidden: Sequence[str] = (),
        validation: Events | None = None,
    ) -> TrainedParts:
        """Train on these events and this catalog."""
        learned = learn(
            self.recipe,
            events,
            catalog,
            hidden=hidden,
            validation=validation,
            choices=self.choices if self.keep_choices else None,
            cache=self.cache,
            allow_network=self.allow_network,
            progress=self.progress,
        )
        self.choices = learned.choices
        return parts_of(self.recipe, learned, article=self.article, progress=self.progress)


def parts_of(recipe: Recipe, learned: Learned, *, article: bool = True, progress: Progress = SILENT) -> TrainedParts:
    """What a protocol needs of a training run, with the article's method on the same interactions and features."""
    plain = None
    if article and learned.features.present.any():
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
    users: Int64 | None = None
    items: Int64 | None = None
    if learned.validation is not None:
        # Sparse indices may be 32 bits wide; pairs are compared by user x items + item, which is not.
        users, items = (part.astype(np.int64) for part in learned.validation.nonzero())
    return TrainedParts(
        interactions=learned.interactions,
        model=learned.model,
        content=combine(learned.features, learned.choices.field_weights),
        article=plain,
        provenance=Provenance(validation_users=users, validation_items=items),
        weights=recipe.weights,
        als=learned.choices.als,
        exposure=learned.exposure,
    )
