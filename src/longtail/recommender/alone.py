"""The "before": a shop as ALS alone sees it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from longtail.bundle import Bundle
from longtail.calibrate.model import Fusion
from longtail.recommender.recommender import Recommender


def als_alone(bundle: Bundle) -> Recommender:
    """The same shop answering from ALS alone; items without events have nothing to go by there."""
    return Recommender(
        replace(
            bundle,
            user_factors=bundle.als_user_factors,
            item_vectors=bundle.als_item_factors,
            content=np.zeros((len(bundle.items), 0), dtype=np.float32),
            fusion=Fusion(),
            average_user=None,
            # Plain ALS counts every item as seen and knows no prior, in fold-in as in training.
            exposure=np.ones(len(bundle.items), dtype=np.float32),
            precision=0.0,
            window=None,
            indexes={},
        )
    )
