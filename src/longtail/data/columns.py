"""From a recipe's column to SQL: which one is meant, and how its values become ids, numbers and times."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

import duckdb

from longtail.core.errors import DataError, RecipeError
from longtail.data.database import Database, first_lines, literal, quoted

_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_NUMBERS = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$|DECIMAL|FLOAT$|DOUBLE$")
_FRACTIONS = re.compile(r"FLOAT$|DOUBLE$")
#: Integral doubles are written without a decimal point as long as the integer type can hold them.
_INTEGRAL_BELOW = "1e37"


@dataclass(frozen=True)
class Bound:
    """A column of a recipe, found in a source.

    Attributes:
        sql: an expression over the source's columns.
        type: DuckDB's name of its type.
        name: the source's column if it is one, None if it is an expression.
    """

    sql: str
    type: str
    name: str | None = None


def bind(database: Database, relation: str, columns: dict[str, str], column: str, role: str) -> Bound:
    """Find what a recipe calls a column: a column of the source, or else an SQL expression over its columns.

    Args:
        database: where the source is.
        relation: the source's name there.
        columns: the source's columns with their types.
        column: as the recipe says it.
        role: the recipe's key, for messages (``events.user_id``).

    Raises:
        DataError: no such column, or the expression cannot be evaluated; names the nearest columns.
    """
    if column in columns:
        return Bound(quoted(column), columns[column], column)
    same = [name for name in columns if name.lower() == column.lower()]
    if len(same) == 1:
        return Bound(quoted(same[0]), columns[same[0]], same[0])
    # A bare name that is no column is a mistake, even where SQL knows it otherwise (`user`, `current_date`).
    if _IDENTIFIER.fullmatch(column):
        raise DataError(f"{role} = {column!r}: there is no such column. {nearest(column, columns)}")
    sql = f"(\n{column}\n)"
    try:
        # The other columns stand beside it so that an aggregate is refused: an expression has a value in every row.
        described = database.rows(f"DESCRIBE SELECT {sql} AS __longtail_bound, * FROM {relation}")
    except duckdb.Error as error:
        raise DataError(
            f"{role} = {column!r} is neither a column nor an SQL expression that DuckDB can evaluate: "
            f"{first_lines(error)} {nearest(column, columns)}"
        ) from error
    return Bound(sql, str(described[0][1]))


def nearest(column: str, columns: dict[str, str]) -> str:
    """A sentence with the columns that look most like the names in ``column``, and all columns if they are few."""
    lowered = {name.lower(): name for name in columns}
    close: list[str] = []
    for word in [column, *_IDENTIFIER.findall(column)]:
        if word.lower() not in lowered:
            close += [lowered[match] for match in difflib.get_close_matches(word.lower(), lowered, n=3, cutoff=0.5)]
    hint = f"Did you mean {', '.join(map(repr, dict.fromkeys(close)))}? " if close else ""
    shown = ", ".join(list(columns)[:40]) + (", ..." if len(columns) > 40 else "")
    if columns and all(re.fullmatch(r"[\d.\s-]*", name) for name in columns):
        shown += ". The first line must name the columns; here it seems to be data"
    return f"{hint}The columns are: {shown}."


def text(sql: str, type: str) -> str:
    """Text of a value, exactly as it is; null for the empty text.

    Integral floating point numbers and decimals are written as integers (42.0 is ``42``), since tools turn integer
    ids into them; NaN and infinity are null. Bytes are read as UTF-8.
    """
    if type == "VARCHAR":
        plain = sql
    elif type == "JSON":
        plain = f"{sql} ->> '$'"
    elif _FRACTIONS.match(type) or (type.startswith("DECIMAL") and not type.endswith("]")):
        finite = f"isfinite({sql})" if _FRACTIONS.match(type) else "true"
        plain = (
            f"CASE WHEN {finite} THEN CASE WHEN {sql} = trunc({sql}) AND abs({sql}) < {_INTEGRAL_BELOW} "
            f"THEN CAST(CAST({sql} AS HUGEINT) AS VARCHAR) ELSE CAST({sql} AS VARCHAR) END END"
        )
    elif type == "BLOB":
        plain = f"coalesce(TRY(decode({sql})), hex({sql}))"
    else:
        plain = f"CAST({sql} AS VARCHAR)"
    return f"nullif({plain}, '')"


def number(sql: str, type: str) -> str:
    """A value as DOUBLE; null where it is not a number."""
    source = f"({sql} ->> '$')" if type == "JSON" else sql
    return f"TRY_CAST({source} AS DOUBLE)"


def is_number(type: str) -> bool:
    """Whether DuckDB's type of that name is a number."""
    return bool(_NUMBERS.match(type))


def time(sql: str, type: str, format: str | None, role: str) -> str:
    """A value as TIMESTAMP in UTC; null where it is no time. Text with an offset is shifted, without one taken as UTC.

    Args:
        sql: the expression.
        type: its type.
        format: None for types of time and ISO 8601 text, ``epoch_s``, ``epoch_ms`` or a strptime format.
        role: the recipe's key, for messages.

    Raises:
        DataError: the type cannot be read as a time, or numbers come without a format.
    """
    if type == "TIMESTAMPTZ_NS":  # the one type of time without a cast of its own
        parsed = f"CAST(CAST({sql} AS TIMESTAMPTZ) AS TIMESTAMP)"
    elif type.startswith("TIMESTAMP") or type == "DATE":
        parsed = f"CAST({sql} AS TIMESTAMP)"
    elif format in ("epoch_s", "epoch_ms"):
        seconds = f"({number(sql, type)} / {1 if format == 'epoch_s' else 1000})"
        # 1e11 seconds are the year 5138; beyond, numbers are in another unit or nonsense, and too large to convert.
        parsed = f"CASE WHEN abs({seconds}) < 1e11 THEN make_timestamp(CAST(round({seconds} * 1e6) AS BIGINT)) END"
    elif format is not None:
        parsed = f"CAST(try_strptime({text(sql, type)}, {literal(format)}) AS TIMESTAMP)"
    elif is_number(type):
        raise DataError(
            f"{role} is a number ({type}), which can mean many things. Set timestamp_format to 'epoch_s', 'epoch_ms' "
            "or a strptime format such as '%Y%m%d'."
        )
    elif type in ("VARCHAR", "JSON"):
        written = text(sql, type)
        # Offsets need the slower cast; '2020-01-01 10:00:00' cannot have one.
        parsed = (
            f"CASE WHEN length({written}) = 19 AND ({written})[17] = ':' THEN TRY_CAST({written} AS TIMESTAMP) "
            f"ELSE CAST(TRY_CAST({written} AS TIMESTAMPTZ) AS TIMESTAMP) END"
        )
    else:
        raise DataError(
            f"{role} has the type {type}, which is no time. Name a column of dates, times or ISO 8601 text."
        )
    return f"CASE WHEN isfinite({parsed}) AND year({parsed}) > 0 THEN {parsed} END"


def check_format(database: Database, format: str | None, role: str) -> None:
    """Refuse a strptime format DuckDB does not understand.

    Raises:
        RecipeError: names the format and what DuckDB says.
    """
    if format in (None, "epoch_s", "epoch_ms"):
        return
    try:
        database.rows(f"SELECT try_strptime(x, {literal(str(format))}) FROM (VALUES ('')) t(x)")
    except duckdb.Error as error:
        raise RecipeError(
            f"{role} = {format!r} is not a format of strptime: {first_lines(error)} Examples: '%d/%m/%Y %H:%M', "
            "'%Y%m%d', 'epoch_s'."
        ) from error
