"""What calibration hands on: every item's vector, where it comes from, and the choices behind it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from longtail.core.arrays import Bool, Float32, Int64
from longtail.core.ranking import SOURCES

if TYPE_CHECKING:
    from longtail.bridge.training import Bridge
    from longtail.bridge.unseen import Unseen
    from longtail.content.combine import Reduction

#: From this share of behaviour on, an item counts as learned rather than blended.
LEARNED_FROM = 0.95


@dataclass(frozen=True)
class Fusion:
    """What counts beside the vectors: content itself, which fades as an item gathers interactions, and the average
    user, who fades as a user does.

    Attributes:
        weight: w, the length of the content part of an item without interactions, z being 1 long; 0 is none.
        half_at: kappa, the interactions at which that part is halved.
        similar_weight: content's part in [0, 1] of item -> item scores asked by an item without interactions.
        similar_half_at: the interactions of the asking item at which that part is halved.
        average_weight: s, how much of the average user is added to a user without interactions; 0 is none.
        average_half_at: the items a user took at which that is halved.
        similar_doubt: how far the learned vector of an item shown beside another is doubted, see `trust`; 0: not.
        freshness: b, how much longer an item without interactions is made for users; 0: not.
        fresh_half_at: the interactions at which that is halved; the tail's bound, so that its items keep their order.
        fresh_steepness: how fast it falls there; bundles before format 4 have 1 and a half at one interaction.
        averaged: users ask by the mean content of what they took, as bundles before format 3 did, instead of being
            solved against content.
    """

    weight: float = 0.0
    half_at: float = 5.0
    similar_weight: float = 0.0
    similar_half_at: float = 20.0
    average_weight: float = 0.0
    average_half_at: float = 3.0
    similar_doubt: float = 0.0
    freshness: float = 0.0
    fresh_half_at: float = 20.0
    fresh_steepness: float = 2.0
    averaged: bool = False

    def gain(self, n_interactions: Int64) -> Float32:
        """g_i = w kappa / (kappa + n_i), ``(n,) float32``: how long an item's content part is."""
        n = np.asarray(n_interactions, dtype=np.float64)
        return np.asarray(self.weight * self.half_at / (self.half_at + n), dtype=np.float32)

    def counted(self, content: Float32) -> Float32:
        """The content vectors, ``(n, d_z)``, without their columns where they have no weight for users."""
        return content if self.weight else content[:, :0]

    def solved_against(self, vectors: Float32, content: Float32, n_interactions: Int64) -> Float32:
        """a_i = [v_i; g_i z_i], ``(n, d + d_z) float32``: items as users are solved against them."""
        return np.concatenate([vectors, self.gain(n_interactions)[:, None] * content], axis=1)

    def asked_for(self, vectors: Float32, content: Float32, n_interactions: Int64) -> Float32:
        """b_i a_i, ``(n, d + d_z) float32``: items as users ask for them, b_i as :meth:`fresh` has it."""
        return self.fresh(n_interactions)[:, None] * self.solved_against(vectors, content, n_interactions)

    def fresh(self, n_interactions: Int64) -> Float32:
        """b_i = 1 + b / (1 + (n_i / half)^steepness), ``(n,) float32``.

        Evidence makes vectors long: a prediction, or the posterior of a few events, is shorter than what is learned of
        an item that sells as well, since it cannot know who will. New and rarely taken items would hardly ever stand
        among known ones.
        """
        n = np.asarray(n_interactions, dtype=np.float64)
        fading = 1.0 + (n / self.fresh_half_at) ** self.fresh_steepness
        return np.asarray(1.0 + self.freshness / fading, dtype=np.float32)

    def query_gate(self, vectors: Float32, content: Float32, n_interactions: Int64) -> Float32:
        """g_q in [0, 1], ``(n,) float32``: similar(q, j) = (1 - g_q) r_j v_q.v_j + g_q z_q.z_j over unit vectors.

        Where an asking item's vector is missing, a row of zeros, content speaks alone, and the other way round.
        """
        n = np.asarray(n_interactions, dtype=np.float64)
        gate = self.similar_weight * self.similar_half_at / (self.similar_half_at + n)
        gate = np.where(vectors.any(axis=1), gate, 1.0)
        return np.where(content.any(axis=1), gate, 0.0).astype(np.float32)

    def average_gain(self, n_taken: Int64) -> Float32:
        """s_u, ``(n,) float32``, of users who took so many items: they ask with u + s_u ū, ū the average user."""
        n = np.asarray(n_taken, dtype=np.float64)
        return np.asarray(self.average_weight * self.average_half_at / (self.average_half_at + n), dtype=np.float32)

    def trust(self, n_interactions: Int64) -> Float32:
        """r_j = (1 + n_j) / (1 + n_j + doubt), ``(n,) float32`` in (0, 1]: how far item j's direction is believed.

        Of many items that nobody or hardly anybody took some lie near every question, by chance or by prediction; one
        that many took and that is as near is a better answer. An item without interactions keeps a part: prediction
        is worth something.
        """
        n = np.asarray(n_interactions, dtype=np.float64)
        return np.asarray((1.0 + n) / (1.0 + n + self.similar_doubt), dtype=np.float32)

    def to_dict(self) -> dict[str, float]:
        """Plain values for a manifest; ``Fusion(**values)`` restores it."""
        return asdict(self)


