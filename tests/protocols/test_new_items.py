"""New items over several cuts against a plain recomputation of what is relevant."""

from datetime import timedelta

import pytest

from longtail.core.errors import DataError
from longtail.protocols.new_items import NEW, new_items
from longtail.protocols.run import Options

FAST = Options(resamples=100, tail_below=8)


def _relevant(events, catalog, cut):
    before, after = events.before(cut).to_arrow().to_pylist(), events.since(cut).to_arrow().to_pylist()
    known = {row["item_id"] for row in before}
    users = {row["user_id"] for row in before}
    return {
        (row["user_id"], row["item_id"])
        for row in after
        if row["item_id"] in set(catalog.items) - known and row["user_id"] in users
    }


def test_every_cut_tests_what_was_new_then(shop, honest):
    events, catalog = shop
    cuts = [events.first + (events.last - events.first) * share for share in (0.02, 0.04)]
    wanted = [_relevant(events, catalog, cut) for cut in cuts]
    assert all(wanted)
    result = new_items(events, catalog, honest, cuts=cuts, options=FAST)
    section = result.section(NEW)
    assert section.n_pairs == result.counts["tested pairs"] == sum(map(len, wanted))
    assert section.n_users == len({user for pairs in wanted for user, _ in pairs})
    assert section.n_relevant_items == len({item for pairs in wanted for _, item in pairs})
    held_out = [len({(r["user_id"], r["item_id"]) for r in events.since(cut).to_arrow().to_pylist()}) for cut in cuts]
    assert result.counts["held-out pairs"] == sum(held_out) == section.n_pairs + sum(result.excluded.values())
    assert len(honest.calls) == 2
    # Nothing is known of new items to ALS alone, which ranks them by chance.
    assert {"ALS", "longtail"} <= set(result.methods)


def test_nothing_new_is_refused(shop, honest):
    events, catalog = shop
    with pytest.raises(DataError, match="Nobody took an item"):
        new_items(events, catalog, honest, cuts=[events.last - timedelta(days=1)], options=FAST)


def test_refusals(shop, honest):
    events, catalog = shop
    with pytest.raises(DataError, match="at least one cut"):
        new_items(events, catalog, honest, cuts=[], options=FAST)
    with pytest.raises(DataError):
        new_items(events, catalog, honest, cuts=[events.last + timedelta(days=1)], options=FAST)
