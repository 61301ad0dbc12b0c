"""A column of pictures, paths or bytes, as the rows a backbone gives them; each distinct picture is run once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from longtail.content import pictures
from longtail.content.cache import EncodingCache, key_of
from longtail.content.context import Context
from longtail.content.downloads import Downloads, Policy, is_url
from longtail.content.entries import Entries, known
from longtail.content.picture_blocks import Block
from longtail.content.picture_model import PictureModel, Weights, find_weights
from longtail.content.pictures import Unreadable, decode, read_file
from longtail.content.prepare import Rows
from longtail.core.arrays import Int64
from longtail.core.errors import DataError

#: Blocks between two writes to the cache: what an interruption can cost.
_BLOCKS_A_WRITE = 16
#: A side of pictures that are decoded only to see whether they can be.
_SMALL = 32
_LOADED: dict[str, PictureModel] = {}


class Reader(Protocol):
    """What gives pictures their rows."""

    @property
    def space(self) -> str:
        """What, beside a picture's bytes, decides its row: the key of the cache's space."""

    def loaded(self, context: Context) -> Loaded:
        """Ready to read; asked for only if a picture is not in the cache."""


class Loaded(Protocol):
    """A network in memory."""

    def encode(self, n: int, read: Callable[[int], bytes]) -> Iterator[Block]:
        """Rows of ``n`` pictures, see `longtail.content.picture_blocks.run_blocks`."""


@dataclass(frozen=True)
class Model:
    """A pretrained model as the recipe calls it, and the hash it had in training."""

    name: str
    hash: str

    @property
    def space(self) -> str:
        """See :class:`Reader`."""
        return PictureModel(Weights("", Path()), self.hash).space

    def loaded(self, context: Context) -> PictureModel:
        """One loaded model a process. Raises DataError: it is not that of training, or cannot be read."""
        if self.hash not in _LOADED:
            weights = find_weights(self.name, allow_network=context.allow_network)
            if weights.hash != self.hash:
                raise DataError(
                    f"The picture model {self.name!r} ({weights.file}) is not the one this bundle was trained "
                    f"with: it hashes to {weights.hash}, expected {self.hash}. Restore that file, or train again."
                )
            _LOADED[self.hash] = PictureModel(weights, self.hash)
        return _LOADED[self.hash]


@dataclass(frozen=True)
class Pictures:
    """The distinct pictures of a column, opened and not decoded.

    Attributes:
        keys: a hash of each one's content.
        picture_of: ``(n_items,) int64``, positions in ``keys``; -1 without a value or where it cannot be opened.
        no_value: items without a value.
        unopened: items by the reason why theirs cannot be opened.
        content: the bytes of one, by position.
    """

    keys: list[bytes]
    picture_of: Int64
    no_value: int
    unopened: dict[str, int]
    content: Callable[[int], bytes]

    def decodable(self) -> Int64:
        """``picture_of``, -1 also where what was opened is no picture; each is decoded once and not kept."""
        decoded = np.ones(len(self.keys) + 1, np.bool_)
        for picture in range(len(self.keys)):
            try:
                decode(self.content(picture), _SMALL)
            except Unreadable:
                decoded[picture] = False
        return np.where(decoded[self.picture_of], self.picture_of, -1)

    def read(self, field: str, reader: Reader, context: Context) -> tuple[Rows, dict[str, int]]:
        """The rows of all items' pictures, and what was found.

        Returns:
            Rows, and counts: items, missing (of them without a value, unreadable ones by reason), distinct pictures.

        Raises:
            DataError: the model is not the one of training, or cannot be read.
            MissingExtraError: a picture must be encoded and the libraries are not installed.
        """
        entries, failed = _encode(field, self.keys, self.content, reader, context)
        readable = np.ones(len(self.keys), np.bool_)
        readable[list(failed)] = False
        row_of = np.append(np.where(readable, np.cumsum(readable) - 1, -1), -1)[self.picture_of]
        items_of = np.bincount(self.picture_of[self.picture_of >= 0], minlength=len(self.keys))
        unreadable = Counter(self.unopened)
        for picture, why in failed.items():
            unreadable[why] += int(items_of[picture])
        counts = {"items": len(row_of), "missing": int((row_of < 0).sum()), "no value": self.no_value}
        counts |= {"distinct": len(self.keys), **{f"unreadable: {why}": n for why, n in sorted(unreadable.items())}}
        return Rows(entries.matrix[readable].astype(np.float32), row_of), counts


@contextmanager
def open_pictures(column: pa.ChunkedArray, policy: Policy, context: Context) -> Iterator[Pictures]:
    """Look at all items' pictures; what was fetched is kept until the block ends.

    Args:
        column: ``(n_items,)`` binary, or text: paths relative to the context's base, or URLs.
        policy: which URLs may be fetched.
        context: base and progress.
    """
    binary = pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)
    coded = column.cast(pa.large_binary() if binary else pa.large_string()).combine_chunks().dictionary_encode()
    source_of: Int64 = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    sources = coded.dictionary  # bytes stay in Arrow's memory until they are needed
    items_of = np.bincount(source_of[source_of >= 0], minlength=len(sources))
    with Downloads(policy) as downloads:
        if not binary:
            downloads.fetch(filter(is_url, sources.to_pylist()), context.progress)

        def content(source: int) -> bytes:
            return _content(sources[source].as_py(), context.base, downloads)

        rows: dict[bytes, int] = {}  # the same picture under two names is one picture
        firsts: list[int] = []
        picture_of = np.full(len(sources) + 1, -1, np.int64)  # the last: items without a value
        unopened: Counter[str] = Counter()
        for source in range(len(sources)):
            try:
                key = key_of(content(source))
            except Unreadable as reason:
                unopened[str(reason)] += int(items_of[source])
                continue
            if key not in rows:
                rows[key] = len(rows)
                firsts.append(source)
            picture_of[source] = rows[key]
        yield Pictures(
            list(rows),
            picture_of[source_of],
            int((source_of < 0).sum()),
            dict(unopened),
            lambda at: content(firsts[at]),
        )


def read_pictures(
    field: str, column: pa.ChunkedArray, reader: Reader, policy: Policy, context: Context
) -> tuple[Rows, dict[str, int]]:
    """Open and read, see `open_pictures` and `Pictures.read`."""
    with open_pictures(column, policy, context) as pictures:
        return pictures.read(field, reader, context)


def _encode(
    field: str, keys: list[bytes], read: Callable[[int], bytes], reader: Reader, context: Context
) -> tuple[Entries, dict[int, str]]:
    """Vectors of pictures by key, from the cache or the model, and which cannot be decoded and why."""
    cache = context.cache
    space = reader.space
    entries = known(cache, space, keys)
    open_rows = np.flatnonzero(entries.missing)
    failed = {int(open_rows[at]): why for at, why in _remembered(cache, [keys[row] for row in open_rows]).items()}
    missing = np.array([row for row in open_rows.tolist() if row not in failed], np.int64)
    with context.progress.task(f"read {field}", total=len(keys)) as task:
        task.advance(len(keys) - len(missing))
        if not len(missing):
            return entries, failed
        model = reader.loaded(context)
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


def _content(source: str | bytes, base: Path, downloads: Downloads) -> bytes:
    if isinstance(source, str):
        return downloads.content(source) if is_url(source) else read_file(base / source.strip())
    if not source:
        raise Unreadable("empty file")
    if len(source) > pictures.MAX_BYTES:
        raise Unreadable("file too large")
    return source
