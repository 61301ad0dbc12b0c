"""A measure that the protocols do not have: how well tail items are found among all items, not among themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.protocols.measure import observe, sum_up
from longtail.protocols.methods import TrainedParts
from longtail.protocols.pairs import of_pairs
from longtail.protocols.random_holdout import draw
from longtail.protocols.run import Options, find_relevant, methods_of


def tail_among_all(parts: TrainedParts, events: Events, catalog: Catalog, options: Options) -> dict[str, Any]:
    """NDCG of hidden pairs with tail items (of the random hold-out) where the whole catalog is ranked."""
    whole, split = draw(events, catalog, seed=options.seed)
    relevant = find_relevant(parts, of_pairs(events, whole, split.test), catalog, options).relevant.tocsc()
    seen = parts.interactions
    tail = seen.n_interactions < options.tail_below
    relevant = (relevant.multiply(tail[None, :])).tocsr().astype(np.bool_)
    relevant.eliminate_zeros()
    observed = observe(
        methods_of(parts, options),
        relevant,
        {"tail among all": np.arange(len(seen.items)) < len(catalog.items)},
        seen.n_interactions,
        k=options.k,
        seen=seen.matrix,
        metrics=("ndcg",),
        seed=options.seed,
    )
    measured = sum_up([observed], resamples=options.resamples, seed=options.seed)
    return measured.sections[0].to_dict()
