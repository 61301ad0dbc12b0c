"""From an encoder's rows to a field: standardise, PCA with half whitening, unit length.

Half whitening divides each principal component by the fourth root of its variance: between leaving a few strong
directions to decide everything (no whitening) and blowing weak ones up to their size (full whitening).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from longtail.content.projection import principal_directions, project, row_counts
from longtail.core.arrays import Bool, Float32, Float64, Int64, State
from longtail.core.errors import DataError
from longtail.core.features import Field
from longtail.core.unit_rows import unit_rows

#: How many principal components a field keeps at most.
RANK = 256


@dataclass(frozen=True)
class Rows:
    """What an encoder read: distinct rows, and which item has which.

    Attributes:
        matrix: ``(n_distinct, d) float32``, finite.
        row_of: ``(n_items,) int64``, the item's row in ``matrix``; -1 where the item lacks the field.
    """

    matrix: Float32
    row_of: Int64

    @property
    def present(self) -> Bool:
        return self.row_of >= 0


@dataclass(frozen=True)
class Preparation:
    """The fitted map from an encoder's rows to unit vectors.

    Attributes:
        mean, scale: ``(d,)`` of the rows it was fitted on.
        directions: ``(d, r)``, principal directions of the standardised rows divided by their variance^(1/4).
        signed_root: whether the signed square root is taken first (pictures: activations have heavy tails).
        explained: the share of the standardised variance that the kept directions hold.
    """

    mean: Float64
    scale: Float64
    directions: Float64
    signed_root: bool = False
    explained: float = 1.0

    @classmethod
    def fit(cls, rows: Rows, fit_rows: Int64 | None, *, rank: int = RANK, signed_root: bool = False) -> Self:
        """Fit on the items in ``fit_rows`` (None: all) that have the field; an item counts once, repeated text or not.

        With fewer than two different rows there is nothing to standardise by: rows then only get unit length.
        """
        row_of = rows.row_of if fit_rows is None else rows.row_of[fit_rows]
        counts = row_counts(row_of, len(rows.matrix))
        width = rows.matrix.shape[1]
        matrix = signed_square_root(rows.matrix) if signed_root else rows.matrix
        if np.count_nonzero(counts) >= 2:
            found = principal_directions(matrix, counts, rank)
            if len(found.variances):
                halved = found.directions / found.variances**0.25
                return cls(found.mean, found.scale, halved, signed_root, found.explained)
        return cls(np.zeros(width), np.ones(width), np.eye(width), signed_root)

    @property
    def width(self) -> int:
        return int(self.directions.shape[1])

    def apply(self, name: str, rows: Rows) -> Field:
        """The field of all items: ``(n_items, r) float32`` of unit rows, zero where missing.

        A field that no item had in fitting has no columns, and is missing everywhere.

        Raises:
            DataError: the rows have another width than those fitted on.
        """
        if not len(self.mean) or not len(rows.matrix):
            n_items = len(rows.row_of)
            return Field(name, np.zeros((n_items, self.width), np.float32), np.zeros(n_items, np.bool_))
        if rows.matrix.shape[1] != len(self.mean):
            raise DataError(
                f"The field {name!r} has {rows.matrix.shape[1]} columns; it was fitted on {len(self.mean)}. New items "
                "must be read by the same model, or have vectors of the same width."
            )
        matrix = signed_square_root(rows.matrix) if self.signed_root else rows.matrix
        distinct = unit_rows(project(matrix, self.mean, self.scale, self.directions))
        return Field(name, gather(distinct, rows.row_of), rows.present)

    def state(self) -> State:
        """JSON values and arrays that :meth:`from_state` takes."""
        meta = {"signed_root": self.signed_root, "explained": self.explained}
        return meta, {"mean": self.mean, "scale": self.scale, "directions": self.directions}

    @classmethod
    def from_state(cls, meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Self:
        """The same preparation again."""
        directions = np.ascontiguousarray(arrays["directions"], dtype=np.float64)
        return cls(arrays["mean"], arrays["scale"], directions, meta["signed_root"], meta["explained"])


def gather(distinct: Float32, row_of: Int64) -> Float32:
    """Rows of ``distinct`` by item, ``(n_items, r)``; zero where ``row_of`` is -1."""
    matrix: Float32 = distinct[np.maximum(row_of, 0)]
    matrix[row_of < 0] = 0.0
    return matrix


def signed_square_root(rows: Float32) -> Float32:
    """``sign(x) sqrt(|x|)``, which tames the heavy tails of activations."""
    return np.sign(rows) * np.sqrt(np.abs(rows))
