"""One column of numbers, prices, measures or dates: from what the catalog says to coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longtail.content.measures import parse_measure
from longtail.content.nesting import pack, unpack
from longtail.content.positions import WIDTH, Ranks, centre_and_spread, on_arc, squash
from longtail.core.arrays import Bool, Float64, Int64, State
from longtail.core.errors import DataError, RecipeError
from longtail.data.catalog import Catalog
from longtail.data.schema import FieldSchema

Transform = Literal["none", "log", "log1p"]
#: Families of units that get coordinates of their own; all others share one more.
_MAX_FAMILIES = 12
_MIN_FAMILY = 10
_DAY = 86_400.0


class Numbers(NamedTuple):
    """A column as it was read: values (NaN: missing), groups to rank within, names of the groups."""

    values: Float64
    group: Int64
    groups: list[str]


def read_numbers(name: str, schema: FieldSchema, catalog: Catalog) -> Numbers:
    """Values and groups of one column.

    Dates become days since 1970. The group is the category ``within`` which numbers and prices are ranked, and the
    family of the unit for measures. What is not finite, prices that are not positive, and measures that cannot be read
    are missing.

    Raises:
        RecipeError: the column of ``within`` is not there.
        DataError: the column's type is not what its kind needs.
    """
    column = catalog.table[name].combine_chunks()
    if schema.kind == "measure":
        return _read_measures(column)
    try:
        if schema.kind == "date" and not pa.types.is_null(column.type):
            values = column.cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.float64(), safe=False)
            numbers = values.to_numpy(zero_copy_only=False).astype(np.float64) / (_DAY * 1e6)
        else:
            numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"The {schema.kind} field {name!r} has the type {column.type}: {error}") from error
    numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    if schema.kind == "price":
        numbers = np.where(numbers > 0, numbers, np.nan)
    if schema.within is None:
        return Numbers(numbers, np.full(len(numbers), -1, np.int64), [])
    names = {column.lower(): column for column in catalog.table.column_names}
    within = schema.within if schema.within in names.values() else names.get(schema.within.lower())
    if within is None:
        raise RecipeError(
            f"The field {name!r} is to be ranked within {schema.within!r}, which is no column of the catalog; they are "
            f"{', '.join(catalog.table.column_names)}. An expression can be given a name under [catalog.columns]."
        )
    coded = catalog.table[within].combine_chunks().cast(pa.large_string()).dictionary_encode()
    return Numbers(numbers, _codes(coded), coded.dictionary.to_pylist())


def _read_measures(column: pa.Array) -> Numbers:
    coded = column.cast(pa.large_string()).dictionary_encode()
    read = [parse_measure(text) for text in coded.dictionary.to_pylist()]
    families = sorted({measure.family for measure in read if measure is not None})
    at = {family: position for position, family in enumerate(families)}
    # One more entry at the end, which the code -1 of a null value picks.
    amounts = np.array([np.nan if measure is None else measure.amount for measure in read] + [np.nan])
    group = np.array([-1 if measure is None else at[measure.family] for measure in read] + [-1], dtype=np.int64)
    codes = _codes(coded)
    return Numbers(amounts[codes], group[codes], families)


def _codes(coded: pa.DictionaryArray) -> Int64:
    return coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


@dataclass(frozen=True)
class NumberColumn:
    """A column, fitted.

    Attributes:
        name, schema: the catalog's field.
        transform: before scaling; prices and measures take the logarithm, ages and skewed numbers log(1 + x).
        reference: dates only: the newest day seen in fitting, from which ages count.
        families: measures only: families of units with coordinates of their own.
        centres, spreads: ``(len(families) + 1,)``, the last is for all else (for other kinds the only one).
        ranks: within groups.
        counts: items and missing.
    """

    name: str
    schema: FieldSchema
    transform: Transform
    reference: float
    families: list[str]
    centres: Float64
    spreads: Float64
    ranks: Ranks
    counts: dict[str, int]

    @classmethod
    def fit(cls, name: str, schema: FieldSchema, read: Numbers, column: pa.ChunkedArray, fit_rows: Int64) -> Self:
        """Fit on the items in ``fit_rows``; ``column`` is the raw one, for counting what could not be read."""
        known = fit_rows[np.isfinite(read.values[fit_rows])]
        reference = float(read.values[known].max()) if schema.kind == "date" and len(known) else 0.0
        values = reference - read.values[known] if schema.kind == "date" else read.values[known]
        transform = _choose(schema, values)
        values = _transformed(values, transform)
        families = _common(read, known) if schema.kind == "measure" else []
        of_family = _family(families, read)[known]
        scales = [centre_and_spread(values[of_family == family]) for family in range(len(families) + 1)]
        counts = {
            "items": len(read.values),
            "missing": int(np.isnan(read.values).sum()),
            "unreadable": int(np.isnan(read.values).sum()) - column.null_count,
        }
        centres, spreads = (np.array(part) for part in zip(*scales, strict=True))
        ranks = Ranks.fit(values, read.group[known], read.groups)
        return cls(name, schema, transform, reference, families, centres, spreads, ranks, counts)

    @property
    def width(self) -> int:
        """Coordinates: scaled value by family, rank, missing flag."""
        return WIDTH * (len(self.families) + 1) + WIDTH + 1

    def coordinates(self, read: Numbers) -> tuple[Float64, Bool]:
        """``(n_items, width) float64`` unit rows, and which items have a value; the others have the flag alone."""
        present = np.isfinite(read.values)
        rows = np.flatnonzero(present)
        values = read.values[rows]
        if self.schema.kind == "date":
            values = np.maximum(self.reference - values, 0.0)
        values = _transformed(values, self.transform)
        family = _family(self.families, read)[rows]
        result = np.zeros((len(present), self.width))
        scaled = on_arc(squash(values, self.centres[family], self.spreads[family])) * np.sqrt(0.5)
        for part in range(WIDTH):
            result[rows, family * WIDTH + part] = scaled[:, part]
        ranked = on_arc(self.ranks.of(values, read.group[rows], read.groups)) * np.sqrt(0.5)
        result[rows, -1 - WIDTH : -1] = ranked
        result[~present, -1] = 1.0
        return result, present

    def describe(self) -> dict[str, Any]:
        """Kind, transform and counts."""
        within = {"within": self.schema.within} if self.schema.within else {}
        if self.families:
            within["units"] = ", ".join(family or "none" for family in self.families)
        return {"field": self.name, "kind": self.schema.kind, "transform": self.transform, **within, **self.counts}

    def state(self) -> State:
        """JSON values and arrays that :meth:`from_state` takes."""
        meta = {
            "name": self.name,
            "schema": self.schema.model_dump(exclude_none=True),
            "transform": self.transform,
            "reference": self.reference,
            "families": self.families,
            "counts": self.counts,
        }
        arrays = {"centres": self.centres, "spreads": self.spreads, "quantiles": self.ranks.quantiles}
        return meta, {**arrays, **pack(self.ranks.groups)}

    @classmethod
    def from_state(cls, meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Self:
        """The same column again."""
        return cls(
            meta["name"],
            FieldSchema.model_validate(meta["schema"]),
            meta["transform"],
            meta["reference"],
            list(meta["families"]),
            arrays["centres"],
            arrays["spreads"],
            Ranks(unpack(arrays), arrays["quantiles"]),
            dict(meta["counts"]),
        )


def _choose(schema: FieldSchema, values: Float64) -> Transform:
    if schema.kind in ("price", "measure"):
        return "log"
    if schema.kind == "date":
        return "log1p"
    # A number with a long tail to one side: most values would share one place without the logarithm.
    skewed = len(values) > 0 and values.min() >= 0 and np.quantile(values, 0.95) > 10 * np.median(values)
    return "log1p" if skewed else "none"


def _transformed(values: Float64, transform: Transform) -> Float64:
    if transform == "log":
        return np.log(values)
    return np.log1p(np.maximum(values, 0.0)) if transform == "log1p" else values


def _common(read: Numbers, rows: Int64) -> list[str]:
    counts = np.bincount(read.group[rows], minlength=len(read.groups))
    order = sorted(range(len(read.groups)), key=lambda at: (-counts[at], read.groups[at]))
    return [read.groups[at] for at in order[:_MAX_FAMILIES] if counts[at] >= _MIN_FAMILY]


def _family(families: list[str], read: Numbers) -> Int64:
    """Position of each item's unit family in ``families``, ``(n_items,)``; one past the end for all else."""
    at = {family: position for position, family in enumerate(families)}
    mapped = np.array([at.get(name, len(families)) for name in read.groups] + [len(families)], dtype=np.int64)
    return mapped[read.group]
