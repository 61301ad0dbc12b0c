"""Categories, tags and booleans, together one field: IDF-weighted one-hot, truncated SVD, unit length.

Every column has a place of its own for values that are rare or were not seen in fitting. The place weighs by how
common rare values are: next to nothing where most values are rare (an id), much where a rare value is remarkable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from longtail.content.attribute_columns import AttributeColumn, Occurrences
from longtail.content.context import Context
from longtail.content.nesting import nest, nested
from longtail.content.projection import singular_directions
from longtail.core.arrays import Bool, Float64, Int64, State
from longtail.core.features import Field
from longtail.core.unit_rows import unit_rows
from longtail.data.catalog import Catalog
from longtail.data.schema import FieldSchema

#: Dimensions of the field at most.
RANK = 128
#: Items the singular vectors are found on at most; more change nothing but the time.
_ITEMS = 200_000
_BLOCK = 65_536


@dataclass(frozen=True)
class AttributesEncoder:
    """All attribute columns of a catalog as one field.

    Attributes:
        name: the field.
        columns: the vocabulary and weights of each column, in the catalog's order.
        directions: ``(n_places, r) float64``, right singular vectors divided by singular value^(1/2) (half whitened;
            the scale per row does not matter, since rows get unit length).
        counts: items and how many of them have no attribute at all.
    """

    name: str
    columns: tuple[AttributeColumn, ...]
    directions: Float64
    counts: dict[str, int]

    @classmethod
    def fit(
        cls, name: str, schemas: Mapping[str, FieldSchema], catalog: Catalog, context: Context, fit_rows: Int64 | None
    ) -> tuple[Self, Field]:
        """Find vocabularies, weights and singular vectors on the items in ``fit_rows``; encode all.

        Raises:
            DataError: a column is of a type that its kind cannot be read from.
        """
        rows = np.arange(len(catalog), dtype=np.int64) if fit_rows is None else np.sort(fit_rows)
        read = {column: Occurrences.read(column, schema, catalog) for column, schema in schemas.items()}
        columns = tuple(AttributeColumn.fit(column, schemas[column], values, rows) for column, values in read.items())
        one_hot, present = _one_hot(columns, list(read.values()), len(catalog))
        if len(rows) > _ITEMS:
            rows = np.sort(np.random.default_rng(context.seed).choice(rows, _ITEMS, replace=False))
        directions, singular = singular_directions(one_hot[rows], RANK, context.seed)
        context.fitted.on(rows)
        counts = {"items": len(catalog), "missing": int((~present).sum())}
        encoder = cls(name, columns, directions / np.sqrt(singular), counts)
        return encoder, encoder._project(one_hot, present)

    def encode(self, catalog: Catalog, context: Context) -> Field:
        """The field of other items; unseen values take their column's place for rare ones."""
        read = [Occurrences.read(column.name, column.schema, catalog) for column in self.columns]
        for column, values in zip(self.columns, read, strict=True):
            if said := column.unknown(values):
                context.progress.note(said)
        return self._project(*_one_hot(self.columns, read, len(catalog)))

    def _project(self, one_hot: sp.csr_array, present: Bool) -> Field:
        matrix = np.empty((one_hot.shape[0], self.directions.shape[1]), dtype=np.float32)
        for start in range(0, len(matrix), _BLOCK):
            # A sparse product adds a row's few terms one after the other: its bits do not depend on other rows.
            matrix[start : start + _BLOCK] = unit_rows(one_hot[start : start + _BLOCK] @ self.directions)
        # Every attribute of the item may be of a column that nothing was fitted on.
        present = present & matrix.any(axis=1)
        return Field(self.name, matrix, present)

    def describe(self) -> list[dict[str, Any]]:
        """Per column: values kept, rare values, missing."""
        became = f"a part of {self.directions.shape[1]} dimensions of {self.directions.shape[0]:,} places"
        return [{**column.describe(), "into": self.name, "became": became} for column in self.columns]

    def state(self) -> State:
        """JSON values and arrays that :meth:`from_state` takes."""
        meta, arrays = nest({f"column{at}": column.state() for at, column in enumerate(self.columns)})
        own = {"name": self.name, "counts": self.counts, "n_columns": len(self.columns)}
        return {**own, **meta}, {**arrays, "directions": self.directions}

    @classmethod
    def from_state(cls, meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Self:
        """The same encoder again."""
        names = [f"column{at}" for at in range(meta["n_columns"])]
        columns = tuple(AttributeColumn.from_state(meta[name], nested(name, arrays)) for name in names)
        directions = np.ascontiguousarray(arrays["directions"], dtype=np.float64)
        return cls(meta["name"], columns, directions, dict(meta["counts"]))


def _one_hot(columns: tuple[AttributeColumn, ...], read: list[Occurrences], n_items: int) -> tuple[sp.csr_array, Bool]:
    """``(n_items, n_places) float64`` weights in CSR with sorted places, and which items have any value."""
    parts = [column.weigh(values) for column, values in zip(columns, read, strict=True)]
    offsets = np.cumsum([0, *(column.n_places for column in columns)])
    rows = np.concatenate([part.items for part in parts])
    places = np.concatenate([part.places + offset for part, offset in zip(parts, offsets[:-1], strict=True)])
    weights = np.concatenate([part.weights for part in parts])
    present = np.zeros(n_items, dtype=np.bool_)
    present[rows] = True
    matrix = sp.coo_array((weights, (rows, places)), shape=(n_items, int(offsets[-1]))).tocsr()
    matrix.sort_indices()
    return matrix, present
