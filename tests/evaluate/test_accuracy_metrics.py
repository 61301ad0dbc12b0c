"""Accuracy metrics against a table worked out by hand, their contract, and ranx."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from longtail.core.errors import DataError
from longtail.evaluate.hits import hits_at_k, relevant_counts
from longtail.evaluate.metrics import ACCURACY
from longtail.evaluate.score import score

L2, L3, L4 = 1.0, 1 / math.log2(3), 1 / math.log2(4)  # discounts of ranks 1, 2, 3

# user: ranking (3 places)   relevant      hits
#  0    5 1 0                {1}           - x -
#  1    2 3 4                {2, 4, 5, 0}  x - x
#  2    1 -1 -1              {1, 3}        x . .
#  3    0 2 4                {5}           - - -
#  4    3 4 5                {}            none relevant
RANKED = np.array([[5, 1, 0], [2, 3, 4], [1, -1, -1], [0, 2, 4], [3, 4, 5]])
RELEVANT = sparse.csr_array(
    np.array(
        [[0, 1, 0, 0, 0, 0], [1, 0, 1, 0, 1, 1], [0, 1, 0, 1, 0, 0], [0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0]], dtype=bool
    )
)
TABLE = {
    "ndcg": [L3 / L2, (L2 + L4) / (L2 + L3 + L4), L2 / (L2 + L3), 0, 0],
    "recall": [1, 2 / 4, 1 / 2, 0, 0],
    "map": [1 / 2, (1 + 2 / 3) / 3, 1 / 2, 0, 0],
    "hit_rate": [1, 1, 1, 0, 0],
    "mrr": [1 / 2, 1, 1, 0, 0],
}


@pytest.mark.parametrize("name", ACCURACY)
def test_metric_is_what_it_is_by_hand(name):
    np.testing.assert_allclose(ACCURACY[name](RANKED, RELEVANT, 3), TABLE[name], rtol=1e-12)


@pytest.mark.parametrize("name", ACCURACY)
def test_a_smaller_k_looks_at_fewer_places(name):
    at_one = {"ndcg": [0, 1, 1], "recall": [0, 1 / 4, 1 / 2], "map": [0, 1, 1], "hit_rate": [0, 1, 1], "mrr": [0, 1, 1]}
    np.testing.assert_allclose(ACCURACY[name](RANKED, RELEVANT, 1)[:3], at_one[name], rtol=1e-12)


@pytest.mark.parametrize("name", ACCURACY)
def test_nobody_and_nothing_give_no_nan(name):
    nobody = ACCURACY[name](np.zeros((0, 4), dtype=int), sparse.csr_array((0, 6), dtype=bool), 4)
    assert nobody.shape == (0,)
    nothing = ACCURACY[name](np.full((2, 4), -1), sparse.csr_array((2, 6), dtype=bool), 4)
    np.testing.assert_array_equal(nothing, [0.0, 0.0])


def _random(rng, n_users=200, n_items=50, k=10):
    ranked = np.stack([rng.permutation(n_items)[:k] for _ in range(n_users)])
    ranked[rng.random(n_users) < 0.2, k // 2 :] = -1
    relevant = sparse.csr_array(rng.random((n_users, n_items)) < rng.random((n_users, 1)) * 0.4)
    return ranked, relevant


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 10))
@pytest.mark.parametrize("name", ACCURACY)
def test_values_lie_between_0_and_1_and_a_perfect_list_is_best(name, seed, k):
    ranked, relevant = _random(np.random.default_rng(seed), n_users=20, n_items=12)
    values = ACCURACY[name](ranked, relevant, k)
    assert np.isfinite(values).all()
    assert values.min() >= 0
    assert values.max() <= 1 + 1e-12
    dense = relevant.toarray()
    perfect = np.argsort(~dense, axis=1, kind="stable")[:, :k]
    best = ACCURACY[name](perfect, relevant, k)
    assert (best >= values - 1e-12).all()
    if name != "recall":  # divided by |rel|, more than k relevant items are out of its reach
        np.testing.assert_allclose(best[dense.any(axis=1)], 1.0)


RANX = """
import json, sys
from ranx import Qrels, Run, evaluate
given = json.load(sys.stdin)
run = Run(given["run"])
for metric in given["metrics"]:
    evaluate(Qrels(given["qrels"]), run, metric)
print(json.dumps({metric: {user: float(v) for user, v in run.scores[metric].items()} for metric in given["metrics"]}))
"""


@pytest.mark.slow  # importing ranx takes seconds
def test_agrees_with_ranx():
    k = 10
    ranked, relevant = _random(np.random.default_rng(3))
    counts = relevant_counts(relevant)
    users = np.flatnonzero(counts)
    taken = {u: relevant.indices[relevant.indptr[u] : relevant.indptr[u + 1]] for u in users}
    given = {
        "qrels": {str(u): {str(i): 1 for i in taken[u]} for u in users},
        "run": {str(u): {str(i): float(k - place) for place, i in enumerate(ranked[u]) if i >= 0} for u in users},
        "metrics": [f"{name}@{k}" for name in ACCURACY],
    }
    # In a process of its own, interpreted: compiling all of ranx takes minutes.
    done = subprocess.run(
        [sys.executable, "-c", RANX],
        input=json.dumps(given),
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = json.loads(done.stdout.splitlines()[-1])
    for name in ACCURACY:
        expected = np.array([theirs[f"{name}@{k}"][str(u)] for u in users])
        if name == "map":  # ranx divides by |rel|, this package by min(k, |rel|)
            expected *= counts[users] / np.minimum(counts[users], k)
        np.testing.assert_allclose(ACCURACY[name](ranked, relevant, k)[users], expected, rtol=1e-9, err_msg=name)


def test_stored_zeros_and_unsorted_rows_are_no_relevance():
    messy = sparse.csr_array((np.array([1, 0, 1]), np.array([4, 2, 0]), np.array([0, 3])), shape=(1, 5))
    before = messy.data.copy()
    np.testing.assert_array_equal(hits_at_k(np.array([[2, 0, 4]]), messy, 3), [[False, True, True]])
    np.testing.assert_array_equal(relevant_counts(messy), [2])
    np.testing.assert_array_equal(messy.data, before)


@pytest.mark.parametrize(
    ("ranked", "message"),
    [
        ([[1, 1, 2]], "more than once"),
        ([[1, -1, 2]], "after -1"),
        ([[1, 2, -3]], "-3"),
        ([[1, 2, 99]], "99"),
        ([[1, 2]], "2 places and k is 3"),
        ([[1, 2, 3], [1, 2, 3]], "2 users"),
        ([[1.0, 2.0, 3.0]], "float64"),
    ],
)
def test_what_is_no_ranking_is_refused(ranked, message):
    with pytest.raises(DataError, match=message):
        hits_at_k(np.array(ranked), sparse.csr_array((1, 6), dtype=bool), 3)


def test_k_must_be_positive():
    with pytest.raises(DataError, match="at least 1"):
        hits_at_k(RANKED, RELEVANT, 0)


def test_score_leaves_out_users_without_relevant_items_and_counts_them():
    found = score(RANKED, RELEVANT, 3)
    np.testing.assert_array_equal(found.users, [0, 1, 2, 3])
    assert found.n_excluded == 1
    assert set(found.values) == {"ndcg@3", "recall@3", "map@3", "hit_rate@3", "mrr@3"}
    np.testing.assert_allclose(found.values["recall@3"], [1, 0.5, 0.5, 0])


def test_score_names_the_metrics_it_knows():
    with pytest.raises(DataError, match="ndcg"):
        score(RANKED, RELEVANT, 3, ["dcg"])
