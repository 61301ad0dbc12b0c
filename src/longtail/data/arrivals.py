"""Events that arrive while a shop is being served, a few at a time: judged and weighed without a database.

The rules are those of `longtail.data.judging` and `longtail.data.interactions`, which read whole histories by SQL; a
test holds the two together.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from longtail.core.errors import DataError
from longtail.data.events import utc
from longtail.data.judging import GRACE, LARGEST_WEIGHT, ONE_TYPE
from longtail.data.refusals import REASONS, Refusal, Refusals
from longtail.data.schema import WeightSettings

#: What an event says about itself; all but the ids may be missing.
COLUMNS = ("user_id", "item_id", "event_type", "timestamp", "value")


@dataclass(frozen=True)
class Arrival:
    """One accepted event: who, what, how much it weighs (0 or more), when (UTC, without a zone)."""

    user_id: str
    item_id: str
    weight: float
    timestamp: datetime


@dataclass(frozen=True)
class Arrivals:
    """What became of every row of a batch.

    Attributes:
        events: those accepted, in their order.
        refusals: how many were refused and why, with an example of each reason.
    """

    events: tuple[Arrival, ...]
    refusals: Refusals


def read_arrivals(
    rows: Iterable[Mapping[str, Any]],
    weights: WeightSettings,
    *,
    reference_time: datetime | None = None,
    now: datetime | None = None,
) -> Arrivals:
    """Judge and weigh new events.

    Args:
        rows: with keys of `COLUMNS` and no others. Without ``event_type`` an event is of the one type ``event`` where
            no types are told apart, without ``timestamp`` it happened now, without ``value`` it counts as 1. Ids are
            text, or whole numbers, which become their decimal text. Times are datetimes or ISO 8601 text; without a
            zone in UTC.
        weights: as at training.
        reference_time: when ages are measured from; later events have age 0. None: nothing ages.
        now: None: the current time.

    Raises:
        DataError: a row is no mapping, lacks the key ``user_id`` or ``item_id``, or ``event_type`` in a shop whose
            events are weighed by it, or has a key that is none of these: a time under another name would count as none.
    """
    now = utc(now) if now is not None else datetime.now(UTC).replace(tzinfo=None)
    accepted: list[Arrival] = []
    refused: dict[str, list[Mapping[str, Any]]] = {}
    missing_values = read = 0
    for row in rows:
        read += 1
        if not isinstance(row, Mapping) or not {"user_id", "item_id"} <= row.keys():
            found = sorted(map(str, row)) if isinstance(row, Mapping) else type(row).__name__
            raise DataError(f"Event {read} must have a user_id and an item_id; found {found}. Name its columns so.")
        unknown = [str(key) for key in row if key not in COLUMNS]
        if unknown:
            near = difflib.get_close_matches(unknown[0], [name for name in COLUMNS if name not in row], n=1, cutoff=0.4)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise DataError(
                f"Event {read} has {unknown[0]!r}; events have {', '.join(COLUMNS)} and nothing else.{hint}"
            )
        if weights.types and "event_type" not in row and ONE_TYPE not in weights.types:
            known = ", ".join(f"{kind} {weight:g}" for kind, weight in weights.types.items())
            raise DataError(
                f"Event {read} has no event_type, and this shop weighs events by it: {known}. Say which of these it is."
            )
        arrival = _judge(row, weights, reference_time, now)
        if isinstance(arrival, str):
            refused.setdefault(arrival, []).append(row)
        else:
            accepted.append(arrival)
            missing_values += row.get("value") is None
    reasons = tuple(
        Refusal(reason, len(refused[reason]), dict(refused[reason][0])) for reason in REASONS if reason in refused
    )
    counts = Refusals("events", read, len(accepted), 0, reasons, missing_values)
    return Arrivals(tuple(accepted), counts)


def _judge(row: Mapping[str, Any], weights: WeightSettings, reference: datetime | None, now: datetime) -> Arrival | str:
    """The event, or the first of `REASONS` to refuse it."""
    user, item = _text(row["user_id"]), _text(row["item_id"])
    if user is None:
        return "null user id"
    if item is None:
        return "null item id"
    time = _time(row.get("timestamp"), now)
    if time is None:
        return "unparsable timestamp"
    if time > now + GRACE:
        return "future timestamp"
    kind = row.get("event_type", ONE_TYPE)
    if kind is None or (weights.types and kind not in weights.types):
        return "unknown event type"
    value = _number(row.get("value"))
    if value is None:
        return "unparsable value"
    if not math.isfinite(value):
        return "non-finite value"
    if value < 0:
        return "negative value"
    try:
        weight = weights.types.get(kind, 1.0) * value**weights.value_exponent
    except OverflowError:
        weight = math.inf
    if weight < 0:
        return "negative weight"
    if not weight <= LARGEST_WEIGHT:
        return "non-finite weight"
    if weights.half_life_days is not None and reference is not None:
        days = max((reference - time).total_seconds(), 0.0) / 86400.0
        weight *= 2.0 ** (-days / weights.half_life_days)
    return Arrival(user, item, weight, time)


def _text(value: Any) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # tools make floating point numbers of whole ones
    return str(value) or None if isinstance(value, str | int) and not isinstance(value, bool) else None


def _time(value: Any, now: datetime) -> datetime | None:
    if value is None:
        return now
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    return utc(value) if isinstance(value, datetime) else None


def _number(value: Any) -> float | None:
    if value is None:
        return 1.0
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
