"""A leak planted in each stage of the real training is caught by the protocol that it would flatter."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from longtail import pipeline
from longtail.content.attributes import AttributesEncoder
from longtail.content.prepare import Rows
from longtail.protocols import few_shot
from longtail.protocols.catalog_leaks import check_catalog
from longtail.protocols.cold import cold
from longtail.protocols.leaks import LeakError
from longtail.protocols.new_users import new_users
from longtail.protocols.run import Options
from longtail.protocols.tail import default_cut, tail
from longtail.protocols.training import Trainer
from longtail.recipe import Recipe

RECIPE = """
tail_below = 8
[events]
source = { files = "events.parquet" }
[catalog]
source = { files = "items.parquet" }
[catalog.fields.kind]
kind = "category"
[catalog.fields.maker]
kind = "category"
[als]
factors = 8
iterations = 4
[model]
tune_als = false
bridge = { method = "kernel" }
precisions = [1.0]
length_scales = [1.0]
length_exponents = [0.0]
target_exponents = [0.0]
fusion_weights = [0.0, 0.4]
fusion_half_lives = [5.0]
similar_gates = [0.4]
field_weights = { attributes = 1.0 }
"""
PRICED = '''
[catalog.source]
files = "items.parquet"
query = """
select source.*, sales.price
from source left join (select item_id, {price} as price from 'events.parquet' group by 1) sales using (item_id)
"""
[catalog.fields.price]
kind = "price"
'''
FAST = Options(resamples=50, tail_below=8)


@pytest.fixture
def load(taste_shop, tmp_path):
    """A recipe over that shop's files from its text."""

    def from_text(text=RECIPE):
        (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
        return Recipe.load(tmp_path / "recipe.toml", data=taste_shop)

    return from_text


@pytest.fixture
def shop(load):
    """Events, catalog and a trainer of the real pipeline."""
    recipe = load()
    return *pipeline.read(recipe), Trainer(recipe, article=False)


def test_an_honest_run_passes_every_check(shop):
    events, catalog, trainer = shop
    result = cold(events, catalog, trainer, options=FAST)
    assert result.section("cold items").n_users > 30
    training = events.before(default_cut(events))
    told = trainer(training, catalog).provenance
    assert told.bridge_items.any(), "the bridge was taught, or nothing is shown here"
    assert told.encoder_items[: len(catalog)].all()
    assert len(told.choices.pairs) > 100
    assert trainer(training, catalog) is trainer(training, catalog), "asked twice, trained once"


def test_held_out_items_in_the_als_matrix(shop, monkeypatch):
    events, catalog, trainer = shop
    honest = pipeline.aggregate
    monkeypatch.setattr(pipeline, "aggregate", lambda _, *rest, **named: honest(events, *rest, **named))
    with pytest.raises(LeakError, match="pairs in the training matrix are not in the training events"):
        cold(events, catalog, trainer, options=FAST)


def test_held_out_items_among_the_targets_of_the_bridge(shop, monkeypatch):
    import longtail.calibrate.alternation as module

    events, catalog, trainer = shop
    honest = module.fit_bridge

    def cheat(features, z, targets, rows, *rest, **named):
        # What the held-out events would have taught: a vector for every item that has content.
        known = np.where(targets.any(axis=1)[:, None], targets, np.float32(0.1))
        return honest(features, z, known, np.flatnonzero(z.any(axis=1)), *rest, **named)

    monkeypatch.setattr(module, "fit_bridge", cheat)
    with pytest.raises(LeakError, match="targets of the bridge"):
        cold(events, catalog, trainer, options=FAST)


def test_held_out_items_among_those_of_the_articles_network(shop, monkeypatch):
    import longtail.calibrate.embeddings as module

    events, catalog, trainer = shop
    trainer.article = True
    network = SimpleNamespace(predict=lambda features: np.zeros((len(features.items), 8), np.float32))
    everything = np.ones(len(catalog), dtype=np.bool_)
    monkeypatch.setattr(module, "fit_article", lambda *arguments, **named: (network, everything))
    with pytest.raises(LeakError, match="targets of the bridge"):
        cold(events, catalog, trainer, options=FAST)


def test_held_out_items_in_an_encoder(shop, monkeypatch):
    events, catalog, trainer = shop
    honest = AttributesEncoder.fit
    monkeypatch.setattr(AttributesEncoder, "fit", lambda name, schemas, items, how, rows: honest(
        name, schemas, items, how, None
    ))  # fmt: skip
    with pytest.raises(LeakError, match="an encoder was fitted on them"):
        cold(events, catalog, trainer, options=FAST)


def test_held_out_items_in_the_attribute_classifiers(load, monkeypatch):
    import longtail.content.image as module

    rng = np.random.default_rng(0)
    pictures = Rows(rng.normal(size=(160, 12)).astype(np.float32), np.arange(160))
    monkeypatch.setattr(module, "find_weights", lambda *_, **__: SimpleNamespace(hash="none"))
    monkeypatch.setattr(module, "PictureModel", lambda *_: SimpleNamespace(pooled=8))
    opened = SimpleNamespace(read=lambda *_: (pictures, {}))
    monkeypatch.setattr(module, "open_pictures", lambda *_: nullcontext(opened))
    recipe = load(RECIPE.replace("{ attributes = 1.0 }", "{ attributes = 1.0, photo = 1.0 }") + """
[catalog.fields.photo]
kind = "image"
""")  # fmt: skip
    events, catalog = pipeline.read(recipe)
    assert cold(events, catalog, Trainer(recipe, article=False), options=FAST).sections
    honest = module.read_labels
    monkeypatch.setattr(module, "read_labels", lambda *given: honest(*given[:-1], None))
    with pytest.raises(LeakError, match="an encoder was fitted on them"):
        cold(events, catalog, Trainer(recipe, article=False), options=FAST)


@pytest.mark.parametrize(("which", "said"), [("scored", "Choices were made on"), ("earlier", "Choices were made on")])
def test_later_events_in_the_calibration(shop, monkeypatch, which, said):
    events, catalog, trainer = shop
    honest = pipeline._split

    def cheat(recipe, training, interactions, *given):
        later = pipeline.aggregate(
            events, recipe.weights, items=interactions.items, users=interactions.users, extend=False
        )
        return pipeline.replace(honest(recipe, training, interactions, *given), **{which: later.matrix})

    monkeypatch.setattr(pipeline, "_split", cheat)
    with pytest.raises(LeakError, match=said):
        tail(events, catalog, trainer, options=FAST)


def test_a_later_event_of_a_known_pair_in_the_calibration(shop, monkeypatch):
    events, catalog, trainer = shop
    honest = pipeline._split

    def cheat(*given):
        split = honest(*given)
        more = split.item_events.copy()
        more[int(np.argmax(more))] += 1
        return pipeline.replace(split, item_events=more)

    monkeypatch.setattr(pipeline, "_split", cheat)
    with pytest.raises(LeakError, match="more events of 1 items"):
        tail(events, catalog, trainer, options=FAST)


def test_a_test_users_choices_in_tuning(shop):
    events, catalog, trainer = shop
    assert new_users(events, catalog, trainer, options=FAST).sections
    tuned = Trainer(trainer.recipe, article=False, keep_choices=True)
    tuned(events, catalog)  # tuned once on everybody, "since tuning is not training"
    with pytest.raises(LeakError, match="Choices were made on"):
        new_users(events, catalog, tuned, options=FAST)


def test_choices_for_levels_that_saw_what_levels_reveal(shop):
    events, catalog, trainer = shop
    levels = (0, 2)
    plan = few_shot.plan(events, catalog, levels=levels, options=FAST)
    honest = trainer.at_levels(plan.training(events, 0), catalog, hidden=plan.hidden(0))
    assert few_shot.few_shot(events, catalog, honest, levels=levels, options=FAST).sections
    greedy = trainer.at_levels(plan.training(events, 2), catalog, hidden=[])
    with pytest.raises(LeakError, match="Choices were made on"):
        few_shot.few_shot(events, catalog, greedy, levels=levels, options=FAST)


def test_choices_kept_from_a_run_that_saw_less_are_no_leak(shop):
    events, catalog, trainer = shop
    kept = Trainer(trainer.recipe, article=False, keep_choices=True)
    kept(events.before(default_cut(events) - timedelta(days=5)), catalog)
    assert tail(events, catalog, kept, options=FAST).counts["tested pairs"] > 0


@pytest.mark.parametrize("price", ["avg(price)", "max(price)", "arg_max(price, timestamp)", "count(*)"])
def test_a_price_taken_from_more_than_the_first_sale(load, price):
    recipe = load(RECIPE.replace('[catalog]\nsource = { files = "items.parquet" }', "") + PRICED.format(
        price=price
    ))  # fmt: skip
    events, catalog = pipeline.read(recipe)
    with pytest.raises(LeakError, match="follows from more than their first sale"):
        tail(events, catalog, Trainer(recipe, article=False), options=FAST)


def test_the_price_of_the_first_sale_is_no_leak(load):
    recipe = load(RECIPE.replace('[catalog]\nsource = { files = "items.parquet" }', "") + PRICED.format(
        price="arg_min(price, (timestamp, price))"
    ))  # fmt: skip
    _, catalog = pipeline.read(recipe)
    assert check_catalog(recipe, catalog)
    assert not check_catalog(load(), catalog), "a catalog that comes from a file of its own"
