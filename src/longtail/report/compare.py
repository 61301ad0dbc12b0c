"""Two bundles beside each other: what their recipes, data and choices differ in, and what was measured of each."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from longtail.evaluate.compare import Estimate
from longtail.evaluate.result import ProtocolResult
from longtail.report.evaluation import Evaluation
from longtail.report.words import shown


@dataclass(frozen=True)
class Change:
    """A value that differs; None on a side that does not have it."""

    what: str
    first: str | None
    second: str | None


@dataclass(frozen=True)
class MeasuredTwice:
    """One method's metric on one set of candidates, as each evaluation has it.

    Attributes:
        protocol, section, metric, method: what was measured.
        first, second: means with their intervals.
    """

    protocol: str
    section: str
    metric: str
    method: str
    first: Estimate
    second: Estimate

    @property
    def difference(self) -> float:
        """The second mean less the first."""
        return self.second.mean - self.first.mean

    @property
    def apart(self) -> bool:
        """Whether the two intervals do not meet: a stricter test than a paired one, which needs one evaluation."""
        return self.second.low > self.first.high or self.second.high < self.first.low


@dataclass(frozen=True)
class Compared:
    """Two bundles beside each other.

    Attributes:
        recipe: settings of the recipes that differ; their texts may differ in comments alone.
        data: counts, dates and hashes of the data that differ.
        choices: what was chosen otherwise, curves left out.
        made: versions, counts of items by source, and how long learning took, where these differ.
        metrics: what both evaluations have.
        notes: what keeps the numbers from being compared.
    """

    recipe: tuple[Change, ...]
    data: tuple[Change, ...]
    choices: tuple[Change, ...]
    made: tuple[Change, ...]
    metrics: tuple[MeasuredTwice, ...]
    notes: tuple[str, ...]


def compare_bundles(
    first: Mapping[str, Any], second: Mapping[str, Any], measured: tuple[Evaluation, Evaluation]
) -> Compared:
    """Set two bundles beside each other.

    Args:
        first, second: manifests, see `longtail.bundle.read_manifest`.
        measured: an evaluation of each; empty ones leave the metrics out.
    """
    return Compared(
        recipe=_changes(_settings(first), _settings(second)),
        data=_changes(
            {**first.get("fingerprint", {}), "rows": _rows(first)},
            {**second.get("fingerprint", {}), "rows": _rows(second)},
        ),
        choices=_changes(_choices(first), _choices(second)),
        made=_changes(_made(first), _made(second)),
        metrics=tuple(_metrics(*measured)),
        notes=tuple(_notes(*measured)),
    )


def _settings(manifest: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return tomllib.loads(manifest.get("recipe", ""))
    except tomllib.TOMLDecodeError:
        return {"text": manifest.get("recipe")}


def _rows(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Rows read and refused of both tables."""
    data = manifest.get("training", {}).get("data", {})
    return {
        what: {key: data[what][key] for key in ("read", "accepted", "filtered", "refused")}
        for what in ("events", "catalog")
        if what in data
    }


def _choices(manifest: Mapping[str, Any]) -> dict[str, Any]:
    choices = {name: value for name, value in manifest.get("choices", {}).items() if name not in ("curves", "bridge")}
    kept = manifest.get("choices", {}).get("bridge")
    return {**choices, "bridge": kept.get("kept")} if isinstance(kept, dict) else choices


def _made(manifest: Mapping[str, Any]) -> dict[str, Any]:
    shape = manifest.get("shape", {})
    return {
        "created": manifest.get("created"),
        "seconds": manifest.get("training", {}).get("seconds"),
        "versions": manifest.get("versions", {}),
        "items": shape.get("items"),
        "users": shape.get("users"),
        "interactions": shape.get("interactions"),
        "items by source": shape.get("sources", {}),
    }


def _changes(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Change, ...]:
    one, other = dict(_flat(first)), dict(_flat(second))
    return tuple(
        Change(what, _said(one, what), _said(other, what))
        for what in dict.fromkeys([*one, *other])
        if one.get(what) != other.get(what)
    )


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Nested values under dotted names; lists stay whole."""
    for key, value in values.items():
        name = f"{above}.{key}" if above else str(key)
        if isinstance(value, Mapping):
            yield from _flat(value, name)
        else:
            yield name, value


def _said(values: Mapping[str, Any], what: str) -> str | None:
    return shown(values[what]) if what in values else None


def _metrics(first: Evaluation, second: Evaluation) -> Iterator[MeasuredTwice]:
    for result in first.results:
        other = second.result(result.protocol)
        if other is None:
            continue
        sections = {section.name: section for section in other.sections}
        for section in result.sections:
            if section.name not in sections:
                continue
            for metric, comparison in section.comparisons.items():
                found = sections[section.name].comparisons.get(metric)
                for method, estimate in comparison.estimates.items():
                    if found is not None and method in found.estimates:
                        yield MeasuredTwice(
                            result.protocol, section.name, metric, method, estimate, found.estimates[method]
                        )


def _notes(first: Evaluation, second: Evaluation) -> Iterator[str]:
    for result in first.results:
        other = second.result(result.protocol)
        if other is None:
            yield f"{result.protocol}: measured of the first alone."
        elif differing := _asked_otherwise(result, other):
            yield (
                f"{result.protocol}: not the same test ({', '.join(differing)} differ), so its differences are of the "
                "tests as well as of the bundles."
            )
    yield from (f"{r.protocol}: measured of the second alone." for r in second.results if not first.result(r.protocol))


def _asked_otherwise(first: ProtocolResult, second: ProtocolResult) -> list[str]:
    """What tells that two results of a protocol are not over the same users and pairs."""
    found = [f"split.{change.what}" for change in _changes(first.split, second.split)]
    tested = [name for name in ("tested pairs", "tested users", "catalog items") if name in first.counts]
    found += [name for name in tested if first.counts[name] != second.counts.get(name)]
    return found if first.k == second.k else [*found, "k"]
