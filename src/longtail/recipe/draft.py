"""A first recipe for a shop, written from what its files look like: `longtail init`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from longtail.content.registry import plan
from longtail.core.errors import DataError, RecipeError
from longtail.core.progress import SILENT, Progress
from longtail.data.columns import text as as_text
from longtail.data.database import Database, explained, quoted
from longtail.data.files import find_files
from longtail.data.guess import EventsGuess, SharedIds, guess_events, guess_shared_ids, suggest_weight
from longtail.data.guess_catalog import CatalogGuess, FieldGuess, guess_catalog, guess_item_id
from longtail.data.profile import ColumnProfile, profile
from longtail.data.readers import query_of
from longtail.data.schema import CatalogSchema, FieldSchema, Source
from longtail.recipe import Recipe
from longtail.recipe.toml import toml_key, toml_text

#: Rows that are looked at; event types are counted in all.
_EVENT_ROWS = 100_000
_CATALOG_ROWS = 500_000


@dataclass(frozen=True)
class Draft:
    """A recipe as `longtail init` writes it.

    Attributes:
        text: TOML with comments; `Recipe.parse` accepts it.
        notes: what a person should look at, short sentences.
        events: what the events' columns were taken for.
        catalog: what the catalog's columns were taken for, None without a catalog.
    """

    text: str
    notes: tuple[str, ...]
    events: EventsGuess
    catalog: CatalogGuess | None


@dataclass(frozen=True)
class _Table:
    name: str
    written: str  # the files as the recipe names them
    rows: int
    columns: Mapping[str, ColumnProfile]
    sampled: bool


def draft_recipe(
    events: str,
    catalog: str | None = None,
    *,
    folder: Path,
    name: str = "recipe.toml",
    user: str | None = None,
    item: str | None = None,
    timestamp: str | None = None,
    catalog_item: str | None = None,
    progress: Progress = SILENT,
) -> Draft:
    """Look at the files of a shop and write a recipe for it.

    Args:
        events: files of events as a recipe names them (a file, a glob, a folder, ``{package:NAME}/...``), relative to
            the working directory.
        catalog: files of the catalog; None: items are known by their events alone.
        folder: where the recipe will be; its paths are written relative to it.
        name: its file's name, for the comments.
        user: the events' column with the user, where the guess should not be trusted.
        item: the events' column with the item.
        timestamp: the events' column with the time.
        catalog_item: the catalog's column with the item.
        progress: where to report.

    Raises:
        DataError: a file cannot be read, or no column can be the user's or the item's id.
    """
    database = Database()
    with progress.task("looking at the events"):
        event_table = _look(database, "events", events, folder, _EVENT_ROWS)
    shared: SharedIds | None = None
    catalog_table: _Table | None = None
    if catalog is not None:
        with progress.task("looking at the catalog"):
            catalog_table = _look(database, "catalog", catalog, folder, _CATALOG_ROWS)
        with progress.task("comparing ids"):
            shared = guess_shared_ids(
                database,
                (event_table.name, event_table.columns),
                (catalog_table.name, catalog_table.columns),
                event_column=item,
                catalog_column=catalog_item,
            )
    guessed = guess_events(
        database,
        event_table.name,
        event_table.columns,
        item=item or (shared.event_column if shared else None),
        user=user,
        timestamp=timestamp,
    )
    types = _types(database, event_table, guessed.event_type)
    guessed_catalog: CatalogGuess | None = None
    if catalog_table is not None:
        key = catalog_item or (shared.catalog_column if shared else guess_item_id(catalog_table.columns))
        guessed_catalog = guess_catalog(database, catalog_table.name, catalog_table.columns, key)
    lines = [*_head(name), *_events(event_table, guessed, shared), *_weights(guessed, types)]
    if catalog_table is not None and guessed_catalog is not None:
        lines += _catalog(catalog_table, guessed_catalog, shared)
    text = "\n".join(lines) + "\n"
    Recipe.parse(text, folder, name=name)
    return Draft(text, tuple(_notes(event_table, guessed, guessed_catalog, shared)), guessed, guessed_catalog)


def _look(database: Database, kind: str, files: str, folder: Path, limit: int) -> _Table:
    query = query_of(database, find_files(Source(files=files), Path.cwd()))
    with explained(f"The {kind} at {files!r} cannot be read"):
        (rows,) = database.row(f"SELECT count(*) FROM ({query})")
        sampled = rows > limit
        sample = f" USING SAMPLE reservoir({limit} ROWS) REPEATABLE (0)" if sampled else ""
        database.execute(f"CREATE VIEW all_{kind} AS {query}")
        database.execute(f"CREATE TABLE {kind} AS SELECT * FROM all_{kind}{sample}")
        columns = profile(database, kind)
    if rows == 0:
        raise DataError(f"The {kind} at {files!r} have no rows. Expected at least one.")
    return _Table(kind, _as_written(files, folder), int(rows), columns, sampled)


def _as_written(files: str, folder: Path) -> str:
    """Files as a recipe in ``folder`` names them."""
    if files.startswith("{package:"):
        return files
    path = Path.cwd() / Path(files).expanduser()
    parts = path.parts
    if "site-packages" in parts:  # the installation may move, the package's name stays
        package, *inside = parts[parts.index("site-packages") + 1 :]
        return "/".join(["{package:" + package + "}", *inside])
    if Path(files).expanduser().is_absolute() and not path.is_relative_to(folder.resolve()):
        return path.as_posix()
    return Path(os.path.relpath(path, folder.resolve())).as_posix()


def _types(database: Database, table: _Table, column: str | None) -> dict[str, int]:
    if column is None:
        return {}
    value = as_text(quoted(column), table.columns[column].type)
    with explained("The types of the events cannot be counted"):
        counted = database.rows(
            f"SELECT {value} AS type, count(*) FROM all_{table.name} GROUP BY ALL ORDER BY 2 DESC, 1 LIMIT 100"
        )
    return {str(type): int(count) for type, count in counted if type is not None}


def _head(name: str) -> list[str]:
    return [
        "# Written by `longtail init` from what the files look like. Read it, correct it, then:",
        f"#   longtail check {name}",
        f"#   longtail train {name} -o bundle",
        '# Any column may also be an SQL expression, such as "substr(article_id, 1, 7)".',
        "",
        "tail_below = 20      # items with fewer interactions are the tail",
        "exclude_seen = true  # recommendations leave out what a user already took",
        "seed = 0",
    ]


def _events(table: _Table, guess: EventsGuess, shared: SharedIds | None) -> list[str]:
    def of(column: str) -> str:
        found = table.columns[column]
        return f"{found.distinct:,} different" + (f" in a sample of {found.rows:,} rows" if table.sampled else "")

    left = shared.mismatch.left_sql if shared and shared.mismatch else "{id}"
    lines = [
        "",
        f"[events]  # {table.rows:,} rows",
        f"source = {{ files = {toml_text(table.written)} }}",
        f"user_id = {toml_text(guess.user_id)}  # {of(guess.user_id)}",
        f"item_id = {toml_text(_written_alike(table, guess.item_id, left))}  # {of(guess.item_id)}, "
        f"e.g. {_example(table.columns[guess.item_id])}",  # of users no example: ids of people stay out of files
    ]
    if guess.timestamp is None:
        lines.append('timestamp = ""  # no column looks like a time: no half-life, no split by time')
    else:
        lines.append(f"timestamp = {toml_text(guess.timestamp)}  # e.g. {_example(table.columns[guess.timestamp])}")
        if guess.timestamp_format is not None:
            doubt = "  # or is it month before day? look" if guess.ambiguous_days else ""
            lines.append(f"timestamp_format = {toml_text(guess.timestamp_format)}{doubt}")
    if guess.event_type is not None:
        lines.append(f"event_type = {toml_text(guess.event_type)}")
    if guess.value is not None:
        value = table.columns[guess.value]
        lines.append(
            f"# value = {toml_text(guess.value)}  # e.g. {_example(value)}; counts with weights.value_exponent"
        )
    used = {guess.user_id, guess.item_id, guess.timestamp, guess.event_type, guess.value}
    rest = [column for column in table.columns if column not in used]
    if rest:
        lines.append(f"# not used: {_listing(rest)}")
    return lines


def _weights(guess: EventsGuess, types: Mapping[str, int]) -> list[str]:
    lines = ["", "[weights]  # how much an event counts: type weight x value^value_exponent x 2^(-age/half-life)"]
    if guess.timestamp is not None:
        lines.append("# half_life_days = 180")
    if guess.value is not None:
        lines.append("# value_exponent = 0.5")
    if not types:
        return lines
    lines += ["", "[weights.types]  # suggestions; a type that is not named here is refused and counted"]
    weights = {type: suggest_weight(type) for type in types}
    if not any(weights.values()):
        weights = dict.fromkeys(types, 1.0)
    return lines + [f"{toml_key(type)} = {weights[type]:.1f}  # {count:,} events" for type, count in types.items()]


def _catalog(table: _Table, guess: CatalogGuess, shared: SharedIds | None) -> list[str]:
    right = shared.mismatch.right_sql if shared and shared.mismatch else "{id}"
    key = table.columns[guess.item_id]
    lines = [
        "",
        f"[catalog]  # {table.rows:,} rows",
        f"source = {{ files = {toml_text(table.written)} }}",
        f"item_id = {toml_text(_written_alike(table, guess.item_id, right))}  # {key.distinct:,} different, "
        f"e.g. {_example(key)}",
    ]
    if guess.title is not None:
        lines.append(f"title = {toml_text(guess.title)}")
    if guess.several_rows:
        lines += ["", "[catalog.group]  # some items have several rows", 'rule = "most_common"']
    for field in guess.fields:
        lines += _field(field)
    if guess.unused:
        lines += ["", "# Not used as fields; all columns stay at hand for --where and --one-per:"]
        lines += [f"#   {_one_line(column)}: {reason}" for column, reason in guess.unused.items()]
    return lines


def _field(field: FieldGuess) -> list[str]:
    try:
        plan(CatalogSchema(fields={field.name: FieldSchema(kind=field.kind)}))
    except RecipeError:
        readable = False
    else:
        readable = True
    lines = ["", f"[catalog.fields.{toml_key(field.name)}]", f"kind = {toml_text(field.kind)}  # {field.why}"]
    for key in ("column", "template", "separator", "within"):
        value = getattr(field, key)
        if value is not None and not (key == "column" and value == field.name):
            lines.append(f"{key} = {toml_text(value)}")
    # What this version cannot read stands there as a comment, so that nobody has to find it again.
    return lines if readable else ["", *(f"# {line}" for line in lines[1:]), "# (cannot be read by this version)"]


def _notes(events: _Table, guess: EventsGuess, catalog: CatalogGuess | None, shared: SharedIds | None) -> Iterable[str]:
    yield f"Users are {guess.user_id!r}, items are {guess.item_id!r} in the events."
    if guess.timestamp is None:
        yield "No column of the events looks like a time. Name it with --timestamp if there is one."
    elif guess.ambiguous_days:
        yield f"Days and months of {guess.timestamp!r} may be the other way round. Look at timestamp_format."
    if catalog is None:
        return
    if shared is None:
        yield (
            f"No columns of events and catalog hold the same ids. {catalog.item_id!r} was taken for the catalog's; "
            "name the right ones with --item and --catalog-item."
        )
    elif shared.mismatch is not None:
        yield (
            f"The ids of {shared.event_column!r} and {shared.catalog_column!r} differ in {shared.mismatch.difference}. "
            f"The recipe writes them alike; then {shared.share:.0%} of the events' items are in the catalog."
        )
    else:
        yield f"{shared.share:.0%} of the events' items are in the catalog, by {shared.catalog_column!r}."
    if not catalog.fields:
        yield "No column of the catalog says what an item is. Items without events cannot be predicted."


def _written_alike(table: _Table, column: str, form: str) -> str:
    """The column, or the expression that makes its ids meet the other side's."""
    if form == "{id}":
        return column
    plain = quoted(column) if not re.fullmatch(r"[a-z_]\w*", column) else column
    kind = table.columns[column].type
    return form.format(id=plain if kind == "VARCHAR" else f"cast({plain} as varchar)")


def _example(column: ColumnProfile) -> str:
    shown = column.top[0][0] if column.top else ""
    return repr(shown if len(shown) <= 40 else shown[:37] + "...")


def _listing(columns: list[str]) -> str:
    shown = ", ".join(_one_line(column) for column in columns[:20])
    return shown + (f" and {len(columns) - 20:,} more" if len(columns) > 20 else "")


def _one_line(text: str) -> str:
    return text if text.isprintable() else repr(text)
