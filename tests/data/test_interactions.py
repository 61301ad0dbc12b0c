from __future__ import annotations

import math
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from longtail.core.errors import DataError, NumericalError
from longtail.core.vocabulary import Vocabulary
from longtail.data.events import Events, read_events
from longtail.data.interactions import Interactions, aggregate
from longtail.data.schema import EventsSchema, WeightSettings

START = datetime(2024, 1, 1)
TYPES = {"view": 0.1, "cart": 0.7, "buy": 3.0}


def events_of(rows: list[dict[str, Any]], weights: WeightSettings | None = None) -> Events:
    schema = EventsSchema(event_type="event_type", value="value")
    names = ["user_id", "item_id", "event_type", "timestamp", "value"]
    types = [pa.string(), pa.string(), pa.string(), pa.timestamp("us"), pa.float64()]
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(zip(names, types, strict=True))))
    return read_events(schema, weights or WeightSettings(), base=Path(), table=table, now=datetime(2025, 1, 1))


def row(user: str, item: str, day: float = 0, value: float = 1.0, kind: str = "buy") -> dict[str, Any]:
    return {
        "user_id": user,
        "item_id": item,
        "event_type": kind,
        "timestamp": START + timedelta(days=day),
        "value": value,
    }


def plainly(
    rows: list[dict[str, Any]], weights: WeightSettings, reference: datetime
) -> tuple[dict[tuple[str, str], float], float]:
    """The weights of pairs by the definition, summed exactly, and the unit that `aggregate` promises to sum in."""
    parts: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in rows:
        weight = (weights.types or defaultdict(lambda: 1.0))[event["event_type"]]
        weight *= event["value"] ** weights.value_exponent
        if weights.half_life_days is not None:
            age = max((reference - event["timestamp"]).total_seconds(), 0.0) / 86400
            weight *= 2 ** (-age / weights.half_life_days)
        parts[event["user_id"], event["item_id"]].append(weight)
    sums = {pair: math.fsum(found) for pair, found in parts.items()}
    unit = max(max(found) for found in parts.values()) * len(rows) * 2.0**-122
    if weights.confidence == "log":
        sums = {pair: math.log1p(total / weights.epsilon) for pair, total in sums.items()}
        unit /= weights.epsilon
    return sums, unit


