"""Measuring few candidates scores no others and says the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse

from longtail.protocols.foreign import BoundEmbeddings, BoundRankings
from longtail.protocols.measure import Observed, View, _rank, candidate_sets, observe, sum_up
from longtail.protocols.methods import standard_methods
from longtail.protocols.pairs import contains


@pytest.fixture
def methods(shop, honest):
    parts = honest(*shop)
    n_users, n_items = parts.interactions.matrix.shape
    rng = np.random.default_rng(0)
    mine = [
        BoundEmbeddings(
            "vectors",
            rng.normal(size=(n_users, 3)).astype(np.float32),
            rng.normal(size=(n_items, 3)).astype(np.float32),
            rng.random(n_users) < 0.8,
            rng.random(n_items) < 0.8,
        ),
        BoundRankings(
            "lists", sparse.csr_array(rng.random((n_users, n_items)) * (rng.random((n_users, n_items)) < 0.5))
        ),
    ]
    return parts, [*standard_methods(parts), *mine]


def measure(*args, resamples=2_000, seed=0, **kwargs):
    """One run, observed and summed up."""
    return sum_up([observe(*args, seed=seed, **kwargs)], resamples=resamples, seed=seed)


def test_every_method_scores_some_items_as_it_scores_all(methods):
    _, all_methods = methods
    rows, users = np.array([5, 0, 17]), np.array([3, 1])
    for method in all_methods:
        some = method.among(rows)
        assert some.name == method.name
        np.testing.assert_allclose(
            some.score_block(users), method.score_block(users)[:, rows], rtol=1e-5, err_msg=method.name
        )


def test_few_candidates_are_ranked_as_all_are_and_cut(methods):
    parts, all_methods = methods
    n_items = len(parts.interactions.items)
    users = np.arange(20)
    few = np.zeros(n_items, bool)
    few[[3, 9, 20, 30]] = True
    wide = np.ones(n_items, bool)
    for method in all_methods:
        if method.name == "popularity":  # its ties fall otherwise
            continue
        alone = _rank(method, users, 4, [few], parts.interactions.matrix, 0)[0]
        beside = _rank(method, users, 4, [few, wide], parts.interactions.matrix, 0)[0]
        np.testing.assert_array_equal(alone, beside, err_msg=method.name)


def test_candidates_are_the_catalogs_by_training_users():
    counts = np.array([0, 3, 7, 50, 400, 2])  # the last is in events alone
    sets = candidate_sets(counts, 5, tail_below=8)
    assert list(sets) == ["whole catalog", "tail", "0", "1-4", "5-19", "20-99", "300+"]
    np.testing.assert_array_equal(np.flatnonzero(sets["whole catalog"]), [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(np.flatnonzero(sets["tail"]), [0, 1, 2])
    np.testing.assert_array_equal(np.flatnonzero(sets["1-4"]), [1])


def test_a_section_of_candidates_nobody_took_has_no_numbers(methods):
    parts, all_methods = methods
    n_users, n_items = parts.interactions.matrix.shape
    relevant = sparse.csr_array((np.ones(1, bool), ([2], [4])), shape=(n_users, n_items))
    one, other = np.zeros(n_items, bool), np.zeros(n_items, bool)
    one[4], other[6] = True, True
    found = measure(
        all_methods, relevant, {"one": one, "other": other}, parts.interactions.n_interactions, k=3, seen=None
    )
    taken, untaken = found.sections
    assert (taken.n_users, taken.n_users_without) == (1, 0)
    assert (untaken.n_users, untaken.n_users_without) == (0, 1)
    assert untaken.comparisons["ndcg@3"].estimates == {}
    assert taken.comparisons["ndcg@3"].estimates["ALS"].mean == 1.0
    assert replace(taken, name="x").to_dict()["n_pairs"] == 1


def test_groups_of_users_are_measured_as_if_they_were_alone(methods):
    parts, all_methods = methods
    n_users, n_items = parts.interactions.matrix.shape
    rng = np.random.default_rng(1)
    taken = rng.random((n_users, n_items)) < 0.05 * (rng.random((n_users, 1)) < 0.7)
    relevant = sparse.csr_array(taken)
    stored_zeros = sparse.csr_array((relevant.data, relevant.indices, relevant.indptr), shape=relevant.shape)
    stored_zeros.data = stored_zeros.data.copy()
    stored_zeros.data[:5] = False
    group = rng.random(n_users) < 0.4
    common = {"k": 5, "seen": parts.interactions.matrix, "resamples": 50}
    counts, sellable = parts.interactions.n_interactions, {"all": np.ones(n_items, bool)}
    for given in (relevant, stored_zeros):
        both = measure(
            all_methods, given, sellable, counts, groups={"some": group, "none": np.zeros(n_users, bool)}, **common
        )
        assert [section.name for section in both.sections] == ["all", "some"]
        dense = given.toarray()
        alone = measure(all_methods, sparse.csr_array(dense & group[:, None]), sellable, counts, **common)
        assert replace(both.sections[1], name="all", n_users_without=0) == alone.sections[0]
        assert both.sections[0] == measure(all_methods, sparse.csr_array(dense), sellable, counts, **common).sections[0]


def test_pairs_are_found_where_their_keys_pass_32_bits():
    n_users, n_items = 50_000, 100_000
    matrix = sparse.csr_array((np.ones(1), ([49_999], [99_999])), shape=(n_users, n_items))
    rows, columns = np.array([49_999, 49_998], np.int32), np.array([99_999, 99_999], np.int32)
    np.testing.assert_array_equal(contains(matrix, rows, columns), [True, False])


def _observed(values, *, people=None, pairs=1, methods=("ALS", "longtail"), shown=0.5, name="tail", items=(1, 4)):
    column = np.array(values, dtype=np.float64)
    ids = pa.array(people or [f"{name} {shown} {at}" for at in range(len(values))], pa.string())
    asked = pa.concat_arrays([ids, pa.array(["nobody"])])
    view = View(10 * len(items), pairs, ids, asked, np.array(items), {"ndcg@3": dict.fromkeys(methods, column)},
                {method: {"coverage": shown} for method in methods})  # fmt: skip
    return Observed({name: view}, {method: {"0": shown} for method in methods}, {"0": shown})


def test_runs_are_summed_up_over_all_their_users():
    runs = [_observed([0.0, 1.0], shown=0.2, pairs=9), _observed([1.0] * 6, shown=1.0, pairs=1, items=(0, 4, 5, 6))]
    found = sum_up(runs, resamples=50)
    section = found.sections[0]
    assert (section.n_users, section.n_users_without, section.n_pairs) == (8, 1, 10)
    assert (section.n_candidates, section.n_relevant_items) == (30, 5)
    assert section.comparisons["ndcg@3"].estimates["ALS"].mean == 7 / 8
    assert section.spread["ALS"]["coverage"] == found.exposure["ALS"]["0"] == pytest.approx(0.8)
    assert found.taken["0"] == pytest.approx(0.28)


def test_people_of_several_runs_count_once_and_do_not_narrow_the_interval():
    values = np.random.default_rng(0).random(50)
    one = _observed(values)
    again = _observed(values[::-1], people=one.views["tail"].users.to_pylist()[::-1])
    single, twice = (sum_up(runs, resamples=200).sections[0] for runs in ([one], [one, again]))
    assert twice.n_users == single.n_users == 50
    assert twice.n_users_without == 1
    assert twice.comparisons == single.comparisons
    others = sum_up([_observed([0.0, 1.0, 1.0], people=["a", "b", "c"]), _observed([1.0], people=["a"])], resamples=50)
    assert others.sections[0].comparisons["ndcg@3"].estimates["ALS"].mean == pytest.approx(2.5 / 3)


def test_what_one_run_lacks_is_left_out_or_the_others():
    first = _observed([0.0, 1.0], methods=("ALS", "article", "longtail"))
    second = _observed([1.0, 1.0], shown=0.1)
    other = _observed([0.25], name="0", methods=("ALS", "article", "longtail"))
    third = replace(other, views={"whole": second.views["tail"], **other.views})
    found = sum_up([first, second, third], resamples=50)
    assert [section.name for section in found.sections] == ["whole", "0", "tail"]
    for section, users in zip(found.sections, (2, 1, 4), strict=True):
        assert section.n_users == users
        assert list(section.comparisons["ndcg@3"].estimates) == ["ALS", "longtail"]
        assert list(section.spread) == ["ALS", "longtail"]
    assert list(found.exposure) == ["ALS", "longtail"]


def test_runs_without_users_count_alike_and_no_run_is_an_error():
    found = sum_up([_observed([], shown=0.0), _observed([], shown=1.0)])
    assert found.exposure["ALS"]["0"] == 0.5
    assert found.sections[0].comparisons["ndcg@3"].estimates == {}
    assert found.sections[0].n_users_without == 1
    with pytest.raises(ValueError, match="at least one run"):
        sum_up([])
