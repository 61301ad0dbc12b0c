"""The lift of the benchmark: what counting says, by three measures that stand beside each other."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from longtail.data.split import by_time
from longtail.protocols.run import Options
from longtail.protocols.tail import default_cut

FOLDER = Path(__file__).parents[2] / "benchmarks" / "quality"


@pytest.fixture(scope="module")
def lift():
    return runpy.run_path(str(FOLDER / "lift.py"))


def test_co_takings_are_counted_beside_those_of_independent_takers(lift):
    taken = np.array([[1, 1, 0], [1, 1, 1], [1, 0, 0], [0, 0, 1]], np.float32)
    both = sparse.csr_array((taken.T @ taken)[[0]])
    found, chance = lift["co_takings"](np.array([[1, 2, -1]]), both, taken.sum(axis=0), np.array([3]), 4)
    np.testing.assert_allclose(found, [[2, 1, 0]])
    np.testing.assert_allclose(chance, [[3 * 2 / 4, 3 * 2 / 4, 0]])


def test_the_top_share_tells_a_mean_that_few_decide(lift):
    assert lift["top_share"](np.array([9.0, *np.full(99, 1 / 99)])) == pytest.approx(0.9)
    assert lift["top_share"](np.zeros(5)) == 0.0


def test_all_three_measures_of_the_same_queries(lift, shop, honest, monkeypatch):
    events, catalog = shop
    cut = default_cut(events)
    parts = honest(by_time(events, cut=cut).train, catalog)
    split = {"cut": cut.isoformat(), "at_least": 2}
    options = Options(resamples=50, tail_below=10_000)
    found = lift["lifts"](parts, events, len(catalog.items), split, options, at_least=1)
    names = {"popularity", "content kNN", "ALS", "article", "longtail"}
    assert set(found["estimates"]) == set(found["ndcg"]["estimates"]) == set(found["pooled"]["lift"]) == names
    assert found["n_users"] == found["ndcg"]["n_users"] > 0
    ours, theirs = (found["pooled"]["lift"][name]["mean"] for name in ("longtail", "ALS"))
    if theirs:
        assert found["pooled"]["ratio"]["ALS"]["mean"] == pytest.approx(ours / theirs)
    assert lift["lifts"](parts, events, len(catalog.items), split, options)["n_users"] <= found["n_users"]
    monkeypatch.setattr(sys, "path", [*sys.path, str(FOLDER)])
    lines = runpy.run_path(str(FOLDER / "table.py"))["_neighbours"](found, "one taker")
    assert all(
        kind in line for kind, line in zip(("raw NDCG", "mean popularity", "hundredth", "pooled"), lines, strict=True)
    )
