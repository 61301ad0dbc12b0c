"""One attribute column: which values it has, where each has its place, and what each weighs."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longtail.content.cleaning import clean
from longtail.content.nesting import pack, unpack
from longtail.core.arrays import Float64, Int64, State
from longtail.core.errors import DataError
from longtail.data.catalog import Catalog
from longtail.data.schema import FieldSchema

#: A value of fewer items than this is rare: alone, it could teach nothing about another item.
_MIN_ITEMS = 2
#: Values beyond the most common ones are rare too.
_MAX_VALUES = 20_000
#: The most common values among which a misspelt one is looked for: an item is added in milliseconds.
_LOOKED_AT = 300


@dataclass(frozen=True)
class Occurrences:
    """Which item has which values of one column.

    Attributes:
        n_items: of the catalog.
        items, values: ``(n,) int64``, item rows and positions in ``names``; no pair twice, sorted.
        names: the distinct values, cleaned.
    """

    n_items: int
    items: Int64
    values: Int64
    names: list[str]

    @classmethod
    def read(cls, name: str, schema: FieldSchema, catalog: Catalog) -> Self:
        """Read a column of categories, booleans or tags; null, empty and blank values are no values.

        Raises:
            DataError: tags that are neither lists nor text with a separator.
        """
        column = catalog.table[name].combine_chunks()
        rows = np.arange(len(column), dtype=np.int64)
        kind = column.type
        if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            if schema.kind != "tags":
                raise DataError(f'The {schema.kind} field {name!r} has lists ({kind}). Declare it as kind = "tags".')
            rows = pc.list_parent_indices(column).to_numpy(zero_copy_only=False).astype(np.int64)
            column = pc.list_flatten(column)
        elif schema.kind == "tags" and schema.separator is None and not pa.types.is_null(kind):
            raise DataError(
                f"The tags field {name!r} has the type {kind}, neither lists nor text with a `separator`. Say what "
                "separates the tags."
            )
        coded = column.cast(pa.large_string()).dictionary_encode()
        codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        return cls._distinct(len(catalog), rows, codes, coded.dictionary.to_pylist(), schema.separator)

    @classmethod
    def _distinct(cls, n_items: int, rows: Int64, codes: Int64, raw: list[str], separator: str | None) -> Self:
        parts = [[clean(part) for part in (text.split(separator) if separator else [text])] for text in raw]
        names: dict[str, int] = {}
        values = [[names.setdefault(part, len(names)) for part in texts if part] for texts in parts]
        ends = np.cumsum([0, *map(len, values)], dtype=np.int64)
        flat = np.fromiter((value for some in values for value in some), dtype=np.int64, count=int(ends[-1]))
        known = codes >= 0
        rows, codes = rows[known], codes[known]
        lengths = ends[codes + 1] - ends[codes]
        # Position of every value of every row in `flat`: the start of its text, then one further each.
        within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        pairs = np.repeat(rows, lengths) * max(1, len(names)) + flat[np.repeat(ends[codes], lengths) + within]
        pairs = np.unique(pairs)
        return cls(n_items, pairs // max(1, len(names)), pairs % max(1, len(names)), list(names))


class Weighed(NamedTuple):
    """Entries of the one-hot matrix: item rows, places of the column, weights."""

    items: Int64
    places: Int64
    weights: Float64


@dataclass(frozen=True)
class AttributeColumn:
    """The vocabulary of a column, fitted.

    Attributes:
        name: the catalog's field.
        schema: as the recipe says it.
        values: the values with a place of their own, most common first; behind them is the place for all others.
        weights: ``(len(values) + 1,) float64``, log((1 + n) / (1 + n_with)) and a little, so that a value that
            all items have still says that this one has it.
        counts: items, missing, distinct values, rare values.
    """

    name: str
    schema: FieldSchema
    values: list[str]
    weights: Float64
    counts: dict[str, int]

    @classmethod
    def fit(cls, name: str, schema: FieldSchema, read: Occurrences, fit_rows: Int64) -> Self:
        """Count values over the items in ``fit_rows``."""
        fitted = np.zeros(read.n_items, dtype=np.bool_)
        fitted[fit_rows] = True
        counts = np.bincount(read.values[fitted[read.items]], minlength=len(read.names)).astype(np.int64)
        # By count, then by name: the order must not depend on the order of the catalog.
        order = sorted(np.flatnonzero(counts >= _MIN_ITEMS).tolist(), key=lambda at: (-counts[at], read.names[at]))
        kept = order[:_MAX_VALUES]
        own = np.zeros(len(read.names), dtype=np.bool_)
        own[kept] = True
        with_rare = len(np.unique(read.items[fitted[read.items] & ~own[read.values]]))
        frequency = np.append(counts[kept], with_rare)
        weights = np.log((1.0 + len(fit_rows)) / (1.0 + frequency)) + 0.05
        found = {
            "items": read.n_items,
            "missing": read.n_items - len(np.unique(read.items)),
            "values": len(read.names),
            "kept": len(kept),
            "rare": len(read.names) - len(kept),
        }
        return cls(name, schema, [read.names[at] for at in kept], weights, found)

    @property
    def n_places(self) -> int:
        return len(self.values) + 1

    def unknown(self, read: Occurrences) -> str:
        """A sentence about values of other items that have no place of their own; empty where there is nothing to say.

        A column most of whose values are rare, such as a brand's, has new ones all the time: nothing is said of it.
        """
        if self.counts["rare"] > self.counts["kept"]:
            return ""
        known = set(self.values)
        new = [name for name in read.names if name not in known]
        if not new:
            return ""
        close = difflib.get_close_matches(new[0], self.values[:_LOOKED_AT], n=1)
        meant = f" Did you mean {close[0]!r}?" if close else ""
        return f"{self.name}: {new[0]!r} is no value that training learned from; it counts as a rare one.{meant}"

    def weigh(self, read: Occurrences) -> Weighed:
        """Entries of the one-hot matrix; an item's values share its weight: k tags weigh 1/sqrt(k) each."""
        place_of = {value: place for place, value in enumerate(self.values)}
        places = np.fromiter((place_of.get(name, len(self.values)) for name in read.names), np.int64, len(read.names))
        per_item = np.bincount(read.items, minlength=read.n_items)[read.items]
        weights = self.weights[places[read.values]] / np.sqrt(per_item)
        return Weighed(read.items, places[read.values], weights)

    def describe(self) -> dict[str, Any]:
        """Kind and counts."""
        return {"field": self.name, "kind": self.schema.kind, **self.counts}

    def state(self) -> State:
        """JSON values and arrays that :meth:`from_state` takes."""
        schema = self.schema.model_dump(exclude_none=True)
        return {"name": self.name, "schema": schema, "counts": self.counts}, {
            **pack(self.values),
            "weights": self.weights,
        }

    @classmethod
    def from_state(cls, meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Self:
        """The same column again."""
        schema = FieldSchema.model_validate(meta["schema"])
        return cls(meta["name"], schema, unpack(arrays), arrays["weights"], dict(meta["counts"]))
