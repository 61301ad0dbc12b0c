"""What can be set about the choices made on validation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from longtail.bridge.settings import BridgeSettings
from longtail.core.settings import Settings

#: What may be tried: at least one value, each within its range. Of one value it is set and nothing is chosen.
AtLeastZero = Annotated[tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...], Field(min_length=1)]
Positive = Annotated[tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...], Field(min_length=1)]
Shares = Annotated[tuple[Annotated[float, Field(ge=0, le=1)], ...], Field(min_length=1)]
Counts = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]


class CalibrationSettings(Settings):
    """How behaviour and content are brought together; everything not set here is chosen on validation."""

    method: Literal["longtail", "article", "als"] = "longtail"
    """``article``: one network, squared error on raw vectors, hard switch at a threshold. ``als``: behaviour alone."""
    bridge: BridgeSettings = BridgeSettings()
    tune_als: bool = True
    """Choose regularization and unobserved weight on validation, starting from the recipe's; ALS alone has the same."""
    rounds: int = Field(default=2, ge=1, le=6)
    """Times the bridge is fitted and the items are solved with its predictions as prior, at most: two are usual, see
    margin."""
    min_interactions: Counts = (5, 20)
    """From how many users on an item's vector teaches the first round's bridge; later rounds learn from all items with
    events. Several: the best is chosen."""
    article_threshold: int | None = Field(default=None, ge=1)
    """Where the article's method switches to behaviour. None: 300, or what leaves a fifth of the catalog above it."""
    precisions: AtLeastZero = (0.3, 1.0, 3.0, 10.0)
    """How firmly an item is held to its prediction, in multiples of the penalty an item without events has. The
    middle is usual, see margin."""
    target_exponents: Shares = (0.0, 0.5, 1.0)
    """How much of the learned vectors' length the bridge is taught: 0 directions only, 1 the vectors as they are."""
    length_exponents: Shares = (0.0, 0.5, 1.0)
    """beta in s f |f|^(beta - 1): 0 forgets how sure a prediction is, 1 keeps it in its length."""
    length_scales: Positive = (0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
    """s, in multiples of the typical length of a learned vector. The middle is usual, see margin; there, shorter ones
    are looked at once more with content beside the vectors."""
    silent_exposures: Shares = (0.0, 1.0)
    """How far items on sale that nobody took count as seen and not wanted; 0 makes them as good as new. The middle
    is usual, see margin."""
    content_dimensions: int = Field(default=384, ge=1)
    """Dimensions at most of an item's content beside its vector; the index has them and those of the factors."""
    fusion_weights: AtLeastZero = (0.0, 0.3, 0.6, 1.0, 1.5, 2.5)
    """w, in multiples of the typical length of a learned vector: how long the content part of an item without events is
    that users are solved against."""
    fusion_half_lives: Positive = (3.0, 20.0, 100.0)
    """kappa: the number of interactions at which content's part is halved."""
    freshness: AtLeastZero = (
        0.0, 0.05, 0.1, 0.125, 0.15, 0.175, 0.2, 0.225, 0.25, 0.275, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8, 1.0,
    )  # fmt: skip
    """How much longer an item without events is made for users, and half as much one at the tail's bound, so that they
    are found among those that sell."""
    average_weights: AtLeastZero = (0.0, 0.25, 0.5, 1.0, 2.0)
    """How much of the average user is added to a user of whom little is known."""
    average_half_lives: Positive = (3.0, 30.0)
    """The number of items a user took at which that is halved."""
    similar_gates: Shares = (0.0, 0.2, 0.4, 0.6, 0.8)
    """Content's part in the similar items of an item without events."""
    similar_doubts: AtLeastZero = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)
    """How far the learned vectors of items shown beside another are doubted: (1 + n) / (1 + n + doubt) counts."""
    field_weights: dict[str, float] | None = None
    """Weight per field in the content vector. None: chosen on items held out from the bridge."""
    tolerance: float = Field(default=0.0, ge=0, lt=0.5)
    """The guard: share of overall quality a choice may cost. 0: none."""
    chance: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """The guard: how many standard errors of the paired difference to ALS alone count as chance and not as a cost."""
    margin: float = Field(default=2.0, ge=0, allow_inf_nan=False)
    """Where fewer than 500 pairs of the scored users are with new items: by how many standard errors of the paired
    difference another precision, length, exposure or number of rounds must gain over the usual one to be chosen. Usual
    are the middle of a grid, of two in the middle the smaller, exposure from the first event on, and two rounds. 0: the
    largest gain as it stands."""
    validation_users: int = Field(default=4000, ge=10)
    """Users at most on whom choices are scored, drawn with the seed."""
    k: int = Field(default=10, ge=1)
    """Choices are scored by NDCG at this k."""
    tail_below: int = Field(default=20, ge=1)
    """Items with fewer interactions are the tail."""
