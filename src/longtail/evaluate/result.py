"""What a protocol found: numbers with intervals, the counts behind them, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from longtail.core.errors import DataError
from longtail.evaluate.compare import ARROW_SCHEMA, Comparison

#: Version of the JSON that :meth:`ProtocolResult.to_dict` gives; raised when a key changes its meaning.
FORMAT = 1

#: Between the name of a section and the number of the stretch of time, or the seed of the trainings, that it is of.
WINDOW, SEED = ", window ", ", seed "


def is_part(section: str) -> bool:
    """Whether a section of that name is of one stretch of time or one seed of several, told of together before it."""
    return WINDOW in section or SEED in section


@dataclass(frozen=True)
class Section:
    """The methods on one set of candidates.

    Attributes:
        name: ``"whole catalog"``, ``"tail"``, or a bucket's label such as ``"1-4"``; of one stretch of several
            ``"tail, window 1"``, of one seed of several ``"tail, seed 0"``; of protocols with levels see
            :mod:`longtail.evaluate.levels`.
        n_candidates: items that were ranked; where several trainings are measured together, a mean over them.
        n_relevant_items: those of them that anyone took.
        n_users: users averaged over: they took at least one of the candidates. Each counts once, with the mean of what
            they were shown where several trainings are measured together.
        n_users_without: tested users who took none of them, left out of the means.
        n_pairs: relevant pairs.
        comparisons: by metric with its cut, such as ``"ndcg@10"``.
        spread: by method: ``coverage``, ``gini`` and ``novelty`` of what the users averaged over are shown; of several
            trainings, their mean.
    """

    name: str
    n_candidates: int
    n_relevant_items: int
    n_users: int
    n_users_without: int
    n_pairs: int
    comparisons: dict[str, Comparison]
    spread: dict[str, dict[str, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON values under the names of the attributes."""
        return {**vars(self), "comparisons": {name: c.to_dict() for name, c in self.comparisons.items()}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Section:
        """What :meth:`to_dict` gave."""
        comparisons = {name: Comparison.from_dict(c) for name, c in values["comparisons"].items()}
        return cls(**{**values, "comparisons": comparisons})


@dataclass(frozen=True)
class ProtocolResult:
    """One protocol on one shop.

    Attributes:
        protocol: its name.
        question: what it answers, in a sentence.
        k: the cut of all metrics.
        methods: names, in the order of the tables.
        split: how the data was divided, as JSON values.
        counts: events, users, items and pairs on both sides.
        excluded: held-out pairs that could not be tested, by reason.
        sections: sets of candidates, the most important first.
        exposure: by method, the share of the shown places that each bucket of items has, over the whole catalog.
        taken: the share of the relevant pairs that each bucket has.
        notes: what a reader should know, such as methods that could not be measured.
    """

    protocol: str
    question: str
    k: int
    methods: tuple[str, ...]
    split: dict[str, Any]
    counts: dict[str, int]
    excluded: dict[str, int]
    sections: tuple[Section, ...]
    exposure: dict[str, dict[str, float]] = field(default_factory=dict)
    taken: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def section(self, name: str) -> Section:
        """The section of that name.

        Raises:
            DataError: there is none; names those there are.
        """
        for section in self.sections:
            if section.name == name:
                return section
        raise DataError(f"There is no section {name!r}; there are {[section.name for section in self.sections]}.")

    def to_dict(self) -> dict[str, Any]:
        """JSON values under the names of the attributes, with ``format``."""
        return {
            "format": FORMAT,
            **vars(self),
            "methods": list(self.methods),
            "sections": [section.to_dict() for section in self.sections],
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ProtocolResult:
        """What :meth:`to_dict` gave.

        Raises:
            DataError: it was written by another format.
        """
        rest = dict(values)
        if (found := rest.pop("format", None)) != FORMAT:
            raise DataError(
                f"The result has the format {found!r}; expected {FORMAT}. Evaluate again with this version."
            )
        rest["sections"] = tuple(Section.from_dict(section) for section in rest["sections"])
        return cls(**{**rest, "methods": tuple(rest["methods"]), "notes": tuple(rest["notes"])})

    def to_arrow(self) -> pa.Table:
        """Every estimate and difference: ``protocol, section`` and the columns of :meth:`Comparison.to_arrow`."""
        tables = [
            table.add_column(0, "section", pa.array([section.name] * len(table), pa.string())).add_column(
                0, "protocol", pa.array([self.protocol] * len(table), pa.string())
            )
            for section in self.sections
            for comparison in section.comparisons.values()
            for table in [comparison.to_arrow()]
        ]
        first = [pa.field("protocol", pa.string()), pa.field("section", pa.string())]
        schema = pa.schema([*first, *ARROW_SCHEMA])
        return pa.concat_tables(tables) if tables else schema.empty_table()
