"""Picture fields, read by a pretrained backbone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longtail.content.cache import key_of
from longtail.content.context import Context
from longtail.content.entries import Entries, known
from longtail.content.nesting import nest, nested
from longtail.content.picture_model import PACKAGED, PictureModel, Weights, find_weights
from longtail.content.pictures import MAX_BYTES, Unreadable, read_file
from longtail.content.prepare import Preparation, Rows
from longtail.core.arrays import Float32, Int64, State
from longtail.core.errors import DataError
from longtail.core.features import Field
from longtail.data.catalog import Catalog
from longtail.data.schema import FieldSchema

#: Blocks between two writes to the cache: what an interruption can cost.
_BLOCKS_A_WRITE = 16


@dataclass(frozen=True)
class ImageEncoder:
    """A picture field: paths (relative to the context's ``base``) or bytes, a backbone, a preparation.

    Attributes:
        name: the field.
        model_name: as the recipe says it.
        hash: of the model of training.
        preparation: fitted on the items allowed; takes the signed square root first.
        counts: what was found in fitting: items, missing, distinct pictures, and unreadable ones by reason.
    """

    name: str
    model_name: str
    hash: str
    preparation: Preparation
    counts: dict[str, int]

    @classmethod
    def fit(
        cls, name: str, schemas: Mapping[str, FieldSchema], catalog: Catalog, context: Context, fit_rows: Int64 | None
    ) -> tuple[Self, Field]:
        """Read all items' pictures, fit the preparation on those in ``fit_rows``.

        Raises:
            DataError: the model cannot be found or read.
            MissingExtraError: the libraries for pictures are not installed.
        """
        model_name = schemas[name].model or PACKAGED
        weights = find_weights(model_name, allow_network=context.allow_network)
        encoder = cls(name, model_name, weights.hash, Preparation(np.zeros(0), np.ones(0), np.zeros((0, 0))), {})
        rows, counts = encoder._read(catalog, context)
        encoder = replace(encoder, preparation=Preparation.fit(rows, fit_rows, signed_root=True), counts=counts)
        return encoder, encoder.preparation.apply(name, rows)

    def encode(self, catalog: Catalog, context: Context) -> Field:
        """The field of other items; the same picture gets the same bits as in training."""
        return self.preparation.apply(self.name, self._read(catalog, context)[0])

    def _read(self, catalog: Catalog, context: Context) -> tuple[Rows, dict[str, int]]:
        column = catalog.table[self.name].combine_chunks()
        if not pa.types.is_binary(column.type) and not pa.types.is_large_binary(column.type):
            column = column.cast(pa.large_string())
        coded = column.dictionary_encode()
        row_of = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        sources: list[str | bytes] = coded.dictionary.to_pylist()
        matrix, readable, reasons = _encode(self, sources, context)
        moved = np.append(np.where(readable, np.cumsum(readable) - 1, -1), -1)
        row_of = moved[row_of]
        counts = {"items": len(catalog), "missing": int((row_of < 0).sum()), "distinct": len(sources)}
        counts |= {f"unreadable: {reason}": count for reason, count in sorted(reasons.items())}
        return Rows(matrix[readable], row_of), counts

    def describe(self) -> list[dict[str, Any]]:
        """Model, dimensions and what was found in fitting."""
        became = f"{self.preparation.width} dimensions of {len(self.preparation.mean)}, half whitened"
        about = {"field": self.name, "kind": "image", "into": self.name, "became": became, "model": self.model_name}
        return [{**about, "explained": round(self.preparation.explained, 4), **self.counts}]

    def state(self) -> State:
        """JSON values and arrays that :meth:`from_state` takes; the model itself is named with its hash."""
        meta, arrays = nest({"preparation": self.preparation.state()})
        own = {"name": self.name, "model": self.model_name, "hash": self.hash, "counts": self.counts}
        return {**own, **meta}, arrays

    @classmethod
    def from_state(cls, meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Self:
        """The same encoder again; the model is looked for when the first picture needs it."""
        preparation = Preparation.from_state(meta["preparation"], nested("preparation", arrays))
        return cls(meta["name"], meta["model"], meta["hash"], preparation, dict(meta["counts"]))


_LOADED: dict[str, PictureModel] = {}


def _model(encoder: ImageEncoder, context: Context) -> PictureModel:
    """One loaded model a process; checked to be that of training."""
    if encoder.hash not in _LOADED:
        weights = find_weights(encoder.model_name, allow_network=context.allow_network)
        if weights.hash != encoder.hash:
            raise DataError(
                f"The picture model {encoder.model_name!r} ({weights.file}) is not the one this bundle was trained "
                f"with: it hashes to {weights.hash}, expected {encoder.hash}. Restore that file, or train again."
            )
        _LOADED[encoder.hash] = PictureModel(weights, encoder.hash)
    return _LOADED[encoder.hash]


def _encode(
    encoder: ImageEncoder, sources: list[str | bytes], context: Context
) -> tuple[Float32, npt.NDArray[np.bool_], Counter[str]]:
    """Vectors of distinct pictures ``(n, d)``, which could be read, and why others could not."""
    reasons: Counter[str] = Counter()
    keys: list[bytes | None] = []
    for source in sources:
        try:
            keys.append(key_of(_content(source, context.base)))
        except Unreadable as reason:
            keys.append(None)
            reasons[str(reason)] += 1
    # The same picture under two names is one picture.
    distinct = list(dict.fromkeys(key for key in keys if key is not None))
    first = {key: source for key, source in zip(reversed(keys), reversed(sources), strict=True) if key is not None}
    space = PictureModel(Weights("", Path()), encoder.hash).space
    entries = known(context.cache, space, distinct)
    missing = np.flatnonzero(entries.missing)
    failed: dict[bytes, str] = {}
    with context.progress.task(f"read {encoder.name}", total=len(distinct)) as task:
        task.advance(len(distinct) - len(missing))
        if len(missing):
            _fill(encoder, entries, missing, [(key, first[key]) for key in distinct], failed, context, task.advance)
    at = {key: row for row, key in enumerate(distinct)}
    reasons.update(failed[key] for key in keys if key is not None and key in failed)
    readable = np.array([key is not None and key not in failed for key in keys], dtype=np.bool_)
    rows = np.array([0 if key is None else at[key] for key in keys], dtype=np.int64)
    matrix = np.zeros((len(keys), entries.matrix.shape[1]), np.float32)
    matrix[readable] = entries.matrix[rows[readable]]
    return matrix, readable, reasons


def _fill(
    encoder: ImageEncoder,
    entries: Entries,
    missing: Int64,
    pictures: list[tuple[bytes, str | bytes]],
    failed: dict[bytes, str],
    context: Context,
    advance: Any,
) -> None:
    model = _model(encoder, context)
    waiting: list[int] = []

    def read(at: int) -> bytes:
        return _content(pictures[int(missing[at])][1], context.base)

    def keep() -> None:
        if context.cache is not None and waiting:
            context.cache.put(model.space, [pictures[row][0] for row in waiting], list(entries.matrix[waiting]))
        waiting.clear()

    for block, (positions, vectors, unreadable) in enumerate(model.encode(len(missing), read), start=1):
        if positions:
            rows = missing[positions]
            entries.fill(rows, vectors)
            waiting += rows.tolist()
        failed.update({pictures[int(missing[at])][0]: reason for at, reason in unreadable.items()})
        advance(len(positions) + len(unreadable))
        if block % _BLOCKS_A_WRITE == 0:
            keep()
    keep()


def _content(source: str | bytes, base: Path) -> bytes:
    if isinstance(source, str):
        return read_file(base / source.strip())
    if not source:
        raise Unreadable("empty file")
    if len(source) > MAX_BYTES:
        raise Unreadable("file too large")
    return source
