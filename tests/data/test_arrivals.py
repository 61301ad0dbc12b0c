"""Events that arrive online are judged and weighed as training judges and weighs them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longtail.core.errors import DataError
from longtail.data.arrivals import read_arrivals
from longtail.data.events import read_events
from longtail.data.interactions import aggregate
from longtail.data.schema import EventsSchema, WeightSettings

NOW = datetime(2026, 5, 1, 12)
WEIGHTS = WeightSettings(types={"view": 1.0, "sale": 4.0, "nothing": 0.0}, value_exponent=0.5, half_life_days=30)
SCHEMA = EventsSchema(event_type="event_type", value="value")

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "user_id": st.sampled_from(["u1", "u2", "", None]),
            "item_id": st.sampled_from(["001", "1", None]),
            "event_type": st.sampled_from(["view", "sale", "nothing", "odd", None]),
            "timestamp": st.sampled_from([NOW, NOW - timedelta(days=40), NOW + timedelta(days=3)]),
            "value": st.sampled_from([None, 0.0, 2.0, -1.0, float("nan"), float("inf")]),
        }
    ),
    min_size=1,
    max_size=12,
)


@given(rows=ROWS)
@settings(max_examples=25, deadline=None)
def test_agrees_with_how_training_reads_events(rows: list[dict[str, Any]]) -> None:
    table = pa.Table.from_pylist(rows, schema=pa.schema([
        ("user_id", pa.string()), ("item_id", pa.string()), ("event_type", pa.string()),
        ("timestamp", pa.timestamp("us")), ("value", pa.float64()),
    ]))  # fmt: skip
    events = read_events(SCHEMA, WEIGHTS, base=Path(), table=table, now=NOW)
    arrived = read_arrivals(rows, WEIGHTS, reference_time=NOW, now=NOW)
    assert {one.reason: one.count for one in arrived.refusals.by_reason} == {
        one.reason: one.count for one in events.refusals.by_reason
    }
    assert arrived.refusals.accepted == events.refusals.accepted == len(arrived.events)
    assert arrived.refusals.missing_values == events.refusals.missing_values
    if not arrived.events:
        return
    trained = aggregate(events, WEIGHTS, reference_time=NOW)
    sums: dict[tuple[str, str], float] = {}
    for event in arrived.events:
        sums[event.user_id, event.item_id] = sums.get((event.user_id, event.item_id), 0.0) + event.weight
    for (user, item), weight in sums.items():
        expected = trained.matrix[trained.users.row(user), trained.items.row(item)]
        assert weight == pytest.approx(expected, rel=1e-6)


def test_what_is_missing_has_a_meaning() -> None:
    found = read_arrivals([{"user_id": 7, "item_id": 42.0}], WeightSettings(), now=NOW)
    (event,) = found.events
    assert (event.user_id, event.item_id, event.weight, event.timestamp) == ("7", "42", 1.0, NOW)


def test_times_come_with_zones_or_as_text() -> None:
    rows = [
        {"user_id": "u", "item_id": "i", "timestamp": datetime(2026, 5, 1, 9, tzinfo=UTC)},
        {"user_id": "u", "item_id": "i", "timestamp": "2026-05-01T11:00:00+02:00"},
        {"user_id": "u", "item_id": "i", "timestamp": "yesterday"},
    ]
    found = read_arrivals(rows, WeightSettings(), now=NOW)
    assert {event.timestamp for event in found.events} == {datetime(2026, 5, 1, 9)}
    (refusal,) = found.refusals.by_reason
    assert (refusal.reason, refusal.count, refusal.example) == ("unparsable timestamp", 1, rows[2])


@pytest.mark.parametrize("row", [{"user": "u", "item_id": "i"}, "u,i", {}])
def test_rows_that_are_no_events_stop_the_batch(row: Any) -> None:
    with pytest.raises(DataError, match="Event 2 must have a user_id and an item_id"):
        read_arrivals([{"user_id": "u", "item_id": "i"}, row], WeightSettings())


def test_without_a_type_an_event_cannot_be_weighed_by_it() -> None:
    weights = WeightSettings(types={"view": 1.0, "purchase": 4.5})
    with pytest.raises(DataError, match=r"Event 2 has no event_type.*view 1, purchase 4\.5\. Say which"):
        read_arrivals(
            [{"user_id": "u", "item_id": "i", "event_type": "view"}, {"user_id": "u", "item_id": "i"}], weights
        )
    empty = read_arrivals([{"user_id": "u", "item_id": "i", "event_type": None}], weights, now=NOW)
    assert empty.refusals.count("unknown event type") == 1
    (event,) = read_arrivals([{"user_id": "u", "item_id": "i"}], WeightSettings(types={"event": 2.0}), now=NOW).events
    assert event.weight == 2.0


def test_weights_too_large_are_refused() -> None:
    weights = WeightSettings(value_exponent=4.0)
    found = read_arrivals([{"user_id": "u", "item_id": "i", "value": 1e200}], weights, now=NOW)
    assert found.refusals.count("non-finite weight") == 1


def test_a_column_under_another_name_stops_the_batch_and_says_which() -> None:
    with pytest.raises(DataError, match=r"Event 2 has 'event'.*Did you mean 'event_type'"):
        read_arrivals(
            [{"user_id": "a", "item_id": "x"}, {"user_id": "a", "item_id": "x", "event": "buy"}], WeightSettings()
        )
    with pytest.raises(DataError, match="Event 1 has 'ts'; events have user_id"):
        read_arrivals([{"user_id": "a", "item_id": "x", "ts": "2020-01-01"}], WeightSettings())
