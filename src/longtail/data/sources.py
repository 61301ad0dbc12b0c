"""Any source of rows as a table of a DuckDB database: files, a SQL database, or a dataframe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from longtail.core.errors import DataError
from longtail.core.progress import SILENT, Progress
from longtail.data.database import Database, explained, quoted
from longtail.data.files import expand_packages, find_files
from longtail.data.readers import malformed_lines, query_of
from longtail.data.schema import Source
from longtail.data.sql_database import read_query


@dataclass(frozen=True)
class Attached:
    """A source inside a database.

    Attributes:
        relation: the name of the table or view that has its rows.
        columns: its columns with DuckDB's names of their types, in order.
        null_rows_malformed: a row in which everything is null is a line that could not be parsed (JSON Lines).
    """

    relation: str
    columns: dict[str, str]
    null_rows_malformed: bool = False


def attach(
    database: Database,
    source: Source | None,
    *,
    base: Path,
    table: Any = None,
    what: str = "events",
    progress: Progress = SILENT,
) -> Attached:
    """Make a source readable as a table of a database.

    Files stay where they are and are read when the table is; the answer of a SQL database and a dataframe are copied.

    Args:
        database: where to; one source a database, since its query calls it ``source``.
        source: where the rows are; ignored if there is a ``table``.
        base: what relative paths start from, also those inside a query.
        table: a dataframe that speaks Arrow: pandas, polars, pyarrow, a DuckDB relation.
        what: ``"events"`` or ``"catalog"``, for messages.
        progress: told of rows that are copied.

    Raises:
        DataError: nothing there, or it cannot be read; says what to do.
        MissingExtraError: a package the source needs is not installed.
    """
    base = base.resolve()
    database.set("file_search_path", str(base))
    if table is not None:
        _copy(database, table, what)
        return Attached("source", database.describe("source"))
    if source is None:
        raise DataError(
            f"There are no {what} to read: the recipe has no [{what}.source] and no table was passed. "
            "Say `files = ...`, or `url = ...` with `query = ...`, or pass a dataframe."
        )
    if source.url is not None:
        assert source.query is not None  # the schema demands it
        read_query(database, source.url, source.query, "source", base=base, progress=progress)
        return Attached("source", database.describe("source"))
    files = find_files(source, base)
    with explained(f"The {what} cannot be read"):
        database.execute(f"CREATE VIEW source AS {query_of(database, files)}")
    if source.query is None:
        return Attached("source", database.describe("source"), all(file.format == "jsonl" for file in files))
    query = expand_packages(source.query).strip().rstrip(";")
    with explained(
        f"The query of the {what} cannot be evaluated",
        f"Its table is `source`, with the columns {', '.join(database.describe('source'))}.",
    ):
        database.execute(f"CREATE VIEW selected AS (\n{query}\n)")
        return Attached("selected", database.describe("selected"))


def malformed(database: Database) -> str | None:
    """A query for lines of files that could not be split into columns, once the source was read; None if none can be.

    Columns: ``malformed_file, malformed_line, malformed_text``.
    """
    return malformed_lines(database)


def _copy(database: Database, table: Any, what: str) -> None:
    if not hasattr(table, "__arrow_c_stream__"):
        raise DataError(
            f"The {what} must be a dataframe that speaks Arrow (pandas 2.2+, polars, pyarrow, a DuckDB relation); "
            f"found {type(table).__name__}. Convert it, for example with pyarrow.Table.from_pylist."
        )
    try:
        reader = pa.RecordBatchReader.from_stream(table)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(
            f"The {what} cannot be read as Arrow: {error}. A column with values of several types must become one "
            "first, for example ids with .astype(str)."
        ) from error
    # pandas sends an index that has no name as a column of its own making.
    names = [name for name in reader.schema.names if not name.startswith("__index_level_")]
    if len({name.lower() for name in names}) != len(names):
        raise DataError(f"The columns of the {what} must have different names; found {names}.")
    with explained(f"The {what} cannot be read"):
        database.connection.register("__longtail_incoming", reader)
        columns = ", ".join(map(quoted, names))
        database.execute(f"CREATE TABLE source AS SELECT {columns} FROM __longtail_incoming")
        database.connection.unregister("__longtail_incoming")
