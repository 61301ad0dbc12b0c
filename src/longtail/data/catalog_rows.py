"""Rows of new items, given as mappings at serving time, as the same columns training made of its catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from longtail.core.errors import DataError
from longtail.data.catalog_columns import Columns, build_columns, source_columns
from longtail.data.columns import bind, nearest, text
from longtail.data.database import Database, explained, quoted
from longtail.data.grouping import ID, ORDER
from longtail.data.schema import CatalogSchema


def columns_of_rows(schema: CatalogSchema, rows: Sequence[Mapping[str, Any]], like: pa.Table) -> Columns:
    """Evaluate a schema over new rows; `catalog.Catalog.from_rows` says what is understood and what is refused.

    Args:
        schema: the schema ``like`` was read with.
        rows: the new items; may be empty.
        like: the catalog's table, whose columns and types the result has.
    """
    source = source_columns(like)
    database = Database(on_disk=False, threads=1)
    table_types = database.describe(database.keep("like", like.slice(0, 0)))
    computed = {name: type for name, type in table_types.items() if name not in source}
    _check_names(rows, source, computed)
    given = {name: f"__longtail_given_{index}" for index, name in enumerate(computed)}
    columns = {**source, **{given[name]: type for name, type in computed.items()}}
    said = {**{name: name for name in source}, **{given[name]: name for name in computed}}

    incoming = pa.table({key: _natural(schema, said[key], type, rows) for key, type in columns.items()})
    incoming = incoming.append_column(ORDER, pa.array(range(len(rows)), pa.int64()))
    raw = database.keep("raw", incoming)
    with explained("The new items cannot be read"):
        casts = {key: _cast(quoted(key), found, columns.get(key)) for key, found in database.describe(raw).items()}
        _check_casts(
            database, raw, {said[key]: (key, cast, columns[key]) for key, cast in casts.items() if key in said}
        )
        typed = ", ".join(f"{cast} AS {quoted(key)}" for key, cast in casts.items())
        database.execute(f"CREATE TABLE typed AS SELECT {typed} FROM {raw}")
        id = "NULL::VARCHAR"
        if schema.item_id not in computed:
            bound = bind(database, "typed", source, schema.item_id, "catalog.item_id")
            id = text(bound.sql, bound.type)
        if "item_id" in given:
            id = f"coalesce({text(given['item_id'], 'VARCHAR')}, {id})"
        database.execute(f"CREATE TABLE grouped AS SELECT *, {id} AS {ID} FROM typed")
        _check_ids(database, schema)
        return build_columns(
            database, "grouped", source, schema, {name: key for name, key in given.items() if name != "item_id"}
        )


def _check_names(rows: Sequence[Mapping[str, Any]], source: Mapping[str, str], computed: Mapping[str, str]) -> None:
    known = {**source, **computed}
    for at, row in enumerate(rows, start=1):
        for name in row:
            if name not in known:
                raise DataError(
                    f"New item {at} has {name!r}, which is no column of the catalog. {nearest(name, known)}"
                )


def _check_ids(database: Database, schema: CatalogSchema) -> None:
    for at, id, times in database.rows(
        f"SELECT {ORDER} + 1, {ID}, count(*) OVER (PARTITION BY {ID}) AS __longtail_n FROM grouped "
        f"QUALIFY {ID} IS NULL OR __longtail_n > 1 ORDER BY 1 LIMIT 1"
    ):
        if id is None:
            raise DataError(
                f"New item {at} has no id. Give it {schema.item_id!r} as in the catalog's source, or 'item_id'."
            )
        raise DataError(f"The id {id!r} occurs {times} times among the new items. Give one row an item.")


def _natural(schema: CatalogSchema, name: str, type: str, rows: Sequence[Mapping[str, Any]]) -> pa.Array:
    values = [row.get(name) for row in rows]
    if type == "VARCHAR" and any(isinstance(value, list | tuple) for value in values):
        values = [_joined(schema, name, value) for value in values]
    try:
        return pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        # Values of several types in one column: as text they can still become what the column is.
        return pa.array([None if value is None else _written(value) for value in values], pa.string())


def _joined(schema: CatalogSchema, name: str, value: Any) -> Any:
    """A list for a column whose text separates tags."""
    if not isinstance(value, list | tuple):
        return value
    for field_name, field in schema.fields.items():
        if field.kind == "tags" and field.separator is not None and name in (field.column, field_name):
            return field.separator.join(map(_written, value))
    raise DataError(f"{name!r} is text in the catalog; found the list {value!r}. Give text.")


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _cast(sql: str, found: str, wanted: str | None) -> str:
    if wanted is None:
        return sql
    if wanted == "VARCHAR":
        return text(sql, found)
    if found == "VARCHAR":
        sql = f"nullif({sql}, '')"
    return f"TRY_CAST({sql} AS {wanted})"


def _check_casts(database: Database, raw: str, casts: Mapping[str, tuple[str, str, str]]) -> None:
    """Raise for the first value that is there but cannot be what its column is: column, cast and type by name."""
    lost = [
        f"any_value({quoted(key)}) FILTER (CAST({quoted(key)} AS VARCHAR) <> '' AND {cast} IS NULL)"
        for key, cast, _ in casts.values()
    ]
    for (name, (_, _, type)), value in zip(
        casts.items(), database.row(f"SELECT {', '.join(lost)} FROM {raw}"), strict=True
    ):
        if value is not None:
            raise DataError(f"{name!r} = {value!r} cannot be read as {type}, the type of the catalog's column.")
