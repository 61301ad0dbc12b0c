from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from longtail.core.errors import DataError, RecipeError
from longtail.data.events import Events, read_events
from longtail.data.refusals import REASONS
from longtail.data.schema import EventsSchema, WeightSettings

NOW = datetime(2024, 6, 1)
HERE = Path()


def table(**columns: list[object]) -> pa.Table:
    rows = len(next(iter(columns.values()))) if columns else 1
    given = {"user_id": ["u"] * rows, "item_id": ["i"] * rows, "timestamp": ["2024-01-01"] * rows}
    return pa.table({**given, **columns})


def read(data: object, weights: WeightSettings | None = None, **schema: object) -> Events:
    return read_events(EventsSchema(**schema), weights or WeightSettings(), base=HERE, table=data, now=NOW)


def values(events: Events, column: str) -> list[object]:
    return events.to_arrow()[column].to_pylist()


def test_events_have_the_canonical_columns_and_types() -> None:
    events = read(table(user_id=[1, 2]))
    assert events.to_arrow().schema.names == ["user_id", "item_id", "event_type", "timestamp", "value"]
    assert events.to_arrow().to_pylist()[1] == {
        "user_id": "2",
        "item_id": "i",
        "event_type": "event",
        "timestamp": datetime(2024, 1, 1),
        "value": 1.0,
    }
    assert (len(events), events.first, events.last) == (2, datetime(2024, 1, 1), datetime(2024, 1, 1))


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (["0108775015", "00"], ["0108775015", "00"]),
        ([" x y ", "ñandú 雪 🎿"], [" x y ", "ñandú 雪 🎿"]),
        ([42, -7], ["42", "-7"]),
        (pa.array([42.0, -0.0]), ["42", "0"]),
        (pa.array([1e15, 42.5]), ["1000000000000000", "42.5"]),
        (pa.array([9007199254740993, 2]), ["9007199254740993", "2"]),
        (pa.array([42.0, 7.0], pa.float32()), ["42", "7"]),
        (pa.array(["42", "x"]).dictionary_encode(), ["42", "x"]),
        (pa.array([b"abc", "é".encode()]), ["abc", "é"]),
        (pa.array(["7.00", "7.50"]).cast(pa.decimal128(9, 2)), ["7", "7.50"]),
        (["42.0", "nan"], ["42.0", "nan"]),
    ],
)
def test_ids_survive_as_they_are(given: list[object], written: list[str]) -> None:
    assert values(read(table(item_id=given)), "item_id") == written


BAD_ROWS = {
    "null user id": {"user": ""},
    "null item id": {"item": None},
    "unparsable timestamp": {"time": "yesterday"},
    "future timestamp": {"time": "2024-06-02 00:00:01"},
    "unknown event type": {"type": "scroll"},
    "unparsable value": {"value": "1,5"},
    "negative value": {"value": "-1"},
    "non-finite value": {"value": "inf"},
    "negative weight": {"type": "return"},
    "non-finite weight": {"value": "1e200"},
}
GOOD_ROW = {"user": "u", "item": "i", "time": "2024-06-01 12:00:00", "type": "buy", "value": "2"}
COLUMNS = {"user_id": "user", "item_id": "item", "timestamp": "time", "event_type": "type", "value": "value"}
WEIGHTS = WeightSettings(types={"buy": 1.0, "view": 0.0, "return": -1.0}, value_exponent=2.0)


@pytest.mark.parametrize("reason", BAD_ROWS)
def test_each_reason_is_counted_with_an_example_and_written(reason: str, tmp_path: Path) -> None:
    bad = {**GOOD_ROW, **BAD_ROWS[reason]}
    rows = [GOOD_ROW, bad, {**bad, "user": bad["user"] and "second"}, {**GOOD_ROW, "type": "view"}]
    events = read(pa.Table.from_pylist(rows), WEIGHTS, **COLUMNS)
    assert len(events) == 2
    assert set(values(events, "user_id")) == {"u"}
    (refusal,) = events.refusals.by_reason
    assert (refusal.reason, refusal.count, refusal.example) == (reason, 2, bad)
    assert events.refusals.count(reason) == 2
    assert (events.refusals.read, events.refusals.accepted, events.refusals.filtered) == (4, 2, 0)
    assert events.refusals.write(tmp_path / "refused.parquet") == 2
    assert pq.read_table(tmp_path / "refused.parquet").to_pylist()[0] == {"refusal_reason": reason, **bad}


