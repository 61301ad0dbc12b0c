"""Field weights: whose ranking judges them, and that what is noise moves none."""

import numpy as np
import pytest
from scipy import sparse

import longtail.calibrate.weights as module
from longtail.calibrate.scoring import Judge
from longtail.calibrate.weights import _Score, choose_field_weights
from longtail.cf.als import AlsSettings, fit_als
from longtail.core.features import Features, Field
from longtail.core.unit_rows import unit_rows
from longtail.core.vocabulary import Vocabulary

ALS = AlsSettings(factors=8, regularization=0.01, unobserved_weight=0.1, iterations=6)


def ranking(gain, n=100):
    """NDCG of so many users with a mean gain of so many standard errors over zeros."""
    noise = np.random.default_rng(0).standard_normal(n)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    return noise + gain / np.sqrt(n)


class TestBeats:
    @pytest.mark.parametrize(
        ("gain", "r2", "beats"),
        [
            (2.1, 0.09, True),  # the ranking alone
            (1.9, 0.1, False),  # less than that is luck
            (0.5, 0.103, True),  # R², and a ranking that says nothing
            (-0.9, 0.103, True),
            (-1.1, 0.103, False),  # R² against the ranking
            (1.1, 0.101, False),  # less R² than counts
        ],
    )
    def test_by_ranking_and_r2(self, gain, r2, beats):
        assert _Score(r2, ranking(gain)).beats(_Score(0.1, np.zeros(100)), 0.02) is beats

    @pytest.mark.parametrize(("r2", "beats"), [(0.107, False), (0.112, True)])
    def test_where_more_r2_is_needed(self, r2, beats):
        for scores in (np.zeros(100), None):
            assert _Score(r2, scores).beats(_Score(0.1, scores), 0.1) is beats


def shop(n_users=400, n_items=240, n_new=60, seed=0):
    """Tastes in 4 dimensions, told by one field; the others tell nothing, or which item it is. Some items are new."""
    rng = np.random.default_rng(seed)
    taste, kind = rng.standard_normal((n_users, 4)), rng.standard_normal((n_items, 4))
    chance = np.exp(1.5 * taste @ kind.T) * (rng.gamma(0.5, size=n_items) + 0.05)
    chance *= 16 / chance.sum(axis=1, keepdims=True)
    taken = rng.random(chance.shape) < chance
    first = taken & (rng.random(chance.shape) < 0.7)
    first[:, :n_new] = False
    there = np.ones(n_items, bool)
    fields = {"taste": kind, "noise": rng.standard_normal((n_items, 6)), "which": np.eye(n_items)}
    features = Features(
        Vocabulary([f"i{i}" for i in range(n_items)]),
        tuple(Field(name, unit_rows(values.astype(np.float32)), there) for name, values in fields.items()),
    )
    train, later = (sparse.csr_array(pairs.astype(np.float32)) for pairs in (first, taken & ~first))
    return train, later, features


def choose(train, later, features):
    judge = Judge(train, later, k=5)
    fitted = fit_als(train, ALS, seed=0)
    taught = np.flatnonzero(np.bincount(train.indices, minlength=train.shape[1]) >= 5)
    return choose_field_weights(features, fitted.item_factors, taught, judge, fitted.user_factors[judge.users])


@pytest.mark.parametrize("knows_new", [True, False])
def test_what_says_nothing_weighs_less(monkeypatch, knows_new):
    monkeypatch.setattr(Judge, "knows_new", knows_new)
    train, later, features = shop()
    weights, _ = choose(train, later, Features(features.items, features.fields[:2]))
    assert weights["taste"] == 1.0
    assert weights["noise"] <= 0.5


def test_few_new_items_are_ranked_with_rarely_taken_ones_and_none_is_judged_by_its_own_vector(monkeypatch):
    train, later, features = shop()
    assert {point["group"] for point in choose(train, later, features)[1]} == {"cold"}
    monkeypatch.setattr(Judge, "knows_new", False)
    _, curve = choose(train, later, features)
    assert {point["group"] for point in curve} == {"tail"}
    # The field that says which item it is would find what is rarely taken, and was learned from, at once.
    by_id = next(point["ndcg"] for point in curve if not point["weights"]["taste"])
    assert by_id < 0.2 * curve[0]["ndcg"]


@pytest.mark.parametrize(("knows_new", "moved"), [(True, True), (False, False)])
def test_where_few_pairs_tell_of_new_items_a_little_r2_moves_nothing(monkeypatch, knows_new, moved):
    """R² five in a hundred better without the noise, and a ranking that says nothing either way."""
    monkeypatch.setattr(Judge, "knows_new", knows_new)
    monkeypatch.setattr(Judge, "ndcg_among", lambda self, group, users, items: np.full(50, 0.1))
    monkeypatch.setattr(module, "r_squared", lambda unit, predicted: 0.1 if len(seen) % 2 else 0.105)
    seen = []
    kernel = module.fit_kernel

    def fitted(z, unit, **settings):
        seen.append(z)
        return kernel(z, unit, **settings)

    monkeypatch.setattr(module, "fit_kernel", fitted)
    train, later, features = shop()
    weights, _ = choose(train, later, Features(features.items, features.fields[:2]))
    assert (weights != {"taste": 1.0, "noise": 1.0}) is moved


def test_next_to_nothing_to_rank_leaves_it_to_r2():
    train, later, features = shop()
    judge = Judge(train, later * 0, k=5)
    assert "tail" not in judge.relevant
    weights, curve = choose(train, later * 0, Features(features.items, features.fields[:2]))
    assert weights["taste"] == 1.0 > weights["noise"]
    assert {point["ndcg"] for point in curve} == {None}
