from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from longtail.core.errors import FilterError
from longtail.recommender.filters import CatalogColumns

TABLE = pa.table(
    {
        "sku": ["a", "b", "c", "d", None],
        "price": [1.0, 5.0, None, 9.0, None],
        "Department": ["DELI", "MEAT", "DELI", None, None],
        "two words": ["x", "y", "x", "y", None],
        "tags": [["r"], ["g", "r"], [], None, None],
    }
)


@pytest.fixture
def columns() -> CatalogColumns:
    return CatalogColumns(TABLE)


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("price < 6", [0, 1]),
        ("not (price < 6)", [3]),
        ("department = 'DELI' and price < 5", [0]),
        ("price is null", [2, 4]),
        ("\"two words\" = 'x'", [0, 2]),
        ("list_contains(tags, 'r')", [0, 1]),
        ("sku in ('a', 'd') -- a comment", [0, 3]),
        ("sku like '%b%' or sku ilike 'D'", [1, 3]),
        ("true", [0, 1, 2, 3, 4]),
        ("null", []),
        ("case when price > 4 then sku = 'b' else false end", [1]),
        ("sku = 'it''s; drop table catalog'", []),
    ],
)
def test_masks(columns: CatalogColumns, where: str, rows: list[int]) -> None:
    for _ in range(2):  # the second is remembered
        assert np.flatnonzero(columns.mask(where)).tolist() == rows


def test_mask_cannot_be_changed_by_who_gets_it(columns: CatalogColumns) -> None:
    with pytest.raises(ValueError, match="read-only"):
        columns.mask("price < 6")[0] = False


@pytest.mark.parametrize(
    "where",
    [
        "1=1; drop table catalog",
        "true) from catalog where (true",
        "true), (false",
        "true) union select (false",
        "price < 5 limit 1",
        "price < 5 order by price",
        "exists (select 1)",
        "price < (select max(price) from catalog)",
        "sku in (select content from read_text('{file}'))",
        "(from read_csv('{file}'))",
        "sku = ?",
        "sku = $1",
        "columns(*) is null",
        "*",
        "row_number() over () < 3",
        "max(price) > 2",
        "read_text('{file}') is not null",
        "load_extension('httpfs')",
        "",
        "   ",
        "price <",
        "price < 'cheap'",
        "price /* open",
        "price",
        "'text'",
        "unnest(tags) = 'r'",
    ],
)
def test_what_is_no_condition_is_refused(columns: CatalogColumns, where: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a")
    with pytest.raises(FilterError):
        columns.mask(where.replace("{file}", str(secret)))
    assert columns.mask("price < 6").sum() == 2  # and nothing is broken afterwards


def test_unknown_column_names_the_nearest(columns: CatalogColumns) -> None:
    with pytest.raises(FilterError, match=r"'pric'.*Nearest: price"):
        columns.mask("pric < 5")
    with pytest.raises(FilterError, match=r"'MEAT'.*single quotes"):
        columns.mask("department = MEAT")
    with pytest.raises(FilterError, match=r"Columns are: sku, price"):
        columns.mask("qqqqq = 3")
    with pytest.raises(FilterError, match="gives DOUBLE"):
        columns.mask("price")


def test_python_variables_are_out_of_reach(columns: CatalogColumns) -> None:
    secret_table = TABLE
    with pytest.raises(FilterError):
        columns.mask("exists (from secret_table)")
    assert len(secret_table)


def test_groups(columns: CatalogColumns) -> None:
    assert columns.groups("Department").tolist() == [0, 1, 0, -1, -1]
    assert columns.groups("price").tolist()[2] == -1
    with pytest.raises(FilterError, match="Nearest: Department"):
        columns.groups("departmnt")
    with pytest.raises(FilterError, match="tags"):
        columns.groups("tags")


def test_groups_of_dictionary_and_chunked_columns() -> None:
    chunks = pa.chunked_array([["x", None], ["y", "x"]]).dictionary_encode()
    assert CatalogColumns(pa.table({"c": chunks})).groups("c").tolist() == [0, -1, 1, 0]


def test_empty_catalog() -> None:
    empty = CatalogColumns(TABLE.slice(0, 0))
    assert empty.mask("price < 5").tolist() == []
    assert empty.groups("sku").tolist() == []


def test_many_threads_ask_at_once(columns: CatalogColumns) -> None:
    wrong: list[object] = []

    def ask(number: int) -> None:
        for step in range(15):
            limit = (number + step) % 11
            expected = [price is not None and price < limit for price in TABLE["price"].to_pylist()]
            if columns.mask(f"price < {limit} and {number} = {number}").tolist() != expected:
                wrong.append((number, limit))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
