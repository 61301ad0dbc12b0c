from __future__ import annotations

import datetime as dt
import sqlite3
import traceback
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from longtail.core.errors import DataError
from longtail.data import sql_database
from longtail.data.catalog import read_catalog
from longtail.data.events import Events, read_events
from longtail.data.schema import CatalogSchema, EventsSchema, Source, WeightSettings

QUERY = "SELECT customer AS user_id, article AS item_id, at AS timestamp, amount AS value FROM sales ORDER BY rowid"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE sales (customer INTEGER, article, at TEXT, amount REAL)")
        connection.executemany(
            "INSERT INTO sales VALUES (?, ?, ?, ?)",
            [(1, "007", "2024-01-01", 2), (2, 7, "2024-01-02 10:00:00", None), (None, 7.0, "2024-01-03", 1.5)],
        )
    connection.close()
    return tmp_path


def read(base: Path, url: str = "sqlite:///shop.db", query: str = QUERY, **schema: Any) -> Events:
    source = Source(url=url, query=query)
    return read_events(EventsSchema(source=source, value="value", **schema), WeightSettings(), base=base)


@pytest.mark.parametrize("batch", [1, 2, 50_000])
def test_rows_of_a_database_in_batches(batch: int, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_database, "_BATCH", batch)
    events = read(shop)
    assert [tuple(row.values()) for row in events.to_arrow().to_pylist()] == [
        ("1", "007", "event", dt.datetime(2024, 1, 1), 2.0),
        ("2", "7", "event", dt.datetime(2024, 1, 2, 10), 1.0),
    ]
    assert events.refusals.count("null user id") == 1
    assert events.refusals.by_reason[0].example["item_id"] == "7"


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize(
    ("values", "ids"),
    [
        ([1, 2.5], ["1", "2.5"]),
        ([1, 2.0], ["1", "2"]),
        ([2.0, "a"], ["2", "a"]),
        ([None, "a", 3], [None, "a", "3"]),
        ([2**62, "x"], [str(2**62), "x"]),
        ([b"ab", "x"], ["ab", "x"]),
    ],
)
def test_columns_widen_as_other_kinds_arrive(
    values: list[Any], ids: list[str | None], batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_database, "_BATCH", batch)
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE t (id)")
        connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
    connection.close()
    schema = CatalogSchema(source=Source(url="sqlite:///shop.db", query="SELECT id FROM t"), item_id="id")
    catalog = read_catalog(schema, base=tmp_path)
    assert list(catalog) == [id for id in ids if id is not None]


def test_kinds_that_drivers_give() -> None:
    from decimal import Decimal

    aware = dt.datetime(2024, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    plain = sql_database._plain
    assert (plain(Decimal("42.00")), plain(Decimal("4.5"))) == (42, 4.5)
    assert plain(aware) == dt.datetime(2024, 1, 1, 10)
    assert plain({"a": "é"}) == '{"a": "é"}'
    assert [sql_database._kind(value) for value in (True, 1, 2**70, 1.0, aware, aware.date(), b"", "x")] == [
        "BOOLEAN",
        "BIGINT",
        "VARCHAR",
        "DOUBLE",
        "TIMESTAMP",
        "DATE",
        "BLOB",
        "VARCHAR",
    ]


def test_an_empty_answer_has_columns(shop: Path) -> None:
    events = read(shop, query=QUERY.replace("ORDER BY", "WHERE false ORDER BY"))
    assert (len(events), events.refusals.read) == (0, 0)


def test_environment_variables_are_replaced(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_FILE", str(shop / "shop.db"))
    assert len(read(Path(), "sqlite:///${SHOP_FILE}")) == 2


def test_an_environment_variable_that_is_not_set(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_FILE", raising=False)
    with pytest.raises(DataError, match=r"uses \$\{SHOP_FILE\}, but the environment variable SHOP_FILE is not set"):
        read(shop, "sqlite:///${SHOP_FILE}")


def test_a_sqlite_file_that_is_not_there_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no SQLite database '.*shop\.db'"):
        read(tmp_path)
    assert not (tmp_path / "shop.db").exists()


def test_a_query_the_database_refuses(shop: Path) -> None:
    with pytest.raises(DataError, match=r"The database sqlite:///.*no such table: absent.*Check the URL"):
        read(shop, query="SELECT * FROM absent")


def test_columns_of_one_name(shop: Path) -> None:
    with pytest.raises(DataError, match=r"must have different names; found \['customer', 'customer'\]. Use AS"):
        read(shop, query="SELECT customer, customer FROM sales")


SECRET = "p@ss word/42"


def told(error: BaseException) -> str:
    """Everything a traceback would say, but for the lines of source."""
    chain = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "".join(traceback.format_exception_only(error)) + (told(chain) if chain else "")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+nosuchdriver://shop:p%40ss word%2F42@db.example.com/shop",
        "nosuchdb://shop:${SHOP_PASSWORD}@db.example.com/shop",
        "mysql://shop:p%40ss+word%2F42@db.example.com:port/shop?password=p%40ss+word%2F42",
        "://shop:${SHOP_PASSWORD}@db.example.com/shop",
        "postgresql+nosuchdriver://shop:${SHOP_PASSWORD}x@db.example.com/shop",
        "postgresql://shop:p@ss word/42@db.example.com/shop",
        "oracle://shop:p%40ss%20word%2F42@db.example.com/shop",
    ],
)
def test_a_password_is_in_no_message(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", SECRET)
    with pytest.raises(DataError) as caught:
        read(tmp_path, url)
    shown = told(caught.value)
    for secret in (SECRET, "p%40ss", "word%2F42", "word/42"):
        assert secret not in shown


def test_a_driver_that_repeats_the_password_is_censored(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: Any, **options: Any) -> None:
        raise RuntimeError(f"cannot connect with {url.render_as_string(hide_password=False)} ({SECRET})")

    monkeypatch.setattr(sqlalchemy, "create_engine", refuse)
    with pytest.raises(DataError, match=r"postgresql://shop:\*\*\*@db.example.com/shop could not answer") as caught:
        read(shop, "postgresql://shop:p%40ss%20word%2F42@db.example.com/shop")
    shown = told(caught.value)
    assert SECRET not in shown
    assert "p%40ss" not in shown
