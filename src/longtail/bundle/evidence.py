"""What only explanations need, a large part of a bundle: mapped when that is opened, read when it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from longtail.core.arrays import Float32, Int32, Int64, State
from longtail.core.features import Features, Field
from longtail.core.vocabulary import Vocabulary

#: Where a field's matrix and mask stand in a state.
_FIELD = "field."
_UNSEEN = "unseen."


@dataclass(frozen=True)
class Evidence:
    """The encoded content of every item, and how the bridge predicted the items it learned from.

    Attributes:
        trained: the fields' names, and for the items there were at training ``present (n, n_fields) bool``, of each
            field ``field.0.rows (distinct, d_0) float32`` with ``field.0.of (n,) int32`` (many items read alike), and
            ``unseen.*``, the state of `longtail.bridge.unseen.Unseen`.
        added: features of items added since, in the order they came.
        check: compares the bytes with their checksum, raising BundleError; called once, before anything is read.
    """

    trained: State
    added: tuple[Features, ...] = ()
    check: Callable[[], None] | None = field(default=None, compare=False, repr=False)
    _checked: list[bool] = field(default_factory=list, compare=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    @classmethod
    def of(cls, features: Features, unseen: State | None) -> Self:
        """Of a training run: features of all items, and the state of `longtail.bridge.unseen.Unseen`."""
        arrays = _packed(features)
        if unseen is not None:
            arrays |= {f"{_UNSEEN}{name}": array for name, array in unseen[1].items()}
        return cls(({"fields": list(features.names)}, arrays))

    @property
    def names(self) -> tuple[str, ...]:
        """The fields of the features."""
        return tuple(self.trained[0]["fields"])

    @property
    def widths(self) -> dict[str, int]:
        """How many columns each field has."""
        return {name: self.trained[1][f"{_FIELD}{at}.rows"].shape[1] for at, name in enumerate(self.names)}

    def features(self, row: int, id: str) -> Features:
        """The features of one item, a row. Raises BundleError where the file is damaged."""
        self._verify()
        first = len(self.trained[1]["present"])
        if row < first:
            return self._trained(np.array([row], dtype=np.int64), Vocabulary([id]))
        for part in self.added:
            if row - first < len(part.items):
                return part.take(np.array([row - first], dtype=np.int64))
            first += len(part.items)
        raise IndexError(f"There are features of {first:,} items; row {row:,} was asked for.")

    def unseen(self) -> State | None:
        """The state of `longtail.bridge.unseen.Unseen`; None without a bridge. Raises BundleError, see `features`."""
        self._verify()
        arrays = {
            name.removeprefix(_UNSEEN): array for name, array in self.trained[1].items() if name.startswith(_UNSEEN)
        }
        return ({}, arrays) if arrays else None

    def with_items(self, features: Features) -> Evidence:
        """The same with new items after the old ones."""
        return replace(self, added=(*self.added, features))

    def state(self) -> State:
        """Everything in one, items added since among the others; what `of` was given of the bridge stays as it is."""
        self._verify()
        if not self.added:
            return self.trained
        n = len(self.trained[1]["present"])
        ids = Vocabulary([str(row) for row in range(n)])
        parts = (self._trained(np.arange(n, dtype=np.int64), ids), *self.added)
        whole = Features(
            Vocabulary([str(row) for row in range(sum(len(part.items) for part in parts))]),
            tuple(
                Field(
                    name,
                    np.concatenate([part[name].matrix for part in parts]),
                    np.concatenate([part[name].present for part in parts]),
                )
                for name in self.names
            ),
        )
        return Evidence.of(whole, self.unseen()).trained

    def _trained(self, rows: Int64, items: Vocabulary) -> Features:
        arrays = self.trained[1]
        return Features(
            items,
            tuple(
                Field(
                    name,
                    np.asarray(arrays[f"{_FIELD}{at}.rows"][arrays[f"{_FIELD}{at}.of"][rows]]),
                    np.asarray(arrays["present"][rows, at]),
                )
                for at, name in enumerate(self.names)
            ),
        )

    def _verify(self) -> None:
        with self._lock:
            if self.check is not None and not self._checked:
                self.check()
                self._checked.append(True)


def _packed(features: Features) -> dict[str, npt.NDArray[Any]]:
    arrays: dict[str, npt.NDArray[Any]] = {"present": features.present}
    for at, part in enumerate(features):
        arrays[f"{_FIELD}{at}.rows"], arrays[f"{_FIELD}{at}.of"] = _distinct(part.matrix)
    return arrays


def _distinct(matrix: Float32) -> tuple[Float32, Int32]:
    """The distinct rows of a matrix and which of them each row is; all of them where two rows have one hash."""
    n, width = matrix.shape
    bits = np.ascontiguousarray(matrix).view(np.uint32)
    hashes = np.zeros(n, dtype=np.uint64)
    draw = np.random.default_rng(0)
    for column in range(width):
        hashes += bits[:, column].astype(np.uint64) * np.uint64(2 * int(draw.integers(2**62)) + 1)
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    of = inverse.astype(np.int32)
    rows = matrix[first]
    blocks = [slice(start, start + 65_536) for start in range(0, n, 65_536)]
    if all(np.array_equal(rows[of[block]], matrix[block]) for block in blocks):
        return rows, of
    return matrix, np.arange(n, dtype=np.int32)
