"""The tail protocol against a plain recomputation of everything it counts and measures."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from longtail.core.buckets import LABELS
from longtail.core.errors import DataError
from longtail.evaluate.result import ProtocolResult, is_part
from longtail.protocols.foreign import ForeignRankings
from longtail.protocols.measure import Observed, View, observe
from longtail.protocols.methods import standard_methods
from longtail.protocols.run import Found, Options, conclude, find_relevant, mean_of
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
    assert len(default_cuts(events, 9)) == 9
    for windows in (0, 10, 11):
        with pytest.raises(DataError, match="ask for 1 to 9"):
            default_cuts(events, windows)
    years = make.events([("u", "i", "buy", START), ("u", "i", "buy", START + timedelta(days=700))])
    assert default_cuts(years, 24)[0] == START + timedelta(days=700 - 24 * 28)
    with pytest.raises(DataError, match="ask for 1 to 24"):
        default_cuts(years, 25)
    with pytest.raises(DataError, match="timestamp"):
        default_cuts(make.events([("u", "i", "buy", None)]), 2)


def _found(events, catalog, fit, cut, end):
    """NDCG of longtail for every tested user of one stretch of time, by id; and the rows of relevant items."""
    part = events if end is None else events.before(end)
    parts = fit(part.before(cut), catalog)
    tested = find_relevant(parts, part.since(cut), catalog, FAST)
    seen = parts.interactions
    observed = observe(
        standard_methods(parts), tested.relevant, {"whole": np.arange(len(seen.items)) < len(catalog.items)},
        seen.n_interactions, k=10, seen=seen.matrix, ids=seen.users,
    )  # fmt: skip
    view = observed.views["whole"]
    values = dict(zip(view.users.to_pylist(), view.values["ndcg@10"]["longtail"], strict=True))
    return values, set(view.relevant_items.tolist())


def test_several_windows_are_trained_before_each_and_tested_up_to_the_next(shop, honest):
    events, catalog = shop
    cuts = [START + timedelta(days=50), START + timedelta(days=65)]
    given = [cuts[1].replace(tzinfo=UTC), *cuts]  # in any order, with a zone or without
    together = tail(events, catalog, honest, cuts=given, options=FAST)
    assert [call.events.last < cut for call, cut in zip(honest.calls, cuts, strict=True)] == [True, True]
    assert len(honest.calls[1].events) == len(events.before(cuts[1]))
    alone = [
        tail(events.before(cuts[1]), catalog, honest, cut=cuts[0], options=FAST),
        tail(events, catalog, honest, cut=cuts[1], options=FAST),
    ]
    assert together.split["cuts"] == [cut.isoformat() for cut in cuts]
    assert together.split["cut"] == cuts[0].isoformat()
    assert together.counts["held-out events"] == len(events.since(cuts[0]))
    assert together.counts["catalog items"] == len(catalog.items)
    for name in ("held-out pairs", "tested pairs"):
        assert together.counts[name] == sum(one.counts[name] for one in alone)
    for name in ("training events", "training users", "catalog items without training events"):
        assert together.counts[name] == alone[1].counts[name]
    assert together.excluded == {why: sum(one.excluded[why] for one in alone) for why in alone[0].excluded}
    for name in ("whole catalog", "tail", "1-4"):
        assert together.section(name).n_pairs == sum(one.section(name).n_pairs for one in alone)
    assert sum(together.taken.values()) == pytest.approx(1)
    assert sum(together.exposure["longtail"].values()) == pytest.approx(1)
    assert "2 stretches" in together.notes[0]
    # Each stretch stands behind as it is by itself.
    names = [section.name for section in together.sections]
    assert names[-4:] == [f"{name}, window {number}" for number in (1, 2) for name in ("whole catalog", "tail")]
    assert [is_part(section.name) for section in together.sections[-5:]] == [False, True, True, True, True]
    assert f"from {cuts[0].date()}, {cuts[1].date()} on" in together.notes[0]
    for number, one in enumerate(alone, 1):
        for name in ("whole catalog", "tail"):
            assert together.section(f"{name}, window {number}").comparisons == one.section(name).comparisons
    # Everybody counts once.
    found = [_found(events, catalog, honest, cut, end) for cut, end in zip(cuts, [cuts[1], None], strict=True)]
    people = {user for values, _ in found for user in values}
    assert len(people) < sum(len(values) for values, _ in found)
    expected = np.mean([np.mean([values[user] for values, _ in found if user in values]) for user in people])
    whole = together.section("whole catalog")
    assert whole.n_users == len(people) == together.counts["tested users"]
    assert whole.n_relevant_items == len(found[0][1] | found[1][1])
    assert whole.comparisons["ndcg@10"].estimates["longtail"].mean == pytest.approx(expected)


def test_as_many_windows_are_tested_as_are_asked_for(shop, honest):
    events, catalog = shop
    result = tail(events, catalog, honest, options=replace(FAST, windows=3))
    assert result.split["cuts"] == [cut.isoformat() for cut in default_cuts(events, 3)]
    assert len(honest.calls) == 3


def test_of_several_seeds_the_mean_is_told_and_each(shop, honest):
    events, catalog = shop
    cuts = [START + timedelta(days=50), START + timedelta(days=65)]
    together = tail(events, catalog, honest, cuts=cuts, options=replace(FAST, seed=3, seeds=2))
    assert [call.seed for call in honest.calls] == [103, 3, 103, 3]  # the shop's own last: others may share it

    def alone(seed):
        def fit(*args, **how):
            return honest(*args, **how, seed=seed)

        return tail(events, catalog, fit, cuts=cuts, options=replace(FAST, seed=3))

    each = {seed: alone(seed) for seed in (3, 103)}
    assert together.counts == each[3].counts  # of the same split, not of as many as there are trainings
    assert together.excluded == each[3].excluded
    assert together.split["seeds"] == [3, 103]
    assert "over 2 trainings of each stretch of time, by seeds 3, 103" in together.notes[0]
    for method, shares in together.exposure.items():
        for bucket, share in shares.items():
            assert share == pytest.approx(np.mean([one.exposure[method][bucket] for one in each.values()]))
    assert each[3].exposure["longtail"] != each[103].exposure["longtail"]
    for section in each[3].sections:
        found, other = together.section(section.name), each[103].section(section.name)
        for what in ("n_users", "n_users_without", "n_pairs", "n_relevant_items", "n_candidates"):
            assert getattr(found, what) == getattr(section, what)
        for metric, comparison in found.comparisons.items():
            for method, estimate in comparison.estimates.items():
                one, two = (part.comparisons[metric].estimates[method].mean for part in (section, other))
                assert estimate.mean == pytest.approx((one + two) / 2)
        novelty = [part.spread["longtail"]["novelty"] for part in (section, other)]
        assert found.spread["longtail"]["novelty"] == pytest.approx(np.mean(novelty))
    names = [f"{name}, seed {seed}" for seed in (3, 103) for name in ("whole catalog", "tail")]
    assert [section.name for section in together.sections[-4:]] == names
    assert all(is_part(name) for name in names)
    for name in names:
        section, _, seed = name.partition(", seed ")
        assert together.section(name).comparisons == each[int(seed)].section(section).comparisons
    assert each[3].section("tail").comparisons != each[103].section("tail").comparisons


def test_a_single_stretch_is_tested_with_several_seeds(shop, honest):
    events, catalog = shop
    result = tail(events, catalog, honest, options=replace(FAST, seeds=3))
    assert [call.seed for call in honest.calls] == [200, 100, 0]
    assert [section.name for section in result.sections[-2:]] == ["whole catalog, seed 200", "tail, seed 200"]
    assert "cuts" not in result.split
    assert len(result.notes) == 1
    with pytest.raises(DataError, match="seeds = 0"):
        tail(events, catalog, honest, options=replace(FAST, seeds=0))


def test_a_mean_is_of_runs_on_the_same_split(shop, honest):
    events, catalog = shop
    found = []
    for cut in (START + timedelta(days=50), START + timedelta(days=65)):
        parts = honest(events.before(cut), catalog)
        tested = find_relevant(parts, events.since(cut), catalog, FAST)
        whole = {"whole": np.arange(len(parts.interactions.items)) < len(catalog.items)}
        observed = observe(
            standard_methods(parts), tested.relevant, whole, parts.interactions.n_interactions, k=5, seen=None
        )
        counts = {"tested pairs": int(tested.relevant.nnz)}
        found.append(Found((observed,), pa.array(["u"]), counts, {}, ()))
    assert mean_of(found[:1]) is found[0]
    for wrong in ([], found):
        with pytest.raises(ValueError, match="same split"):
            mean_of(wrong)
    others = replace(found[0], observed=found[1].observed)
    with pytest.raises(ValueError, match="same people"):
        mean_of([found[0], others])


def test_what_not_every_training_says_or_measures_is_told_so(shop, honest):
    events, catalog = shop

    def fit(*args, seed, **how):
        parts = honest(*args, seed=seed, **how)
        return replace(parts, article=None) if seed == 100 else parts

    result = tail(events, catalog, fit, options=replace(FAST, seeds=3))
    assert "article" not in result.methods
    assert "article" not in result.section("tail, seed 0").comparisons["ndcg@10"].estimates
    assert result.notes[1:] == ("In 1 of 3 trainings: article was not measured: a training run has none.",)


def test_windows_that_cannot_be_tested_are_refused(shop, honest, make):
    events, catalog = shop
    with pytest.raises(ValueError, match="either"):
        tail(events, catalog, honest, cut=START, cuts=[START], options=FAST)
    with pytest.raises(DataError, match="at least one cut"):
        tail(events, catalog, honest, cuts=[], options=FAST)
    after = events.last + timedelta(days=9)
    gap = make.events([("u1", "i1", "buy", START), ("u1", "i2", "buy", after)])
    with pytest.raises(DataError, match="Nothing happened"):
        tail(gap, catalog, honest, cuts=[START + timedelta(days=1), after], options=FAST)


def test_another_system_must_not_have_seen_any_window(shop, honest, tmp_path):
    events, catalog = shop
    users = sorted({row["user_id"] for row in events.to_arrow().to_pylist()})
    path = tmp_path / "theirs.parquet"
    table = {"user_id": users, "item_id": list(catalog.items)[:1] * len(users), "score": [1.0] * len(users)}
    pq.write_table(pa.table(table), path)
    theirs = replace(FAST, foreign=(ForeignRankings("theirs", path),))
    cuts = [START + timedelta(days=50), START + timedelta(days=65)]
    result = tail(events, catalog, honest, cuts=cuts, options=theirs)
    assert "theirs" in result.methods
    assert any("theirs" in note and "2024-02-20" in note for note in result.notes)
    assert not any("theirs" in note for note in tail(events, catalog, honest, cut=cuts[0], options=theirs).notes)


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


def test_a_method_that_one_run_lacks_is_left_out_of_all_and_every_note_is_kept():
    def run(*methods):
        column = np.array([0.5, 0.25])
        ids = pa.array(["a", "b"])
        view = View(3, 2, ids, ids, np.array([0]), {"ndcg@10": dict.fromkeys(methods, column)},
                    {method: {"coverage": 1.0} for method in methods})  # fmt: skip
        observed = Observed({"tail": view}, {method: {"0": 1.0} for method in methods}, {"0": 1.0})
        return Found(
            (observed,), ids, {"tested pairs": 2, "held-out pairs": 4, "catalog items": 3}, {"why": 2}, methods
        )

    result = conclude("tail", "?", [run("ALS", "longtail"), run("ALS", "article")], FAST, split={})
    assert result.methods == ("ALS",)
    assert result.section("tail").comparisons["ndcg@10"].methods == ("ALS",)
    assert result.notes == ("ALS", "longtail", "article")
    assert result.counts == {"tested pairs": 4, "held-out pairs": 8, "catalog items": 3, "tested users": 2}
    assert result.excluded == {"why": 4}
    none = replace(run("ALS"), counts={"tested pairs": 0, "held-out pairs": 4, "catalog items": 3})
    with pytest.raises(DataError, match="None of 8"):
        conclude("tail", "?", [none, none], FAST, split={})