def test_the_event_reasons_tried_here_are_all_but_that_of_broken_lines() -> None:
    assert {*BAD_ROWS, "malformed line", "null catalog id", "duplicate catalog item"} == set(REASONS)


def test_nothing_is_dropped_unseen() -> None:
    rows = [{**GOOD_ROW, **bad} for bad in BAD_ROWS.values()] + [GOOD_ROW, {**GOOD_ROW, "user": "staff"}]
    events = read(pa.Table.from_pylist(rows), WEIGHTS, **COLUMNS, where="\"user\" IS DISTINCT FROM 'staff'")
    told = events.refusals
    assert [refusal.reason for refusal in told.by_reason] == [reason for reason in REASONS if reason in BAD_ROWS]
    assert (told.read, told.accepted, told.refused, told.filtered) == (12, 1, 10, 1)
    assert told.read == told.accepted + told.refused + told.filtered


def test_a_row_is_refused_for_the_first_reason_only() -> None:
    events = read(pa.Table.from_pylist([{**GOOD_ROW, "user": None, "item": None, "value": "-1"}]), WEIGHTS, **COLUMNS)
    assert [(refusal.reason, refusal.count) for refusal in events.refusals.by_reason] == [("null user id", 1)]


def test_an_empty_value_counts_as_one_and_is_told() -> None:
    events = read(table(value=["", None, "3"]), value="value")
    assert values(events, "value") == [1.0, 1.0, 3.0]
    assert events.refusals.missing_values == 2


def test_nan_is_not_a_missing_value() -> None:
    events = read(table(value=pa.array([float("nan"), None, 2.0])), value="value")
    assert values(events, "value") == [1.0, 2.0]
    assert events.refusals.count("non-finite value") == 1


def test_nan_is_not_an_id() -> None:
    events = read(table(user_id=pa.array([float("nan"), 3.0])))
    assert values(events, "user_id") == ["3"]
    assert events.refusals.count("null user id") == 1


@pytest.mark.parametrize(
    ("given", "format", "meant"),
    [
        ("2024-02-03", None, datetime(2024, 2, 3)),
        ("2024-02-03 04:05:06", None, datetime(2024, 2, 3, 4, 5, 6)),
        ("2024-02-03T04:05:06.789Z", None, datetime(2024, 2, 3, 4, 5, 6, 789000)),
        ("2024-02-03T04:05:06+02:00", None, datetime(2024, 2, 3, 2, 5, 6)),
        ("2024-02-03 04:05+02", None, datetime(2024, 2, 3, 2, 5)),
        ("03/02/2024", "%d/%m/%Y", datetime(2024, 2, 3)),
        (20240203, "%Y%m%d", datetime(2024, 2, 3)),
        (1706933106, "epoch_s", datetime(2024, 2, 3, 4, 5, 6)),
        ("1706933106789", "epoch_ms", datetime(2024, 2, 3, 4, 5, 6, 789000)),
        (datetime(2024, 2, 3, 4), None, datetime(2024, 2, 3, 4)),
        (datetime(2024, 2, 3, 4, tzinfo=timezone(timedelta(hours=-3))), None, datetime(2024, 2, 3, 7)),
        (datetime(2024, 2, 3).date(), None, datetime(2024, 2, 3)),
    ],
)
def test_times_are_read_in_utc(given: object, format: str | None, meant: datetime) -> None:
    assert values(read(table(timestamp=[given]), timestamp_format=format), "timestamp") == [meant]


