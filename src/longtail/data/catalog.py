"""The catalog: one row per item, with ids, titles and typed columns for every field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from longtail.core.arrays import Int64
from longtail.core.errors import DataError
from longtail.core.progress import SILENT, Progress
from longtail.core.vocabulary import Vocabulary
from longtail.data.catalog_columns import build_columns
from longtail.data.catalog_rows import columns_of_rows
from longtail.data.columns import bind, text
from longtail.data.database import Database, explained, quoted
from longtail.data.grouping import ID, ORDER, REASON, group
from longtail.data.refusals import REASON_COLUMN, REASONS, Refusals, examples, keep_malformed
from longtail.data.schema import CatalogSchema
from longtail.data.sources import Attached, attach


@dataclass(frozen=True)
class Catalog:
    """Items a shop sells, in the order of the source.

    Attributes:
        items: the ids.
        table: row ``i`` is ``items.id(i)``. Columns: ``item_id``; the source's; those the schema names; and one under
            each field's name (but for templates), of the type its kind asks for: text for text, category, measure,
            image and separated tags; DOUBLE for number and price; BOOLEAN; TIMESTAMP for date; lists of text for tags
            without a separator; lists of float for vectors. What cannot be read is null.
        schema: which column means what.
        titles: ``(n_items,)`` text for people; the id where there is none. Never null.
        refusals: what became of the rows that were read.
        unparsable: for each field with any, how many items have a value that could not be read as its kind.
    """

    items: Vocabulary
    table: pa.Table = field(repr=False)
    schema: CatalogSchema = field(repr=False)
    titles: pa.Array = field(repr=False)
    refusals: Refusals = field(compare=False)
    unparsable: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self.items) == len(self.table) == len(self.titles):
            raise DataError(
                f"A catalog needs one row and one title an item; found {len(self.items):,} items, "
                f"{len(self.table):,} rows and {len(self.titles):,} titles."
            )

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[str]:
        return iter(self.items)

    def take(self, rows: Int64 | Sequence[int]) -> Catalog:
        """Some items, in the order given."""
        at = pa.array(np.asarray(rows, dtype=np.int64))
        return Catalog(
            Vocabulary(self.items.ids.take(at), self.items.kind),
            self.table.take(at),
            self.schema,
            self.titles.take(at),
            self.refusals,
            self.unparsable,
        )

    def row(self, id: str) -> dict[str, Any]:
        """One item's columns as plain values. Raises UnknownIdError."""
        at = self.items.row(id)
        return dict(self.table.slice(at, 1).to_pylist()[0])

    @classmethod
    def from_rows(
        cls, schema: CatalogSchema, rows: Sequence[Mapping[str, Any]], *, like: Catalog | pa.Table
    ) -> Catalog:
        """New items at serving time, on the same path as training's: columns and types are those of ``like``.

        Args:
            schema: the schema ``like`` was read with.
            rows: one mapping an item, by the source's column names; ``item_id`` and field names are understood as
                well and win over what the schema would compute. Missing columns are null.
            like: the catalog, or its table (as a bundle keeps it).

        Raises:
            DataError: a row without an id, an id twice, a column that does not exist (names the nearest), or a value
                that cannot be read as its column's type.
        """
        built = columns_of_rows(schema, rows, like.table if isinstance(like, Catalog) else like)
        refusals = Refusals("catalog", read=len(rows), accepted=len(rows), filtered=0)
        return cls(Vocabulary(built.table["item_id"]), built.table, schema, built.titles, refusals, built.unparsable)


def read_catalog(
    schema: CatalogSchema,
    *,
    base: Path,
    table: Any = None,
    memory_limit: str | None = None,
    progress: Progress = SILENT,
) -> Catalog:
    """Read a shop's catalog; every row is accepted, refused with a reason, or filtered by ``schema.where``.

    Args:
        schema: where it is, which column means what, and how variants become one item.
        base: the recipe's folder, which paths are relative to.
        table: a dataframe that speaks Arrow, instead of ``schema.source``.
        memory_limit: what DuckDB may take before it spills to disk; None: 1 GiB.
        progress: told what is read.

    Raises:
        DataError: the source cannot be read or lacks a column. A catalog without rows is not an error here.
        RecipeError: a template that cannot be understood.
        MissingExtraError: a package the source needs is not installed.
    """
    # One thread keeps the order of rows, even behind a query with joins: items are in the same order every time.
    database = Database(memory_limit=memory_limit, threads=1)
    source = attach(database, schema.source, base=base, table=table, what="catalog", progress=progress)
    judged = _judge(database, source, schema)
    rule = schema.group
    order_by = None
    if rule.rule == "first" and rule.order_by is not None:
        order_by = bind(database, source.relation, source.columns, rule.order_by, "catalog.group.order_by")
    with progress.task("Reading the catalog") as task, explained("The catalog cannot be read"):
        database.execute(f"CREATE TABLE judged AS {judged}")
        if rule.rule == "refuse":
            database.execute(
                f"UPDATE judged SET {REASON} = 'duplicate catalog item' WHERE {REASON} = 'accepted' AND {ORDER} NOT IN "
                f"(SELECT min({ORDER}) FROM judged WHERE {REASON} = 'accepted' GROUP BY {ID})"
            )
        counts = dict(database.rows(f"SELECT {REASON}, count(*) FROM judged GROUP BY ALL"))
        tables = keep_malformed(database)
        own = ", ".join(quoted(name) for name in source.columns if name.lower() != REASON_COLUMN)
        database.execute(
            f"CREATE TABLE refused AS SELECT {REASON} AS {REASON_COLUMN}, {own} FROM judged "
            f"WHERE {REASON} NOT IN ('accepted', 'filtered') ORDER BY {ORDER}"
        )
        tables += ["refused"]
        found = examples(database, tables, {reason: counts.get(reason, 0) for reason in REASONS})
        database.execute(f"CREATE VIEW accepted AS SELECT * FROM judged WHERE {REASON} = 'accepted'")
        built = build_columns(
            database, group(database, "accepted", source.columns, rule, order_by), source.columns, schema
        )
        task.advance(len(built.table))
    refusals = Refusals(
        "catalog",
        read=sum(counts.values()) + found.malformed,
        accepted=counts.get("accepted", 0),
        filtered=counts.get("filtered", 0),
        by_reason=found.refusals,
        database=database if found.refusals else None,
        tables=tuple(tables) if found.refusals else (),
    )
    items = Vocabulary(built.table["item_id"])
    return Catalog(items, built.table, schema, built.titles, refusals, built.unparsable)


def _judge(database: Database, source: Attached, schema: CatalogSchema) -> str:
    """A query for the source's rows with the item's id, the place in the source, and what becomes of the row."""
    item = bind(database, source.relation, source.columns, schema.item_id, "catalog.item_id")
    id = text(item.sql, item.type)
    cases = ""
    if schema.where is not None:
        keep = bind(database, source.relation, source.columns, schema.where, "catalog.where")
        cases += f"WHEN NOT coalesce(CAST({keep.sql} AS BOOLEAN), false) THEN 'filtered' "
    if source.null_rows_malformed:
        empty = " AND ".join(f"{quoted(name)} IS NULL" for name in source.columns)
        cases = f"WHEN {empty} THEN 'malformed line' {cases}"
    return (
        f"SELECT *, {id} AS {ID}, row_number() OVER () AS {ORDER}, "
        f"CASE {cases}WHEN {id} IS NULL THEN 'null catalog id' ELSE 'accepted' END AS {REASON} FROM {source.relation}"
    )
