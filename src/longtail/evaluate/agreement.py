"""Do judges agree? Cohen's kappa, between two and over several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from longtail.core.arrays import Bool
from longtail.core.errors import DataError


@dataclass(frozen=True)
class Agreement:
    """How far two judges agree on what both judged.

    Attributes:
        judges: the two.
        n: pairs that both judged.
        share: of these on which they said the same.
        kappa: Cohen's kappa; None where nothing was judged by both, or both said one and the same of everything.
    """

    judges: tuple[str, str]
    n: int
    share: float
    kappa: float | None


def cohens_kappa(first: Bool, second: Bool) -> float | None:
    """Agreement of two judges beyond what chance alone would give: (p_o - p_e) / (1 - p_e).

    1 is full agreement, 0 what two who answer independently reach; below 0 they disagree. (Cohen, "A coefficient of
    agreement for nominal scales", 1960.) None where it is not defined: no answers, or p_e = 1.

    Args:
        first: ``(n,) bool``, what one said.
        second: what the other said of the same.

    Raises:
        DataError: different lengths.
    """
    if first.shape != second.shape:
        raise DataError(f"Two judges are compared on the same pairs; found {len(first)} and {len(second)} answers.")
    if not len(first):
        return None
    observed = float((first == second).mean())
    yes, other = float(first.mean()), float(second.mean())
    expected = yes * other + (1 - yes) * (1 - other)
    return None if expected == 1 else (observed - expected) / (1 - expected)


def agreements(said: Mapping[str, Mapping[tuple[str, str], bool]]) -> list[Agreement]:
    """Agreement of every two judges; ``said`` holds each judge's answers by (item, neighbour)."""
    found = []
    for one, other in combinations(sorted(said), 2):
        both = sorted(said[one].keys() & said[other].keys())
        first = np.array([said[one][pair] for pair in both], dtype=np.bool_)
        second = np.array([said[other][pair] for pair in both], dtype=np.bool_)
        share = float((first == second).mean()) if both else 0.0
        found.append(Agreement((one, other), len(both), share, cohens_kappa(first, second)))
    return found


def mean_kappa(found: list[Agreement]) -> float | None:
    """The mean of all kappas that are defined, each weighted by the pairs it comes from; None where none is."""
    known = [(one.kappa, one.n) for one in found if one.kappa is not None]
    total = sum(n for _, n in known)
    return sum(kappa * n for kappa, n in known) / total if total else None
