"""Few-shot and truncated heads: nested histories, fixed tests, and the measured threshold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from longtail.core.errors import DataError
from longtail.evaluate.compare import Comparison, Difference, Estimate
from longtail.evaluate.levels import by_level, level_name
from longtail.evaluate.result import ProtocolResult, Section
from longtail.evaluate.threshold import beyond_chance, threshold
from longtail.protocols.few_shot import few_shot
from longtail.protocols.leaks import LeakError
from longtail.protocols.pairs import whole_period
from longtail.protocols.reveal import choose
from longtail.protocols.run import Options
from longtail.protocols.truncated_heads import truncated_heads

FAST = Options(resamples=50)


def _pairs(events):
    return {(row["user_id"], row["item_id"]) for row in events.to_arrow().to_pylist()}


def test_histories_are_nested_and_tests_fixed(shop):
    events, catalog = shop
    whole = whole_period(events, catalog)
    eligible = whole.n_interactions >= 10
    part = choose(whole, eligible, most=4, test_share=0.3, seed=1)
    assert len(part.items) == 4
    assert eligible[part.items].all()
    _, columns = whole.pairs()
    for item in part.items:
        n = int(whole.n_interactions[item])
        own = columns == item
        assert part.tested[own].sum() == int(0.3 * n)
        for level in (0, 1, 5, 1_000):
            left = ~part.hidden(level)[own]
            assert left.sum() == min(level, n - int(0.3 * n))
            assert not (left & part.tested[own]).any()
        assert (part.hidden(5)[own] <= part.hidden(1)[own]).all()
    assert not part.hidden(0)[~np.isin(columns, part.items)].any()


def test_each_level_trains_on_so_many_users_of_the_chosen_items(shop, honest):
    events, catalog = shop
    result = few_shot(events, catalog, honest, levels=(0, 1, 5), options=FAST)
    names = ["0 events", "1 event", "5 events"]
    assert [section.name for section in result.sections] == names + [f"{name}, among themselves" for name in names]
    assert list(by_level(result)) == list(by_level(result, themselves=True)) == [0, 1, 5]
    assert result.methods[-1] == "bridge"
    none, one, five = (_pairs(call.events) for call in honest.calls)
    chosen = honest.calls[0].hidden
    assert chosen
    assert len(chosen) == result.counts["chosen items"]
    assert [call.hidden for call in honest.calls[1:]] == [[], []]
    for pairs, level in ((none, 0), (one, 1), (five, 5)):
        for item in chosen:
            assert sum(i == item for _, i in pairs) == level
    assert none < one < five
    tested = {section.n_pairs for section in result.sections}
    assert len(tested) == 1
    for level, section in by_level(result).items():
        assert section.n_candidates == len(catalog.items)
        alone = by_level(result, themselves=True)[level]
        assert alone.n_candidates == len(chosen)
        assert (alone.n_users, alone.n_pairs) == (section.n_users, section.n_pairs), "all that is relevant was chosen"


def test_among_themselves_nothing_but_chosen_items_is_ranked(shop, honest, monkeypatch):
    import longtail.protocols.reveal as module

    events, catalog = shop
    sets, observe = [], module.observe

    def watch(methods, relevant, candidates, counts, **rest):
        sets.append((counts, *candidates.values()))
        return observe(methods, relevant, candidates, counts, **rest)

    monkeypatch.setattr(module, "observe", watch)
    few_shot(events, catalog, honest, levels=(0, 3), options=FAST)
    for level, (counts, of_all, alone) in zip((0, 3), sets, strict=True):
        assert of_all[: len(catalog.items)].all()
        assert (counts[alone] == level).all()
        chosen = catalog.items.rows(honest.calls[0].hidden)
        np.testing.assert_array_equal(np.flatnonzero(alone), np.sort(chosen))


def test_users_whom_the_lowest_level_does_not_know_are_left_out_of_all(shop, honest, make):
    events, catalog = shop
    rows = [tuple(row[name] for name in ("user_id", "item_id", "event_type", "timestamp")) for row in
            events.to_arrow().to_pylist()]  # fmt: skip
    for item in sorted({row[1] for row in rows}):
        rows += [(f"{item} alone {number}", item, rows[0][2], rows[0][3]) for number in range(20)]
    result = few_shot(make.events(rows), catalog, honest, levels=(0, 5), most=100, options=FAST)
    assert len({(section.n_users, section.n_pairs) for section in result.sections}) == 1
    assert result.excluded["user without training history"] > 0
    assert result.counts["held-out pairs"] == result.sections[0].n_pairs + sum(result.excluded.values())


def test_every_pair_of_a_known_user_is_either_tested_or_left_out_of_their_ranking(shop, honest, monkeypatch):
    import longtail.protocols.reveal as module

    events, catalog = shop
    measured, observe = [], module.observe

    def watch(methods, relevant, candidates, counts, *, seen, **rest):
        measured.append((relevant.toarray() > 0, seen.toarray() > 0))
        return observe(methods, relevant, candidates, counts, seen=seen, **rest)

    monkeypatch.setattr(module, "observe", watch)
    few_shot(events, catalog, honest, levels=(0, 5), options=FAST)
    for call, (relevant, left_out) in zip(honest.calls, measured, strict=True):
        users = sorted({user for user, _ in _pairs(call.events)})
        expected = np.zeros_like(relevant)
        for user, item in _pairs(events):
            if user in users and item in catalog.items:
                expected[users.index(user), catalog.items.row(item)] = True
        columns = slice(0, len(catalog.items))
        np.testing.assert_array_equal((relevant | left_out)[:, columns], expected[:, columns])
        assert not (relevant & left_out).any()


def test_truncated_heads_leaves_out_levels_that_too_few_items_reach(shop, honest):
    events, catalog = shop
    result = truncated_heads(events, catalog, honest, levels=(0, 3, 300), options=FAST)
    assert result.split["levels"] == [0, 3]
    assert "ALS alone" in result.notes[-1]


def test_no_eligible_item_is_said(honest, make):
    from datetime import datetime

    events = make.events([("u", "a", "buy", datetime(2024, 1, 1))])
    with pytest.raises(DataError, match="no item with enough users"):
        few_shot(events, make.catalog(["a"]), honest, options=FAST)


def test_nothing_that_counts_as_taken_is_said_before_training(shop, honest):
    events, catalog = shop
    with pytest.raises(DataError, match="few-shot has nothing to test: of 0 held-out pairs"):
        few_shot(events, catalog, honest, levels=(0, 1), options=replace(FAST, relevant_types=["never"]))
    assert honest.calls == []


def test_few_items_are_said_and_one_is_not_ranked_among_itself(shop, honest):
    events, catalog = shop
    one = few_shot(events, catalog, honest, levels=(0, 1), most=1, options=FAST)
    assert [section.name for section in one.sections] == ["0 events", "1 event"]
    assert one.notes == ()
    some = few_shot(events, catalog, honest, levels=(0, 1), options=FAST)
    assert some.notes == (
        f"Only {some.counts['chosen items']} items were chosen: among themselves the first 10 places hold all, and "
        "only their order tells.",
    )


def test_a_run_that_saw_the_hidden_part_is_caught(shop, honest, make):
    events, catalog = shop

    def cheat(training, given, *, hidden=(), validation=None):
        return replace(honest(training, given), interactions=make.interactions(events, given))

    with pytest.raises(LeakError):
        few_shot(events, catalog, cheat, options=FAST)


def _curve(als, bridge, levels):
    def section(a, b, level):
        comparison = Comparison("ndcg@10", 9, 0.95, {"ALS": Estimate(a, a, a), "bridge": Estimate(b, b, b)}, ())
        return Section(level_name(level), 1, 1, 1, 0, 1, {"ndcg@10": comparison})

    sections = tuple(map(section, als, bridge, levels))
    return ProtocolResult("truncated-heads", "", 10, ("ALS", "bridge"), {"levels": levels}, {}, {}, sections)


def test_threshold_is_where_the_lines_cross():
    levels = [0, 3, 15]
    assert threshold(_curve([0, 0.1, 0.4], [0.2, 0.2, 0.2], levels)) == pytest.approx(4 * 4 ** (1 / 3) - 1)
    assert threshold(_curve([0, 0.1, 0.15], [0.2, 0.2, 0.2], levels)) is None
    assert threshold(_curve([0.3, 0.3, 0.3], [0.2, 0.2, 0.2], levels)) == 0
    assert threshold(_curve([0.2, 0.2, 0.2], [0.2, 0.2, 0.2], levels)) is None, "level is not above"
    assert threshold(_curve([0.1, 0.2, 0.3], [0.2, 0.2, 0.2], levels)) == pytest.approx(3)
    assert threshold(_curve([0.3], [0.2], [0]), themselves=True) is None


def test_how_sure_the_threshold_is():
    def result(*differences):
        sections = []
        for level, (low, high) in zip([0, 1, 3, 10, 30], differences, strict=True):
            found = Difference("bridge", "ALS", Estimate((low + high) / 2, low, high))
            sections.append(
                Section(level_name(level), 1, 1, 1, 0, 1, {"ndcg@10": Comparison("ndcg@10", 9, 0.95, {}, (found,))})
            )
        return replace(_curve([0] * 5, [0] * 5, [0, 1, 3, 10, 30]), sections=tuple(sections))

    above, level, below = (0.1, 0.2), (-0.1, 0.1), (-0.2, -0.1)  # of the bridge, against ALS
    assert beyond_chance(result(above, above, level, below, below)) == (1, 10)
    assert beyond_chance(result(level, level, below, level, below)) == (None, 30)
    assert beyond_chance(result(above, above, above, above, level)) == (10, None)
