"""What the judges said of the two methods, once they are told apart again."""

from __future__ import annotations

import numpy as np

from longtail.core.arrays import Int64
from longtail.core.errors import DataError
from longtail.data.judgements import Judgements
from longtail.evaluate.agreement import agreements, mean_kappa
from longtail.evaluate.relevance import compare_relevance
from longtail.evaluate.result import ProtocolResult
from longtail.judge.questions import Neighbours

QUESTION = "What share of an item's nearest neighbours does not belong beside it, as people judged?"


def summarise(
    neighbours: Neighbours, judgements: Judgements, *, resamples: int = 2_000, seed: int = 0
) -> ProtocolResult:
    """The irrelevant share of ALS alone and of longtail over the judged items, by bucket, with intervals.

    Where several judged a pair, the share of them counts who found it relevant. Means and intervals are over items.

    Args:
        neighbours: of the bundle that was judged.
        judgements: of one or several judges.
        resamples: of the bootstrap over items.
        seed: of the bootstrap.

    Raises:
        DataError: nothing that this bundle shows was judged.
    """
    bundle = neighbours.shop.bundle
    votes = judgements.votes(bundle.items)
    asked = votes.items[bundle.sellable[votes.items]]
    items = bundle.items.take(asked)
    said = {
        name: votes.of(asked, _rows(neighbours, [show(item) for item in items]))
        for name, show in (("ALS", neighbours.als), ("longtail", neighbours.longtail))
    }
    told, sections = compare_relevance(
        said,
        bundle.n_interactions[asked],
        n_candidates=int(bundle.sellable.sum()),
        n_known=len(votes.neighbours),
        resamples=resamples,
        seed=seed,
    )
    if not sections:
        raise DataError(
            f"None of {len(judgements):,} judgements is about what this bundle shows. "
            "Were they made with another bundle?"
        )
    kappas = agreements(judgements.by_judge())
    return ProtocolResult(
        protocol="judged",
        question=QUESTION,
        k=neighbours.k,
        methods=("ALS", "longtail"),
        split={"by": "nothing", "relevance": {"from": "judgements", "proxy": False, "kappa": mean_kappa(kappas)}},
        counts={
            "judgements": len(judgements),
            "judges": len(judgements.judges),
            "judged items": int(told.sum()),
            **{f"unjudged neighbours of {name}": int(np.isnan(answers[told]).sum()) for name, answers in said.items()},
        },
        excluded={},
        sections=sections,
        notes=(
            "Lower is better. Means and intervals are over items.",
            *(
                f"{one.judges[0]} and {one.judges[1]}: {one.n:,} pairs in common, {one.share:.0%} judged alike, "
                f"Cohen's kappa {'not defined' if one.kappa is None else f'{one.kappa:.2f}'}."
                for one in kappas
                if one.n
            ),
        ),
    )


def _rows(neighbours: Neighbours, lists: list[tuple[str, ...]]) -> Int64:
    """Item rows ``(n, k)``, -1 for no more."""
    rows = np.full((len(lists), neighbours.k), -1, dtype=np.int64)
    for at, ids in enumerate(lists):
        rows[at, : len(ids)] = neighbours.shop.bundle.items.rows(ids)
    return rows
