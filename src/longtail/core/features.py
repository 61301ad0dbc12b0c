"""What encoders say about items: one matrix a field, with a mask of what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from longtail.core.arrays import Bool, Float32, Int64
from longtail.core.errors import DataError
from longtail.core.vocabulary import Vocabulary


@dataclass(frozen=True)
class Field:
    """One encoded field of the catalog.

    Attributes:
        name: the field's name in the recipe, or of the group of columns encoded together (``"attributes"``).
        matrix: ``(n_items, d_field) float32``, finite; rows of items that lack the field are zero and mean nothing.
        present: ``(n_items,) bool``, False where an item lacks the field.
    """

    name: str
    matrix: Float32
    present: Bool

    def __post_init__(self) -> None:
        if self.matrix.ndim != 2 or self.present.shape != (len(self.matrix),):
            raise DataError(
                f"Field {self.name!r}: matrix {self.matrix.shape} and mask {self.present.shape} do not fit together."
            )
        if not np.isfinite(self.matrix).all():
            raise DataError(
                f"Field {self.name!r} has NaN or infinite values. Encoders mark such rows as missing instead."
            )


@dataclass(frozen=True)
class Features:
    """All encoded fields of some items; row ``i`` of every field is ``items.id(i)``.

    A missing field is absent, not zero: whoever reads ``matrix`` reads ``present`` with it.
    """

    items: Vocabulary
    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        for field in self.fields:
            if len(field.matrix) != len(self.items):
                raise DataError(f"Field {field.name!r} has {len(field.matrix):,} rows for {len(self.items):,} items.")
        if len({field.name for field in self.fields}) != len(self.fields):
            raise DataError(f"Field names must differ; found {[field.name for field in self.fields]}.")

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __getitem__(self, name: str) -> Field:
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)

    @property
    def present(self) -> Bool:
        """``(n_items, n_fields) bool``: which fields each item has."""
        if not self.fields:
            return np.zeros((len(self.items), 0), dtype=np.bool_)
        return np.stack([field.present for field in self.fields], axis=1)

    def take(self, rows: Int64) -> Features:
        """The features of some rows, in their order."""
        return Features(
            Vocabulary(self.items.ids.take(rows), self.items.kind),
            tuple(Field(field.name, field.matrix[rows], field.present[rows]) for field in self.fields),
        )
