"""What someone took, from what a caller says about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

import numpy as np

from longtail.bundle import Bundle
from longtail.core.errors import DataError
from longtail.core.vocabulary import Vocabulary

#: What to do about an id nobody has heard of: raise, or answer with popularity and say so.
Unknown = Literal["error", "fallback"]


def known_row(vocabulary: Vocabulary, id: str, unknown: Unknown) -> int | None:
    """The row of an id; None where it is unknown and the caller accepts a fallback.

    Raises:
        UnknownIdError: it is unknown and the caller does not; names the nearest ids.
        DataError: it is no text, or there is no such way with unknown ids.
    """
    if unknown not in get_args(Unknown):
        raise DataError(f"unknown is {' or '.join(map(repr, get_args(Unknown)))}; found {unknown!r}.")
    if not isinstance(id, str):
        raise DataError(
            f"Ids are text, so that leading zeros survive; found {id!r} of type {type(id).__name__}. Pass {str(id)!r}."
        )
    if unknown == "fallback" and id not in vocabulary:
        return None
    return vocabulary.row(id)


def weights_of(
    bundle: Bundle, history: Iterable[str] | Mapping[str, float], unknown: Unknown
) -> tuple[dict[int, float], list[str]]:
    """The weight of each item row that was taken, and the ids nobody has heard of.

    Ids alone weigh as much as a typical pair of the training data each; an id that comes twice weighs twice that.

    Raises:
        UnknownIdError: an id is unknown and the caller accepts no fallback.
        DataError: a weight is not positive and finite, or the history is one text.
    """
    if isinstance(history, str):
        raise DataError(f"A history is a list of item ids; found the text {history!r}. Pass [{history!r}].")
    taken: dict[int, float] = {}
    ignored: list[str] = []
    weighted = isinstance(history, Mapping)
    typical = 1.0 if weighted else _typical_weight(bundle)
    for id in history:
        weight = float(history[id]) if isinstance(history, Mapping) else typical
        if not (np.isfinite(weight) and weight > 0):
            raise DataError(f"The weight of the item {id!r} must be positive and finite; found {weight}.")
        row = known_row(bundle.items, id, unknown)
        if row is None:
            ignored.append(id)
        else:
            taken[row] = taken.get(row, 0.0) + weight
    return taken, ignored


def _typical_weight(bundle: Bundle) -> float:
    """The median weight of a pair of the training data, of a hundred thousand of them at most; 1 without any."""
    data = bundle.history.data
    return float(np.median(data[:: 1 + len(data) // 100_000])) if len(data) else 1.0
