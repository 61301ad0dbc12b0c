"""Running several protocols: what a shop's data does not allow is skipped, a leak never is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from longtail.core.errors import DataError
from longtail.protocols.leaks import LeakError
from longtail.protocols.registry import PROTOCOLS, run_all
from longtail.protocols.run import Options

FAST = Options(resamples=50)


def test_all_protocols_run_or_say_why_not(shop, honest):
    events, catalog = shop
    levels = type(honest)([])
    results, skipped = run_all(list(PROTOCOLS), events, catalog, honest, lambda: levels, options=FAST)
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
    results, skipped = run_all(["tail", "random"], events, catalog, honest, lambda: honest, options=FAST)
    assert [result.protocol for result in results] == ["random"]
    assert "timestamp" in skipped["tail"]


def test_a_leak_is_never_skipped(shop, honest, make):
    events, catalog = shop

    def cheat(training, given, *, hidden=(), validation=None):
        return replace(honest(training, given), interactions=make.interactions(events, given))

    assert not issubclass(LeakError, DataError)
    with pytest.raises(LeakError):
        run_all(["tail"], events, catalog, cheat, lambda: cheat, options=FAST)
