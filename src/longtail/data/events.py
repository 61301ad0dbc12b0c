"""Accepted events in one schema, inside a temporary database, and views on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from longtail.core.progress import SILENT, Progress
from longtail.core.vocabulary import Vocabulary
from longtail.data.database import Database, explained, literal
from longtail.data.judging import ACCEPTED, FILTERED, judge
from longtail.data.refusals import REASONS, Refusals, examples, keep_malformed
from longtail.data.schema import EventsSchema, WeightSettings
from longtail.data.sources import attach

COLUMNS = ("user_id", "item_id", "event_type", "timestamp", "value")
SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("item_id", pa.string()),
        ("event_type", pa.string()),
        ("timestamp", pa.timestamp("us")),
        ("value", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Events:
    """Events a shop can be trained on: `COLUMNS`, ids as text, times in UTC (null where the shop has none).

    Views (`before`, `without_items`, ...) share the database and cost nothing until they are read.

    Attributes:
        database: where the events are.
        table: their table there.
        refusals: what became of the rows that were read; views keep those of the whole.
        conditions: SQL over `COLUMNS` that restricts this view, joined by AND.
    """

    database: Database = field(repr=False)
    table: str
    refusals: Refusals = field(compare=False)
    conditions: tuple[str, ...] = ()

    @property
    def relation(self) -> str:
        """The view as an SQL table expression with the columns `COLUMNS`."""
        where = f" WHERE {' AND '.join(f'({condition})' for condition in self.conditions)}" if self.conditions else ""
        return f"(SELECT {', '.join(COLUMNS)} FROM {self.table}{where})"

    def query(self, sql: str) -> pa.Table:
        """Answer a question about these events; in ``sql`` they are the table ``events``."""
        return self.database.arrow(f"WITH events AS {self.relation} {sql}")

    def to_arrow(self) -> pa.Table:
        """All events with the columns `COLUMNS`, in the order they were read."""
        return self.database.arrow(f"FROM {self.relation}").cast(SCHEMA)

    def __len__(self) -> int:
        return self._summary[0]

    @property
    def first(self) -> datetime | None:
        """The earliest time; None without events or without times."""
        return self._summary[1]

    @property
    def last(self) -> datetime | None:
        """The latest time; None without events or without times."""
        return self._summary[2]

    @cached_property
    def _summary(self) -> tuple[int, datetime | None, datetime | None]:
        count, first, last = self.database.row(f"SELECT count(*), min(timestamp), max(timestamp) FROM {self.relation}")
        return int(count), first, last

    def users(self) -> Vocabulary:
        """The users of these events, sorted by id."""
        return self._ids("user_id", "user")

    def items(self) -> Vocabulary:
        """The items of these events, sorted by id."""
        return self._ids("item_id", "item")

    def _ids(self, column: str, kind: str) -> Vocabulary:
        table = self.database.arrow(f"SELECT DISTINCT {column} AS id FROM {self.relation} ORDER BY id")
        return Vocabulary(table["id"], kind)

    def where(self, condition: str) -> Events:
        """The events for which an SQL condition over `COLUMNS` is true."""
        return replace(self, conditions=(*self.conditions, condition))

    def before(self, cut: datetime) -> Events:
        """The events strictly before a time."""
        return self.where(f"timestamp < {_timestamp(cut)}")

    def since(self, cut: datetime) -> Events:
        """The events at a time or later."""
        return self.where(f"timestamp >= {_timestamp(cut)}")

    def of_items(self, ids: Iterable[str]) -> Events:
        """The events of some items."""
        return self.where(f"item_id IN (FROM {self._keep_ids(ids)})")

    def without_items(self, ids: Iterable[str]) -> Events:
        """The events of all other items."""
        return self.where(f"item_id NOT IN (FROM {self._keep_ids(ids)})")

    def of_users(self, ids: Iterable[str]) -> Events:
        """The events of some users."""
        return self.where(f"user_id IN (FROM {self._keep_ids(ids)})")

    def without_users(self, ids: Iterable[str]) -> Events:
        """The events of all other users."""
        return self.where(f"user_id NOT IN (FROM {self._keep_ids(ids)})")

    def of_pairs(self, users: Iterable[str], items: Iterable[str]) -> Events:
        """The events of some pairs; ``users`` and ``items`` are of one length, entry i of both is pair i."""
        return self.where(f"(user_id, item_id) IN (FROM {self._keep_pairs(users, items)})")

    def without_pairs(self, users: Iterable[str], items: Iterable[str]) -> Events:
        """The events of all other pairs."""
        return self.where(f"(user_id, item_id) NOT IN (FROM {self._keep_pairs(users, items)})")

    def fingerprint(self) -> str:
        """A short text that changes when any event does, whatever their order; of one version of DuckDB."""
        count, total = self.database.row(f"SELECT count(*), sum(hash({', '.join(COLUMNS)})) FROM {self.relation}")
        return f"{count}-{total or 0:x}"

    def _keep_ids(self, ids: Iterable[str]) -> str:
        return self.database.keep("ids", pa.table({"id": pa.array(list(ids), pa.string())}))

    def _keep_pairs(self, users: Iterable[str], items: Iterable[str]) -> str:
        columns = {"user_id": pa.array(list(users), pa.string()), "item_id": pa.array(list(items), pa.string())}
        return self.database.keep("pairs", pa.table(columns))


def read_events(
    schema: EventsSchema,
    weights: WeightSettings,
    *,
    base: Path,
    table: Any = None,
    now: datetime | None = None,
    memory_limit: str | None = None,
    progress: Progress = SILENT,
) -> Events:
    """Read a shop's events; every row is accepted, refused with a reason, or filtered by ``schema.where``.

    Args:
        schema: where they are and which column means what.
        weights: types that are not named there are refused, and weights that are negative or not finite.
        base: the recipe's folder, which paths are relative to.
        table: a dataframe that speaks Arrow, instead of ``schema.source``.
        now: events more than a day later are refused; None: the current time.
        memory_limit: what DuckDB may take before it spills to disk, such as ``"2GB"``; None: 1 GiB.
        progress: told what is read.

    Raises:
        DataError: the source cannot be read or lacks a column. No rows, or none accepted, is not an error here.
        RecipeError: a timestamp format or weights that cannot be.
        MissingExtraError: a package the source needs is not installed.
    """
    database = Database(memory_limit=memory_limit)
    source = attach(database, schema.source, base=base, table=table, what="events", progress=progress)
    now = utc(now) if now is not None else datetime.now(UTC).replace(tzinfo=None)
    judgement = judge(database, source, schema, weights, now)
    with progress.task("Reading events") as task, explained("The events cannot be read"):
        database.execute(f"CREATE TABLE events AS {judgement.events}")
        counts = dict(database.rows("SELECT reason, count(*) FROM events GROUP BY reason"))
        by_reason = {reason: counts.get(code, 0) for code, reason in enumerate(REASONS, start=1)}
        tables = keep_malformed(database)
        if any(by_reason.values()):
            # Rare in a healthy shop: the source is read again, with all its columns, for refused rows only.
            database.execute(f"CREATE TABLE refused AS {judgement.refused}")
            tables.append("refused")
        missing = database.row("SELECT count(*) FROM events WHERE value_missing")[0]
        found = examples(database, tables, by_reason)
        task.advance(counts.get(ACCEPTED, 0))
    refusals = Refusals(
        "events",
        read=sum(counts.values()) + found.malformed,
        accepted=counts.get(ACCEPTED, 0),
        filtered=counts.get(FILTERED, 0),
        by_reason=found.refusals,
        missing_values=missing,
        database=database,
        tables=tuple(tables),
    )
    everything = len(counts) == (1 if ACCEPTED in counts else 0)
    return Events(database, "events", refusals, () if everything else (f"reason = {ACCEPTED}",))


def _timestamp(time: datetime) -> str:
    return f"TIMESTAMP {literal(utc(time).isoformat(sep=' '))}"


def utc(time: datetime) -> datetime:
    """A time without a zone, in UTC; one without a zone is taken to be in UTC already."""
    if time.tzinfo is None:
        return time
    offset = time.utcoffset()
    return time.replace(tzinfo=None) - offset if offset is not None else time.replace(tzinfo=None)
