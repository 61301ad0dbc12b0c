"""What is measured: methods that score every item for a user, made from one training run or brought by the user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
from scipy import sparse

from longtail.blend import default_exposure
from longtail.calibrate.model import ItemModel, with_average
from longtail.cf.als import AlsSettings, solve_users
from longtail.cf.content_knn import ContentNeighbours
from longtail.cf.popular import Popularity
from longtail.core.arrays import Bool, Float32, Int64
from longtail.core.vocabulary import Vocabulary
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.data.interactions import Interactions
from longtail.data.schema import WeightSettings


class Method(Protocol):
    """Anything that scores all items for some users."""

    @property
    def name(self) -> str:
        """What results call it."""

    def score_block(self, users: Int64) -> Float32:
        """``(len(users), n_items) float32`` for user rows; minus infinity: never to be shown."""

    def among(self, items: Int64) -> Method:
        """The same method over some items only, in that order, so that no others need be scored."""


class ForeignMethod(Protocol):
    """A method from outside, known by ids until the rows of a training run are known."""

    @property
    def name(self) -> str:
        """What results call it."""

    def bind(self, users: Vocabulary, items: Vocabulary) -> Method:
        """The method over these rows."""


@dataclass(frozen=True)
class Scored:
    """A scorer with a name.

    Attributes:
        name: what results call it.
        scorer: has ``score_block``.
    """

    name: str
    scorer: Popularity | ContentNeighbours

    def score_block(self, users: Int64) -> Float32:
        """See :class:`Method`."""
        return self.scorer.score_block(users)

    def among(self, items: Int64) -> Scored:
        """See :class:`Method`."""
        return Scored(self.name, self.scorer.among(items))


@dataclass(frozen=True)
class Factors:
    """Inner products of user and item vectors.

    Attributes:
        name: what results call it.
        user_vectors: ``(n_users, d) float32``.
        item_vectors: ``(n_items, d) float32``.
    """

    name: str
    user_vectors: Float32
    item_vectors: Float32

    def score_block(self, users: Int64) -> Float32:
        """See :class:`Method`."""
        scores: Float32 = self.user_vectors[users] @ self.item_vectors.T
        return scores

    def among(self, items: Int64) -> Factors:
        """See :class:`Method`."""
        return Factors(self.name, self.user_vectors, self.item_vectors[items])


@dataclass(frozen=True)
class Provenance:
    """What the stages of a training run say they learned from; checked against the split, None is not checked.

    Attributes:
        bridge_items: ``(n_items,) bool``, items whose vectors were targets of a bridge, the article's among them.
        encoder_items: ``(n_items,) bool``, items that encoders which learn were fitted on.
        choices: what choices were made on, in this run or in the one that they are kept from.
    """

    bridge_items: Bool | None = None
    encoder_items: Bool | None = None
    choices: ChosenOn | None = None


@dataclass(frozen=True)
class ChosenOn:
    """What choices were made on, by id: they may be kept for a run with other rows.

    Attributes:
        pairs: ``user_id``, ``item_id``: pairs that candidates were tried on or scored by; a pair may occur twice.
        events: ``item_id``, ``events``: the events of these items in both parts together.
    """

    pairs: pa.Table
    events: pa.Table


@dataclass(frozen=True)
class TrainedParts:
    """What a training run hands to a protocol.

    Attributes:
        interactions: everything behaviour was learned from. Its items are the catalog's, in the catalog's order, and
            after them ids that occur in events alone.
        model: longtail's item model over the same rows.
        content: ``(n_items, d)`` unit rows for content kNN, zero where an item has no content; None: the model's, which
            are reduced and of which there are none where it found content to say nothing.
        article: the article's plain method over the same rows; None: not measured.
        provenance: what each stage learned from.
        weights: how events became weights; new users' events are weighed alike.
        als: the settings of the factorization; new users are folded in with them.
        exposure: ``(n_items,) float32`` that longtail's users were solved with; None: 1 where an item has interactions.
            ALS alone knows no exposure.
    """

    interactions: Interactions
    model: ItemModel
    content: Float32 | None = None
    article: ItemModel | None = None
    provenance: Provenance = field(default_factory=Provenance)
    weights: WeightSettings = field(default_factory=WeightSettings)
    als: AlsSettings = field(default_factory=AlsSettings)
    exposure: Float32 | None = None


class Fit(Protocol):
    """Trains on what it is given and on nothing else."""

    def __call__(
        self,
        events: Events,
        catalog: Catalog,
        *,
        hidden: Sequence[str] = (),
        validation: Events | None = None,
        seed: int | None = None,
    ) -> TrainedParts:
        """Train.

        Args:
            events: the training part.
            catalog: every item that may be ranked.
            hidden: items no part may learn from, neither ALS nor the bridge nor an encoder that learns, though they are
                to be encoded and predicted like any new item. ``events`` has none of theirs.
            validation: events that choices may be scored on and that nothing else may learn from; None: the run holds
                out a part of ``events`` itself.
            seed: of what learning draws; how content is encoded need not change with it. None: the fit's own.
        """


def standard_methods(parts: TrainedParts, history: sparse.csr_array | None = None) -> list[Method]:
    """Popularity, content kNN, ALS alone, the article's method and longtail, in that order.

    Content kNN is left out where nothing has content, the article's method where the run did not train it.

    Args:
        parts: the training run.
        history: ``(n_users, n_items)`` weights of users it has not seen, who are folded in; None: its own users.
    """
    known = parts.interactions.matrix
    taken = known if history is None else history
    model = parts.model
    methods: list[Method] = [Scored("popularity", Popularity.from_matrix(known))]
    content = model.content if parts.content is None else parts.content
    if content.shape[1] and content.any():
        methods.append(Scored("content kNN", ContentNeighbours.from_matrix(taken, content)))
    als_users = _als_users(parts, history)
    methods.append(Factors("ALS", als_users, model.als_item_factors))
    if parts.article is not None:
        # The article's users are those of ALS: its items are put into the space of ALS, not the other way round.
        article = parts.article.user_factors if history is None else als_users
        methods.append(Factors("article", article, parts.article.item_vectors))
    methods.append(fused(parts, history))
    return methods


def fused(parts: TrainedParts, history: sparse.csr_array | None = None) -> Factors:
    """longtail: [u; p] + s_u [ū; 0] by items as `longtail.calibrate.model.Fusion` has them, in one inner product.

    Args:
        parts, history: see :func:`standard_methods`.
    """
    model, n = parts.model, parts.interactions.n_interactions
    fusion, taken = model.fusion, parts.interactions.matrix if history is None else history
    if model.is_als:
        return Factors("longtail", _als_users(parts, history), model.item_vectors)
    content = fusion.counted(model.content)
    users = model.user_factors
    if fusion.weight or history is not None:
        exposure = default_exposure(parts.interactions.matrix) if parts.exposure is None else parts.exposure
        against = fusion.solved_against(model.item_vectors, content, n)
        users = solve_users(taken, against, parts.als, exposure=exposure).factors
    asking = with_average(users, model.average_user, fusion, np.diff(taken.indptr))
    return Factors("longtail", asking, fusion.asked_for(model.item_vectors, content, n))


def _als_users(parts: TrainedParts, history: sparse.csr_array | None) -> Float32:
    """The users of ALS alone, known ones or new ones folded in by the half-step it was trained with."""
    if history is None:
        return parts.model.als_user_factors
    return solve_users(history, parts.model.als_item_factors, parts.als).factors
