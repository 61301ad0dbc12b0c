"""Everything that can be said about a shop's data before training on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self

from longtail.data.checks import Cost, FieldCoverage, Join, Weighting
from longtail.data.refusals import Refusals
from longtail.evaluate.diagnose import TailDiagnosis


@dataclass(frozen=True)
class Finding:
    """One thing to know.

    Attributes:
        severity: ``"stop"`` would stop training or make it pointless, ``"warning"`` costs quality.
        message: what was found, and what to do.
    """

    severity: Literal["stop", "warning"]
    message: str

    @property
    def stops(self) -> bool:
        return self.severity == "stop"

    @classmethod
    def stop(cls, message: str) -> Self:
        """Something training cannot go on with."""
        return cls("stop", message)

    @classmethod
    def warning(cls, message: str) -> Self:
        """Something training can go on with."""
        return cls("warning", message)


@dataclass(frozen=True)
class EventsSummary:
    """The accepted events in numbers.

    Attributes:
        first: time of the earliest, None without times.
        last: time of the latest, None without times.
        users: different users.
        items: different items.
        pairs: different pairs of a user and an item with a weight above zero.
        users_with_one: users with a single item, who teach nothing about which items go together.
    """

    first: datetime | None
    last: datetime | None
    users: int
    items: int
    pairs: int
    users_with_one: int


@dataclass(frozen=True)
class Preflight:
    """What `longtail check` found; parts that could not be looked at are None.

    Attributes:
        findings: what a person should know, what stops training first.
        events: what became of the rows of the events.
        catalog: what became of the rows of the catalog.
        catalog_items: different items of the catalog; fewer than its rows where variants are grouped.
        summary: the accepted events in numbers.
        join: how the two meet.
        fields: how much each field covers.
        becomes: what each will become, see `longtail.content.preview`.
        weighting: what the weights imply.
        tail: the tail diagnosis, catalog items without events included.
        cost: memory and time of training.
    """

    findings: tuple[Finding, ...]
    events: Refusals | None = None
    catalog: Refusals | None = None
    catalog_items: int | None = None
    summary: EventsSummary | None = None
    join: Join | None = None
    fields: tuple[FieldCoverage, ...] = field(default=())
    becomes: tuple[dict[str, Any], ...] = field(default=())
    weighting: Weighting | None = None
    tail: TailDiagnosis | None = None
    cost: Cost | None = None

    @property
    def stops(self) -> bool:
        """Whether something would stop training."""
        return any(finding.stops for finding in self.findings)
