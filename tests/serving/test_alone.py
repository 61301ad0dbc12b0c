"""The "before": the same shop as ALS alone sees it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from longtail.bundle import Bundle
from longtail.recommender import als_alone


def test_answers_are_cosines_of_als_and_nothing_else(bundle_with: Callable[..., Bundle]) -> None:
    bundle = bundle_with()
    factors = bundle.als_item_factors / np.linalg.norm(bundle.als_item_factors, axis=1, keepdims=True)
    row = int(np.argmax(bundle.n_interactions))
    scores = factors @ factors[row]
    ranking = als_alone(bundle).similar_items(bundle.items.id(row), 5)
    allowed = [at for at in np.argsort(-scores) if at != row and bundle.sellable[at]]
    assert list(ranking.item_ids) == [bundle.items.id(int(at)) for at in allowed[:5]]


def test_an_item_without_a_vector_has_no_content_to_fall_back_on(bundle_with: Callable[..., Bundle]) -> None:
    bundle = bundle_with()
    vectors = bundle.als_item_factors.copy()
    vectors[2] = 0
    ranking = als_alone(bundle_with(als_item_factors=vectors)).similar_items("002", 3)
    assert {row.source for row in ranking} == {"fallback"}


def test_users_are_those_of_als(bundle_with: Callable[..., Bundle]) -> None:
    bundle = bundle_with()
    scores = bundle.als_item_factors @ bundle.als_user_factors[3]
    ranking = als_alone(bundle).recommend("u3", 4, exclude_seen=False)
    best = [at for at in np.argsort(-scores) if bundle.sellable[at]][:4]
    assert list(ranking.item_ids) == [bundle.items.id(int(at)) for at in best]
