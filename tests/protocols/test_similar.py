"""Similar items: what belongs together, what is shown beside an item, and the protocol."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from longtail.calibrate.model import Fusion
from longtail.core.unit_rows import unit_rows
from longtail.protocols.neighbours import beside, co_taken, draw_per_group
from longtail.protocols.run import Options
from longtail.protocols.similar import ALL, similar


def test_co_taken_is_what_counting_says():
    rng = np.random.default_rng(0)
    taken = rng.random((40, 12)) < rng.random(12) * 0.6
    taken[35:] = False  # five users take nothing and do not count
    found = co_taken(sparse.csr_array(taken), 2).toarray()
    n = int(taken.any(axis=1).sum())
    for i in range(12):
        for j in range(12):
            both = int((taken[:, i] & taken[:, j]).sum())
            expected = i != j and both >= 2 and both * n > taken[:, i].sum() * taken[:, j].sum()
            assert found[i, j] == expected
    assert found.any()


def test_co_taken_of_nothing_is_nothing():
    assert co_taken(sparse.csr_array((3, 4), dtype=bool), 1).nnz == 0


def test_what_everyone_takes_belongs_to_nothing():
    taken = np.ones((5, 3), bool)
    assert co_taken(sparse.csr_array(taken), 2).nnz == 0


def test_draw_takes_at_most_so_many_of_each_group():
    group = np.repeat([0, 1, 2], [50, 3, 10])
    eligible = np.ones(63, bool)
    eligible[-10:] = False
    drawn = draw_per_group(eligible, group, 5, seed=0)
    np.testing.assert_array_equal(np.bincount(group[drawn], minlength=3), [5, 3, 0])


def test_neighbours_are_scored_by_the_formula(make):
    model = replace(make.model(5, 20), fusion=Fusion(similar_weight=0.6, similar_half_at=10.0))
    counts = np.arange(20) * 3
    scores = beside("longtail", model, counts).score_block(np.array([7]))[0]
    vectors, gate = unit_rows(model.item_vectors), 0.6 * 10 / (10 + counts[7])
    expected = (1 - gate) * vectors @ vectors[7] + gate * model.content @ model.content[7]
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-6)


def test_an_item_without_a_vector_asks_by_its_content_as_it_does_when_served(make):
    model = make.model(5, 20)
    vectors = model.item_vectors.copy()
    vectors[7] = 0
    model = replace(model, item_vectors=vectors, fusion=Fusion(similar_weight=0.0))
    scores = beside("longtail", model, np.arange(20)).score_block(np.array([7]))[0]
    np.testing.assert_allclose(scores, model.content @ model.content[7], rtol=1e-4, atol=1e-6)


def test_a_neighbour_hardly_anybody_took_is_doubted(make):
    model = replace(make.model(5, 20), fusion=Fusion(similar_weight=0.6, similar_half_at=10.0, similar_doubt=0.5))
    counts = np.arange(20) * 3
    scores = beside("longtail", model, counts).score_block(np.array([7]))[0]
    vectors, gate, trust = unit_rows(model.item_vectors), 0.6 * 10 / (10 + counts[7]), (1 + counts) / (1.5 + counts)
    expected = (1 - gate) * trust * (vectors @ vectors[7]) + gate * model.content @ model.content[7]
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-6)


def test_every_item_taken_with_another_is_asked_and_never_shows_itself(shop, honest):
    events, catalog = shop
    result = similar(events, catalog, honest, options=Options(resamples=50))
    assert result.methods == ("popularity", "content kNN", "ALS", "article", "longtail")
    whole = result.section(ALL)
    assert whole.n_users == result.counts["asking items"]
    assert sum(section.n_users for section in result.sections if section.name != ALL) == whole.n_users
    assert all(section.n_candidates == len(catalog.items) for section in result.sections)


def test_vectors_that_know_what_belongs_together_are_right(make, honest):
    from datetime import datetime, timedelta

    # four groups of items; each user takes from one group, before and after the cut
    rows = [
        (f"u{user:02d}", f"g{user % 4}{item}", "buy", datetime(2024, 1, 1) + timedelta(days=day))
        for user in range(40)
        for item in range(5)
        for day in (0, 99)
    ]
    catalog = make.catalog([f"g{group}{item}" for item in range(5) for group in range(4)])

    def fit(training, given, *, hidden=(), validation=None):
        parts = honest(training, given)
        groups = np.array([int(id[1]) for id in parts.interactions.items])
        vectors = np.eye(4, dtype=np.float32)[groups]
        return replace(parts, model=replace(parts.model, item_vectors=vectors))

    result = similar(make.events(rows), catalog, fit, options=Options(k=4, resamples=50))
    estimates = result.section(ALL).comparisons["ndcg@4"].estimates
    assert estimates["longtail"].mean == 1.0
    assert estimates["ALS"].mean < 0.6


def test_what_newcomers_take_together_counts(make, honest):
    from datetime import datetime, timedelta

    # before the cut half of the users take, after it only the other half, whom training does not know
    rows = [
        (f"u{user:02d}", f"g{user % 4}{item}", "buy", datetime(2024, 1, 1) + timedelta(days=99 * (user >= 20)))
        for user in range(40)
        for item in range(5)
    ]
    catalog = make.catalog([f"g{group}{item}" for item in range(4) for group in range(4)])
    result = similar(make.events(rows), catalog, honest, options=Options(k=3, resamples=50))
    assert result.counts["asking items"] == 16
    assert result.counts["held-out pairs"] == 100
    assert result.excluded == {"item not in the catalog": 20}
