"""A temporary DuckDB database with a memory limit: what does not fit is spilled to disk and vanishes with it."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import duckdb
import pyarrow as pa

from longtail.core.errors import DataError
from longtail.core.machine import memory

#: DuckDB may take this much memory, or a quarter of the machine's where that is less, before it spills to disk.
DEFAULT_MEMORY = 1 << 30


class Database:
    """One DuckDB connection over temporary storage that is removed when the last reference goes.

    Args:
        on_disk: keep tables in a file, so that they may be larger than memory; False for small tables.
        memory_limit: as DuckDB reads it (``"2GB"``); None: `DEFAULT_MEMORY`.
        threads: None: one a core. One thread gives every query a reproducible row order.

    Raises:
        DataError: the limit cannot be understood.
    """

    def __init__(self, *, on_disk: bool = True, memory_limit: str | None = None, threads: int | None = None) -> None:
        folder = tempfile.TemporaryDirectory(prefix="longtail-", ignore_cleanup_errors=True)
        self.connection = duckdb.connect(os.path.join(folder.name, "events.duckdb") if on_disk else ":memory:")
        self._fresh = 0
        self._finalizer = weakref.finalize(self, _close, self.connection, folder)
        with explained("The temporary database cannot be set up"):
            self.set("memory_limit", memory_limit or f"{_default_memory() >> 20}MiB")
            self.set("temp_directory", os.path.join(folder.name, "spill"))
            self.set("TimeZone", "UTC")
            # A name that is no table must be an error, never a Python variable that happens to be called so.
            self.set("python_enable_replacements", False)
            self.set("autoinstall_known_extensions", False)
            self.set("enable_progress_bar", False)
            if threads is not None:
                self.set("threads", threads)

    def set(self, name: str, value: str | int | bool) -> None:
        """Set one of DuckDB's settings."""
        self.connection.execute(f"SET {name} = {literal(value) if isinstance(value, str) else value}")

    def execute(self, sql: str) -> None:
        """Run a statement for its effect."""
        self.connection.execute(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a small result."""
        return self.connection.execute(sql).fetchall()

    def row(self, sql: str) -> tuple[Any, ...]:
        """The one row of an aggregate."""
        return self.rows(sql)[0]

    def arrow(self, sql: str) -> pa.Table:
        """A result as an Arrow table."""
        return self.connection.sql(sql).to_arrow_table()

    def describe(self, relation: str) -> dict[str, str]:
        """The columns of a query or table expression with DuckDB's names of their types, in order."""
        return {str(name): str(type) for name, type, *_ in self.rows(f"DESCRIBE SELECT * FROM {relation}")}

    def fresh(self, prefix: str) -> str:
        """A table name that was not used before."""
        self._fresh += 1
        return f"{prefix}_{self._fresh}"

    def keep(self, prefix: str, table: pa.Table) -> str:
        """Copy an Arrow table into the database under a fresh name, which is returned."""
        name, incoming = self.fresh(prefix), self.fresh("incoming")
        self.connection.register(incoming, table)
        try:
            self.execute(f"CREATE TABLE {name} AS SELECT * FROM {incoming}")
        finally:
            self.connection.unregister(incoming)
        return name

    def close(self) -> None:
        """Close the connection and remove the files; safe to call twice."""
        self._finalizer()


def quoted(name: str) -> str:
    """A column's name as SQL needs it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL needs it."""
    return "'" + text.replace("'", "''") + "'"


def first_lines(error: BaseException, limit: int = 400) -> str:
    """What a DuckDB error says, on one line, without the query it repeats and the columns it proposes."""
    said = str(error).partition("\n\nLINE ")[0].partition("\nCandidate bindings:")[0]
    said = " ".join(said.split())
    _, colon, rest = said.partition("Error: ")
    said = rest if colon and len(rest) > 10 else said
    return said if len(said) <= limit else said[:limit].rstrip() + " ..."


@contextmanager
def explained(what: str, remedy: str = "") -> Iterator[None]:
    """Turn DuckDB's errors into a DataError that begins with ``what`` and ends with ``remedy``."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise DataError(
            f"{what}: DuckDB ran out of memory or of disk for what it spills ({first_lines(error)}). "
            f"Free space in {tempfile.gettempdir()!r}, point TMPDIR to a larger disk, or give it more memory."
        ) from error
    except duckdb.Error as error:
        raise DataError(f"{what}: {first_lines(error)}{' ' + remedy if remedy else ''}") from error


def _default_memory() -> int:
    total, _ = memory()
    if not total:
        return DEFAULT_MEMORY
    return min(DEFAULT_MEMORY, max(total // 4, 256 << 20))


def _close(connection: duckdb.DuckDBPyConnection, folder: tempfile.TemporaryDirectory[str]) -> None:
    with suppress(duckdb.Error):
        connection.close()
    folder.cleanup()
