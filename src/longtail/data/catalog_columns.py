"""The columns of a catalog's table: the source's, those the schema names, and one for each field, typed by its kind."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from longtail.core.errors import DataError
from longtail.data.columns import Bound, bind, is_number, nearest, number, text, time
from longtail.data.database import Database, quoted
from longtail.data.grouping import ID, ORDER
from longtail.data.pattern import sql_of_pattern
from longtail.data.schema import CatalogSchema, FieldSchema
from longtail.data.template import placeholders, render

#: Under this key the table's Arrow schema says which columns came from the source, with DuckDB's names of their types.
SOURCE_KEY = b"longtail.source"
#: Types that are text to everyone but DuckDB.
_AS_TEXT = ("ENUM", "UUID", "JSON", "BIT", "INTERVAL", "TIME", '"NULL"', "NULL", "UNION")


@dataclass(frozen=True)
class Columns:
    """A finished table.

    Attributes:
        table: as `catalog.Catalog` describes it.
        titles: ``(n,)`` text without nulls.
        unparsable: by field, how many items have a value that could not be read as the field's kind.
    """

    table: pa.Table
    titles: pa.Array
    unparsable: dict[str, int]


@dataclass(frozen=True)
class Typed:
    """A field's value as SQL, and a condition that is true where there is a value that could not be read."""

    sql: str
    failed: str


def build_columns(
    database: Database,
    grouped: str,
    columns: dict[str, str],
    schema: CatalogSchema,
    given: dict[str, str] | None = None,
) -> Columns:
    """Evaluate a schema's columns, fields and titles over rows that are one an item.

    Args:
        database: where the rows are.
        grouped: the rows: ``columns``, and the id and place of `grouping`.
        columns: the source's columns with their types.
        schema: what to compute.
        given: for names of the schema's columns and fields, the column of ``grouped`` that has their value outright, or
            null where it is to be computed; rows of new items may have such.

    Raises:
        DataError: a column that is not there, an expression that cannot be evaluated, a kind its column cannot have.
        RecipeError: a template or pattern that cannot be understood.
    """
    given = given or {}
    layer = {
        name: bind(database, grouped, columns, column, f"catalog.columns.{name}")
        for name, column in schema.columns.items()
    }
    named = [
        *(_kept(name, type) for name, type in columns.items() if name.lower() not in _lower(layer)),
        *(f"{_or_given(bound.sql, name, given)} AS {quoted(name)}" for name, bound in layer.items()),
    ]
    first = database.fresh("named")
    working = [ID, ORDER, *given.values()]
    database.execute(f"CREATE TABLE {first} AS SELECT {', '.join([*named, *working])} FROM {grouped}")
    known = {name: type for name, type in database.describe(first).items() if name not in working}

    fields = _fields(database, first, known, schema)
    # A field that is called like a column stands in its place; the others follow.
    names = [name for name in dict.fromkeys([*known, *fields]) if name in fields or name.lower() not in _lower(fields)]
    values = ", ".join(
        f"{_or_given(fields[name].sql, name, given)} AS {quoted(name)}" if name in fields else quoted(name)
        for name in names
        if name.lower() != "item_id"
    )
    table = database.arrow(f"SELECT {ID} AS item_id{', ' if values else ''}{values} FROM {first} ORDER BY {ORDER}")
    failures = [f"count(*) FILTER ({field.failed})" for field in fields.values()]
    counts = database.row(f"SELECT {', '.join(failures)} FROM {first}") if failures else ()
    return Columns(
        table.replace_schema_metadata({SOURCE_KEY: json.dumps(columns).encode()}),
        _titles(database, first, known, table, schema),
        {name: int(count) for name, count in zip(fields, counts, strict=True) if count},
    )


def _fields(database: Database, named: str, known: dict[str, str], schema: CatalogSchema) -> dict[str, Typed]:
    """The columns that fields add, by name: theirs, and that of an expression within which ranks are taken."""
    fields: dict[str, Typed] = {}
    for name, field in schema.fields.items():
        if field.within is not None:
            within = bind(database, named, known, field.within, f"catalog.fields.{name}.within")
            if within.name is None:
                fields[field.within] = Typed(text(within.sql, within.type), "false")
        if field.template is None:
            key = next((key for key in ("column", "pattern") if getattr(field, key) is not None), "")
            role = f"catalog.fields.{name}{f'.{key}' if key else ''}"
            column = sql_of_pattern(field.pattern, known, role) if field.pattern is not None else field.column or name
            fields[name] = typed_as(field, bind(database, named, known, column, role), role)
    for name, field in schema.fields.items():
        if field.template is not None:
            _check_template(name, field.template, {**known, **dict.fromkeys(fields, "")})
    return fields


