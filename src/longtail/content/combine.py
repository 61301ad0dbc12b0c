"""One content vector an item: the weighted concatenation of its fields, and its reduction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from longtail.content.projection import fix_signs, project
from longtail.core.arrays import Float32, Float64, Int64, State
from longtail.core.errors import DataError
from longtail.core.features import Features
from longtail.core.unit_rows import unit_rows


def combine(features: Features, weights: Mapping[str, float]) -> Float32:
    """The content vector z of every item.

    Each field the item has is scaled by its weight and the concatenation by its length. A field the item lacks is
    absent: its columns are zero, and the fields that are there make up the unit length alone. So the cosine of two
    items is the mean over fields of their cosines, weighted by the squares of the weights.

    Args:
        features: fields with unit rows.
        weights: per field name, not negative; a field that is not named weighs 1. Weight 0 leaves a field out: its
            columns stay, as zeros, so that z has the same columns whatever the weights.

    Returns:
        ``(n_items, sum of widths) float32``; a row of zeros where an item has none of the fields that weigh anything.

    Raises:
        DataError: a weight is negative, not finite, or of a field that is not there.
    """
    unknown = sorted(set(weights) - set(features.names))
    if unknown:
        raise DataError(f"Weights for the fields {unknown}, but the fields are {sorted(features.names)}.")
    wrong = {name: weight for name, weight in weights.items() if not (np.isfinite(weight) and weight >= 0)}
    if wrong:
        raise DataError(f"Field weights must be finite and not negative; found {wrong}.")
    widths = [field.matrix.shape[1] for field in features]
    z = np.zeros((len(features.items), sum(widths)), dtype=np.float32)
    start = 0
    for field, width in zip(features, widths, strict=True):
        weight = np.float32(weights.get(field.name, 1.0))
        np.multiply(field.matrix, weight, out=z[:, start : start + width])
        z[~field.present, start : start + width] = 0.0
        start += width
    return unit_rows(z)


@dataclass(frozen=True)
class Reduction:
    """PCA of z to few dimensions that keeps cosines as well as that many can.

    The mean is not taken off and nothing is whitened: inner products of reduced rows approximate those of z, and rows
    are scaled back to unit length.

    Attributes:
        directions: ``(d_z, r) float64`` with orthonormal columns.
        kept: the share of the squared length of the rows fitted on that the directions keep.
    """

    directions: Float64
    kept: float

    @classmethod
    def fit(cls, z: Float32, dim: int = 128, fit_rows: Int64 | None = None) -> Self:
        """Fit on ``z[fit_rows]`` (None: all rows); rows of zeros count for nothing.

        Raises:
            DataError: ``dim`` is not positive.
        """
        if dim < 1:
            raise DataError(f"The reduced content needs at least one dimension; found {dim}.")
        rows = z if fit_rows is None else z[fit_rows]
        moment = np.zeros((z.shape[1], z.shape[1]))
        for start in range(0, len(rows), 65_536):
            block = rows[start : start + 65_536].astype(np.float64)
            moment += block.T @ block
        total = float(np.trace(moment))
        if z.shape[1] <= dim or total == 0:
            return cls(np.eye(z.shape[1])[:, : min(dim, z.shape[1])], 1.0)
        values, vectors = np.linalg.eigh(moment)
        keep = np.argsort(-values, kind="stable")[:dim]
        return cls(fix_signs(vectors[:, keep]), float(values[keep].sum() / total))

    def apply(self, z: Float32) -> Float32:
        """Reduced rows of unit length, ``(n, r) float32``; zero rows stay zero.

        A row has the same bits whatever other rows there are.

        Raises:
            DataError: ``z`` has another number of columns than was fitted on.
        """
        if z.shape[1] != len(self.directions):
            raise DataError(f"Content has {z.shape[1]} columns; the reduction was fitted on {len(self.directions)}.")
        width = z.shape[1]
        return unit_rows(project(z, np.zeros(width), np.ones(width), self.directions))

    def state(self) -> State:
        """JSON values and arrays that :meth:`from_state` takes."""
        return {"kept": self.kept}, {"directions": self.directions}

    @classmethod
    def from_state(cls, meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Self:
        """The same reduction again."""
        return cls(np.ascontiguousarray(arrays["directions"], dtype=np.float64), meta["kept"])


def reduce(z: Float32, dim: int = 128, fit_rows: Int64 | None = None) -> Reduction:
    """The reduction of z to at most ``dim`` dimensions, fitted on ``fit_rows`` (None: all)."""
    return Reduction.fit(z, dim, fit_rows)