def with_average(users: Float32, average: Float32 | None, fusion: Fusion, n_taken: Int64) -> Float32:
    """u + s_u ū, as ``users``: what users ask with, and nothing else is solved with.

    Shrinking a vector to zero says of somebody of whom little is known that they like nothing; that they are like
    everybody is the better guess. It is the prior of the users, as the prediction is that of the items.

    Args:
        users: ``(n, d) float32``, or ``(n, d + d_z)`` with a content part, to which nothing is added.
        average: ū, ``(d,) float32``, the mean of the users' vectors; None: nothing is added.
        fusion: has s and its half-life.
        n_taken: ``(n,)``, items each user took. Who took none keeps their vector: for them there is the fallback.
    """
    if average is None or fusion.average_weight == 0:
        return users
    gain = np.where(np.asarray(n_taken) > 0, fusion.average_gain(n_taken), np.float32(0.0))
    asking = users.copy()
    asking[:, : len(average)] += gain[:, None] * average
    return asking


@dataclass(frozen=True)
class Length:
    """v = s f |f|^(beta - 1): a prediction's length, apart from its direction.

    Attributes:
        exponent: beta in [0, 1]; 0 makes all predictions equally long.
        scale: s, the length given to a prediction of length 1, in the units of the learned vectors.
    """

    exponent: float = 1.0
    scale: float = 1.0

    def apply(self, predictions: Float32) -> Float32:
        """The calibrated predictions, ``(n, d) float32``; a zero row stays zero."""
        norms = np.sqrt(np.einsum("ij,ij->i", predictions, predictions, dtype=np.float64))
        factor = np.zeros_like(norms)
        known = norms > 1e-12
        factor[known] = self.scale * norms[known] ** (self.exponent - 1.0)
        calibrated: Float32 = predictions * factor[:, None].astype(np.float32)
        return calibrated


@dataclass(frozen=True)
class ItemModel:
    """Everything serving needs about users and items; rows are those of the interactions it was fitted on.

    Attributes:
        als_user_factors, als_item_factors: ``(n, d) float32``, ALS alone with the same settings: the "before".
        user_factors, item_vectors: ``(n, d) float32``, after blend and alternation: the "after".
        predictions: ``(n_items, d) float32``, the bridge's calibrated prior mean; zero rows where there is none.
        has_prediction: ``(n_items,) bool``, the item has content the bridge could read.
        behaviour_share: ``(n_items,) float32`` in [0, 1]: 0 is pure prediction, towards 1 pure behaviour.
        bridge: maps features of new items to behaviour space; None where content carries no signal or is missing.
        field_weights: weight per field in the content vector z.
        reduction: z -> the content that users ask for, of fewer dimensions; None without content.
        content: ``(n_items, d_z) float32``, reduced z, unit rows (zero where no content); ``d_z`` may be 0.
        fusion, precision, length: the chosen parameters; ``precision`` is tau, the prior's precision.
        choices: plain JSON: every choice with its curve on validation, and notes for people.
        taught: ``(n_items,) bool``, items whose vectors were targets of the bridge; None where there is no bridge.
        unseen: how the bridge predicted the items it learned from; None without a bridge. Explanations need it.
        average_user: ``(d,) float32``, the mean of ``user_factors``, see :func:`with_average`; None: not used.
    """

    als_user_factors: Float32
    als_item_factors: Float32
    user_factors: Float32
    item_vectors: Float32
    predictions: Float32
    has_prediction: Bool
    behaviour_share: Float32
    bridge: Bridge | None
    field_weights: dict[str, float]
    reduction: Reduction | None
    content: Float32
    fusion: Fusion
    precision: float
    length: Length
    choices: dict[str, Any] = field(default_factory=dict)
    taught: Bool | None = None
    unseen: Unseen | None = None
    average_user: Float32 | None = None

    @property
    def is_als(self) -> bool:
        """Content said nothing, or was not asked: there is nothing but ALS."""
        return self.item_vectors is self.als_item_factors


def sources(n_interactions: Int64, has_prediction: Bool, behaviour_share: Float32) -> npt.NDArray[np.uint8]:
    """Where each item's vector comes from, ``(n,) uint8`` codes into ``core.ranking.SOURCES``.

    No interactions, or none that count: ``predicted``, or ``fallback`` without a prediction. Otherwise ``learned``
    where there is no prediction or behaviour's share is at least 0.95, else ``blended``.
    """
    code = {source: SOURCES.index(source) for source in SOURCES}
    silent = (n_interactions == 0) | (has_prediction & (behaviour_share == 0))  # the article's switch has no between
    learned = ~has_prediction | (behaviour_share >= LEARNED_FROM)
    result = np.where(
        silent,
        np.where(has_prediction, code["predicted"], code["fallback"]),
        np.where(learned, code["learned"], code["blended"]),
    )
    return result.astype(np.uint8)
