"""What the columns of events and a catalog probably mean, from their names and their content.

A guess is a proposal for a person to read: `longtail init` writes it down with its reasons, and nothing else uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from longtail.core.errors import DataError
from longtail.data.columns import text
from longtail.data.database import Database, literal, quoted
from longtail.data.ids import Mismatch, explain_mismatch, share_found
from longtail.data.profile import TIMESTAMP_FORMATS, ColumnProfile

_USER = ("user", "customer", "client", "household", "member", "visitor", "shopper", "buyer", "account", "person", "uid")
_ITEM = ("item", "product", "prod", "article", "sku", "asin", "goods", "movie", "book", "track", "song", "video")
_TIME = ("timestamp", "time", "datetime", "date", "dat", "ts", "created", "at", "when", "day")
_TYPE = ("event", "type", "action", "behavior", "behaviour", "kind", "activity", "interaction")
_VALUE = ("quantity", "qty", "units", "rating", "stars", "count", "score", "value", "amount", "revenue", "sales")
_NEITHER = ("basket", "order", "transaction", "invoice", "store", "channel", "session", "row", "index", "event", "cart")
_KNOWN_TYPES = ("view", "click", "cart", "purchase", "buy", "order", "wish", "fav", "like", "play", "sale", "transact")

#: Suggested weights by a word in the type's name; the first that occurs counts.
_WEIGHTS = (
    (("remove", "delete", "return", "refund", "cancel", "dislike", "skip", "unlike"), 0.0),
    (("purchase", "buy", "bought", "order", "transaction", "checkout", "sale"), 4.0),
    (("cart", "basket", "bag"), 3.0),
    (("wish", "fav", "like", "save", "bookmark", "share", "review", "rating"), 2.0),
)


@dataclass(frozen=True)
class EventsGuess:
    """Which column of the events probably means what.

    Attributes:
        user_id, item_id: columns, or the expression that makes item ids meet the catalog's.
        timestamp: the column, None where there is none.
        timestamp_format: how its text is written, None for ISO 8601 and real timestamps.
        ambiguous_days: days and months could be the other way round.
        event_type: the column, None where there is none.
        value: the column, None where there is none.
    """

    user_id: str
    item_id: str
    timestamp: str | None
    timestamp_format: str | None
    ambiguous_days: bool
    event_type: str | None
    value: str | None


@dataclass(frozen=True)
class SharedIds:
    """Which columns of events and catalog hold the same item ids.

    Attributes:
        event_column, catalog_column: the columns.
        share: share of the events' different items found in the catalog.
        mismatch: how the ids differ if they do not meet as they are.
    """

    event_column: str
    catalog_column: str
    share: float
    mismatch: Mismatch | None


def guess_events(
    database: Database,
    table: str,
    columns: Mapping[str, ColumnProfile],
    *,
    item: str | None = None,
    user: str | None = None,
    timestamp: str | None = None,
) -> EventsGuess:
    """Guess what the columns of the events mean.

    Args:
        database: where the events are.
        table: the table or view with them, or with a sample.
        columns: its profile.
        item: the column with the item's id, where it is known already.
        user: the column with the user's id, where it is known already.
        timestamp: the column with the time, where it is known already.

    Raises:
        DataError: a column that was named does not exist, or no column can be the user's or the item's id.
    """
    for known in (item, user, timestamp):
        if known is not None and known not in columns:
            raise DataError(f"The events have no column {known!r}. Found: {', '.join(columns)}.")
    time, format, ambiguous = _time(database, table, columns, timestamp)
    taken = {name for name in (item, user, time) if name is not None}
    item = item or _best_id(columns, taken, _ITEM, (*_USER, *_NEITHER))
    if item is None:
        raise _undecided("item", columns)
    taken.add(item)
    user = user or _best_id(columns, taken, _USER, (*_ITEM, *_NEITHER))
    if user is None:
        raise _undecided("user", columns)
    taken.add(user)
    return EventsGuess(
        user_id=user,
        item_id=item,
        timestamp=time,
        timestamp_format=format,
        ambiguous_days=ambiguous,
        event_type=_event_type(columns, taken),
        value=_value(columns, taken),
    )


def guess_shared_ids(
    database: Database,
    events: tuple[str, Mapping[str, ColumnProfile]],
    catalog: tuple[str, Mapping[str, ColumnProfile]],
    *,
    event_column: str | None = None,
    catalog_column: str | None = None,
) -> SharedIds | None:
    """Find the pair of columns that hold the same item ids; None where no pair does.

    Args:
        database: where both tables are.
        events: name and profile of the events' table.
        catalog: name and profile of the catalog's table.
        event_column: the events' column, where it is known already.
        catalog_column: the catalog's column, where it is known already.
    """
    (event_table, event_columns), (catalog_table, catalog_columns) = events, catalog
    for name, columns, whose in ((event_column, event_columns, "events"), (catalog_column, catalog_columns, "catalog")):
        if name is not None and name not in columns:
            raise DataError(
                f"The {whose} has no column {name!r}. Found: {', '.join(columns)}.".replace("s has", "s have")
            )
    best: tuple[float, SharedIds] | None = None
    lefts = [c for c in event_columns.values() if c.name == event_column or (event_column is None and _may_be_id(c))]
    rights = [
        c for c in catalog_columns.values() if c.name == catalog_column or (catalog_column is None and _may_be_id(c))
    ]
    pairs = [(left, right, _pair_bonus(left, right)) for left in lefts for right in rights]
    for left, right, bonus in pairs:
        share = share_found(database, _ids(event_table, left), _ids(catalog_table, right))
        # A handful of codes is found in any column of numbers; ids are many.
        if share < 0.05 or left.distinct < 0.01 * right.distinct:
            continue
        if best is None or share + bonus > best[0]:
            best = (share + bonus, SharedIds(left.name, right.name, share, None))
    if best is not None and best[1].share >= 0.3:
        return best[1]
    # Users and items are often numbered alike (u12, i12), so users are not taken for items however they are written.
    unlike = [pair for pair in pairs if not _named(pair[0], _USER)] if event_column is None else pairs
    for left, right, _ in sorted(unlike, key=lambda pair: -pair[2])[:6]:
        found = explain_mismatch(database, _ids(event_table, left), _ids(catalog_table, right))
        if found is not None and found.share >= 0.5:
            return SharedIds(left.name, right.name, found.share, found)
    return best[1] if best else None


def suggest_weight(event_type: str) -> float:
    """A first weight for a type of event, from its name: 4 for buying, 3 for the cart, 2 for liking, 0 for undoing."""
    folded = event_type.lower()
    return next((weight for words, weight in _WEIGHTS if any(word in folded for word in words)), 1.0)


def _ids(table: str, column: ColumnProfile) -> str:
    return f"select distinct {text(quoted(column.name), column.type)} as id from {quoted(table)}"


def _may_be_id(column: ColumnProfile) -> bool:
    return not (
        column.present == 0
        or column.is_list
        or column.is_nested
        or column.is_time_type
        or (column.is_fraction and column.distinct > 1)
        or column.mean_words > 4
        or column.mean_length > 80
        or column.distinct < 2
    )


def _pair_bonus(left: ColumnProfile, right: ColumnProfile) -> float:
    return (
        0.4 * (left.tokens == right.tokens)
        + 0.3 * right.uniqueness
        + 0.3 * _named(left, _ITEM)
        + 0.3 * _named(right, _ITEM)
        + 0.1 * ("id" in right.tokens)
        - 0.6 * _named(left, (*_USER, *_NEITHER))
    )


def _named(column: ColumnProfile, words: tuple[str, ...]) -> bool:
    return any(token == word or token == f"{word}s" for token in column.tokens for word in words) or any(
        column.name.lower() in (f"{word}id", f"{word}no") for word in words
    )


def _best_id(
    columns: Mapping[str, ColumnProfile], taken: set[str], words: tuple[str, ...], others: tuple[str, ...]
) -> str | None:
    """The column most likely to hold a kind of id: by name, by ``id`` in it, and by repeating itself."""

    def score(column: ColumnProfile) -> float:
        return (
            2.0 * _named(column, words)
            - 1.0 * (_named(column, others) and not _named(column, words))
            + 0.5 * ("id" in column.tokens or column.name.lower().endswith("id"))
            + 0.5 * (column.uniqueness < 0.9)
            + 0.5 * min(column.distinct, 1000) / 1000
            - 0.5 * _named(column, (*_VALUE, *_TYPE, *_TIME))
        )

    candidates = [column for column in columns.values() if column.name not in taken and _may_be_id(column)]
    best = max(candidates, key=score, default=None)
    return best.name if best is not None and score(best) > 0 else None


def _time(
    database: Database, table: str, columns: Mapping[str, ColumnProfile], known: str | None
) -> tuple[str | None, str | None, bool]:
    """The timestamp's column, its format (None for ISO 8601), and whether days and months may be exchanged."""
    found: list[tuple[float, str, str | None, bool]] = []
    for column in columns.values():
        if known not in (None, column.name) or column.present == 0 or column.is_list or column.is_nested:
            continue
        named = 1.0 * any(token in _TIME for token in column.tokens) + 0.2 * ("timestamp" in column.tokens)
        certain = 0.1 * column.uniqueness + named + 10 * (column.name == known)
        if column.is_time_type or column.iso_time > 0.95:
            found.append((certain + 2, column.name, None, False))
        elif column.integer > 0.95 and column.low is not None and column.high is not None:
            if column.low > 5e8 and column.high < 5e9 and (named or known):
                found.append((certain + 1, column.name, "epoch_s", False))
            elif column.low > 5e11 and column.high < 5e12 and (named or known):
                found.append((certain + 1, column.name, "epoch_ms", False))
            elif named or known:
                found += [(certain + 1, column.name, f, also) for f, also in _formats(database, table, column)]
        elif named or known or 8 <= column.mean_length <= 19:
            found += [(certain + 1, column.name, f, also) for f, also in _formats(database, table, column)]
    if not found:
        if known is not None:
            raise DataError(
                f"The column {known!r} does not read as times; its values look like {columns[known].top[0][0]!r}. "
                "Set events.timestamp to an SQL expression that makes a timestamp of it."
                if columns[known].top
                else f"The column {known!r} is empty."
            )
        return None, None, False
    _, name, format, ambiguous = max(found, key=lambda entry: entry[0])
    return name, format, ambiguous


