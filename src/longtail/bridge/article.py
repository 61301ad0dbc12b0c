"""The plain way, kept as a baseline: one MLP from content to raw ALS vectors, then a hard switch.

Items with enough interactions keep their ALS vector, all others get the prediction. It is what a reader of the usual
article would build, done carefully: early stopping on held-out items, the better of its epochs kept.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from longtail.bridge.network import NetworkBridge, fit_single
from longtail.bridge.settings import NetworkSettings
from longtail.core.arrays import Bool, Float32, Int64
from longtail.core.buckets import LOWER_BOUNDS
from longtail.core.errors import DataError
from longtail.core.features import Features

#: What share of the catalog should be above the switch where few items reach 300 interactions.
HEAD_SHARE = 0.2
#: Heads are few and their vectors little noisy: small batches, little dropout, many epochs.
MLP = NetworkSettings(hidden=256, dropout=0.1, weight_decay=0.01, learning_rate=2e-3, batch=256, epochs=100, patience=5)


def default_threshold(n_interactions: Int64) -> int:
    """300, or the highest bucket bound that a fifth of the items reach; 1 where hardly any item has interactions."""
    for bound in sorted(LOWER_BOUNDS, reverse=True):
        if bound > 0 and (n_interactions >= bound).mean() >= HEAD_SHARE:
            return bound
    return 1


def fit_article(
    features: Features,
    item_factors: Float32,
    n_interactions: Int64,
    *,
    threshold: int | None = None,
    settings: NetworkSettings | None = None,
    seed: int = 0,
) -> tuple[NetworkBridge, Bool]:
    """Train the MLP on the items at or above the threshold.

    Args:
        features: of all items; a missing field is zero to this method.
        item_factors: ``(n_items, d) float32`` ALS vectors, as they are.
        n_interactions: ``(n_items,)``.
        threshold: interactions from which an item keeps its ALS vector. None: :func:`default_threshold`.
        settings: sizes and schedule of the MLP; whole-field dropout is not used.
        seed: of initial weights, order, dropout and the held-out items.

    Returns:
        The network and which items keep their ALS vector, ``(n_items,) bool``.

    Raises:
        MissingExtraError: torch is not installed. DataError: fewer than ten items with content at the threshold.
    """
    threshold = default_threshold(n_interactions) if threshold is None else threshold
    head: Bool = n_interactions >= threshold
    rows = np.flatnonzero(head & features.present.any(axis=1))
    if len(rows) < 10:
        raise DataError(
            f"The article's method learns from items with at least {threshold} interactions and content; found "
            f"{len(rows)}, needs 10. Lower article_threshold."
        )
    settings = (settings or MLP).model_copy(update={"field_dropout": 0.0})
    # Squared error at unit scale: the length of ALS vectors, which its settings change a lot, must not set the step.
    size = float(np.sqrt(np.mean(np.square(item_factors[rows], dtype=np.float64)))) or 1.0
    network = fit_single(features, rows, (item_factors[rows] / size).astype(np.float32), settings, seed=seed)
    last = ("out", "out.bias", "skip")
    members = tuple(
        {name: weight * np.float32(size) if name in last else weight for name, weight in member.items()}
        for member in network.members
    )
    return replace(network, members=members), head