@pytest.mark.parametrize("given", ["infinity", "2024-13-01", "1706933106", "", None])
def test_what_is_no_time_is_refused(given: str | None) -> None:
    assert read(table(timestamp=pa.array([given], pa.string()))).refusals.count("unparsable timestamp") == 1


def test_nanoseconds_with_a_zone_are_read_in_utc() -> None:
    times = pa.array([datetime(2024, 2, 3, 4), None], pa.timestamp("ns", "Europe/Stockholm"))
    events = read(table(timestamp=times))
    assert values(events, "timestamp") == [datetime(2024, 2, 3, 4)]
    assert events.refusals.count("unparsable timestamp") == 1


def test_times_out_of_range_are_refused_instead_of_breaking() -> None:
    told = read(table(timestamp=[1e30, -1e18, 1.7e9]), timestamp_format="epoch_s").refusals
    assert (told.count("unparsable timestamp"), told.accepted) == (2, 1)


def test_the_future_begins_a_day_after_now() -> None:
    times = [NOW + timedelta(days=1), NOW + timedelta(days=1, seconds=1)]
    events = read_events(
        EventsSchema(), WeightSettings(), base=HERE, table=table(timestamp=times), now=NOW.replace(tzinfo=UTC)
    )
    assert values(events, "timestamp") == times[:1]


def test_a_shop_without_times() -> None:
    events = read(table(), timestamp=None)
    assert (len(events), events.first, events.last, values(events, "timestamp")) == (1, None, None, [None])


def test_numbers_as_times_need_a_format() -> None:
    with pytest.raises(DataError, match=r"events\.timestamp is a number \(BIGINT\).*epoch_s"):
        read(table(timestamp=[1706933106]))


def test_a_format_that_is_none_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"events\.timestamp_format = '%Q' is not a format"):
        read(table(), timestamp_format="%Q")


def test_a_column_may_be_an_expression() -> None:
    data = table(article=["0108775015", "0108775044"])
    assert values(read(data, item_id="substr(article, 1, 7)"), "item_id") == ["0108775"] * 2


