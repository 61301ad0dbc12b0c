"""New users: nothing of theirs is trained on, their first items are revealed, and later ones tested."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from longtail.cf.als import solve_users
from longtail.core.errors import DataError
from longtail.core.vocabulary import Vocabulary
from longtail.data.schema import WeightSettings
from longtail.protocols.leaks import LeakError
from longtail.protocols.methods import standard_methods
from longtail.protocols.new_users import _choose, new_users
from longtail.protocols.run import Options

FAST = Options(resamples=50)
START = datetime(2024, 1, 1)


@pytest.fixture
def crowd(make):
    """90 users of one item a day, and 20 with a single item."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(90):
        for day, item in enumerate(rng.permutation(30)[:14]):
            rows.append((f"u{user:02d}", f"i{item:02d}", "buy", START + timedelta(days=day)))
    rows += [(f"w{user:02d}", "i00", "buy", START) for user in range(20)]
    return make.events(rows), make.catalog([f"i{item:02d}" for item in range(30)])


def test_held_out_users_are_not_trained_on_and_are_the_same_at_every_level(crowd, honest):
    events, catalog = crowd
    result = new_users(events, catalog, honest, reveal=(1, 3), share=0.4, options=FAST)
    (given,) = honest.calls
    held = {row["user_id"] for row in events.to_arrow().to_pylist()} - {
        row["user_id"] for row in given.events.to_arrow().to_pylist()
    }
    assert len(held) == result.counts["held-out users"] == 36
    assert not any(user.startswith("w") for user in held)
    assert result.counts["users with too few items"] == 20
    assert [section.name for section in result.sections] == ["1 revealed", "3 revealed"]
    assert {section.n_pairs for section in result.sections} == {36 * 11}
    assert result.methods == ("popularity", "content kNN", "ALS", "article", "longtail")


def test_levels_that_too_few_users_reach_are_left_out(crowd, honest):
    events, catalog = crowd
    assert new_users(events, catalog, honest, reveal=(1, 14), share=0.4, options=FAST).split["revealed"] == [1]
    with pytest.raises(DataError, match="at least 30"):
        new_users(events, catalog, honest, reveal=(20,), options=FAST)


def test_draws_hold_out_other_users_each_and_are_measured_together(crowd, honest):
    events, catalog = crowd
    result = new_users(events, catalog, honest, reveal=(1, 3), share=0.4, draws=2, options=FAST)
    everybody = set(events.users())
    held = [everybody - set(call.events.users()) for call in honest.calls]
    assert [len(users) for users in held] == [36, 36]
    assert not held[0] & held[1]
    assert result.counts["held-out users"] == result.sections[0].n_users == 72
    assert {section.n_pairs for section in result.sections} == {72 * 11}
    alone = new_users(events, catalog, honest, reveal=(1, 3), share=0.4, options=FAST)
    assert alone.counts["held-out users"] == 36
    with pytest.raises(DataError, match="Draw from 1 to 2 times"):
        new_users(events, catalog, honest, reveal=(1, 3), share=0.4, draws=3, options=FAST)


def test_pooled_draws_are_the_mean_of_each(crowd, honest, monkeypatch):
    import longtail.protocols.new_users as module

    events, catalog = crowd
    choose = module._choose
    both = new_users(events, catalog, honest, reveal=(3,), share=0.4, draws=2, options=FAST)

    def only(number):
        def one(order, levels, share, draws, seed):
            kept, groups = choose(order, levels, share, 2, seed)
            return kept, [groups[number]]

        return one

    means = []
    for number in range(2):
        monkeypatch.setattr(module, "_choose", only(number))
        means.append(estimates(new_users(events, catalog, honest, reveal=(3,), share=0.4, options=FAST)))
    for name in ("ALS", "longtail"):  # the others have ties, which are drawn by the user's place
        assert estimates(both)[name] == pytest.approx((means[0][name] + means[1][name]) / 2)


def estimates(result):
    return {name: one.mean for name, one in result.sections[0].comparisons["ndcg@10"].estimates.items()}


