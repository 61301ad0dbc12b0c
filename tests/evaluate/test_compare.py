"""Intervals hold what they promise, and differences are paired."""

from __future__ import annotations

import json

import numpy as np
import pytest

from longtail.core.errors import DataError, NumericalError
from longtail.evaluate.bootstrap import bca_interval, resampled_means
from longtail.evaluate.compare import Comparison, compare


def test_resampled_means_are_means_of_users_drawn_with_replacement():
    values = np.array([[0.0, 1.0], [1.0, 3.0], [2.0, 5.0]])
    means = resampled_means(values, resamples=20_000, seed=1)
    assert set(np.round(means[:, 0] * 3).astype(int)) == set(range(7))
    np.testing.assert_allclose(means.mean(axis=0), [1.0, 3.0], atol=0.02)
    np.testing.assert_allclose(means.std(axis=0), values.std(axis=0) / np.sqrt(3), rtol=0.03)
    np.testing.assert_allclose(means[:, 1], 1 + 2 * means[:, 0])  # columns share their resamples


def test_resamples_do_not_depend_on_how_they_are_cut(monkeypatch):
    values = np.random.default_rng(0).random((50, 2))
    whole = resampled_means(values, resamples=100, seed=3)
    monkeypatch.setattr("longtail.evaluate.bootstrap._CHUNK", 170)
    np.testing.assert_allclose(whole, resampled_means(values, resamples=100, seed=3), rtol=1e-12)


@pytest.mark.parametrize(
    ("draw", "mean"),
    [(lambda rng: rng.normal(2, 1, 60), 2.0), (lambda rng: rng.exponential(1.0, 60) * (rng.random(60) < 0.4), 0.4)],
)
def test_intervals_hold_the_true_mean_about_as_often_as_they_say(draw, mean):
    rng = np.random.default_rng(7)
    held = 0
    for trial in range(400):
        values = draw(rng)[:, None]
        (low, high) = bca_interval(values, resampled_means(values, resamples=500, seed=trial))[0]
        held += low <= mean <= high
    assert 0.90 <= held / 400 <= 0.985


def test_interval_agrees_with_scipy():
    from scipy.stats import bootstrap

    values = np.random.default_rng(2).exponential(1.0, 80)
    theirs = bootstrap((values,), np.mean, method="BCa", n_resamples=20_000, rng=np.random.default_rng(0))
    ours = bca_interval(values[:, None], resampled_means(values[:, None], resamples=20_000, seed=0))[0]
    np.testing.assert_allclose(ours, theirs.confidence_interval, rtol=0.01)


def test_what_does_not_vary_has_no_width():
    comparison = compare("ndcg@10", {"a": np.full(30, 0.1), "b": np.full(30, 0.1)})
    assert comparison.estimates["a"].low == comparison.estimates["a"].high == pytest.approx(0.1)
    assert comparison.difference("a", "b").estimate.mean == 0
    assert not comparison.difference("a", "b").significant


def test_a_small_steady_gain_is_found_because_differences_are_paired():
    rng = np.random.default_rng(0)
    base = rng.random(200)  # varies by 0.29 from user to user
    better = base + rng.normal(0.01, 0.01, 200)
    comparison = compare("ndcg@10", {"base": base, "better": better, "same": base + rng.normal(0, 0.01, 200)})
    a, b = comparison.estimates["base"], comparison.estimates["better"]
    assert b.low < a.high, "the intervals of the means overlap"
    found = comparison.difference("better", "base")
    assert found.significant
    assert found.estimate.low < 0.01 < found.estimate.high
    assert not comparison.difference("same", "base").significant
    turned = comparison.difference("base", "better")
    assert (turned.estimate.low, turned.estimate.high) == (-found.estimate.high, -found.estimate.low)
    assert turned.significant


def test_same_seed_same_intervals():
    values = {"a": np.random.default_rng(0).random(40), "b": np.random.default_rng(1).random(40)}
    assert compare("m", values, seed=4) == compare("m", values, seed=4)
    assert compare("m", values, seed=4) != compare("m", values, seed=5)


def test_comparison_survives_json_and_has_a_row_each_in_arrow():
    rng = np.random.default_rng(0)
    comparison = compare("ndcg@10", {name: rng.random(30) for name in "abc"})
    assert Comparison.from_dict(json.loads(json.dumps(comparison.to_dict(), allow_nan=False))) == comparison
    rows = comparison.to_arrow().to_pylist()
    assert [row["method"] for row in rows if row["against"] is None] == ["a", "b", "c"]
    assert {(row["method"], row["against"]) for row in rows if row["against"]} == {("b", "a"), ("c", "a"), ("c", "b")}
    assert all(row["low"] <= row["mean"] <= row["high"] and row["n_users"] == 30 for row in rows)


def test_nobody_gives_a_comparison_without_numbers():
    comparison = compare("ndcg@10", {"a": np.zeros(0), "b": np.zeros(0)})
    assert comparison.n_users == 0
    assert comparison.estimates == {}
    assert len(comparison.to_arrow()) == 0


def test_other_users_or_nan_are_refused():
    with pytest.raises(DataError, match="same users"):
        compare("m", {"a": np.zeros(3), "b": np.zeros(4)})
    with pytest.raises(NumericalError, match="not finite"):
        compare("m", {"a": np.array([0.0, np.nan])})
    with pytest.raises(DataError, match="No difference"):
        compare("m", {"a": np.zeros(3)}).difference("a", "z")
    with pytest.raises(DataError, match="between 0 and 1"):
        compare("m", {"a": np.arange(3.0)}, confidence=95)


def test_one_user_tells_nothing():
    found = compare("ndcg@10", {"a": np.array([0.0]), "b": np.array([0.6])}).difference("b", "a")
    assert found.estimate.mean == 0.6
    assert not found.significant
    many = {"a": np.zeros(50), "b": np.random.default_rng(0).random(50)}
    assert compare("ndcg@10", many).difference("b", "a").significant
