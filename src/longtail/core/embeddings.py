"""A matrix of vectors that never travels without its ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from longtail.core.arrays import Float32
from longtail.core.errors import DataError, NumericalError
from longtail.core.vocabulary import Vocabulary

#: Where vectors live: learned from events, predicted from content, the posterior of both, or content itself.
Space = Literal["behaviour", "predicted", "blended", "content"]


@dataclass(frozen=True)
class Embeddings:
    """Vectors of users or items.

    Attributes:
        vocabulary: the ids of the rows.
        matrix: ``(n, d) float32``, row ``i`` is the vector of ``vocabulary.id(i)``.
        space: what space the vectors are in; vectors of different spaces are not comparable.

    Raises:
        DataError: the matrix is not two-dimensional float32 or has another number of rows than there are ids.
        NumericalError: a value is NaN or infinite; names the first such id.
    """

    vocabulary: Vocabulary
    matrix: Float32
    space: Space

    def __post_init__(self) -> None:
        if self.matrix.ndim != 2 or self.matrix.dtype != np.float32 or len(self.matrix) != len(self.vocabulary):
            raise DataError(
                f"Embeddings need a float32 matrix with {len(self.vocabulary):,} rows; found {self.matrix.dtype} "
                f"{self.matrix.shape}."
            )
        finite = np.isfinite(self.matrix).all(axis=1)
        if not finite.all():
            row = int(np.flatnonzero(~finite)[0])
            raise NumericalError(
                f"{int((~finite).sum()):,} of {len(self.matrix):,} {self.space} vectors are not finite, the first of "
                f"{self.vocabulary.kind} {self.vocabulary.id(row)!r}. Check the input of that row for NaN and raise "
                "the regularization."
            )

    def __len__(self) -> int:
        return len(self.vocabulary)

    def vector(self, id: str) -> Float32:
        """The vector of one id, ``(d,) float32``. Raises UnknownIdError."""
        vector: Float32 = self.matrix[self.vocabulary.row(id)]
        return vector
