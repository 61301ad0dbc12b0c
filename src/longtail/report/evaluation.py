"""What protocols wrote, read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from longtail.core.errors import DataError
from longtail.evaluate.result import ProtocolResult


@dataclass(frozen=True)
class Evaluation:
    """Results by protocol.

    Attributes:
        results: at most one a protocol.
        skipped: protocols the data did not allow, and why.
        origin: where they were read, for people.
    """

    results: tuple[ProtocolResult, ...] = ()
    skipped: dict[str, str] = field(default_factory=dict)
    origin: str = ""

    def result(self, protocol: str) -> ProtocolResult | None:
        """What a protocol found; None where it was not run."""
        return next((result for result in self.results if result.protocol == protocol), None)


def read_evaluation(path: Path) -> Evaluation:
    """Read what ``longtail evaluate --json`` wrote (or ``longtail demo --json``, which is one result alone).

    Raises:
        DataError: the file is not there, is no such JSON, or is of another format.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"The evaluation {path} cannot be read: {error}. {_HOW}") from error
    if isinstance(values, dict) and "protocol" in values:
        values = {"results": [values]}
    if not isinstance(values, dict) or not isinstance(values.get("results"), list):
        raise DataError(f"{path} is no evaluation: expected an object with `results`. {_HOW}")
    return Evaluation(_parsed(values["results"], str(path)), dict(values.get("skipped") or {}), path.name)


def within_bundle(metrics: Mapping[str, Any]) -> Evaluation:
    """Results that a bundle carries among its metrics, as ``longtail demo`` puts them there; what is none is left."""
    found = [value for value in metrics.values() if isinstance(value, dict) and "protocol" in value]
    return Evaluation(_parsed(found, "the bundle's manifest"), {}, "the bundle" if found else "")


_HOW = "Write one with: longtail evaluate RECIPE --protocol all --json results.json"


def _parsed(values: list[Any], where: str) -> tuple[ProtocolResult, ...]:
    try:
        return tuple(ProtocolResult.from_dict(value) for value in values)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"A result in {where} is damaged ({type(error).__name__}: {error}). {_HOW}") from error