def _formats(database: Database, table: str, column: ColumnProfile) -> list[tuple[str, bool]]:
    """The format that reads at least 95% of a column, and whether another reads as much; empty where none does."""
    value = f"trim(cast({quoted(column.name)} as varchar))"
    shares = ", ".join(
        f"avg(case when try_strptime({value}, {literal(format)}) is not null then 1.0 else 0.0 end)"
        for format in TIMESTAMP_FORMATS
    )
    read = database.row(f"select {shares} from {quoted(table)} where {value} <> ''")
    best = max(read)
    if best is None or best < 0.95:
        return []
    formats = [format for format, share in zip(TIMESTAMP_FORMATS, read, strict=True) if share == best]
    return [(formats[0], len(formats) > 1)]


def _event_type(columns: Mapping[str, ColumnProfile], taken: set[str]) -> str | None:
    best: tuple[float, str] | None = None
    for column in columns.values():
        if column.name in taken or column.is_list or not 1 <= column.distinct <= 40 or column.is_fraction:
            continue
        known = any(word in value.lower() for value, _ in column.top for word in _KNOWN_TYPES)
        named = _named(column, _TYPE)
        score = 2.0 * (known and column.numeric < 0.5) + 1.0 * named + 0.5 * (column.name.lower() == "event_type")
        if score >= 2 or (named and column.numeric < 0.5):
            best = max(best or (0.0, ""), (score, column.name))
    return best[1] if best else None


def _value(columns: Mapping[str, ColumnProfile], taken: set[str]) -> str | None:
    for word in _VALUE:
        for column in columns.values():
            if (
                column.name not in taken
                and word in column.tokens
                and column.numeric > 0.9
                and "id" not in column.tokens
            ):
                return column.name
    return None


def _undecided(kind: str, columns: Mapping[str, ColumnProfile]) -> DataError:
    return DataError(
        f"No column of the events looks like the {kind}'s id. Found: {', '.join(columns)}. "
        f"Name it with --{kind} COLUMN."
    )
