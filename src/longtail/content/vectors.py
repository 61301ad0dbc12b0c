"""Vectors the shop already has, from a model of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longtail.content.context import Context
from longtail.content.nesting import nest, nested
from longtail.content.prepare import Preparation, Rows
from longtail.core.arrays import Bool, Int64, State
from longtail.core.errors import DataError
from longtail.core.features import Field
from longtail.data.catalog import Catalog
from longtail.data.schema import FieldSchema


@dataclass(frozen=True)
class VectorEncoder:
    """A field of vectors, all of one width; rows that are null, empty or not finite are missing."""

    name: str
    preparation: Preparation
    counts: dict[str, int]

    @classmethod
    def fit(
        cls, name: str, schemas: Mapping[str, FieldSchema], catalog: Catalog, context: Context, fit_rows: Int64 | None
    ) -> tuple[Self, Field]:
        """Take all items' vectors, fit the preparation on those in ``fit_rows``.

        Raises:
            DataError: vectors of different widths; names an item of the rarer one.
        """
        rows, not_finite = read_vectors(name, catalog, None)
        preparation = Preparation.fit(rows, fit_rows)
        context.fitted.on(fit_rows)
        counts = {"items": len(catalog), "missing": int((~rows.present).sum()), "not_finite": not_finite}
        return cls(name, preparation, counts), preparation.apply(name, rows)

    def encode(self, catalog: Catalog, context: Context) -> Field:
        """The field of other items. Raises DataError: vectors of another width than in training."""
        rows, _ = read_vectors(self.name, catalog, len(self.preparation.mean))
        return self.preparation.apply(self.name, rows)

    def describe(self) -> list[dict[str, Any]]:
        """Width and what was found in fitting."""
        became = f"{self.preparation.width} dimensions of {len(self.preparation.mean)}, half whitened"
        return [{"field": self.name, "kind": "vector", "into": self.name, "became": became, **self.counts}]

    def state(self) -> State:
        """JSON values and arrays that :meth:`from_state` takes."""
        meta, arrays = nest({"preparation": self.preparation.state()})
        return {"name": self.name, "counts": self.counts, **meta}, arrays

    @classmethod
    def from_state(cls, meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Self:
        """The same encoder again."""
        preparation = Preparation.from_state(meta["preparation"], nested("preparation", arrays))
        return cls(meta["name"], preparation, dict(meta["counts"]))


def read_vectors(name: str, catalog: Catalog, width: int | None) -> tuple[Rows, int]:
    """The vectors of a column, and how many rows were not finite.

    Args:
        name: the field, a column of lists of numbers.
        catalog: where it is.
        width: the width expected; None: the one that most rows have.

    Raises:
        DataError: a row of another width, named by its item; or the column has no lists.
    """
    column = catalog.table[name].combine_chunks()
    if pa.types.is_null(column.type):
        return Rows(np.zeros((0, width or 0), np.float32), np.full(len(catalog), -1, np.int64)), 0
    if not (
        pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or pa.types.is_fixed_size_list(column.type)
    ):
        raise DataError(f"The vector field {name!r} has the type {column.type}; expected a list of numbers an item.")
    column = column.cast(pa.large_list(pa.float32()))
    lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    used: Int64 = np.flatnonzero(lengths).astype(np.int64)
    if len(used) and width is None:
        values, counts = np.unique(lengths[used], return_counts=True)
        width = int(values[np.argmax(counts)])
    wrong = used[lengths[used] != width]
    if len(wrong):
        raise DataError(
            f"The vector field {name!r} has {len(wrong):,} of {len(used):,} vectors that are not {width} wide, the "
            f"first of item {catalog.items.id(int(wrong[0]))!r} with {lengths[wrong[0]]}. All must have one width: "
            "filter or fill them where the catalog is read."
        )
    flat = pc.list_flatten(column).cast(pa.float32()).fill_null(np.nan).to_numpy(zero_copy_only=False)
    matrix = flat.astype(np.float32).reshape(len(used), width or 0)
    finite: Bool = np.isfinite(matrix).all(axis=1)
    row_of = np.full(len(catalog), -1, dtype=np.int64)
    row_of[used[finite]] = np.arange(int(finite.sum()))
    return Rows(np.ascontiguousarray(matrix[finite]), row_of), int((~finite).sum())
