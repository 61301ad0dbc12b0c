"""A column of pictures, paths or bytes, as the rows a backbone gives them; each distinct picture is run once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pyarrow as pa

from longtail.content import pictures
from longtail.content.cache import EncodingCache, key_of
from longtail.content.context import Context
from longtail.content.downloads import Downloads, Policy, is_url
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
    field: str, column: pa.ChunkedArray, named: Model, policy: Policy, context: Context
) -> tuple[Rows, dict[str, int]]:
    """The rows of all items' pictures, and what was found.

    Args:
        field: for progress.
        column: ``(n_items,)`` binary, or text: paths relative to the context's base, or URLs.
        named: the model; loaded only if a picture is not in the cache.
        policy: which URLs may be fetched.
        context: cache, base and progress.

    Returns:
        Rows, and counts: items, missing (of them without a value, and unreadable ones by reason), distinct pictures.

    Raises:
        DataError: the model is not the one of training, or cannot be read.
        MissingExtraError: a picture must be encoded and the libraries are not installed.
    """
    binary = pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)
    coded = column.cast(pa.large_binary() if binary else pa.large_string()).combine_chunks().dictionary_encode()
    source_of: Int64 = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    sources = coded.dictionary  # bytes stay in Arrow's memory until they are needed
    with Downloads(policy) as downloads:
        if not binary:
            downloads.fetch(filter(is_url, sources.to_pylist()), context.progress)
        return _read(field, sources, source_of, named, downloads, context)


def _read(
    field: str, sources: pa.Array, source_of: Int64, named: Model, downloads: Downloads, context: Context
) -> tuple[Rows, dict[str, int]]:
    def content(at: int) -> bytes:
        return _content(sources[at].as_py(), context.base, downloads)

    reasons: dict[int, str] = {}
    key_at: dict[int, bytes] = {}
    for at in range(len(sources)):
        try:
            key_at[at] = key_of(content(at))
        except Unreadable as reason:
            reasons[at] = str(reason)
    # The same picture under two names is one picture.
    first: dict[bytes, int] = {}
    for at, key in key_at.items():
        first.setdefault(key, at)
    keys, firsts = list(first), list(first.values())
    entries, failed = _encode(field, keys, lambda row: content(firsts[row]), named, context)

    row_of_key = {key: row for row, key in enumerate(keys)}
    picture_of = np.full(len(sources) + 1, -1, np.int64)  # the last: items without a value
    for at, key in key_at.items():
        row = row_of_key[key]
        if row in failed:
            reasons[at] = failed[row]
        else:
            picture_of[at] = row
    readable = np.ones(len(keys), np.bool_)
    readable[list(failed)] = False
    moved = np.append(np.where(readable, np.cumsum(readable) - 1, -1), -1)
    row_of = moved[picture_of[source_of]]

    items_of = np.bincount(source_of[source_of >= 0], minlength=len(sources))
    unreadable: Counter[str] = Counter()
    for at, why in reasons.items():
        unreadable[why] += int(items_of[at])
    counts = {"items": len(source_of), "missing": int((row_of < 0).sum()), "no value": int((source_of < 0).sum())}
    counts |= {"distinct": len(keys), **{f"unreadable: {why}": n for why, n in sorted(unreadable.items())}}
    return Rows(entries.matrix[readable].astype(np.float32), row_of), counts


def _encode(
    field: str, keys: list[bytes], read: Callable[[int], bytes], named: Model, context: Context
) -> tuple[Entries, dict[int, str]]:
    """Vectors of pictures by key, from the cache or the model, and which cannot be decoded and why."""
    cache = context.cache
    space = PictureModel(Weights("", Path()), named.hash).space
    entries = known(cache, space, keys)
    open_rows = np.flatnonzero(entries.missing)
    failed = {int(open_rows[at]): why for at, why in _remembered(cache, [keys[row] for row in open_rows]).items()}
    missing = np.array([row for row in open_rows.tolist() if row not in failed], np.int64)
    with context.progress.task(f"read {field}", total=len(keys)) as task:
        task.advance(len(keys) - len(missing))
        if not len(missing):
            return entries, failed
        model = _model(named, context)
        waiting: list[int] = []
        refused: dict[bytes, str] = {}

        def keep() -> None:
            if cache is not None:
                cache.put(space, [keys[row] for row in waiting], list(entries.matrix[waiting]))
                notes = [np.frombuffer(why.encode(), np.uint8) for why in refused.values()]
                cache.put(_unreadable_space(), list(refused), notes)
            waiting.clear()
            refused.clear()

        blocks = model.encode(len(missing), lambda at: read(int(missing[at])))
        for block, (positions, vectors, unreadable) in enumerate(blocks, start=1):
            if positions:
                rows = missing[positions]
                entries.fill(rows, vectors)
                waiting += rows.tolist()
            for at, why in unreadable.items():
                failed[int(missing[at])] = refused[keys[int(missing[at])]] = why
            task.advance(len(positions) + len(unreadable))
            if block % _BLOCKS_A_WRITE == 0:
                keep()
        keep()
    return entries, failed


def _unreadable_space() -> str:
    """Where the cache keeps what could not be decoded: another decoder or limit may read it."""
    return f"unreadable-1/pillow-{version('pillow')}/{pictures.MAX_BYTES}/{pictures.MAX_PIXELS}"


def _remembered(cache: EncodingCache | None, keys: list[bytes]) -> dict[int, str]:
    if cache is None or not keys:
        return {}
    try:
        space = _unreadable_space()
    except PackageNotFoundError:
        return {}
    return {at: note.tobytes().decode() for at, note in cache.get(space, keys, np.uint8).items()}


def _model(named: Model, context: Context) -> PictureModel:
    """One loaded model a process; checked to be that of training."""
    if named.hash not in _LOADED:
        weights = find_weights(named.name, allow_network=context.allow_network)
        if weights.hash != named.hash:
            raise DataError(
                f"The picture model {named.name!r} ({weights.file}) is not the one this bundle was trained "
                f"with: it hashes to {weights.hash}, expected {named.hash}. Restore that file, or train again."
            )
        _LOADED[named.hash] = PictureModel(weights, named.hash)
    return _LOADED[named.hash]


def _content(source: str | bytes, base: Path, downloads: Downloads) -> bytes:
    if isinstance(source, str):
        return downloads.content(source) if is_url(source) else read_file(base / source.strip())
    if not source:
        raise Unreadable("empty file")
    if len(source) > pictures.MAX_BYTES:
        raise Unreadable("file too large")
    return source