ids = st.text(min_size=1, max_size=4) | st.sampled_from(["1", "01", " 1", "1 ", "é", "é", "雪", "A", "a"])
some_events = st.lists(
    st.builds(
        row,
        ids.filter(lambda id: "\x00" not in id),
        ids.filter(lambda id: "\x00" not in id),
        st.floats(0, 300),
        st.sampled_from([0.0, 0.01, 1.0, 2.5, 1e6]) | st.floats(0, 1e4),
        st.sampled_from([*TYPES]),
    ),
    min_size=1,
    max_size=25,
)
some_weights = st.builds(
    WeightSettings,
    types=st.sampled_from([{}, TYPES]),
    value_exponent=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    half_life_days=st.sampled_from([None, 0.5, 30.0, 1000.0]),
    confidence=st.sampled_from(["linear", "log"]),
    epsilon=st.sampled_from([0.1, 1.0, 10.0]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=some_events, weights=some_weights)
def test_aggregation_is_the_definition(rows: list[dict[str, Any]], weights: WeightSettings) -> None:
    events = events_of(rows, weights)
    found = aggregate(events, weights)
    last = max(event["timestamp"] for event in rows)
    wanted, unit = plainly(rows, weights, last)
    rounded = 1e-30 + unit * len(rows)  # each event once, and float32 has nothing below

    assert list(found.users) == sorted({user for user, _ in wanted})
    assert list(found.items) == sorted({item for _, item in wanted})
    dense = found.matrix.toarray()
    for (user, item), weight in wanted.items():
        shown = dense[found.users.row(user), found.items.row(item)]
        np.testing.assert_allclose(shown, weight, rtol=3e-7, atol=rounded)
    assert found.matrix.nnz + found.zero_pairs == len(wanted)
    assert (found.matrix.data > 0).all()
    for item in found.items:
        mine = [event for event in rows if event["item_id"] == item]
        assert found.item_events[found.items.row(item)] == len(mine)
        first = min(event["timestamp"] for event in mine)
        assert found.first_seen[found.items.row(item)] == np.datetime64(first).astype("datetime64[s]")
    np.testing.assert_array_equal(found.n_interactions, (dense > 0).sum(axis=0))
    np.testing.assert_array_equal(found.user_interactions, (dense > 0).sum(axis=1))


def test_a_logarithm_keeps_what_is_small_beside_one() -> None:
    weights = WeightSettings(value_exponent=1.0, confidence="log", epsilon=1.0)
    matrix = aggregate(events_of([row("a", "x", value=3e-17), row("b", "x", value=1.0)]), weights).matrix
    np.testing.assert_allclose(matrix.toarray()[:, 0], [3e-17, np.log(2)], rtol=1e-6)


def test_the_matrix_is_canonical() -> None:
    rows = [row("b", "y"), row("a", "z"), row("a", "x"), row("b", "x"), row("a", "z")]
    matrix = aggregate(events_of(rows), WeightSettings()).matrix
    assert matrix.dtype == np.float32
    assert matrix.indices.dtype == np.int32
    assert matrix.indices.tolist() == [0, 2, 0, 1]
    assert matrix.data.tolist() == [1, 2, 1, 1]
    copy = sparse.csr_array((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)
    assert copy.has_canonical_format


def test_the_same_bits_whatever_the_threads_and_the_order() -> None:
    generator = np.random.default_rng(5)
    rows = [
        row(f"u{user}", f"i{item}", float(day), float(value))
        for user, item, day, value in zip(
            generator.integers(0, 3, 4000),
            generator.integers(0, 3, 4000),
            generator.random(4000) * 100,
            generator.lognormal(0, 8, 4000),
            strict=True,
        )
    ]
    weights = WeightSettings(value_exponent=0.7, half_life_days=9.0)
    one, other = events_of(rows, weights), events_of(rows[::-1], weights)
    other.database.set("threads", 1)
    np.testing.assert_array_equal(aggregate(one, weights).matrix.data, aggregate(other, weights).matrix.data)


def test_pairs_without_weight_vanish_but_are_counted() -> None:
    weights = WeightSettings(types={"buy": 1.0, "view": 0.0})
    found = aggregate(
        events_of([row("a", "x"), row("a", "y", kind="view"), row("b", "x", kind="view")], weights), weights
    )
    assert (list(found.users), list(found.items)) == (["a", "b"], ["x", "y"])
    assert found.matrix.toarray().tolist() == [[1, 0], [0, 0]]
    assert (found.matrix.nnz, found.zero_pairs) == (1, 2)
    assert found.item_events.tolist() == [2, 1]
    assert found.n_interactions.tolist() == [1, 0]


def test_catalog_order_comes_first_and_delisted_items_behind_it() -> None:
    events = events_of([row("b", "old2"), row("a", "x"), row("a", "old1")])
    found = aggregate(events, WeightSettings(), items=Vocabulary(["z", "x"]), users=Vocabulary(["b"], "user"))
    assert list(found.items) == ["z", "x", "old1", "old2"]
    assert (list(found.users), found.users.kind) == (["b", "a"], "user")
    assert found.matrix.toarray().tolist() == [[0, 0, 0, 1], [0, 1, 1, 0]]
    assert found.item_events.tolist() == [0, 1, 1, 1]
    assert np.isnat(found.first_seen).tolist() == [True, False, False, False]


def test_pairs_outside_fixed_vocabularies_are_left_out_and_counted() -> None:
    events = events_of([row("a", "x"), row("a", "y"), row("b", "x"), row("b", "x")])
    found = aggregate(events, WeightSettings(), items=Vocabulary(["x"]), users=Vocabulary(["a"], "user"), extend=False)
    assert (found.matrix.toarray().tolist(), found.left_out) == ([[1]], 2)


def test_ages_are_measured_from_the_reference_and_never_negative() -> None:
    events = events_of([row("a", "x", 0), row("a", "y", 10), row("a", "z", 20)])
    found = aggregate(events, WeightSettings(half_life_days=10), reference_time=START + timedelta(days=10))
    assert found.matrix.toarray().tolist() == [[0.5, 1, 1]]


def test_no_events_give_an_empty_matrix_over_the_catalog() -> None:
    found = aggregate(events_of([]), WeightSettings(half_life_days=3), items=Vocabulary(["x"]))
    assert found.matrix.shape == (0, 1)
    assert found.exposure(None, None).tolist() == [0]


def test_a_view_of_events_is_aggregated_alone() -> None:
    events = events_of([row("a", "x", 0), row("b", "y", 5)])
    assert list(aggregate(events.before(START + timedelta(days=5)), WeightSettings()).users) == ["a"]


def test_other_weights_must_know_every_type() -> None:
    events = events_of([row("a", "x", kind="view"), row("a", "x")])
    with pytest.raises(DataError, match=r"Events of the types 'view' have no weight; weights\.types names 'buy'"):
        aggregate(events, WeightSettings(types={"buy": 1.0}))


def test_sums_too_large_for_float32_name_the_pair() -> None:
    events = events_of([row("a", "x"), row("é", "y", value=3e38), row("é", "y", value=3e38)])
    with pytest.raises(NumericalError, match=r"1 pairs .* user 'é' and item 'y'"):
        aggregate(events, WeightSettings(value_exponent=1.0))


def test_exposure_is_the_share_of_the_window_since_the_first_event() -> None:
    events = events_of([row("a", "start"), row("a", "middle", 5), row("a", "end", 10)])
    found = aggregate(events, WeightSettings(), items=Vocabulary(["new", "start", "middle", "end"]))
    assert found.exposure(events.first, events.last).tolist() == [0, 1, 0.5, 0]
    assert found.exposure(START - timedelta(days=10), events.last).tolist() == pytest.approx([0, 0.5, 0.25, 0])
    assert found.exposure(START + timedelta(days=5), events.last).tolist() == [0, 1, 1, 0]
    dates = np.array(["2024-01-01", "NaT", "2024-01-03T12", "2025-01-01"], dtype="datetime64[s]")
    assert found.exposure(events.first, events.last, available_from=dates).tolist() == [0, 1, 0.75, 0]
    assert found.exposure(events.last, events.last).tolist() == [0, 1, 1, 1]


def test_exposure_without_times_is_whether_there_are_events() -> None:
    schema = EventsSchema(timestamp=None)
    data = pa.table({"user_id": ["a"], "item_id": ["x"]})
    events = read_events(schema, WeightSettings(), base=Path(), table=data)
    found = aggregate(events, WeightSettings(half_life_days=5.0), items=Vocabulary(["y", "x"]))
    assert found.exposure(events.first, events.last).tolist() == [0, 1]
    assert found.exposure(START, START + timedelta(days=1)).tolist() == [0, 1]


def test_keep_hides_pairs() -> None:
    found = aggregate(events_of([row("a", "x"), row("a", "y"), row("b", "x"), row("b", "x")]), WeightSettings())
    rows, columns = found.pairs()
    assert (rows.tolist(), columns.tolist()) == ([0, 0, 1], [0, 1, 0])
    kept = found.keep(np.array([True, False, True]))
    assert kept.matrix.toarray().tolist() == [[1, 0], [2, 0]]
    assert kept.item_events.tolist() == [2, 0]
    assert np.isnat(kept.first_seen).tolist() == [False, True]
    assert not np.isnat(found.first_seen).any()


def test_parts_that_do_not_fit_are_refused() -> None:
    good = aggregate(events_of([row("a", "x")]), WeightSettings())
    with pytest.raises(DataError, match="need a float32 matrix of that shape; found float64"):
        Interactions(good.users, good.items, good.matrix.astype(np.float64), good.item_events, good.first_seen)
    with pytest.raises(DataError, match="item_events needs one entry for each of 1 items"):
        Interactions(good.users, good.items, good.matrix, np.zeros(2, dtype=np.int64), good.first_seen)
