"""A report as plain values for programs: JSON without surprises."""

from __future__ import annotations

import math
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from typing import Any

from longtail.core.buckets import LABELS
from longtail.data.refusals import Refusals
from longtail.evaluate.diagnose import in_words
from longtail.preflight.report import Preflight


def as_plain(report: Preflight) -> dict[str, Any]:
    """The report with nothing in it but what JSON has; times are ISO 8601, infinite numbers null.

    Keys: ``ready, findings, events, catalog, join, fields, becomes, weights, tail, estimate``; null where a part could
    not be looked at.
    """
    tail = None
    if report.tail is not None:
        tail = {
            **asdict(report.tail),
            "bucket_items": dict(zip(LABELS, report.tail.bucket_items, strict=True)),
            "bucket_events": dict(zip(LABELS, report.tail.bucket_events, strict=True)),
            "words": in_words(report.tail),
        }
    events = _rows(report.events)
    if events is not None and report.summary is not None:
        events |= asdict(report.summary)
    catalog = _rows(report.catalog)
    if catalog is not None:
        catalog["items"] = report.catalog_items
    plain = {
        "ready": not report.stops,
        "findings": report.findings,
        "events": events,
        "catalog": catalog,
        "join": None if report.join is None else {**asdict(report.join), "share": report.join.share},
        "fields": report.fields,
        "becomes": report.becomes,
        "weights": report.weighting,
        "tail": tail,
        "estimate": report.cost,
    }
    cleaned: dict[str, Any] = _plain(plain)
    return cleaned


def _rows(refusals: Refusals | None) -> dict[str, Any] | None:
    if refusals is None:
        return None
    return {
        **refusals.counts(),
        "reasons": {one.reason: {"count": one.count, "example": one.example} for one in refusals.by_reason},
    }


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