def typed_as(field: FieldSchema, bound: Bound, role: str) -> Typed:
    """A column's value as the type its field's kind asks for.

    Raises:
        DataError: the column can never be of that kind.
    """
    written = text(bound.sql, bound.type)
    match field.kind:
        case "number" | "price":
            value = number(bound.sql, bound.type)
            value = f"CASE WHEN isfinite({value}) THEN {value} END"
        case "boolean":
            value = f"{bound.sql} <> 0" if is_number(bound.type) else f"TRY_CAST({written} AS BOOLEAN)"
        case "date":
            value = time(bound.sql, bound.type, None, role)
        case "vector":
            value = f"TRY_CAST({bound.sql} AS FLOAT[])"
        case "image" if bound.type == "BLOB":
            return Typed(bound.sql, "false")
        case "tags" if field.separator is None:
            if not (bound.type.endswith("]") or bound.type in ("VARCHAR", "JSON")):
                raise DataError(
                    f"{role}: tags are a list or text, but the column has the type {bound.type}. For one value an "
                    "item the kind is 'category'."
                )
            if bound.type == "VARCHAR":
                value = f"TRY_CAST({written} AS VARCHAR[])"
            else:
                value = f"TRY_CAST({bound.sql} AS VARCHAR[])"
        case _:
            # Text that is nothing but spaces says nothing.
            value = f"CASE WHEN trim({written}) <> '' THEN {written} END"
            return Typed(value, "false")
    return Typed(value, f"({value}) IS NULL AND {written} IS NOT NULL")


def source_columns(table: pa.Table) -> dict[str, str]:
    """The source's columns of a catalog's table with DuckDB's names of their types.

    A table that lost the note is taken to have all its columns but ``item_id`` from the source.
    """
    note = (table.schema.metadata or {}).get(SOURCE_KEY)
    if note is not None:
        return {str(name): str(type) for name, type in json.loads(note).items()}
    database = Database(on_disk=False, threads=1)
    columns = database.describe(database.keep("table", table.slice(0, 0)))
    columns.pop("item_id", None)
    return columns


def _kept(name: str, type: str) -> str:
    as_text = type.startswith(_AS_TEXT) and not type.startswith("TIMESTAMP") and not type.endswith("]")
    return f"{text(quoted(name), type)} AS {quoted(name)}" if as_text else quoted(name)


def _or_given(sql: str, name: str, given: dict[str, str]) -> str:
    return f"coalesce({given[name]}, {sql})" if name in given else sql


def _lower(names: Any) -> set[str]:
    return {str(name).lower() for name in names}


def _check_template(name: str, template: str, columns: dict[str, str]) -> None:
    for column in placeholders(template):
        if column not in columns:
            raise DataError(
                f"catalog.fields.{name}.template = {template!r} names {{{column}}}, which is no column. "
                f"{nearest(column, columns)}"
            )


def _titles(
    database: Database, named: str, columns: dict[str, str], table: pa.Table, schema: CatalogSchema
) -> pa.Array:
    """The title column, or else the first text field; the id where that is empty."""
    titles: list[str | None] = [None] * len(table)
    texts = [(name, field) for name, field in schema.fields.items() if field.kind == "text"]
    if schema.title is not None:
        bound = bind(database, named, columns, schema.title, "catalog.title")
        sql = f"SELECT {text(bound.sql, bound.type)} AS title FROM {named} ORDER BY {ORDER}"
        titles = database.arrow(sql)["title"].to_pylist()
    elif texts:
        name, field = texts[0]
        titles = render(field.template, table) if field.template is not None else table[name].to_pylist()
    ids = table["item_id"].to_pylist()
    return pa.array([title or id for title, id in zip(titles, ids, strict=True)], pa.string())
