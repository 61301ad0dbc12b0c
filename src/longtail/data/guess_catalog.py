"""What the columns of a catalog probably say about its items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from longtail.core.errors import DataError
from longtail.data.database import Database, literal, quoted
from longtail.data.profile import CURRENCY, SEPARATORS, ColumnProfile
from longtail.data.schema import FieldKind

_TITLE = ("title", "name", "label", "headline")
_PROSE = ("description", "desc", "text", "summary", "abstract", "details", "content", "body")
_PRICE = ("price", "cost", "msrp", "rrp", "retail")
_CODE = ("id", "no", "code", "key", "num", "number", "nr", "sku", "ean", "upc", "gtin", "isbn", "asin")
_GROUPING = ("category", "categories", "type", "department", "class", "group", "section", "genre")


@dataclass(frozen=True)
class FieldGuess:
    """A field of the catalog as it probably is.

    Attributes:
        name: of the field.
        kind: its kind.
        column: the column, None for text made of several.
        template: text made of several columns.
        separator: between tags in one text.
        within: the category in which a price is ranked.
        why: what it was recognised by, with examples.
    """

    name: str
    kind: FieldKind
    column: str | None
    why: str
    template: str | None = None
    separator: str | None = None
    within: str | None = None


@dataclass(frozen=True)
class CatalogGuess:
    """A catalog as it probably is.

    Attributes:
        item_id: the column.
        title: the column shown to people, None where there is none.
        fields: what says something about items, in the columns' order, text first.
        several_rows: whether some item has several rows.
        unused: columns that say nothing, with the reason.
    """

    item_id: str
    title: str | None
    fields: tuple[FieldGuess, ...]
    several_rows: bool
    unused: Mapping[str, str]


def guess_catalog(
    database: Database,
    table: str,
    columns: Mapping[str, ColumnProfile],
    item_id: str,
) -> CatalogGuess:
    """Guess what the columns of a catalog say.

    Args:
        database: where the catalog is.
        table: the table or view with it.
        columns: its profile.
        item_id: the column with the item's id, from `guess_shared_ids` or `guess_item_id`.
    """
    fields: dict[str, FieldGuess] = {}
    unused: dict[str, str] = {}
    for column in columns.values():
        if column.name == item_id:
            continue
        guess = _field(database, table, column)
        if isinstance(guess, FieldGuess):
            fields[column.name] = guess
        else:
            unused[column.name] = guess
    for name, reason in _twins(database, table, columns, fields).items():
        del fields[name]
        unused[name] = reason
    text, title = _text([columns[name] for name in fields], fields)
    within = _within([columns[name] for name, field in fields.items() if field.kind == "category"])
    others = [
        FieldGuess(field.name, field.kind, field.column, field.why, separator=field.separator, within=within)
        if field.kind == "price"
        else field
        for field in fields.values()
        if field.kind != "text"
    ]
    return CatalogGuess(
        item_id=item_id,
        title=title,
        fields=(*text, *others),
        several_rows=columns[item_id].distinct < columns[item_id].present,
        unused=unused,
    )


def guess_item_id(columns: Mapping[str, ColumnProfile]) -> str:
    """The column of a catalog that identifies items, where no events help to find it.

    Raises:
        DataError: every column is empty.
    """
    candidates = [column for column in columns.values() if column.present and not column.is_list]
    if not candidates:
        raise DataError(f"Every column of the catalog is empty. Found: {', '.join(columns)}.")
    return max(
        candidates, key=lambda c: c.uniqueness + 0.5 * _coded(c) - 0.05 * c.mean_words - 0.5 * c.is_fraction
    ).name


def _field(database: Database, table: str, column: ColumnProfile) -> FieldGuess | str:
    """What one column says, or why it says nothing."""

    def guess(kind: FieldKind, why: str, separator: str | None = None) -> FieldGuess:
        return FieldGuess(column.name, kind, column.name, why, separator=separator)

    if column.present == 0:
        return "empty"
    if column.is_vector:
        return guess("vector", f"lists of numbers ({column.type})")
    if column.is_nested:
        return "records inside records; name their parts in an SQL expression"
    if column.is_list:
        return guess("tags", f"lists, e.g. {_examples(column)}")
    if column.distinct == 1:
        return f"always {column.top[0][0]!r}"
    if column.is_time_type or column.iso_time > 0.95:
        return guess("date", f"dates, e.g. {_examples(column)}")
    if column.image > 0.8:
        return guess("image", f"names of pictures, e.g. {_examples(column, 1)}")
    if column.type == "BOOLEAN" or (column.truth > 0.99 and column.distinct == 2):
        return guess("boolean", f"two values: {_examples(column)}")
    if column.numeric > 0.95:
        return _number(column)
    if column.money > 0.6 and (_priced(column) or column.currency > 0.6):
        return FieldGuess(column.name, "price", _amount(column), f"amounts of money, e.g. {_examples(column)}")
    if column.measure > 0.6:
        return guess("measure", f"numbers with a unit, e.g. {_examples(column)}")
    if column.top[0][0].startswith(("http://", "https://", "www.")):
        return "links"
    if column.mean_words < 8 or _listed(column):
        separator = _separator(database, table, column)
        if separator is not None:
            return guess("tags", f"several values separated by {separator!r}, e.g. {_examples(column, 1)}", separator)
    prose = any(word in column.tokens for word in _PROSE)
    if column.mean_words >= 8 or (prose and column.mean_words >= 3):
        return guess("text", f"{column.mean_words:.0f} words on average")
    if column.uniqueness >= 0.2 and (column.mean_words >= 1.5 or any(word in column.tokens for word in _TITLE)):
        return guess("text", f"{column.distinct:,} different names, e.g. {_examples(column)}")
    if column.uniqueness > 0.5:
        return "almost every value is different, and they are not words"
    return guess("category", f"{column.distinct:,} values, e.g. {_examples(column)}")


def _number(column: ColumnProfile) -> FieldGuess | str:
    if _priced(column):
        return FieldGuess(column.name, "price", column.name, f"from {column.low:g} to {column.high:g}")
    if _coded(column) or column.leading_zero > 0:
        if column.uniqueness > 0.5:
            return "an id: almost every value is different"
        return FieldGuess(column.name, "category", column.name, f"{column.distinct:,} codes, e.g. {_examples(column)}")
    return FieldGuess(column.name, "number", column.name, f"from {column.low:g} to {column.high:g}")


def _priced(column: ColumnProfile) -> bool:
    return any(word in column.tokens for word in _PRICE) and not _coded(column)


def _amount(column: ColumnProfile) -> str:
    """The SQL of an amount as a number: without currency, groups of thousands closed up, a point for the decimals.

    What else stands in a value stays, so that it is counted as one that cannot be read. A number that is written as
    one reads as itself also where the catalog has decimal commas: new items may come with either.
    """
    beside = literal(CURRENCY + r"|\s")
    plain = f"regexp_replace({quoted(column.name)}, {beside}, '', 'g')"
    if column.decimal_comma > 0:
        return f"replace(regexp_replace({plain}, '[.'']([0-9]{{3}})', '\\1', 'g'), ',', '.')"
    return f"regexp_replace({plain}, '[,'']', '', 'g')"


def _coded(column: ColumnProfile) -> bool:
    return any(token in _CODE for token in column.tokens) or column.name.lower().endswith(("id", "code"))


def _listed(column: ColumnProfile) -> bool:
    """Separators other than the comma hardly occur in prose."""
    return max(column.separated[:-1], default=0.0) >= 0.3


def _separator(database: Database, table: str, column: ColumnProfile) -> str | None:
    """What separates several values in one text: short parts of which many occur again."""
    for separator, share in zip(SEPARATORS, column.separated, strict=True):
        if share < 0.3:
            continue
        row = database.row(
            f"""
            with parts as (
                select trim(unnest(string_split(cast({quoted(column.name)} as varchar), {literal(separator)}))) as part
                from {quoted(table)}
            )
            select count(*), count(distinct part), avg(length(part)), avg(length(part) - length(replace(part, ' ', '')))
            from parts where part <> ''
            """
        )
        parts, distinct, length, spaces = row
        if parts and distinct <= 0.5 * parts and length <= 25 and spaces <= 2:
            return separator
    return None


def _twins(
    database: Database,
    table: str,
    columns: Mapping[str, ColumnProfile],
    fields: Mapping[str, FieldGuess],
) -> dict[str, str]:
    """Columns that say what another says: codes of a name, and categories with the very same classes."""
    found: dict[str, str] = {}
    categories = [columns[name] for name, field in fields.items() if field.kind in ("category", "number")]
    for column in categories:
        if not _coded(column):
            continue
        stem = column.tokens[:-1]
        twin = next((c for c in categories if stem and c.tokens[:-1] == stem and not _coded(c)), None)
        if twin is not None:
            found[column.name] = f"the code of {twin.name}"
    for position, one in enumerate(categories):
        for other in categories[position + 1 :]:
            if one.distinct != other.distinct or one.present != other.present or {one.name, other.name} & set(found):
                continue
            row = database.row(
                f"select count(*) from (select distinct {quoted(one.name)}, {quoted(other.name)} from {quoted(table)} "
                f"where {quoted(one.name)} is not null and {quoted(other.name)} is not null)"
            )
            if row[0] == one.distinct:
                kept, dropped = (other, one) if _coded(one) and not _coded(other) else (one, other)
                found[dropped.name] = f"says the same as {kept.name}"
    return found


def _text(columns: list[ColumnProfile], fields: Mapping[str, FieldGuess]) -> tuple[tuple[FieldGuess, ...], str | None]:
    """The text field, made of names, one telling category and descriptions; and the column that serves as a title."""
    texts = [column for column in columns if fields[column.name].kind == "text"]
    short = sorted((c for c in texts if c.mean_words < 8), key=lambda c: not any(word in c.tokens for word in _TITLE))
    long = [column for column in texts if column.mean_words >= 8]
    worded = sorted(
        (c for c in columns if fields[c.name].kind == "category" and c.numeric < 0.1 and c.mean_length > 3),
        key=lambda column: -column.distinct,
    )
    if texts:
        worded = [c for c in worded if "type" in c.tokens or "category" in c.tokens or "genre" in c.tokens][:1]
    else:  # nothing but categories: their words are the text, the most telling first
        worded = [column for column in worded if column.distinct >= 10][:3]
    parts = [*short, *worded, *long]
    if not parts:
        return (), None
    why = "names and descriptions" if texts else "no name or description found: the words of the finest categories"
    single = len(parts) == 1
    field = FieldGuess(
        name="text",
        kind="text",
        column=parts[0].name if single else None,
        template=None if single else ". ".join(f"{{{part.name}}}" for part in parts),
        why=why,
    )
    title = short[0].name if short else (worded[0].name if worded else None)
    return (field,), title


def _within(categories: list[ColumnProfile]) -> str | None:
    """The category in which prices compare: some tens to hundreds of classes, better by a telling name."""
    usable = [column for column in categories if 3 <= column.distinct <= 1000 and column.present]
    best = max(usable, key=lambda c: (any(word in c.tokens for word in _GROUPING), min(c.distinct, 100)), default=None)
    return best.name if best else None


def _examples(column: ColumnProfile, n: int = 3) -> str:
    shown = (value if len(value) <= 40 else value[:37] + "..." for value, _ in column.top[:n])
    return ", ".join(repr(value) for value in shown)
