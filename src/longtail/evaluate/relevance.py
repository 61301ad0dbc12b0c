"""From how relevant shown neighbours are to comparisons: all items that were asked about, and each bucket of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from longtail.core.arrays import Bool, Float64, Int64
from longtail.core.buckets import LABELS, bucket_of
from longtail.evaluate.compare import compare
from longtail.evaluate.metrics import irrelevant_share
from longtail.evaluate.result import Section

ALL = "all items"


def compare_relevance(
    said: Mapping[str, Float64],
    n_interactions: Int64,
    *,
    n_candidates: int,
    n_known: int,
    resamples: int = 2_000,
    seed: int = 0,
) -> tuple[Bool, tuple[Section, ...]]:
    """Compare methods by the irrelevant share of what they show, over the items that something is known of for all.

    Args:
        said: by method, how relevant the neighbours of the same asked items are, ``(n, k)`` in [0, 1], NaN where that
            is not known.
        n_interactions: ``(n,)`` of the asked items.
        n_candidates: items that could be shown.
        n_known: items something is known of as neighbours.
        resamples: of the bootstrap over items.
        seed: of the bootstrap.

    Returns:
        Which items could be compared, ``(n,) bool``, and a section for all and for each bucket that was asked about;
        none where no item could be compared.
    """
    values = {method: irrelevant_share(answers) for method, answers in said.items()}
    told: Bool = np.logical_and.reduce([~np.isnan(column) for column in values.values()])
    if not told.any():
        return told, ()
    k = max(answers.shape[1] for answers in said.values())
    metric = f"irrelevant@{k}"
    buckets = bucket_of(n_interactions)
    groups = {ALL: np.ones(len(told), dtype=np.bool_), **{label: buckets == at for at, label in enumerate(LABELS)}}
    sections = []
    for name, group in groups.items():
        if not group.any():
            continue
        here = group & told
        columns = {method: column[here] for method, column in values.items()}
        sections.append(
            Section(
                name=name,
                n_candidates=n_candidates,
                n_relevant_items=n_known,
                n_users=int(here.sum()),
                n_users_without=int((group & ~told).sum()),
                n_pairs=sum(int((~np.isnan(answers[here])).sum()) for answers in said.values()),
                comparisons={metric: compare(metric, columns, resamples=resamples, seed=seed)},
            )
        )
    return told, tuple(sections)
