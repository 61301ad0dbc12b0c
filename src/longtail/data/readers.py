"""Files of one kind as an SQL query over DuckDB's readers, so that every id stays as it is written."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from longtail.core.errors import DataError
from longtail.data.columns import text
from longtail.data.database import Database, explained, literal, quoted
from longtail.data.files import DataFile

#: Tables of malformed CSV lines that DuckDB fills while it reads.
REJECTED_LINES, REJECTED_SCANS = "__longtail_rejected_lines", "__longtail_rejected_scans"
_DELIMITERS = ",;\t|"
#: Values of a Parquet column that tell whether it is text or bytes.
_LOOKED_AT = 100
#: DuckDB guesses these types from JSON text; the text is kept and read by its role instead.
_GUESSED = re.compile(r'"NULL"|\b(DATE|TIME|UUID|TIMESTAMP(_S|_MS|_NS)?( WITH TIME ZONE)?)\b')
_QUOTED = re.compile(r'("(?:[^"]|"")*")')


@dataclass(frozen=True)
class _Part:
    """Files that can be read by one call, with the columns that come of it."""

    sql: str
    columns: dict[str, str]
    files: tuple[Path, ...]


def query_of(database: Database, files: Sequence[DataFile]) -> str:
    """A query over all the files: the union of their columns by name, in the files' order.

    A column that is text in one file and a number in another is text in both.

    Raises:
        DataError: a file cannot be read; names it.
    """
    parts: list[_Part] = []
    for format, partitioned, group in _groups(files):
        read = {"csv": _csv, "parquet": _parquet, "jsonl": _json}[format]
        parts += read(database, group, partitioned)
    kinds: dict[str, set[str]] = {}
    for part in parts:
        for name, type in part.columns.items():
            kinds.setdefault(name.lower(), set()).add(type)
    mixed = {name for name, types in kinds.items() if len(types) > 1 and types & {"VARCHAR", "JSON"}}
    return " UNION ALL BY NAME ".join(f"(SELECT {_select(part, mixed)} FROM {part.sql})" for part in parts)


def malformed_lines(database: Database) -> str | None:
    """A query for the CSV lines that could not be split into columns, each once; None if no CSV was read.

    Columns: ``malformed_file, malformed_line, malformed_text``.
    """
    known = database.rows(f"SELECT 1 FROM duckdb_tables() WHERE table_name = {literal(REJECTED_LINES)}")
    if not known:
        return None
    return (
        "SELECT file_path AS malformed_file, line AS malformed_line, any_value(csv_line) AS malformed_text "
        f"FROM {REJECTED_LINES} JOIN {REJECTED_SCANS} USING (scan_id, file_id) GROUP BY ALL"
    )


def _groups(files: Sequence[DataFile]) -> Iterable[tuple[str, bool, list[Path]]]:
    """Runs of files of one format, so that the order of files is the order of rows."""
    run: list[Path] = []
    for index, file in enumerate(files):
        run.append(file.path)
        after = files[index + 1] if index + 1 < len(files) else None
        if after is None or (after.format, after.partitioned) != (file.format, file.partitioned):
            yield file.format, file.partitioned, run
            run = []


def _select(part: _Part, mixed: set[str]) -> str:
    return ", ".join(
        f"{text(quoted(name), type)} AS {quoted(name)}" if name.lower() in mixed else quoted(name)
        for name, type in part.columns.items()
    )


def _part(database: Database, sql: str, files: Sequence[Path]) -> _Part:
    with explained(f"{_named(files)} cannot be read"):
        return _Part(sql, database.describe(sql), tuple(files))


def _csv(database: Database, files: Sequence[Path], partitioned: bool) -> list[_Part]:
    parts = []
    for (delimiter, *names), group in _by_header(files):
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
        # Nothing is sniffed: every value is text as it stands in the file, and a line that does not fit is kept apart.
        sql = (
            f"read_csv({_list(group)}, auto_detect = false, columns = {{{columns}}}, header = true, "
            f"delim = {literal(delimiter)}, quote = '\"', escape = '\"', store_rejects = true, "
            f"rejects_table = {literal(REJECTED_LINES)}, rejects_scan = {literal(REJECTED_SCANS)}, "
            f"{_hive(partitioned)})"
        )
        parts.append(_part(database, sql, group))
    return parts


def _by_header(files: Sequence[Path]) -> list[tuple[tuple[str, ...], list[Path]]]:
    runs: list[tuple[tuple[str, ...], list[Path]]] = []
    for path in files:
        header = _header(path)
        if header is None:
            continue
        if runs and runs[-1][0] == header:
            runs[-1][1].append(path)
        else:
            runs.append((header, [path]))
    if not runs:
        raise DataError(f"{_named(files)}: empty. Expected a first line with the names of the columns.")
    return runs


def _header(path: Path) -> tuple[str, ...] | None:
    """The delimiter and the columns of a CSV file; None for an empty file."""
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            line = io.BufferedReader(stream).readline().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{str(path)!r} is not UTF-8 text ({error.reason}). Convert it first: iconv -f latin1 -t utf-8."
        ) from error
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{str(path)!r} cannot be read: {error}") from error
    line = line.rstrip("\r\n")
    if not line:
        return None
    tabs = Path(path.stem if path.suffix in (".gz", ".zst") else path.name).suffix.lower() in (".tsv", ".tab")
    bare = re.sub(r'"(?:[^"]|"")*"', "", line)
    delimiter = "\t" if tabs else max(_DELIMITERS, key=bare.count)
    names: list[str] = []
    for index, name in enumerate(next(csv.reader([line], delimiter=delimiter))):
        unique = name or f"column{index}"
        while unique.lower() in {other.lower() for other in names}:
            unique += "_"
        names.append(unique)
    return (delimiter, *names)


def _parquet(database: Database, files: Sequence[Path], partitioned: bool) -> list[_Part]:
    runs: list[tuple[bool, dict[str, str], list[Path]]] = []
    for path in files:
        as_text = not _has_bytes(database, path)
        described = _part(database, _parquet_call([path], as_text, partitioned), [path]).columns
        if runs and runs[-1][:2] == (as_text, described):
            runs[-1][2].append(path)
        else:
            runs.append((as_text, described, [path]))
    return [
        _Part(_parquet_call(group, as_text, partitioned), columns, tuple(group)) for as_text, columns, group in runs
    ]


def _parquet_call(files: Sequence[Path], as_text: bool, partitioned: bool) -> str:
    return f"read_parquet({_list(files)}, binary_as_string = {str(as_text).lower()}, {_hive(partitioned)})"


def _has_bytes(database: Database, path: Path) -> bool:
    """Whether a column has bytes that are no text, as pictures are. Some writers leave out that text is text."""
    columns = _part(database, _parquet_call([path], False, False), [path]).columns
    for name, type in columns.items():
        if "BLOB" not in type:
            continue
        column = f"SELECT {quoted(name)} FROM {_parquet_call([path], True, False)} WHERE {quoted(name)} IS NOT NULL"
        try:
            database.rows(
                f"SELECT count(*) FROM ({column} LIMIT {_LOOKED_AT}) WHERE length({quoted(name)}::VARCHAR) < 0"
            )
        except duckdb.Error:
            return True
    return False


def _json(database: Database, files: Sequence[Path], partitioned: bool) -> list[_Part]:
    parts = []
    for lines in (True, False):
        group = [path for path in files if _is_lines(path) == lines]
        if not group:
            continue
        # Every line is looked at for columns and types: one that came late would be lost without a word. A line that
        # is no JSON is a row of nulls, which is then refused.
        options = "format = 'newline_delimited', ignore_errors = true" if lines else "format = 'array'"
        guess = f"read_json({_list(group)}, {options}, sample_size = -1, union_by_name = true, {_hive(partitioned)})"
        guessed = _part(database, guess, group).columns
        partitions = _partition_columns(group) if partitioned else set()
        kept = {name: _kept_type(type) for name, type in guessed.items() if name not in partitions}
        columns = ", ".join(f"{quoted(name)}: {literal(type)}" for name, type in kept.items())
        sql = f"read_json({_list(group)}, {options}, columns = {{{columns}}}, {_hive(partitioned)})"
        parts.append(_part(database, sql, group))
    return parts


def _kept_type(type: str) -> str:
    pieces = _QUOTED.split(type.replace('"NULL"', "VARCHAR"))
    return "".join(piece if piece.startswith('"') else _GUESSED.sub("VARCHAR", piece) for piece in pieces)


def _partition_columns(files: Sequence[Path]) -> set[str]:
    return {part.partition("=")[0] for path in files for part in path.parts[:-1] if "=" in part}


def _is_lines(path: Path) -> bool:
    """Whether a JSON file has one object a line, rather than one array of objects."""
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            return not stream.read(4096).lstrip().startswith(b"[")
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{str(path)!r} cannot be read: {error}") from error


def _hive(partitioned: bool) -> str:
    # Without the autocast a partition such as day=01 keeps its zero.
    return f"hive_partitioning = {str(partitioned).lower()}, hive_types_autocast = false"


def _list(files: Sequence[Path]) -> str:
    return "[" + ", ".join(literal(str(path)) for path in files) + "]"


def _named(files: Sequence[Path]) -> str:
    more = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
    return f"{str(files[0])!r}{more}"
