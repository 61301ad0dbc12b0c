"""A copy of a shop's folder in which every item has only been sold once, so that what follows from sales shows."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from longtail.data.columns import bind, text, time
from longtail.data.database import Database, explained, literal
from longtail.data.files import DataFile, find_files
from longtail.data.readers import query_of
from longtail.data.schema import EventsSchema
from longtail.data.sources import attach


def write_first_sales(schema: EventsSchema, base: Path, folder: Path) -> bool:
    """Fill ``folder`` with links to what is in ``base``, and with the events' files cut to each item's first moment.

    Rows whose time is the earliest of their item stay, all others go; without times the first row of an item in each
    file stays.

    Args:
        schema: the events, from files below ``base`` and without a query over them.
        base: the folder that paths of the recipe are relative to.
        folder: an empty folder.

    Returns:
        False where there is nothing to cut: the events are not files below ``base``, or come out of a query.

    Raises:
        DataError: the events cannot be read.
    """
    source, base = schema.source, base.resolve()
    if source is None or source.files is None or source.query is not None:
        return False
    files = [file for file in find_files(source, base) if file.path.resolve().is_relative_to(base)]
    if not files:
        return False
    _mirror(base, folder, {file.path.resolve() for file in files})
    database = Database()
    attached = attach(database, source, base=base)
    item = bind(database, attached.relation, attached.columns, schema.item_id, "events.item_id")
    id = text(item.sql, item.type)
    when = "NULL::TIMESTAMP"
    if schema.timestamp is not None:
        bound = bind(database, attached.relation, attached.columns, schema.timestamp, "events.timestamp")
        when = time(bound.sql, bound.type, schema.timestamp_format, "events.timestamp")
    with explained("The events cannot be cut to first sales"):
        database.execute(
            f"CREATE TABLE firsts AS SELECT {id} AS id, min({when}) AS first FROM {attached.relation} GROUP BY 1"
        )
        for file in files:
            rows = f"(SELECT *, {id} AS __id, {when} AS __when FROM ({query_of(database, [file])}))"
            kept = "WHERE __when = (SELECT first FROM firsts WHERE id = __id)"
            if schema.timestamp is None:
                kept = "QUALIFY row_number() OVER (PARTITION BY __id) = 1"
            target = folder / file.path.resolve().relative_to(base)
            database.execute(
                f"COPY (SELECT * EXCLUDE (__id, __when) FROM {rows} {kept}) TO {literal(str(target))} ({_how(file)})"
            )
    database.close()
    return True


def _mirror(base: Path, folder: Path, files: set[Path]) -> None:
    """Links to everything but these files; the folders on the way to them are made anew."""
    on_the_way = {parent for file in files for parent in file.parents if parent.is_relative_to(base)}
    for entry in _entries(base):
        place = folder / entry.name
        if entry.resolve() in on_the_way:
            place.mkdir()
            _mirror(entry.resolve(), place, files)
        elif entry.resolve() not in files:
            os.symlink(entry.resolve(), place)


def _entries(folder: Path) -> Iterable[Path]:
    return sorted(folder.iterdir())


def _how(file: DataFile) -> str:
    compression = {".gz": ", COMPRESSION gzip", ".zst": ", COMPRESSION zstd"}.get(file.path.suffix.lower(), "")
    if file.format == "parquet":
        return "FORMAT parquet"
    if file.format == "csv":
        tabs = ".tsv" in file.path.suffixes or ".tab" in file.path.suffixes
        return "FORMAT csv, HEADER" + (", DELIMITER '\t'" if tabs else "") + compression
    return "FORMAT json" + compression
