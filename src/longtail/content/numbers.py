"""Numbers, prices, measures and dates, together one field of positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from longtail.content.context import Context
from longtail.content.nesting import nest, nested
from longtail.content.number_columns import NumberColumn, Numbers, read_numbers
from longtail.core.arrays import Int64, State
from longtail.core.features import Field
from longtail.core.unit_rows import unit_rows
from longtail.data.catalog import Catalog
from longtail.data.schema import FieldSchema


@dataclass(frozen=True)
class NumbersEncoder:
    """All number columns of a catalog as one field; every column counts the same, a missing value is a place too.

    Coordinates are few and already comparable, so there is no PCA: see :mod:`longtail.content.positions`.
    """

    name: str
    columns: tuple[NumberColumn, ...]

    @classmethod
    def fit(
        cls, name: str, schemas: Mapping[str, FieldSchema], catalog: Catalog, context: Context, fit_rows: Int64 | None
    ) -> tuple[Self, Field]:
        """Fit scales and ranks on the items in ``fit_rows``; encode all.

        Raises:
            RecipeError, DataError: see :func:`longtail.content.number_columns.read_numbers`.
        """
        rows = np.arange(len(catalog), dtype=np.int64) if fit_rows is None else fit_rows
        read = [read_numbers(column, schema, catalog) for column, schema in schemas.items()]
        columns = tuple(
            NumberColumn.fit(column, schema, numbers, catalog.table[column], rows)
            for (column, schema), numbers in zip(schemas.items(), read, strict=True)
        )
        context.fitted.on(rows)
        encoder = cls(name, columns)
        return encoder, encoder._field(read, len(catalog))

    def encode(self, catalog: Catalog, context: Context) -> Field:
        """The field of other items; values beyond those seen lie at the ends, unknown groups take the ranks of all."""
        read = [read_numbers(column.name, column.schema, catalog) for column in self.columns]
        return self._field(read, len(catalog))

    def _field(self, read: list[Numbers], n_items: int) -> Field:
        matrix = np.empty((n_items, sum(column.width for column in self.columns)), dtype=np.float32)
        present = np.zeros(n_items, dtype=np.bool_)
        start = 0
        for column, numbers in zip(self.columns, read, strict=True):
            matrix[:, start : start + column.width], has = column.coordinates(numbers)
            present |= has
            start += column.width
        matrix = unit_rows(matrix)
        matrix[~present] = 0.0
        return Field(self.name, matrix, present)

    def describe(self) -> list[dict[str, Any]]:
        """Per column: transform, units, missing."""
        return [
            {**column.describe(), "into": self.name, "became": f"{column.width} coordinates: value, rank, missing"}
            for column in self.columns
        ]

    def state(self) -> State:
        """JSON values and arrays that :meth:`from_state` takes."""
        meta, arrays = nest({f"column{at}": column.state() for at, column in enumerate(self.columns)})
        return {"name": self.name, "n_columns": len(self.columns), **meta}, arrays

    @classmethod
    def from_state(cls, meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Self:
        """The same encoder again."""
        names = [f"column{at}" for at in range(meta["n_columns"])]
        return cls(meta["name"], tuple(NumberColumn.from_state(meta[name], nested(name, arrays)) for name in names))
