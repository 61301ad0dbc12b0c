"""Rows that could not be used: how many, why, an example of each, and all of them in a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from longtail.core.errors import DataError
from longtail.data.database import Database, explained, literal
from longtail.data.readers import malformed_lines

#: Every reason for which a row is refused, in the order in which they are tried: a row is refused for the first.
REASONS: tuple[str, ...] = (
    "malformed line",
    "null user id",
    "null item id",
    "unparsable timestamp",
    "future timestamp",
    "unknown event type",
    "unparsable value",
    "negative value",
    "non-finite value",
    "negative weight",
    "non-finite weight",
    "null catalog id",
    "duplicate catalog item",
)

#: The column of refused rows that says why; a source's own column of that name (refused rows read again) gives way.
REASON_COLUMN = "refusal_reason"

#: How each ending of `Refusals.write` is written by DuckDB.
_FORMATS = {
    ".csv": "FORMAT csv, HEADER",
    ".parquet": "FORMAT parquet",
    ".jsonl": "FORMAT json",
    ".ndjson": "FORMAT json",
}


@dataclass(frozen=True)
class Refusal:
    """One reason.

    Attributes:
        reason: one of `REASONS`.
        count: rows refused for it, at least 1.
        example: the first such row: the source's columns and values (of a malformed line ``file``, ``line``, ``text``).
    """

    reason: str
    count: int
    example: dict[str, Any]


@dataclass(frozen=True)
class Refusals:
    """What became of every row that was read: ``read == accepted + refused + filtered``.

    Attributes:
        what: ``"events"`` or ``"catalog"``.
        read: rows of the source.
        accepted: rows that are used (of a catalog with variants, all rows that were grouped into items).
        filtered: rows the schema's ``where`` left out.
        by_reason: the reasons that occur, in the order of `REASONS`.
        missing_values: accepted events whose value is empty and therefore counts as 1.
    """

    what: str
    read: int
    accepted: int
    filtered: int
    by_reason: tuple[Refusal, ...] = ()
    missing_values: int = 0
    #: Where the refused rows are: tables of a database, each with the reason in its first column.
    database: Database | None = field(default=None, repr=False, compare=False)
    tables: tuple[str, ...] = field(default=(), repr=False, compare=False)

    @property
    def refused(self) -> int:
        return sum(refusal.count for refusal in self.by_reason)

    def count(self, reason: str) -> int:
        """Rows refused for one reason; 0 where there are none.

        Raises:
            KeyError: no such reason.
        """
        if reason not in REASONS:
            raise KeyError(reason)
        return next((refusal.count for refusal in self.by_reason if refusal.reason == reason), 0)

    def counts(self) -> dict[str, Any]:
        """Plain JSON: ``read, accepted, filtered, refused, missing_values`` and ``reasons: {reason: count}``."""
        return {
            "read": self.read,
            "accepted": self.accepted,
            "filtered": self.filtered,
            "refused": self.refused,
            "missing_values": self.missing_values,
            "reasons": {one.reason: one.count for one in self.by_reason},
        }

    def write(self, path: Path | str) -> int:
        """Write all refused rows with the column ``refusal_reason`` and the source's columns; returns how many.

        Malformed lines have ``malformed_file``, ``malformed_line`` and ``malformed_text`` instead of the source's
        columns. The file is written even if there are none, with the reason's column alone.

        Args:
            path: ends in .csv, .parquet, .jsonl or .ndjson.

        Raises:
            DataError: another ending, or the file cannot be written.
        """
        path = Path(path)
        options = check_ending(path)
        database = self.database or Database(on_disk=False)
        query = " UNION ALL BY NAME ".join(f"SELECT * FROM {table}" for table in self.tables)
        query = query or f"SELECT NULL::VARCHAR AS {REASON_COLUMN} WHERE false"
        with explained(f"Refused rows cannot be written to {str(path)!r}"):
            (written,) = database.row(f"COPY ({query}) TO {literal(str(path))} ({options})")
        return int(written)


def check_ending(path: Path) -> str:
    """How DuckDB writes a file with that ending. Raises DataError for an ending it does not know."""
    options = _FORMATS.get(path.suffix.lower())
    if options is None:
        raise DataError(
            f"Refused rows cannot be written to {str(path)!r}: its ending is {path.suffix!r}, expected one of "
            f"{', '.join(_FORMATS)}."
        )
    return options


@dataclass(frozen=True)
class Examples:
    """What `examples` found: the refusals in the order of `REASONS`, and how many are lines that could not be split."""

    refusals: tuple[Refusal, ...]
    malformed: int


def keep_malformed(database: Database) -> list[str]:
    """Store the lines that could not be split into columns, once the source was read; the table's name, if any."""
    query = malformed_lines(database)
    if query is None:
        return []
    database.execute(
        f"CREATE TABLE malformed AS SELECT 'malformed line' AS refusal_reason, * FROM ({query}) "
        "ORDER BY malformed_file, malformed_line"
    )
    return ["malformed"] if database.row("SELECT count(*) FROM malformed")[0] else []


def examples(database: Database, tables: list[str], by_reason: dict[str, int]) -> Examples:
    """Put counts and the first example of each reason together.

    Args:
        database: where the refused rows are.
        tables: the tables of refused rows, at most ``malformed`` and ``refused``.
        by_reason: rows refused by reason, without those of ``malformed``.
    """
    malformed = database.row("SELECT count(*) FROM malformed")[0] if "malformed" in tables else 0
    found = []
    for reason in REASONS:
        lines = malformed if reason == "malformed line" else 0
        count = by_reason.get(reason, 0) + lines
        if not count:
            continue
        table = "malformed" if lines else "refused"
        rows = database.arrow(
            f"SELECT * EXCLUDE refusal_reason FROM {table} WHERE refusal_reason = {literal(reason)} LIMIT 1"
        )
        found.append(Refusal(reason, count, rows.to_pylist()[0]))
    return Examples(tuple(found), malformed)
