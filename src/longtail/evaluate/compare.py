"""Methods side by side on one metric: means with intervals, paired differences, and which of them are real."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa

from longtail.core.arrays import Float64
from longtail.core.errors import DataError
from longtail.evaluate.bootstrap import bca_interval, resampled_means


@dataclass(frozen=True)
class Estimate:
    """A mean over users and its interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """How much better ``method`` is than ``against``, over the same users.

    Attributes:
        method: whose mean is taken.
        against: whose mean is subtracted.
        estimate: the mean of the paired differences and its interval.
    """

    method: str
    against: str
    estimate: Estimate

    @property
    def significant(self) -> bool:
        """Whether 0 is outside the interval; an interval of no width, such as that of one user, tells nothing."""
        return self.estimate.low < self.estimate.high and (self.estimate.low > 0 or self.estimate.high < 0)


@dataclass(frozen=True)
class Comparison:
    """One metric of several methods over the same users.

    Attributes:
        metric: its name with the cut, ``"ndcg@10"``.
        n_users: users that were averaged over.
        confidence: of every interval; each holds by itself, no correction is made for looking at several.
        estimates: by method, in the order they were given; empty where there were no users.
        differences: every pair of methods once, the later against the earlier.
    """

    metric: str
    n_users: int
    confidence: float
    estimates: dict[str, Estimate]
    differences: tuple[Difference, ...]

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(self.estimates)

    def difference(self, method: str, against: str) -> Difference:
        """The difference of two methods, either way round.

        Raises:
            DataError: one of them was not compared.
        """
        for found in self.differences:
            if (found.method, found.against) == (method, against):
                return found
            if (found.against, found.method) == (method, against):
                e = found.estimate
                return Difference(method, against, Estimate(-e.mean, -e.high, -e.low))
        raise DataError(f"No difference of {method!r} and {against!r}; compared were {list(self.methods)}.")

    def direction(self, method: str, against: str) -> int:
        """1 where a method is above another by more than chance, -1 where below, 0 where no difference can be told.

        Raises:
            DataError: one of them was not compared.
        """
        found = self.difference(method, against)
        return (1 if found.estimate.mean > 0 else -1) if found.significant else 0

    def to_dict(self) -> dict[str, Any]:
        """JSON values: ``metric, n_users, confidence, estimates: {method: {mean, low, high}}, differences: [{method,
        against, mean, low, high, significant}]``.
        """
        return {
            "metric": self.metric,
            "n_users": self.n_users,
            "confidence": self.confidence,
            "estimates": {name: vars(e).copy() for name, e in self.estimates.items()},
            "differences": [
                {"method": d.method, "against": d.against, **vars(d.estimate), "significant": d.significant}
                for d in self.differences
            ],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Comparison:
        """What :meth:`to_dict` gave."""
        return cls(
            values["metric"],
            values["n_users"],
            values["confidence"],
            {name: Estimate(**e) for name, e in values["estimates"].items()},
            tuple(
                Difference(d["method"], d["against"], Estimate(d["mean"], d["low"], d["high"]))
                for d in values["differences"]
            ),
        )

    def to_arrow(self) -> pa.Table:
        """One row an estimate (``against`` is null) and one a difference: ``metric, method, against, mean, low, high,
        significant, n_users``.
        """
        rows = [
            {"method": name, "against": None, "significant": None, **vars(e)} for name, e in self.estimates.items()
        ] + [
            {"method": d.method, "against": d.against, "significant": d.significant, **vars(d.estimate)}
            for d in self.differences
        ]
        return pa.Table.from_pylist(
            [{"metric": self.metric, "n_users": self.n_users, **row} for row in rows], schema=ARROW_SCHEMA
        )


ARROW_SCHEMA = pa.schema(
    [
        ("metric", pa.string()),
        ("method", pa.string()),
        ("against", pa.string()),
        ("mean", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("significant", pa.bool_()),
        ("n_users", pa.int64()),
    ]
)


def compare(
    metric: str,
    values: Mapping[str, Float64],
    *,
    resamples: int = 2_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compare methods by their per-user values of one metric; see :func:`compare_each`."""
    return compare_each({metric: values}, resamples=resamples, confidence=confidence, seed=seed)[metric]


def compare_each(
    values: Mapping[str, Mapping[str, Float64]],
    *,
    resamples: int = 2_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Comparison]:
    """Compare methods by their per-user values of several metrics, with the same resamples of users for all.

    No users: comparisons without estimates. One user: intervals of no width, which say nothing; look at ``n_users``.

    Args:
        values: by metric and method, ``(n_users,)``; the same users in the same order everywhere.
        resamples: of the bootstrap over users.
        confidence: of the intervals.
        seed: of the bootstrap.

    Raises:
        DataError: the numbers of users differ.
        NumericalError: a value is not finite.
    """
    lengths = {name: len(column) for columns in values.values() for name, column in columns.items()}
    if len({len(column) for columns in values.values() for column in columns.values()}) > 1:
        raise DataError(f"Methods must be measured on the same users; found {lengths}.")
    n_users = next(iter(lengths.values()), 0)
    if n_users == 0:
        return {metric: Comparison(metric, 0, confidence, {}, ()) for metric in values}
    stacked = np.column_stack([column for columns in values.values() for column in columns.values()])
    drawn = resampled_means(stacked.astype(np.float64), resamples=resamples, seed=seed)
    found, start = {}, 0
    for metric, columns in values.items():
        part = slice(start, start + len(columns))
        found[metric] = _compare(metric, list(columns), stacked[:, part], drawn[:, part], confidence)
        start += len(columns)
    return found


def _compare(metric: str, names: list[str], single: Float64, drawn: Float64, confidence: float) -> Comparison:
    pairs = list(combinations(range(len(names)), 2))
    columns = np.column_stack([single, *(single[:, second] - single[:, first] for first, second in pairs)])
    means = np.column_stack([drawn, *(drawn[:, second] - drawn[:, first] for first, second in pairs)])
    intervals = bca_interval(columns, means, confidence)
    estimates = [
        Estimate(float(mean), float(low), float(high))
        for mean, (low, high) in zip(columns.mean(axis=0), intervals, strict=True)
    ]
    return Comparison(
        metric,
        len(single),
        confidence,
        dict(zip(names, estimates, strict=False)),
        tuple(
            Difference(names[second], names[first], estimate)
            for (first, second), estimate in zip(pairs, estimates[len(names) :], strict=True)
        ),
    )
