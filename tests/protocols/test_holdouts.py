"""Random hold-out and cold items: what is hidden is hidden from training, and is what is tested."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from longtail.core.errors import DataError
from longtail.evaluate.result import is_part
from longtail.protocols.cold import COLD, MIXED, WARM, WARM_TAIL, cold
from longtail.protocols.leaks import LeakError
from longtail.protocols.methods import ChosenOn, Provenance
from longtail.protocols.random_holdout import random_holdout
from longtail.protocols.run import Options

FAST = Options(resamples=100, tail_below=8)


def _pairs(events):
    return {(row["user_id"], row["item_id"]) for row in events.to_arrow().to_pylist()}


def test_random_pairs_are_hidden_with_all_their_events(shop, honest):
    events, catalog = shop
    result = random_holdout(events, catalog, honest, options=FAST)
    (given,) = honest.calls
    everything, seen, apart = _pairs(events), _pairs(given.events), _pairs(given.validation)
    assert not seen & apart
    assert 0.06 < len(apart) / len(everything) < 0.14
    hidden = everything - seen - apart
    assert result.counts["held-out pairs"] == len(hidden)
    assert 0.06 < len(hidden) / len(everything) < 0.14
    parts = ("training events", "validation events", "held-out events")
    assert sum(result.counts[part] for part in parts) == len(events)
    assert result.counts["tested pairs"] == len({pair for pair in hidden if pair[0] in {user for user, _ in seen}})
    assert {section.name for section in result.sections} >= {"whole catalog", "tail"}


def test_another_seed_hides_other_pairs_and_the_same_seed_the_same(shop, honest):
    events, catalog = shop
    for seed in (0, 0, 1):
        random_holdout(events, catalog, honest, options=replace(FAST, seed=seed))
    first, again, other = (_pairs(call.events) for call in honest.calls)
    assert first == again
    assert first != other


@pytest.mark.parametrize("protocol", [random_holdout, cold])
def test_of_several_seeds_on_one_split_the_mean_is_told_and_each(shop, honest, protocol):
    events, catalog = shop
    together = protocol(events, catalog, honest, options=replace(FAST, seed=3, seeds=2))
    other, own = honest.calls
    assert (other.seed, own.seed) == (103, 3)  # the shop's own last: others may share it
    assert _pairs(other.events) == _pairs(own.events)
    assert _pairs(other.validation) == _pairs(own.validation)
    assert other.hidden == own.hidden
    assert bool(own.hidden) == (protocol is cold)
    each = {
        seed: protocol(events, catalog, partial(honest, seed=seed), options=replace(FAST, seed=3)) for seed in (3, 103)
    }
    assert together.counts == each[3].counts
    assert together.split == {**each[3].split, "seeds": [3, 103]}
    assert "over 2 trainings of the split, by seeds 3, 103" in together.notes[0]
    for section in (one for one in each[3].sections if one.n_users):
        means = [one.section(section.name).comparisons["ndcg@10"].estimates["longtail"].mean for one in each.values()]
        found = together.section(section.name).comparisons["ndcg@10"].estimates["longtail"].mean
        assert found == pytest.approx(np.mean(means))
    apart = [section for section in together.sections if is_part(section.name)]
    views = (COLD, MIXED, WARM, WARM_TAIL) if protocol is cold else ("whole catalog", "tail")
    assert [section.name for section in apart] == [f"{view}, seed {seed}" for seed in (3, 103) for view in views]
    for section in apart:
        view, _, seed = section.name.partition(", seed ")
        assert section.comparisons == each[int(seed)].section(view).comparisons
    assert each[3].sections[0].comparisons != each[103].sections[0].comparisons
    with pytest.raises(DataError, match="seeds = 0"):
        protocol(events, catalog, honest, options=replace(FAST, seeds=0))


def test_items_out_of_the_catalog_are_never_hidden(shop, honest):
    events, catalog = shop
    random_holdout(events, catalog, honest, share=0.45, options=FAST)
    assert {pair for pair in _pairs(events) if pair[1] == "gone"} <= _pairs(honest.calls[0].events)


def test_times_are_not_needed(honest, make):
    rows = [(f"u{u}", f"i{i}", "buy", None) for u in range(30) for i in range(10) if (u * 7 + i * 3) % 4]
    result = random_holdout(make.events(rows), make.catalog([f"i{i}" for i in range(10)]), honest, options=FAST)
    assert result.counts["tested pairs"] > 0


def test_cold_items_are_hidden_from_all_that_learns(shop, honest):
    events, catalog = shop
    result = cold(events, catalog, honest, options=FAST)
    (given,) = honest.calls
    hidden = set(given.hidden)
    assert len(hidden) == result.counts["cold items"] + result.counts["cold validation items"]
    assert result.counts["cold items"] >= 2
    trained, apart = _pairs(given.events), _pairs(given.validation)
    assert not {item for _, item in trained} & hidden
    assert not trained & apart
    tested = _pairs(events) - trained - apart
    assert result.counts["held-out pairs"] == len(tested)
    cold_tested = {(user, item) for user, item in tested if item in hidden}
    assert result.counts["cold pairs"] == len(cold_tested)
    section = result.section(COLD)
    assert section.n_candidates == result.counts["cold items"] == section.n_relevant_items
    assert section.n_pairs == len(cold_tested)


def test_cold_pairs_beside_warm_ones_are_thinned(shop, honest):
    events, catalog = shop
    result = cold(events, catalog, honest, options=FAST)
    counts = result.counts
    assert counts["cold pairs in the mixed part"] < 0.35 * counts["cold pairs"]
    validation = counts["cold validation items"]
    assert result.section(MIXED).n_candidates == len(catalog.items) - validation
    assert result.section(WARM).n_candidates == len(catalog.items) - validation - counts["cold items"]
    assert result.section(WARM).n_pairs <= counts["warm test pairs"]


def test_a_cold_item_in_the_matrix_the_bridge_or_an_encoder_is_caught(shop, honest, make):
    events, catalog = shop

    def learns_everything(training, given, *, hidden=(), validation=None):
        return replace(honest(training, given), interactions=make.interactions(events, given))

    def teaches_the_bridge(training, given, *, hidden=(), validation=None):
        parts = honest(training, given)
        targets = np.zeros(len(parts.interactions.items), bool)
        targets[parts.interactions.items.row(hidden[0])] = True
        return replace(parts, provenance=Provenance(bridge_items=targets))

    def fits_encoders_on_all(training, given, *, hidden=(), validation=None):
        parts = honest(training, given)
        return replace(parts, provenance=Provenance(encoder_items=np.ones(len(parts.interactions.items), bool)))

    for cheat, said in [
        (learns_everything, "not in the training events"),
        (teaches_the_bridge, "targets of the bridge"),
        (fits_encoders_on_all, "encoder was fitted"),
    ]:
        with pytest.raises(LeakError, match=said):
            cold(events, catalog, cheat, options=FAST)


def test_choices_may_be_scored_on_the_validation_part_and_not_on_the_test_part(shop, honest):
    events, catalog = shop

    def scores_on(pairs_of):
        def fit(training, given, *, hidden=(), validation=None):
            parts = honest(training, given, hidden=hidden, validation=validation)
            users, items = zip(*sorted(pairs_of(training, validation)), strict=True)
            events_of = pa.table({"item_id": items[:1], "events": [1]})
            told = ChosenOn(pa.table({"user_id": users, "item_id": items}), events_of)
            return replace(parts, provenance=Provenance(choices=told))

        return fit

    cold(events, catalog, scores_on(lambda training, validation: _pairs(validation)), options=FAST)
    with pytest.raises(LeakError, match="Choices were made on"):
        cold(events, catalog, scores_on(lambda training, validation: _pairs(events)), options=FAST)


def test_too_few_events_for_cold_items_say_so(honest, make):
    events = make.events([("u", "a", "buy", datetime(2024, 1, 1)), ("v", "b", "buy", datetime(2024, 1, 2))])
    with pytest.raises(DataError, match="five users"):
        cold(events, make.catalog(["a", "b"]), honest, options=FAST)
