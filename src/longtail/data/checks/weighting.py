"""What a recipe's weights make of the events."""

from __future__ import annotations

import math
from dataclasses import dataclass

from longtail.data.database import literal
from longtail.data.events import Events
from longtail.data.judging import event_weight
from longtail.data.schema import WeightSettings


@dataclass(frozen=True)
class TypeWeight:
    """One type of event.

    Attributes:
        type: its name.
        events: how many there are.
        weight: what the recipe says one weighs.
        total: the sum of their weights, after value and age.
        share: of the total of all types, in [0, 1]; 0.0 where that is zero.
    """

    type: str
    events: int
    weight: float
    total: float
    share: float


@dataclass(frozen=True)
class Weighting:
    """The weights' effect.

    Attributes:
        types: each type of event, the heaviest share first.
        idle_types: types the recipe weighs that no event has.
        half_life_days: as the recipe says, None without.
        days: from the first to the last event; None without times.
        oldest_factor: what age leaves of the first event's weight, in (0, 1]; None without a half-life.
        recent_share: share of the total weight that comes from the last half-life; None without.
        effective_events: Kish's effective number of events, (Σw)²/Σw²: how many equal ones would say as much.
        value_low: smallest value that counts, None where values do not.
        value_high: largest value that counts, None where values do not.
    """

    types: tuple[TypeWeight, ...]
    idle_types: tuple[str, ...]
    half_life_days: float | None
    days: float | None
    oldest_factor: float | None
    recent_share: float | None
    effective_events: float
    value_low: float | None
    value_high: float | None


def weigh(events: Events, weights: WeightSettings) -> Weighting:
    """Sum the weights of accepted events, by type and by age; ages count back from the last event.

    Args:
        events: accepted events; none at all is fine.
        weights: the recipe's.
    """
    last, first, half_life = events.last, events.first, weights.half_life_days
    aging = half_life is not None and last is not None and first is not None
    weight = event_weight(weights, "event_type", "value")
    recent = "false"
    if aging and last is not None:
        age = f"(epoch(TIMESTAMP {literal(last.isoformat(sep=' '))} - timestamp) / 86400.0)"
        weight = f"{weight} * pow(2.0, -{age} / {half_life!r})"
        recent = f"{age} <= {half_life!r}"
    by_type = events.database.rows(
        f"SELECT event_type, count(*), sum(w), sum(w * w), coalesce(sum(w) FILTER (recent), 0), min(value), max(value) "
        f"FROM (SELECT event_type, value, {weight} AS w, {recent} AS recent FROM {events.relation}) GROUP BY event_type"
    )
    total = math.fsum(row[2] for row in by_type)
    squares = math.fsum(row[3] for row in by_type)
    days = (last - first).total_seconds() / 86400 if last is not None and first is not None else None
    types = [
        TypeWeight(
            type=str(name),
            events=int(count),
            weight=weights.types.get(str(name), 1.0) if weights.types else 1.0,
            total=float(of_type),
            share=of_type / total if total > 0 else 0.0,
        )
        for name, count, of_type, *_ in by_type
    ]
    counts_value = weights.value_exponent > 0 and bool(by_type)
    return Weighting(
        types=tuple(sorted(types, key=lambda entry: (-entry.share, -entry.events, entry.type))),
        idle_types=tuple(name for name in weights.types if name not in {entry.type for entry in types}),
        half_life_days=half_life,
        days=days,
        oldest_factor=2.0 ** (-days / half_life) if aging and days is not None and half_life is not None else None,
        recent_share=math.fsum(row[4] for row in by_type) / total if aging and total > 0 else None,
        effective_events=total**2 / squares if squares > 0 else 0.0,
        value_low=min(float(row[5]) for row in by_type) if counts_value else None,
        value_high=max(float(row[6]) for row in by_type) if counts_value else None,
    )
