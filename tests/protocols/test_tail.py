"""The tail protocol against a plain recomputation of everything it counts and measures."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import numpy as np
import pytest

from longtail.core.buckets import LABELS
from longtail.core.errors import DataError
from longtail.evaluate.result import ProtocolResult
from longtail.protocols.run import Options
from longtail.protocols.tail import default_cut, default_cuts, tail

START = datetime(2024, 1, 1)
FAST = Options(resamples=200, tail_below=8)


def test_default_cut_is_four_weeks_or_a_tenth(shop, make):
    events, _ = shop
    assert events.last - default_cut(events) == (events.last - events.first) / 10
    year = make.events([("u", "i", "buy", START), ("u", "i", "buy", START + timedelta(days=366))])
    assert default_cut(year) == START + timedelta(days=366 - 28)


def test_default_cut_of_whole_days_tests_the_last_day(make):
    days = make.events([("u", "i", "buy", START + timedelta(days=day)) for day in range(6)])
    assert len(days.since(default_cut(days))) == 1


def test_default_cuts_are_windows_in_a_row_up_to_the_end(shop, make):
    events, _ = shop
    length = (events.last - events.first) / 10
    assert default_cuts(events, 3) == [events.last - 3 * length, events.last - 2 * length, default_cut(events)]
    for windows in (0, 10):
        with pytest.raises(DataError, match="ask for 1 to 9"):
            default_cuts(events, windows)
    with pytest.raises(DataError, match="timestamp"):
        default_cuts(make.events([("u", "i", "buy", None)]), 2)


def test_several_windows_are_trained_before_each_and_tested_up_to_the_next(shop, honest):
    events, catalog = shop
    cuts = [START + timedelta(days=50), START + timedelta(days=65)]
    together = tail(events, catalog, honest, cuts=cuts[::-1], options=FAST)
    assert [call.events.last < cut for call, cut in zip(honest.calls, cuts, strict=True)] == [True, True]
    assert len(honest.calls[1].events) == len(events.before(cuts[1]))
    alone = [
        tail(events.before(cuts[1]), catalog, honest, cut=cuts[0], options=FAST),
        tail(events, catalog, honest, cut=cuts[1], options=FAST),
    ]
    assert together.split["cuts"] == [cut.isoformat() for cut in cuts]
    assert "cut" not in together.split
    assert together.counts["held-out events"] == len(events.since(cuts[0]))
    assert together.counts["catalog items"] == len(catalog.items)
    for name in ("training users", "held-out pairs", "tested pairs", "tested users"):
        assert together.counts[name] == sum(one.counts[name] for one in alone)
    assert together.excluded == {why: sum(one.excluded[why] for one in alone) for why in alone[0].excluded}
    for name in ("whole catalog", "tail", "1-4"):
        both, parts = together.section(name), [one.section(name) for one in alone]
        users = [part.n_users for part in parts]
        assert both.n_users == sum(users)
        assert both.n_pairs == sum(part.n_pairs for part in parts)
        for metric in ("ndcg@10", "recall@10"):
            for method in together.methods:
                expected = np.average([p.comparisons[metric].estimates[method].mean for p in parts], weights=users)
                assert both.comparisons[metric].estimates[method].mean == pytest.approx(expected)
        assert both.spread["ALS"]["novelty"] == pytest.approx(
            np.average([part.spread["ALS"]["novelty"] for part in parts], weights=users)
        )
    assert sum(together.taken.values()) == pytest.approx(1)
    assert sum(together.exposure["longtail"].values()) == pytest.approx(1)
    assert "2 stretches" in together.notes[0]


def test_more_windows_narrow_the_interval(shop, honest):
    events, catalog = shop
    one, four = (tail(events, catalog, honest, options=Options(resamples=200, tail_below=8, windows=n)) for n in (1, 4))
    assert len(four.split["cuts"]) == 4

    def width(result):
        found = result.section("whole catalog").comparisons["ndcg@10"].difference("longtail", "ALS").estimate
        return found.high - found.low

    assert width(four) < width(one)
    with pytest.raises(ValueError, match="either"):
        tail(events, catalog, honest, cut=START, cuts=[START], options=FAST)


def test_training_sees_what_is_before_the_cut_and_nothing_else(shop, honest):
    events, catalog = shop
    cut = START + timedelta(days=60)
    tail(events, catalog, honest, cut=cut, options=FAST)
    (given,) = honest.calls
    assert given.events.last < cut
    assert len(given.events) == sum(time.as_py() < cut for time in events.to_arrow()["timestamp"])
    assert given.catalog is catalog
    assert given.hidden == []
    assert given.validation is None


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_counts_are_those_of_a_plain_recomputation(shop, honest, exclude_seen):
    events, catalog = shop
    cut = START + timedelta(days=60)
    result = tail(
        events, catalog, honest, cut=cut, options=Options(resamples=200, tail_below=8, exclude_seen=exclude_seen)
    )
    rows = events.to_arrow().to_pylist()
    before = {(row["user_id"], row["item_id"]) for row in rows if row["timestamp"] < cut}
    after = {(row["user_id"], row["item_id"]) for row in rows if row["timestamp"] >= cut}
    known = {user for user, _ in before}
    tested = {(u, i) for u, i in after if u in known and i in catalog.items and not (exclude_seen and (u, i) in before)}
    assert result.counts["held-out pairs"] == len(after)
    assert result.counts["tested pairs"] == len(tested)
    assert sum(result.excluded.values()) + len(tested) == len(after)
    assert result.excluded["item not in the catalog"] == len({p for p in after if p[0] in known and p[1] == "gone"})
    users_of = {item: len({u for u, i in before if i == item}) for item in catalog.items}
    sections = {section.name: section for section in result.sections}
    tail_items = {item for item, n in users_of.items() if n < 8}
    for name, items in {"whole catalog": set(catalog.items), "tail": tail_items}.items():
        pairs = {(u, i) for u, i in tested if i in items}
        assert sections[name].n_candidates == len(items)
        assert sections[name].n_pairs == len(pairs)
        assert sections[name].n_users == len({u for u, _ in pairs})
        assert sections[name].n_relevant_items == len({i for _, i in pairs})
        assert sections[name].n_users + sections[name].n_users_without == len({u for u, _ in tested})
    buckets = [sections[label] for label in LABELS if label in sections]
    assert sum(section.n_candidates for section in buckets) == len(catalog.items)
    assert sum(section.n_pairs for section in buckets) == len(tested)


def test_popularity_reaches_what_counting_by_hand_reaches(shop, honest):
    events, catalog = shop
    cut = START + timedelta(days=60)
    result = tail(events, catalog, honest, cut=cut, options=Options(k=40, resamples=200, exclude_seen=False))
    rows = events.to_arrow().to_pylist()
    before = {(row["user_id"], row["item_id"]) for row in rows if row["timestamp"] < cut}
    after = {(row["user_id"], row["item_id"]) for row in rows if row["timestamp"] >= cut}
    counts = {item: len({u for u, i in before if i == item}) for item in catalog.items}
    known = {user for user, _ in before}
    taken = {}
    for user, item in after:
        if user in known and item in catalog.items:
            taken.setdefault(user, set()).add(item)
    # expected reciprocal rank with ties in random order lies between the best and the worst order of the ties
    best, worst = [], []
    for items in taken.values():
        top = max(counts[item] for item in items)
        ahead = sum(n > top for n in counts.values())
        level = sum(n == top for n in counts.values())
        best.append(1 / (ahead + 1))
        worst.append(1 / (ahead + level))
    found = result.section("whole catalog").comparisons["mrr@40"].estimates["popularity"].mean
    assert np.mean(worst) <= found <= np.mean(best)


def test_methods_stand_side_by_side_with_intervals_and_differences(shop, honest):
    events, catalog = shop
    result = tail(events, catalog, honest, options=FAST)
    assert result.methods == ("popularity", "content kNN", "ALS", "article", "longtail")
    for section in result.sections:
        for comparison in section.comparisons.values():
            assert comparison.methods == (result.methods if section.n_users else ())
            assert comparison.n_users == section.n_users
            for estimate in comparison.estimates.values():
                assert 0 <= estimate.low <= estimate.mean <= estimate.high <= 1
    whole = result.section("whole catalog")
    assert whole.comparisons["ndcg@10"].difference("longtail", "ALS").estimate.mean == pytest.approx(
        whole.comparisons["ndcg@10"].estimates["longtail"].mean - whole.comparisons["ndcg@10"].estimates["ALS"].mean
    )
    assert sum(result.taken.values()) == pytest.approx(1)
    for shares in result.exposure.values():
        assert sum(shares.values()) == pytest.approx(1)


def test_result_survives_json_and_the_same_seed_gives_it_again(shop, honest):
    events, catalog = shop
    result = tail(events, catalog, honest, options=FAST)
    assert ProtocolResult.from_dict(json.loads(json.dumps(result.to_dict(), allow_nan=False))) == result
    assert tail(events, catalog, honest, options=FAST).to_dict() == result.to_dict()
    table = result.to_arrow()
    assert table.column_names[:5] == ["protocol", "section", "metric", "method", "against"]
    assert set(table["section"].to_pylist()) == {section.name for section in result.sections if section.n_users}


def test_result_of_another_format_is_refused(shop, honest):
    events, catalog = shop
    values = tail(events, catalog, honest, options=FAST).to_dict()
    with pytest.raises(DataError, match="format 99"):
        ProtocolResult.from_dict({**values, "format": 99})
    with pytest.raises(DataError, match="no section 'x'"):
        ProtocolResult.from_dict(values).section("x")


def test_only_some_event_types_count_as_taken(honest, make):
    rows = [("u", "a", "view", START), ("v", "b", "view", START)]
    rows += [("u", "b", "view", START + timedelta(days=9)), ("v", "a", "buy", START + timedelta(days=9))]
    events, catalog = make.events(rows), make.catalog(["a", "b"])
    options = Options(resamples=50, relevant_types=["buy"])
    assert tail(events, catalog, honest, options=options).counts["tested pairs"] == 1
    assert tail(events, catalog, honest, options=Options(resamples=50)).counts["tested pairs"] == 2


def test_a_split_with_an_empty_side_is_refused(shop, honest, make):
    events, catalog = shop
    for cut in (START - timedelta(days=1), START + timedelta(days=999)):
        with pytest.raises(DataError, match="Choose a cut between"):
            tail(events, catalog, honest, cut=cut, options=FAST)
    with pytest.raises(DataError, match="timestamp"):
        tail(make.events([]), catalog, honest, options=FAST)


def test_nothing_to_test_says_why(honest, make):
    events = make.events([("u", "a", "buy", START), ("u", "a", "buy", START + timedelta(days=9))])
    with pytest.raises(DataError, match="already in the user's history"):
        tail(events, make.catalog(["a"]), honest, options=FAST)
