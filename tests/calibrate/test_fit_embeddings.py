"""Calibration from end to end on a small generated shop."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import sparse

from longtail.calibrate.alternation import Pull, alternate, predict_all
from longtail.calibrate.embeddings import align, fit, fit_embeddings
from longtail.calibrate.holdout import hold_out
from longtail.calibrate.model import sources
from longtail.calibrate.settings import CalibrationSettings
from longtail.cf.als import AlsSettings, fit_als, solve_users
from longtail.content.combine import combine
from longtail.core.errors import DataError
from longtail.core.features import Features, Field
from longtail.core.progress import SilentProgress
from longtail.core.ranking import SOURCES
from longtail.core.vocabulary import Vocabulary

ALS = AlsSettings(factors=8, regularization=0.01, unobserved_weight=0.1, iterations=6)
QUICK = CalibrationSettings(bridge={"method": "kernel"}, validation_users=200, rounds=1)


def shop(n_users=300, n_items=240, *, signal=True, seed=0, mean=12):
    """Users and items have tastes in 4 dimensions; content tells an item's, or nothing. Items 0-19 are never taken."""
    rng = np.random.default_rng(seed)
    taste, kind = rng.standard_normal((n_users, 4)), rng.standard_normal((n_items, 4))
    popular = rng.gamma(0.5, size=n_items) + 0.05
    popular[:20] = 0
    chance = np.exp(1.5 * taste @ kind.T) * popular
    chance *= mean / chance.sum(axis=1, keepdims=True)
    matrix = sparse.csr_array((rng.random(chance.shape) < chance).astype(np.float32))
    content = kind if signal else rng.standard_normal((n_items, 4))
    content = (content / np.linalg.norm(content, axis=1, keepdims=True)).astype(np.float32)
    noise = rng.standard_normal((n_items, 3)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    there = np.ones(n_items, bool)
    there[5] = False
    items = Vocabulary([f"i{i}" for i in range(n_items)])
    features = Features(items, (Field("text", content * there[:, None], there), Field("noise", noise, there)))
    return SimpleNamespace(items=items, matrix=matrix), features, taste, kind


@pytest.fixture(scope="module")
def trained():
    interactions, features, taste, kind = shop()
    return interactions, features, taste, kind, fit_embeddings(interactions, features, ALS, QUICK)


def test_new_items_are_ranked_by_taste(trained):
    _, _, taste, kind, model = trained
    truth = taste @ kind[:20].T
    said = model.user_factors @ model.item_vectors[:20].T
    known = [i for i in range(20) if i != 5]
    agreement = [np.corrcoef(truth[u, known], said[u, known])[0, 1] for u in range(len(taste)) if said[u].any()]
    assert np.mean(agreement) > 0.4
    assert not (model.als_user_factors @ model.als_item_factors[:20].T).any()


def test_shapes_dtypes_and_finiteness(trained):
    interactions, _, _, _, model = trained
    n_users, n_items = interactions.matrix.shape
    for array, rows in (
        (model.user_factors, n_users), (model.als_user_factors, n_users), (model.item_vectors, n_items),
        (model.als_item_factors, n_items), (model.predictions, n_items), (model.content, n_items),
        (model.behaviour_share, n_items),
    ):  # fmt: skip
        assert array.dtype == np.float32
        assert len(array) == rows
        assert np.isfinite(array).all()
    assert ((model.behaviour_share >= 0) & (model.behaviour_share <= 1)).all()


def test_new_items_are_exactly_their_prediction(trained):
    interactions, features, _, _, model = trained
    # Whether items on sale that nobody took are as good as new is a choice; here it is made.
    if model.choices["pull"]["silent_exposure"]:
        settings = QUICK.model_copy(update={"silent_exposures": (0.0,)})
        model = fit_embeddings(interactions, features, ALS, settings)
    np.testing.assert_array_equal(model.item_vectors[:20], model.predictions[:20])
    assert not model.has_prediction[5]
    assert not model.item_vectors[5].any()


def test_a_new_item_of_tomorrow_gets_what_a_new_item_of_today_got(trained):
    _, features, _, _, model = trained
    rows = np.array([0, 1, 7])
    z = combine(features.take(rows), model.field_weights)
    tomorrow = model.length.apply(model.bridge.predict(features.take(rows), z))
    np.testing.assert_allclose(tomorrow, model.predictions[rows], atol=1e-5)


def test_what_is_set_about_content_and_freshness_reaches_the_model(trained):
    interactions, features, _, _, usual = trained
    assert usual.content.shape[1] == 7  # all there are
    assert usual.fusion.fresh_half_at == QUICK.tail_below
    settings = QUICK.model_copy(update={"content_dimensions": 3, "tail_below": 7})
    model = fit_embeddings(interactions, features, ALS, settings)
    assert model.content.shape[1] == 3
    z = combine(features, model.field_weights)
    np.testing.assert_array_equal(model.reduction.apply(z), model.content)
    assert model.fusion.fresh_half_at == 7.0


def test_sources(trained):
    interactions, _, _, _, model = trained
    counts = np.bincount(interactions.matrix.indices, minlength=len(model.item_vectors))
    names = [SOURCES[code] for code in sources(counts, model.has_prediction, model.behaviour_share)]
    assert names[0] == "predicted"
    assert names[5] == "fallback"
    assert {name for name, count in zip(names, counts, strict=True) if count} <= {"blended", "learned"}


def test_noise_weighs_less_than_signal(trained):
    model = trained[-1]
    assert model.field_weights["text"] == 1.0
    assert model.field_weights["noise"] <= 0.5


def test_choices_are_plain_json_with_curves(trained):
    import json

    choices = json.loads(json.dumps(trained[-1].choices))
    assert choices["curves"]["pull"]
    assert choices["curves"]["als"]
    assert choices["bridge"]["kept"] == "kernel"


def test_same_seed_same_model(trained):
    interactions, features, _, _, model = trained
    again = fit_embeddings(interactions, features, ALS, QUICK)
    np.testing.assert_array_equal(again.item_vectors, model.item_vectors)
    np.testing.assert_array_equal(again.user_factors, model.user_factors)
    assert again.choices == model.choices


def test_a_first_round_that_is_known_already_changes_nothing():
    interactions, features, _, _ = shop()
    als, bridge = fit_als(interactions.matrix, ALS, seed=0), QUICK.bridge
    z, pull = combine(features, {}), Pull(target_exponent=0.5)
    counts = np.bincount(interactions.matrix.indices, minlength=len(z))
    first = predict_all(
        features, z, als.item_factors, z.any(axis=1) & (counts >= 5), bridge, method="kernel",
        target_exponent=pull.target_exponent, seed=1,
    )  # fmt: skip

    def run(**known):
        return alternate(
            interactions.matrix, als.user_factors, als.item_factors, features, z, pull, ALS, bridge, rounds=2,
            min_interactions=5, tail_below=20, last_method="kernel", **known,
        )  # fmt: skip

    for given, fitted in zip(run(first=first), run(), strict=True):
        np.testing.assert_array_equal(given.item_vectors, fitted.item_vectors)
        np.testing.assert_array_equal(given.taught, fitted.taught)


def test_content_without_signal_is_left_alone():
    interactions, features, _, _ = shop(signal=False)
    model = fit_embeddings(interactions, features, ALS, QUICK)
    assert model.bridge is None
    np.testing.assert_array_equal(model.item_vectors, model.als_item_factors)
    assert "nothing about behaviour" in str(model.choices)
    assert not model.has_prediction.any()


def test_guard_keeps_overall_quality():
    interactions, features, _, _ = shop()
    curves = fit_embeddings(interactions, features, ALS, QUICK).choices["curves"]
    floor = curves["als_alone"]["overall"]
    assert any(point["overall"] + point["noise"] >= floor for point in curves["rounds"]) or "guard" in curves


def test_where_every_prior_costs_overall_quality_what_is_served_is_what_was_chosen_for(monkeypatch):
    from longtail.calibrate import choices as module

    interactions, features, _, _ = shop()
    judged, floors = {}, []
    rounds, average, fusion = module.choose_rounds, module.choose_average, module.choose_fusion

    def costly(judge, run, short_of, pull, base, **rest):
        pull = replace(pull, silent_exposure=1.0)
        pull, number, state, quality, curve = rounds(judge, run, short_of, pull, base, **rest)
        return pull, number, state, replace(quality, overall=0.5 * quality.overall), curve

    def watched(judge, users, short, items, *rest, **more):
        judged["items"] = items
        return average(judge, users, short, items, *rest, **more)

    def floored(asking, *rest, **more):
        floors.append(more["floor"])
        return fusion(asking, *rest, **more)

    monkeypatch.setattr(module, "choose_rounds", costly)
    monkeypatch.setattr(module, "choose_average", watched)
    monkeypatch.setattr(module, "choose_fusion", floored)
    train, held, new = hold_out(interactions.matrix, seed=0)
    chosen = module.choose(train, held, features, ALS, QUICK, new=new)
    assert chosen.report["guard"]
    assert (chosen.pull.precision, chosen.pull.silent_exposure) == (0.0, 0.0)
    assert floors == [chosen.report["als_alone"]["overall"]]  # nothing more may be lost than by chance
    exposure = chosen.pull.exposure(train, None, new)
    served = fit(train, features, chosen, QUICK, exposure=exposure)
    silent = np.bincount(train.indices, minlength=len(new)) == 0
    known = ~silent & features.present.any(axis=1)
    lengths = np.linalg.norm(judged["items"], axis=1)
    np.testing.assert_allclose(np.linalg.norm(served.item_vectors[known], axis=1), lengths[known], rtol=1e-3)
    has = silent & served.has_prediction
    assert (np.linalg.norm(served.item_vectors[has], axis=1) > 0.1).all()
    assert (lengths[has] > 0.1).all()


def test_an_exponent_that_few_items_can_tell_of_is_tried_all_the_same():
    interactions, features, _, _ = shop()
    settings = QUICK.model_copy(update={"min_interactions": (10**6,), "target_exponents": (0.0, 1.0)})
    curve = fit_embeddings(interactions, features, ALS, settings).choices["curves"]["teaching"]
    assert {point["target_exponent"] for point in curve} == {0.0, 1.0}


@pytest.mark.parametrize(("enough", "margin"), [(1, 0.0), (10**6, 1.5)])
def test_the_margin_reaches_both_searches_where_few_pairs_tell_of_new_items(monkeypatch, enough, margin):
    from longtail.calibrate import choices as module
    from longtail.calibrate import scoring

    monkeypatch.setattr(scoring, "ENOUGH_NEW", enough)
    margins = {}
    for name in ("choose_pull", "choose_rounds"):

        def watched(*args, search=getattr(module, name), name=name, **kwargs):
            margins[name] = kwargs["margin"]
            return search(*args, **kwargs)

        monkeypatch.setattr(module, name, watched)
    interactions, features, _, _ = shop()
    curves = fit_embeddings(interactions, features, ALS, QUICK.model_copy(update={"margin": 1.5})).choices["curves"]
    assert margins == {"choose_pull": margin, "choose_rounds": margin}
    assert curves["margin"] == margin


@pytest.mark.parametrize(("enough", "again"), [(1, False), (10**6, True)])
def test_lengths_are_chosen_again_beside_content_where_few_pairs_tell_of_new_items(monkeypatch, enough, again):
    from longtail.calibrate import choices as module
    from longtail.calibrate import scoring

    monkeypatch.setattr(scoring, "ENOUGH_NEW", enough)
    measured = {}
    rounds, freshness, gate = module.choose_rounds, module.choose_freshness, module.choose_gate

    def one_round(*args, **kwargs):  # of two
        pull, _, state, quality, curve = rounds(*args, **kwargs)
        return pull, 1, state, quality, curve

    def halved(run, measure, pull, state, base, **rest):
        half = replace(pull, scale=pull.scale / 2)
        measured["state"] = run(half)
        assert measure(measured["state"]).overall != measure(run(pull)).overall
        return half, measured["state"], [{}]

    def fresh(asking, *rest, **more):
        measured["asking"] = asking
        return freshness(asking, *rest, **more)

    def gated(judge, fusion, validation, vectors, *rest, **more):
        measured["vectors"] = vectors
        return gate(judge, fusion, validation, vectors, *rest, **more)

    for name, watched in {
        "choose_rounds": one_round, "choose_length_beside": halved, "choose_freshness": fresh, "choose_gate": gated,
    }.items():  # fmt: skip
        monkeypatch.setattr(module, name, watched)
    interactions, features, _, _ = shop()
    settings = QUICK.model_copy(update={"fusion_weights": (1.0,), "length_scales": (0.8,), "rounds": 2})
    train, held, new = hold_out(interactions.matrix, seed=0)
    chosen = module.choose(train, held, features, ALS, settings, new=new)
    assert chosen.pull.scale == (0.4 if again else 0.8)
    assert ("state" in measured) is again
    if again:  # what is chosen after it is chosen for it, and of as many rounds
        vectors = measured["state"].item_vectors
        np.testing.assert_array_equal(measured["vectors"], vectors)
        np.testing.assert_array_equal(measured["asking"].items, vectors)
        average = module.average_of(measured["state"].user_factors, train)
        np.testing.assert_array_equal(measured["asking"].average, average)
        served = fit(train, features, chosen, settings, exposure=chosen.pull.exposure(train, None, new))
        known = np.bincount(train.indices, minlength=len(new)) > 0
        lengths = [np.linalg.norm(array[known], axis=1) for array in (vectors, served.item_vectors)]
        np.testing.assert_allclose(*lengths, rtol=1e-2)


@pytest.mark.parametrize("method", ["als", "article"])
def test_plain_users_are_those_that_a_history_folds_in_to(method):
    interactions, features, _, _ = shop()
    settings = QUICK.model_copy(update={"method": method, "article_threshold": 5, "tune_als": False})
    model = fit_embeddings(interactions, features, ALS, settings)
    folded = solve_users(interactions.matrix, model.als_item_factors, ALS).factors
    np.testing.assert_array_equal(model.als_user_factors, folded)


def test_grids_have_a_value_each_within_its_range():
    for setting, values in {
        "precisions": [-1.0], "fusion_half_lives": [0.0], "freshness": [-2.0], "similar_gates": [],
        "average_half_lives": [], "silent_exposures": [1.5], "length_scales": [float("nan")], "min_interactions": [0],
    }.items():  # fmt: skip
        with pytest.raises(ValidationError, match=setting):
            CalibrationSettings.model_validate({setting: values})


def test_one_value_stands_where_nothing_can_be_chosen():
    interactions, features, _, _ = shop()
    nothing = SimpleNamespace(items=interactions.items, matrix=sparse.csr_array(interactions.matrix.shape, dtype="f4"))
    pinned = {
        "min_interactions": (2,), "precisions": (10.0,), "length_scales": (2.0,), "similar_gates": (0.0,),
        "similar_doubts": (0.0,), "silent_exposures": (1.0,), "freshness": (0.3,), "average_weights": (0.5,),
    }  # fmt: skip
    choices = fit_embeddings(
        interactions, features, ALS, QUICK.model_copy(update=pinned), validation=nothing
    ).choices  # fmt: skip
    assert choices["min_interactions"] == 2
    assert (choices["pull"]["precision"], choices["pull"]["scale"], choices["pull"]["silent_exposure"]) == (10, 2, 1)
    fusion = choices["fusion"]
    assert (fusion["similar_weight"], fusion["similar_doubt"], fusion["freshness"]) == (0.0, 0.0, 0.3)
    assert fusion["average_weight"] == 0.5
    usual = fit_embeddings(interactions, features, ALS, QUICK, validation=nothing).choices
    assert (usual["pull"]["precision"], usual["fusion"]["similar_weight"]) == (1.0, 0.4)


def test_the_usual_stands_where_nothing_can_be_chosen():
    from longtail.calibrate.choices import choose

    _, features, _, _ = shop()
    nothing = sparse.csr_array((300, 240), dtype=np.float32)
    settings = CalibrationSettings(rounds=4)
    chosen = choose(nothing, nothing, features, ALS, settings)
    assert (chosen.pull.precision, chosen.pull.scale, chosen.pull.silent_exposure) == (1.0, 1.0, 0.0)
    assert chosen.rounds == 2
    grids = settings.model_copy(update={"length_scales": (3.0, 0.5, 2.0), "rounds": 1})
    again = choose(nothing, nothing, features, ALS, grids)
    assert (again.pull.scale, again.rounds) == (2.0, 1)


def test_one_value_stands_where_there_is_a_choice():
    """Poor values, which nothing would choose; `tolerance` keeps the guard from doing without the prior altogether."""
    interactions, features, _, _ = shop()
    pinned = {
        "min_interactions": (2,), "precisions": (0.7,), "length_scales": (0.4,), "silent_exposures": (1.0,),
        "target_exponents": (0.3,), "length_exponents": (0.9,), "fusion_weights": (7.0,), "fusion_half_lives": (2.0,),
        "freshness": (5.0,), "average_weights": (9.0,), "average_half_lives": (1.0,), "similar_gates": (0.9,),
        "similar_doubts": (50.0,), "tolerance": 0.49,
    }  # fmt: skip
    choices = fit_embeddings(interactions, features, ALS, QUICK.model_copy(update=pinned)).choices
    assert choices["min_interactions"] == 2
    pull = {
        name: choices["pull"][name] for name in ("precision", "scale", "silent_exposure", "target_exponent", "exponent")
    }
    assert pull == {
        "precision": 0.7, "scale": 0.4, "silent_exposure": 1.0, "target_exponent": 0.3, "exponent": 0.9,
    }  # fmt: skip
    fusion = choices["fusion"]
    assert fusion["weight"] == pytest.approx(7.0)
    assert (fusion["half_at"], fusion["freshness"]) == (2.0, 5.0)
    assert (fusion["average_weight"], fusion["average_half_at"]) == (9.0, 1.0)
    assert (fusion["similar_weight"], fusion["similar_doubt"]) == (0.9, 50.0)


@pytest.mark.parametrize("method", ["als", "article"])
def test_baselines(method):
    interactions, features, _, _ = shop()
    settings = QUICK.model_copy(update={"method": method, "article_threshold": 5})
    model = fit_embeddings(interactions, features, ALS, settings)
    counts = np.bincount(interactions.matrix.indices, minlength=len(model.item_vectors))
    np.testing.assert_array_equal(model.item_vectors[counts >= 5], model.als_item_factors[counts >= 5])
    assert bool(model.item_vectors[0].any()) == (method == "article")


def test_validation_of_a_later_period_is_not_learned_from():
    interactions, features, _, _ = shop()
    later = SimpleNamespace(items=interactions.items, matrix=shop(seed=1, mean=3)[0].matrix)
    model = fit_embeddings(interactions, features, ALS, QUICK, validation=later)
    assert model.choices["curves"]["users"] > 0
    with pytest.raises(DataError, match="same users and items"):
        fit_embeddings(
            interactions, features, ALS, QUICK,
            validation=SimpleNamespace(items=interactions.items, matrix=interactions.matrix[:5]),
        )  # fmt: skip


class TestEdges:
    def test_no_features(self):
        interactions, *_ = shop()
        model = fit_embeddings(interactions, None, ALS, QUICK)
        np.testing.assert_array_equal(model.item_vectors, model.als_item_factors)
        assert model.content.shape == (240, 0)

    def test_thirty_items(self):
        interactions, features, _, _ = shop(200, 50, mean=8)
        model = fit_embeddings(interactions, features, ALS, QUICK)
        assert np.isfinite(model.item_vectors).all()

    def test_constant_field_and_one_attribute(self):
        interactions, features, _, _ = shop()
        constant = np.zeros((240, 2), np.float32)
        constant[:, 0] = 1
        field = Field("colour", constant, np.ones(240, bool))
        assert fit_embeddings(interactions, Features(features.items, (field,)), ALS, QUICK).bridge is None
        both = Features(features.items, (features["text"], field))
        assert fit_embeddings(interactions, both, ALS, QUICK).bridge is not None

    @pytest.mark.parametrize("mean", [1.5, 60])
    def test_all_tail_or_all_head(self, mean):
        interactions, features, _, _ = shop(mean=mean)
        model = fit_embeddings(interactions, features, ALS, QUICK)
        assert np.isfinite(model.item_vectors).all()

    def test_no_interactions(self):
        interactions, features, _, _ = shop()
        empty = SimpleNamespace(items=interactions.items, matrix=sparse.csr_array((300, 240), dtype=np.float32))
        with pytest.raises(DataError, match="no interactions"):
            fit_embeddings(empty, features, ALS, QUICK)

    def test_delisted_items_have_no_content(self):
        _, features, _, _ = shop()
        wider = align(features, Vocabulary(["gone", *features.items]))
        assert not wider.present[0].any()
        np.testing.assert_array_equal(wider["text"].matrix[1:], features["text"].matrix)


def test_hold_out_makes_new_items_and_splits_the_rest():
    matrix = shop()[0].matrix
    train, held, new = hold_out(matrix, seed=1)
    assert train.nnz + held.nnz == matrix.nnz
    assert not train.multiply(held).nnz
    counts = np.bincount(matrix.indices, minlength=240)
    assert not np.bincount(train.indices, minlength=240)[new].any()
    assert (counts[new] >= 3).all()
    assert 3 <= new.sum() <= 30
    np.testing.assert_array_equal(np.bincount(held.indices, minlength=240)[new], counts[new])


def without_numbers(text):
    return re.sub(r"\d[\d,.]*", "N", text)


@pytest.mark.parametrize("signal", [True, False])
def test_every_line_that_training_says_is_explained(signal):
    class Heard(SilentProgress):
        def __init__(self):
            self.notes = []

        def note(self, text):
            self.notes.append(text)

    heard = Heard()
    interactions, features, _, _ = shop(signal=signal)
    fit_embeddings(interactions, features, ALS, QUICK, progress=heard)
    page = (Path(__file__).parents[2] / "docs" / "bridge-and-blend.md").read_text(encoding="utf-8")
    table = page.partition("## What training says")[2].partition("\n## ")[0]
    starts = [" ".join(re.split("[:(]", without_numbers(note))[0].split()[:3]) for note in heard.notes]
    assert starts
    assert all(starts)
    assert [start for start in starts if f"`{start}" not in without_numbers(table)] == []
    assert ("prior" in starts) == signal
