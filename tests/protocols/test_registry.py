"""Running several protocols: what a shop's data does not allow is skipped, a leak never is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from longtail.core.errors import DataError
from longtail.protocols.leaks import LeakError
from longtail.protocols.registry import PROTOCOLS, run_all
from longtail.protocols.run import Options

FAST = Options(resamples=50)


def _pairs(events):
    return {(row["user_id"], row["item_id"]) for row in events.to_arrow().to_pylist()}


def test_all_protocols_run_or_say_why_not(shop, honest):
    events, catalog = shop
    levels, started = type(honest)([]), []

    def at_levels(least, catalog, *, hidden):
        started.append((least, hidden))
        return levels

    results, skipped = run_all(list(PROTOCOLS), events, catalog, honest, at_levels, options=FAST)
    assert len(started) == 1, "choices are made once for all protocols with levels"
    least, hidden = started[0]
    seen = _pairs(least)
    assert seen < _pairs(events)
    for call in levels.calls:
        assert seen <= _pairs(call.events), "choices see nothing that some level does not"
        assert set(call.hidden) <= set(hidden)
    assert {result.protocol for result in results} | set(skipped) == set(PROTOCOLS)
    assert set(skipped) <= {"few-shot", "new-users", "relevance"}
    assert len(levels.calls) > 3, "the protocols with levels have a fit of their own"
    shown = [name for name in PROTOCOLS if name not in skipped]
    assert [result.protocol for result in results] == shown
    for result in results:
        assert result.sections
        assert result.sections[0].n_users > 0


def test_a_shop_without_times_skips_what_needs_them(honest, make):
    rows = [(f"u{u}", f"i{i}", "buy", None) for u in range(30) for i in range(10) if (u * 7 + i * 3) % 4]
    events, catalog = make.events(rows), make.catalog([f"i{i}" for i in range(10)])
    results, skipped = run_all(["tail", "random"], events, catalog, honest, lambda *_, **__: honest, options=FAST)
    assert [result.protocol for result in results] == ["random"]
    assert "timestamp" in skipped["tail"]


def test_a_leak_is_never_skipped(shop, honest, make):
    events, catalog = shop

    def cheat(training, given, *, hidden=(), validation=None):
        return replace(honest(training, given), interactions=make.interactions(events, given))

    assert not issubclass(LeakError, DataError)
    with pytest.raises(LeakError):
        run_all(["tail"], events, catalog, cheat, lambda *_, **__: cheat, options=FAST)


def test_a_type_that_no_event_has_is_refused_before_anything_is_trained(shop, honest):
    events, catalog = shop
    with pytest.raises(DataError, match=r"'rent', so it cannot count as taken. Events have \['"):
        run_all(["tail"], events, catalog, honest, honest, options=replace(FAST, relevant_types=["rent"]))
    assert not honest.calls
