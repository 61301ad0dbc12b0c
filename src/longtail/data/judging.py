"""SQL that turns a source's rows into events, and says of every row that cannot be one why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from longtail.core.errors import RecipeError
from longtail.data.columns import Bound, bind, check_format, is_number, number, text, time
from longtail.data.database import Database, literal, quoted
from longtail.data.refusals import REASON_COLUMN, REASONS
from longtail.data.schema import EventsSchema, WeightSettings
from longtail.data.sources import Attached

#: Events may be this much later than now: clocks differ, and days begin earlier in the east.
GRACE = timedelta(days=1)
#: The type of events where the schema names no column for it.
ONE_TYPE = "event"
#: Codes of the column ``reason``; reasons follow in the order of `REASONS` from 1.
ACCEPTED, FILTERED = 0, 255
LARGEST_WEIGHT = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Judgement:
    """Two queries over a source.

    Attributes:
        events: the canonical columns, ``value_missing`` and ``reason``; all but the reason are null where refused.
        refused: the refused rows, ``refusal_reason`` and then the source's columns.
    """

    events: str
    refused: str


def judge(
    database: Database, source: Attached, schema: EventsSchema, weights: WeightSettings, now: datetime
) -> Judgement:
    """The queries for a source.

    Raises:
        DataError: a column that is not there or cannot mean what the schema says.
        RecipeError: a timestamp format or weights that cannot be.
    """
    _check_weights(schema, weights)
    check_format(database, schema.timestamp_format, "events.timestamp_format")

    def column(name: str, sql: str | None) -> Bound | None:
        if sql is None:
            return None
        return bind(database, source.relation, source.columns, sql, f"events.{name}")

    user, item = column("user_id", schema.user_id), column("item_id", schema.item_id)
    kind, when = column("event_type", schema.event_type), column("timestamp", schema.timestamp)
    value, keep = column("value", schema.value), column("where", schema.where)
    assert user is not None  # the schema has no None there
    assert item is not None
    raw = {"user": user, "item": item, "type": kind, "time": when, "value": value, "where": keep}
    named = {name: Bound(f"__longtail_raw_{name}", bound.type) for name, bound in raw.items() if bound is not None}
    selected = ", ".join(f"{bound.sql} AS __longtail_raw_{name}" for name, bound in raw.items() if bound is not None)
    if source.null_rows_malformed:
        empty = " AND ".join(f"{quoted(name)} IS NULL" for name in source.columns)
        selected += f", ({empty}) AS __longtail_empty"

    def typed(prefix: str) -> str:
        """The canonical columns over the raw ones, under names with a prefix."""
        parts = {
            "user_id": text(named["user"].sql, named["user"].type),
            "item_id": text(named["item"].sql, named["item"].type),
            "event_type": text(named["type"].sql, named["type"].type) if kind else literal(ONE_TYPE),
            "timestamp": time(named["time"].sql, named["time"].type, schema.timestamp_format, "events.timestamp")
            if when
            else "NULL::TIMESTAMP",
            "value": number(named["value"].sql, named["value"].type) if value else "1.0::DOUBLE",
        }
        return ", ".join(f"{sql} AS {prefix}{name}" for name, sql in parts.items())

    p = "__longtail_"
    # An empty value is missing rather than wrong: a shop has amounts for purchases and none for views.
    given = named["value"] if value else None
    missing = f"({given.sql if is_number(given.type) else text(given.sql, given.type)} IS NULL)" if given else "false"
    effective = f"CASE WHEN {missing} THEN 1.0 ELSE {p}value END" if value else "1.0::DOUBLE"
    weight = event_weight(weights, f"{p}event_type", effective)
    # Spared where they cannot be: every row would pay for them.
    may_be_negative = any(given < 0 for given in weights.types.values())
    may_overflow = weights.value_exponent > 0 or any(given > LARGEST_WEIGHT for given in weights.types.values())
    conditions = {
        "malformed line": f"{p}empty" if source.null_rows_malformed else "false",
        "null user id": f"{p}user_id IS NULL",
        "null item id": f"{p}item_id IS NULL",
        "unparsable timestamp": f"{p}timestamp IS NULL" if when else "false",
        "future timestamp": f"{p}timestamp > TIMESTAMP {literal((now + GRACE).isoformat(sep=' '))}"
        if when
        else "false",
        "unknown event type": f"NOT {_known(weights, f'{p}event_type')}" if kind else "false",
        "unparsable value": f"NOT {missing} AND {p}value IS NULL" if value else "false",
        "negative value": f"NOT {missing} AND {p}value < 0 AND isfinite({p}value)" if value else "false",
        "non-finite value": f"NOT {missing} AND NOT isfinite({p}value)" if value else "false",
        "negative weight": f"{weight} < 0" if may_be_negative else "false",
        "non-finite weight": f"NOT isfinite({weight}) OR {weight} > {LARGEST_WEIGHT!r}" if may_overflow else "false",
    }
    cases = " ".join(
        f"WHEN {condition} THEN {REASONS.index(reason) + 1}"
        for reason, condition in conditions.items()
        if condition != "false"
    )
    filtered = f"WHEN NOT coalesce(CAST({p}raw_where AS BOOLEAN), false) THEN {FILTERED} " if keep else ""
    reason = f"CAST(CASE {filtered}{cases} ELSE {ACCEPTED} END AS UTINYINT)"

    def judged(columns: str) -> str:
        return (
            f"SELECT *, {reason} AS {p}reason FROM (SELECT *, {typed(p)} FROM ("
            f"SELECT {columns}{selected} FROM {source.relation}))"
        )

    accepted = ", ".join(
        f"CASE WHEN {p}reason = {ACCEPTED} THEN {sql} END AS {name}"
        for name, sql in {
            "user_id": f"{p}user_id",
            "item_id": f"{p}item_id",
            "event_type": f"{p}event_type",
            "timestamp": f"{p}timestamp",
            "value": effective,
            "value_missing": missing,
        }.items()
    )
    names = f"[{', '.join(map(literal, REASONS))}]"
    own = ", ".join(quoted(name) for name in source.columns if name.lower() != REASON_COLUMN)
    return Judgement(
        events=f"SELECT {accepted}, {p}reason AS reason FROM ({judged('')})",
        refused=f"SELECT {names}[{p}reason] AS {REASON_COLUMN}, {own} FROM ({judged('*, ')}) "
        f"WHERE {p}reason NOT IN ({ACCEPTED}, {FILTERED})",
    )


def event_weight(weights: WeightSettings, event_type: str, value: str) -> str:
    """Type weight x value^gamma of an event as SQL; null for a type that has none.

    Args:
        weights: the settings.
        event_type: SQL of the event's type.
        value: SQL of its value.
    """
    cases = " ".join(f"WHEN {literal(name)} THEN {float(weight)!r}::DOUBLE" for name, weight in weights.types.items())
    of_type = f"(CASE {event_type} {cases} END)" if cases else "1.0::DOUBLE"
    return f"{of_type} * pow({value}, {weights.value_exponent!r})" if weights.value_exponent else of_type


def _known(weights: WeightSettings, column: str) -> str:
    if not weights.types:
        return f"({column} IS NOT NULL)"
    return f"coalesce({column} IN ({', '.join(map(literal, weights.types))}), false)"


def _check_weights(schema: EventsSchema, weights: WeightSettings) -> None:
    for name, weight in weights.types.items():
        if not np.isfinite(weight):
            raise RecipeError(f"weights.types.{name} = {weight} is not a finite number. Give it a weight of 0 or more.")
    if schema.event_type is None and weights.types and ONE_TYPE not in weights.types:
        raise RecipeError(
            f"weights.types names {', '.join(map(repr, weights.types))}, but events.event_type names no column, so "
            f"every event is of the type {ONE_TYPE!r}. Set events.event_type or remove weights.types."
        )
