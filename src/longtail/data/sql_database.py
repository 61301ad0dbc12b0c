"""A query to a SQL database, streamed in batches into a DuckDB table. The password is in no message."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pyarrow as pa

from longtail.core.errors import DataError
from longtail.core.extras import require
from longtail.core.progress import SILENT, Progress
from longtail.data.columns import text
from longtail.data.database import Database, explained, quoted

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
#: A variable that is a whole password.
_PASSWORD = re.compile(r"(?<=:)\$\{([A-Za-z_][A-Za-z0-9_]*)\}(?=@)")
_BATCH = 50_000
#: Arrow types of the kinds of value that drivers give, and DuckDB's names for them.
_ARROW = {
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMP": pa.timestamp("us"),
    "DATE": pa.date32(),
    "BLOB": pa.binary(),
    "VARCHAR": pa.string(),
}
#: What two kinds in one column become; everything else becomes text.
_WIDER = {frozenset({"BIGINT", "DOUBLE"}): "DOUBLE", frozenset({"DATE", "TIMESTAMP"}): "TIMESTAMP"}


def read_query(
    database: Database, url: str, query: str, table: str, *, base: Path, progress: Progress = SILENT
) -> None:
    """Create ``table`` from the answer of a SQL database, never holding more than a batch in memory.

    Args:
        database: where the table goes.
        url: a SQLAlchemy URL in which ``${NAME}`` stands for an environment variable; as the password (``:${NAME}@``)
            the variable has it as it is, without %XX. The file of a SQLite URL is relative to ``base``.
        query: what to ask.
        table: the name of the table to create.
        base: the recipe's folder.
        progress: told the rows so far.

    Raises:
        DataError: a variable is not set, the URL cannot be understood, its driver is not installed, the database
            cannot be reached or refuses the query.
        MissingExtraError: SQLAlchemy is not installed.
    """
    sqlalchemy = require("sqlalchemy", extra="sql", purpose="Reading from a SQL database")
    full = _VARIABLE.sub(_environment, _PASSWORD.sub(lambda match: quote(_environment(match), safe=""), url))
    try:
        parsed = sqlalchemy.engine.make_url(full)
    except Exception:
        parsed = None  # the parser's own message repeats the URL, password and all
    # An @ or / that is not written as %XX makes the rest of a password look like a host.
    if parsed is None or "@" in f"{parsed.host}{parsed.database}":
        raise DataError(
            "The database URL cannot be understood. Expected driver://user:password@host:port/database, such as "
            "'postgresql+psycopg://shop:${SHOP_PASSWORD}@db.example.com/shop'; special characters in a password that "
            "stands in the URL itself are written as %XX."
        )
    if parsed.drivername.split("+")[0] == "sqlite" and parsed.database not in (None, "", ":memory:"):
        file = base / str(parsed.database)
        if not file.exists():  # the driver would create an empty database
            raise DataError(f"There is no SQLite database {str(file)!r}. The path is relative to the recipe.")
        parsed = parsed.set(database=str(file))
    with _discreet(parsed, url, full), progress.task(f"Reading {parsed.drivername.split('+')[0]}") as task:
        engine = sqlalchemy.create_engine(parsed)
        try:
            with engine.connect() as connection:
                streaming = connection.execution_options(stream_results=True, max_row_buffer=_BATCH)
                answer = streaming.execute(sqlalchemy.text(query))
                writer = _Writer(database, table, [str(key) for key in answer.keys()])  # noqa: SIM118 - not a dict
                for rows in answer.partitions(_BATCH):
                    writer.write(rows)
                    task.advance(len(rows))
                writer.finish()
        finally:
            engine.dispose()


class _Writer:
    """Appends batches to a table whose columns become wider as values of other kinds arrive."""

    def __init__(self, database: Database, table: str, names: Sequence[str]) -> None:
        if not names or len({name.lower() for name in names}) != len(names):
            raise DataError(f"The query's columns must have different names; found {list(names)}. Use AS.")
        self._database, self._table, self._names = database, table, list(names)
        self._kinds: dict[str, str | None] = dict.fromkeys(names)
        self._created = False

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        columns = {name: [_plain(row[at]) for row in rows] for at, name in enumerate(self._names)}
        for name, values in columns.items():
            for kind in {_kind(value) for value in values if value is not None}:
                self._widen(name, kind)
        self._create()
        arrays = [_array(columns[name], self._kinds[name] or "VARCHAR") for name in self._names]
        batch = pa.Table.from_arrays(arrays, names=self._names)
        with explained("The rows of the database cannot be stored"):
            self._database.connection.register("__longtail_batch", batch)
            self._database.execute(f"INSERT INTO {self._table} SELECT * FROM __longtail_batch")
            self._database.connection.unregister("__longtail_batch")

    def finish(self) -> None:
        """An answer without rows still has columns."""
        self._create()

    def _create(self) -> None:
        if not self._created:
            columns = ", ".join(f"{quoted(name)} {kind or 'VARCHAR'}" for name, kind in self._kinds.items())
            self._database.execute(f"CREATE TABLE {self._table} ({columns})")
            self._created = True

    def _widen(self, name: str, kind: str) -> None:
        before = self._kinds[name]
        if before == kind:
            return
        after = kind if before is None else _WIDER.get(frozenset({before, kind}), "VARCHAR")
        if self._created and after != (before or "VARCHAR"):
            # A column of nulls so far stands as text in the table.
            stored = text(quoted(name), before) if before and after == "VARCHAR" else f"{quoted(name)}::{after}"
            self._database.execute(f"ALTER TABLE {self._table} ALTER {quoted(name)} TYPE {after} USING {stored}")
        self._kinds[name] = after


def _plain(value: Any) -> Any:
    """Values of drivers as the few kinds a table has."""
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC).replace(tzinfo=None)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "BOOLEAN"
        case int():
            return "BIGINT" if -(1 << 63) <= value < 1 << 63 else "VARCHAR"
        case float():
            return "DOUBLE"
        case dt.datetime():
            return "TIMESTAMP"
        case dt.date():
            return "DATE"
        case bytes():
            return "BLOB"
    return "VARCHAR"


def _array(values: Sequence[Any], kind: str) -> pa.Array:
    if kind == "VARCHAR":
        values = [value if value is None or isinstance(value, str) else _written(value) for value in values]
    elif kind == "TIMESTAMP":
        values = [
            dt.datetime(value.year, value.month, value.day) if type(value) is dt.date else value for value in values
        ]
    elif kind == "DOUBLE":
        values = [None if value is None else float(value) for value in values]
    return pa.array(values, _ARROW[kind])


def _written(value: Any) -> str:
    """Text of a value in a column of mixed kinds; integral floats as integers, as `columns.text` writes them."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def _environment(match: re.Match[str]) -> str:
    value = os.environ.get(match.group(1))
    if value is None:
        raise DataError(
            f"The database URL uses ${{{match.group(1)}}}, but the environment variable {match.group(1)} is not set. "
            f"Set it: export {match.group(1)}=..."
        )
    return value


@contextmanager
def _discreet(url: Any, given: str, full: str) -> Iterator[None]:
    """Turn whatever a driver raises into a DataError without the password, and without the traceback that has it."""
    secrets = {full, url.render_as_string(hide_password=False)}
    for secret in (url.password, *url.query.values()):
        for value in (secret,) if isinstance(secret, str) else secret or ():
            secrets |= {value, quote(value, safe=""), quote_plus(value)}
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        said = str(error.__cause__ or error).strip() or type(error).__name__
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            said = said.replace(secret, "***")
        said = said if len(said) < 500 else said[:500].rstrip() + " ..."
        # As the recipe says it, with variables in place, less the password and what may be one in the options.
        place = re.sub(r"(//[^:/@]*):.*@", r"\1:***@", given).partition("?")[0]
        if isinstance(error, ModuleNotFoundError):
            remedy = f"Install the driver of {url.drivername!r}: pip install {error.name}"
        else:
            remedy = "Check the URL, the network and the query."
        problem = DataError(f"The database {place} could not answer: {said}. {remedy}")
    else:
        return
    raise problem from None
