"""A column of pictures, paths or bytes, as the rows a backbone gives them; each distinct picture is run once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa

from longtail.content import pictures
from longtail.content.cache import EncodingCache, key_of
from longtail.content.context import Context
from longtail.content.entries import Entries, known
from longtail.content.picture_model import PictureModel, Weights, find_weights
from longtail.content.pictures import Unreadable, read_file
from longtail.content.prepare import Rows
from longtail.core.arrays import Int64
from longtail.core.errors import DataError

#: Blocks between two writes to the cache: what an interruption can cost.
_BLOCKS_A_WRITE = 16
_LOADED: dict[str, PictureModel] = {}


@dataclass(frozen=True)
class Model:
    """A picture model as the recipe calls it, and the hash it had in training."""

    name: str
    hash: str


def read_pictures(
    field: str, column: pa.ChunkedArray, named: Model, context: Context
) -> tuple[Rows, dict[str, int]]:
    """The rows of all items' pictures, and what was found.

    Args:
        field: for progress.
        column: ``(n_items,)`` text (paths relative to the context's base) or binary.
        named: the model; loaded only if a picture is not in the cache.
        context: cache, base and progress.

    Returns:
        Rows, and counts: items, missing (of them without a value, and unreadable ones by reason), distinct pictures.

    Raises:
        DataError: the model is not the one of training, or cannot be read.
        MissingExtraError: a picture must be encoded and the libraries are not installed.
    """
    binary = pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)
    coded = column.cast(pa.large_binary() if binary else pa.large_string()).combine_chunks().dictionary_encode()
    source_of = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    # Bytes stay in Arrow's memory until they are needed.
    sources = coded.dictionary

    def content(at: int) -> bytes:
        return _content(sources[at].as_py(), context.base)

    keys: list[bytes | None] = []
    reasons: dict[int, str] = {}
    for at in range(len(sources)):
        try:
            keys.append(key_of(content(at)))
        except Unreadable as reason:
            keys.append(None)
            reasons[at] = str(reason)
    # The same picture under two names is one picture.
    first: dict[bytes, int] = {}
    for at, key in enumerate(keys):
        if key is not None:
            first.setdefault(key, at)
    entries, failed = _encode(field, list(first), lambda row: content(list_of[row]), named, context)     if False else (None, {})
    raise AssertionError