def test_rankings_of_all_levels_leave_out_what_any_reveals(crowd, honest, monkeypatch):
    import longtail.protocols.new_users as module

    observed, observe = [], module.observe

    def watch(*args, seen, n_users, **rest):
        observed.append((seen.toarray() > 0, n_users))
        return observe(*args, seen=seen, n_users=n_users, **rest)

    monkeypatch.setattr(module, "observe", watch)
    events, catalog = crowd
    new_users(events, catalog, honest, reveal=(1, 3), share=0.4, options=FAST)
    (first, trained), (second, _) = observed
    np.testing.assert_array_equal(first, second)
    assert (first.sum(axis=1) == 3).all()
    assert trained == len(honest.calls[0].events.users())


def test_the_first_items_in_time_are_revealed(crowd, honest, monkeypatch):
    import longtail.protocols.new_users as module

    events, catalog = crowd
    seen = []
    monkeypatch.setattr(
        module, "standard_methods", lambda parts, history: seen.append(history) or standard_methods(parts, history)
    )
    new_users(events, catalog, honest, reveal=(1, 3), share=0.4, options=FAST)
    rows = sorted(events.to_arrow().to_pylist(), key=lambda row: row["timestamp"])
    trained = {row["user_id"] for row in honest.calls[0].events.to_arrow().to_pylist()}
    held = sorted({row["user_id"] for row in rows} - trained)
    for history, level in zip(seen, (1, 3), strict=True):
        for position, user in enumerate(held):
            first = [row["item_id"] for row in rows if row["user_id"] == user][:level]
            revealed = catalog.items.take(np.flatnonzero(history.toarray()[position]))
            assert sorted(first) == sorted(revealed)


def test_new_users_are_folded_in_by_the_half_step_of_training(crowd, honest):
    events, catalog = crowd
    parts = honest(events, catalog)
    history = parts.interactions.matrix[:5]
    methods = {method.name: method for method in standard_methods(parts, history)}
    exposure = (parts.interactions.n_interactions > 0).astype(np.float32)
    model, seen = parts.model, parts.interactions
    stored = model.fusion.solved_against(model.item_vectors, model.content, seen.n_interactions)
    expected = solve_users(history, stored, parts.als, exposure=exposure).factors
    np.testing.assert_allclose(methods["longtail"].user_vectors, expected, rtol=1e-5)
    expected = solve_users(history, parts.model.als_item_factors, parts.als).factors
    np.testing.assert_allclose(methods["ALS"].user_vectors, expected, rtol=1e-5)


def test_what_is_revealed_is_as_old_as_in_training(crowd, honest, monkeypatch):
    import longtail.protocols.new_users as module

    seen = []
    monkeypatch.setattr(
        module, "standard_methods", lambda parts, history: seen.append(history) or standard_methods(parts, history)
    )

    def fit(training, catalog, **rest):
        return replace(honest(training, catalog, **rest), weights=WeightSettings(half_life_days=1.0))

    events, catalog = crowd
    new_users(events, catalog, fit, reveal=(1,), share=0.4, options=FAST)
    np.testing.assert_allclose(seen[0].data, 2.0**-13)  # of the first of fourteen days


def test_draws_that_make_up_the_whole_hold_everybody_out_once():
    order = SimpleNamespace(n_items=np.full(1006, 2), user_ids=Vocabulary([f"u{n:04d}" for n in range(1006)], "user"))
    _, groups = _choose(order, [1], 0.1, 10, 0)
    assert sorted(user for group in groups for user in group) == list(order.user_ids)
    assert {len(group) for group in groups} == {100, 101}


def test_a_run_that_saw_the_held_out_users_is_caught(crowd, honest, make):
    events, catalog = crowd

    def cheat(training, given, *, hidden=(), validation=None):
        return replace(honest(training, given), interactions=make.interactions(events, given))

    with pytest.raises(LeakError):
        new_users(events, catalog, cheat, reveal=(1,), share=0.4, options=FAST)
