"""External string ids <-> row numbers."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longtail.core.arrays import Int64
from longtail.core.errors import DataError, UnknownIdError

#: Ids compared with a mistyped one, letter by letter.
_COMPARED = 100_000


class Vocabulary:
    """A frozen, ordered set of string ids; an id's position is its row number.

    Ids are kept exactly as they are: leading zeros, spaces, case and Unicode survive.

    Args:
        ids: the ids in row order, strings or an Arrow string array.
        kind: what the ids name (``"user"`` or ``"item"``), used in messages.

    Raises:
        DataError: an id is null, not a string, or occurs twice.
    """

    def __init__(self, ids: Iterable[str] | pa.Array | pa.ChunkedArray, kind: str = "item") -> None:
        self.kind = kind
        self._array = _string_array(ids, kind)

    @property
    def ids(self) -> pa.Array:
        """The ids in row order, an Arrow ``large_string`` array."""
        return self._array

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {id: row for row, id in enumerate(self._array.to_pylist())}

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Iterator[str]:
        return iter(self._array.to_pylist())

    def __contains__(self, id: object) -> bool:
        return id in self._row_of

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and bool(self._array.equals(other._array))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Vocabulary({len(self):,} {self.kind}s)"

    def id(self, row: int) -> str:
        """The id of one row."""
        return str(self._array[int(row)].as_py())

    def take(self, rows: Sequence[int] | np.ndarray[Any, Any]) -> list[str]:
        """The ids of several rows, in their order."""
        return list(self._array.take(pa.array(np.asarray(rows, dtype=np.int64))).to_pylist())

    def row(self, id: str) -> int:
        """The row of one id.

        Raises:
            UnknownIdError: the id is not in the vocabulary; names the nearest ids.
        """
        try:
            return self._row_of[id]
        except KeyError:
            raise UnknownIdError(self.kind, id, self.nearest(id)) from None

    def rows(self, ids: Iterable[str]) -> Int64:
        """The rows of several ids, ``(n,) int64``; -1 where an id is unknown."""
        return np.fromiter((self._row_of.get(id, -1) for id in ids), dtype=np.int64)

    def nearest(self, id: str, n: int = 3) -> list[str]:
        """At most ``n`` known ids that look most like ``id``, best first.

        Ids equal but for case, surrounding spaces or leading zeros come first; beyond 100,000 ids only those and
        ids sharing a prefix are looked at, so that a typo costs less than a second.
        """
        wanted = _fold(id)
        folded = pc.utf8_ltrim(pc.utf8_lower(pc.utf8_trim_whitespace(self._array)), "0")
        same = self.take(np.flatnonzero(pc.equal(folded, wanted).to_numpy(zero_copy_only=False))[:n])
        if len(same) >= n:
            return same
        pool = self._array
        if len(pool) > _COMPARED:
            prefix = wanted[: max(2, len(wanted) - 2)]
            pool = pool.filter(pc.starts_with(folded, prefix))[:_COMPARED]
        close = difflib.get_close_matches(id, pool.to_pylist(), n=n, cutoff=0.6)
        return (same + [other for other in close if other not in same])[:n]


def _fold(id: str) -> str:
    return id.strip().lower().lstrip("0")


def _string_array(ids: Iterable[str] | pa.Array | pa.ChunkedArray, kind: str) -> pa.Array:
    if isinstance(ids, pa.ChunkedArray):
        ids = ids.combine_chunks()
    if not isinstance(ids, pa.Array):
        values = list(ids)
        wrong = next((value for value in values if not isinstance(value, str)), None)
        if wrong is not None or None in values:
            raise DataError(
                f"The {kind} ids must be strings; found {wrong!r} of type {type(wrong).__name__}. "
                "Convert ids to text where the data is read, so that leading zeros survive."
            )
        ids = pa.array(values, type=pa.large_string())
    if not (pa.types.is_string(ids.type) or pa.types.is_large_string(ids.type)):
        raise DataError(f"The {kind} ids must be strings; found the Arrow type {ids.type}. Cast the column to text.")
    if ids.null_count:
        raise DataError(f"{ids.null_count:,} {kind} ids are null. Refuse or fill those rows before building the ids.")
    array = ids.cast(pa.large_string())
    if pc.count_distinct(array).as_py() != len(array):
        counts = array.value_counts()
        twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")[0].as_py()
        raise DataError(
            f"The {kind} id {twice!r} occurs more than once. Ids must be unique: group or deduplicate first."
        )
    return array