def test_a_column_called_like_sql_is_a_column() -> None:
    data = table(**{"order": ["a"], "the user": ["b"]})
    row = read(data, item_id="order", user_id="the user").to_arrow().to_pylist()[0]
    assert (row["item_id"], row["user_id"]) == ("a", "b")


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("usr_id", r"events\.user_id = 'usr_id': there is no such column\. Did you mean 'user_id'"),
        ("user", r"there is no such column\. Did you mean 'user_id'"),  # SQL has a function of that name
        ("lower(usr_id)", r"neither a column nor an SQL expression.*Did you mean 'user_id'.*The columns are: user_id"),
        ("max(user_id)", r"neither a column nor an SQL expression"),
        ("user_id) FROM source; DROP TABLE source; SELECT (1", r"neither a column nor an SQL expression"),
    ],
)
def test_a_column_that_is_not_there_is_named_with_the_nearest(column: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read(table(), user_id=column)


def test_weights_of_types_need_a_column_of_types() -> None:
    with pytest.raises(RecipeError, match=r"weights\.types names 'buy'.*events\.event_type names no column"):
        read(table(), WeightSettings(types={"buy": 1.0}))


def test_a_weight_must_be_finite() -> None:
    with pytest.raises(RecipeError, match=r"weights\.types\.buy = inf"):
        read(table(type=["buy"]), WeightSettings(types={"buy": float("inf")}), event_type="type")


def test_without_weights_every_type_but_none_is_accepted() -> None:
    events = read(table(type=["a", None, "b"]), event_type="type")
    assert values(events, "event_type") == ["a", "b"]
    assert events.refusals.count("unknown event type") == 1


def test_no_rows_are_no_error() -> None:
    events = read(table().slice(0, 0))
    assert (len(events), events.first, events.refusals.read) == (0, None, 0)
    assert events.to_arrow().num_rows == 0


def test_views() -> None:
    days = [datetime(2024, 1, day) for day in (1, 2, 3, 4)]
    events = read(table(user_id=["a", "b", "a", "c"], item_id=["x", "x", "y", "z"], timestamp=days))
    assert values(events.before(days[2]), "user_id") == ["a", "b"]
    assert values(events.since(days[2].replace(tzinfo=UTC)), "user_id") == ["a", "c"]
    assert values(events.of_items(["x", "z"]), "user_id") == ["a", "b", "c"]
    assert values(events.without_items(["x", "z"]), "user_id") == ["a"]
    assert values(events.of_users(["a"]), "item_id") == ["x", "y"]
    assert values(events.without_users(["a"]).without_items(["z"]), "item_id") == ["x"]
    assert values(events.of_pairs(["a", "b"], ["y", "y"]), "timestamp") == [days[2]]
    assert len(events.without_pairs(["a", "b"], ["y", "y"])) == 3
    assert len(events.without_items([])) == 4
    assert len(events.of_items([])) == 0
    assert len(events.before(days[3]).where("user_id = 'a'")) == 2
    assert (list(events.users()), list(events.since(days[2]).items())) == (["a", "b", "c"], ["y", "z"])
    assert events.query("SELECT count(DISTINCT item_id) AS n FROM events")["n"].to_pylist() == [3]


def test_views_hide_refused_rows() -> None:
    events = read(table(user_id=["a", None, "b"]))
    assert len(events.before(datetime(2025, 1, 1))) == 2
    assert list(events.users()) == ["a", "b"]


def test_the_fingerprint_knows_events_not_their_order() -> None:
    one, turned, other = (read(table(user_id=users)) for users in (["a", "b"], ["b", "a"], ["a", "c"]))
    assert one.fingerprint() == turned.fingerprint() != other.fingerprint()


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_refused_rows_are_written_as_text(ending: str, tmp_path: Path) -> None:
    events = read(table(user_id=["", "b"], timestamp=["2024-01-01", "x"]))
    target = tmp_path / f"refused.{ending}"
    assert events.refusals.write(target) == 2
    lines = target.read_text(encoding="utf-8").splitlines()
    if ending == "csv":
        assert lines[0] == "refusal_reason,user_id,item_id,timestamp"
        assert lines[2] == "unparsable timestamp,b,i,x"
    else:
        assert json.loads(lines[0])["refusal_reason"] == "null user id"


def test_a_file_of_refused_rows_is_written_even_if_there_are_none(tmp_path: Path) -> None:
    assert read(table()).refusals.write(tmp_path / "none.csv") == 0
    assert (tmp_path / "none.csv").read_text() == "refusal_reason\n"


def test_refused_rows_go_to_known_endings_only(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"its ending is '\.xlsx', expected one of \.csv"):
        read(table()).refusals.write(tmp_path / "refused.xlsx")


def test_a_polars_frame_may_have_categories() -> None:
    frame = pl.DataFrame({"user_id": ["a"], "item_id": ["007"], "timestamp": ["2024-01-01"], "kind": ["buy"]})
    events = read(frame.with_columns(pl.col("kind").cast(pl.Categorical)), event_type="kind")
    assert (values(events, "event_type"), values(events, "item_id")) == (["buy"], ["007"])


def test_the_database_goes_with_the_events() -> None:
    events = read(table())
    folder = Path(str(events.database.rows("SELECT current_setting('temp_directory')")[0][0])).parent
    assert folder.exists()
    events.database.close()
    assert not folder.exists()


def test_refused_rows_can_be_read_again(tmp_path: Path) -> None:
    read(table(user_id=[None])).refusals.write(tmp_path / "refused.parquet")
    again = read(pq.read_table(tmp_path / "refused.parquet"))
    assert again.refusals.by_reason[0].example == {"user_id": None, "item_id": "i", "timestamp": "2024-01-01"}
    assert again.refusals.write(tmp_path / "again.parquet") == 1
