"""What can be set about the bridge."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from longtail.core.settings import Settings

#: Which learner predicts behaviour from content. ``auto`` scores all on held-out items and keeps the best.
BridgeMethod = Literal["auto", "kernel", "network", "mean"]


class NetworkSettings(Settings):
    """The network: a tower per field, summed into a shared trunk."""

    hidden: int = Field(default=256, ge=8, le=4096)
    """Width of towers and trunk."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Of single units in the trunk."""
    field_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Chance that a whole field of an item is hidden in training, so that a missing one is nothing new."""
    learning_rate: float = Field(default=1e-2, gt=0)
    """Of AdamW, at its highest: it rises and falls in one cycle."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Of AdamW."""
    batch: int = Field(default=256, ge=8)
    """Items a step."""
    epochs: int = Field(default=10, ge=1)
    """At most."""
    patience: int = Field(default=3, ge=1)
    """Epochs without a better error on the held-out items after which training stops."""
    folds: int = Field(default=3, ge=2, le=20)
    """Each fold's network predicts the items it has not seen; new items get the mean of all of them."""


class BridgeSettings(Settings):
    """The learned map from content to behaviour space."""

    method: BridgeMethod = "auto"
    """``auto``: kernel, network and their mean are compared on items they have not seen, and the best is kept."""
    landmarks: int = Field(default=3000, ge=10, le=4000)
    """Items the kernel compares with; all of them where there are fewer."""
    max_rows: int = Field(default=20_000, ge=100)
    """Items a learner is fitted on at most, drawn with the seed; the others are predicted, and so out of sample."""
    network: NetworkSettings = NetworkSettings()
