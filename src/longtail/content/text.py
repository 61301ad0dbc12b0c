"""Text fields, read by a pretrained BERT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longtail.content.cache import key_of
from longtail.content.cleaning import clean_column
from longtail.content.context import Context
from longtail.content.entries import known
from longtail.content.nesting import nest, nested
from longtail.content.prepare import Preparation, Rows
from longtail.content.sentence_model import (
    PACKAGED,
    Device,
    Precision,
    SentenceModel,
    best_device,
    find_model,
    hash_model,
)
from longtail.core.arrays import Float32, Int64, State
from longtail.core.errors import DataError, RecipeError
from longtail.core.features import Field
from longtail.core.words import many
from longtail.data.catalog import Catalog
from longtail.data.schema import FieldSchema
from longtail.data.template import placeholders, render

#: Blocks between two writes to the cache: what an interruption can cost.
_BLOCKS_A_WRITE = 16


@dataclass(frozen=True)
class TextEncoder:
    """A text field: template, model, preparation.

    Attributes:
        name: the field.
        column, template: where the text comes from, one of them.
        model_name: as the recipe says it; a folder as an absolute path.
        model: the model; its hash is that of training.
        preparation: fitted on the items allowed.
        counts: what was found in fitting: items, missing, distinct texts, texts cut at the model's length.
    """

    name: str
    column: str | None
    template: str | None
    model_name: str
    model: SentenceModel
    preparation: Preparation
    counts: dict[str, int]

    @classmethod
    def fit(
        cls, name: str, schemas: Mapping[str, FieldSchema], catalog: Catalog, context: Context, fit_rows: Int64 | None
    ) -> tuple[Self, Field]:
        """Read all items, fit the preparation on those in ``fit_rows``.

        Raises:
            RecipeError: the template names a column that is not there.
            DataError: the model cannot be found or read.
            MissingExtraError: the libraries for text are not installed.
        """
        schema = schemas[name]
        folder = find_model(schema.model, allow_network=context.allow_network)
        device, precision = best_device()
        model = SentenceModel(folder, hash_model(folder), precision, device)
        chosen = schema.model or PACKAGED
        if Path(chosen).expanduser().is_dir():
            chosen = str(Path(chosen).expanduser().resolve())
        column = None if schema.template else name
        encoder = cls(name, column, schema.template, chosen, model, _UNFITTED, {})
        rows, counts = encoder._read(catalog, context)
        if counts["truncated"]:
            context.progress.note(
                f"{name}: {many(counts['truncated'], 'text')} of {counts['distinct']:,} cut at the model's length."
            )
        encoder = replace(encoder, preparation=Preparation.fit(rows, fit_rows), counts=counts)
        context.fitted.on(fit_rows)
        return encoder, encoder.preparation.apply(name, rows)

    def encode(self, catalog: Catalog, context: Context) -> Field:
        """The field of other items; the same text gets the same bits as in training."""
        rows, _ = self._read(catalog, context)
        return self.preparation.apply(self.name, rows)

    def texts(self, catalog: Catalog) -> pa.Array:
        """The cleaned text of each item, ``(n_items,)``; null where there is none."""
        return item_texts(self.name, self.column, self.template, catalog)

    def _read(self, catalog: Catalog, context: Context) -> tuple[Rows, dict[str, int]]:
        texts = self.texts(catalog).dictionary_encode()
        row_of = texts.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        distinct = texts.dictionary.to_pylist()
        matrix, n_cut = _encode(self.name, distinct, self.model, context)
        counts = {
            "items": len(catalog),
            "missing": int((row_of < 0).sum()),
            "distinct": len(distinct),
            "truncated": n_cut,
        }
        return Rows(matrix, row_of), counts

    def describe(self) -> list[dict[str, Any]]:
        """Model, precision, dimensions and what was found in fitting."""
        return [
            {
                "field": self.name,
                "kind": "text",
                "into": self.name,
                "from": self.template or self.column,
                "became": f"{self.preparation.width} dimensions of {len(self.preparation.mean)}, half whitened",
                "model": self.model_name,
                "precision": self.model.precision,
                "explained": round(self.preparation.explained, 4),
                **self.counts,
            }
        ]

    def state(self) -> State:
        """JSON values and arrays that :meth:`from_state` takes; the model itself is named with its hash."""
        meta, arrays = nest({"preparation": self.preparation.state()})
        own = {
            "name": self.name,
            "column": self.column,
            "template": self.template,
            "model": self.model_name,
            "hash": self.model.hash,
            "precision": self.model.precision,
            "device": self.model.device,
            "counts": self.counts,
        }
        return {**own, **meta}, arrays

    @classmethod
    def from_state(cls, meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Self:
        """The same encoder again; the model is looked for when the first text needs it."""
        model = _NamedModel(Path(), meta["hash"], meta["precision"], meta["device"], meta["model"])
        preparation = Preparation.from_state(meta["preparation"], nested("preparation", arrays))
        return cls(
            meta["name"], meta["column"], meta["template"], meta["model"], model, preparation, dict(meta["counts"])
        )


@dataclass(frozen=True)
class _NamedModel(SentenceModel):
    """The model a bundle names: found, and checked to be the one of training, on first use."""

    name: str = PACKAGED

    def found(self, *, allow_network: bool) -> SentenceModel:
        folder = find_model(self.name, allow_network=allow_network)
        found = hash_model(folder)
        if found != self.hash:
            raise DataError(
                f"The text model {self.name!r} in {folder} is not the one this bundle was trained with (its files hash "
                f"to {found}, expected {self.hash}). Restore that model, or train again with the one there is."
            )
        # Without the GPU of training the vectors are near, not equal: the cache keeps the two apart.
        device = self.device if self.device == "cpu" else best_device()[0]
        return SentenceModel(folder, self.hash, self.precision, device)


_UNFITTED = Preparation(np.zeros(0), np.ones(0), np.zeros((0, 0)))
_LOADED: dict[tuple[str, Precision, Device], SentenceModel] = {}


def item_texts(name: str, column: str | None, template: str | None, catalog: Catalog) -> pa.Array:
    """The cleaned text of each item; null where nothing is left.

    Raises:
        RecipeError: the template names a column that is not there.
    """
    if template is None:
        return clean_column(catalog.table[column or name])
    names = dict.fromkeys(placeholders(template))
    missing = [part for part in names if part not in catalog.table.column_names]
    if missing:
        raise RecipeError(
            f"The template of {name!r} names {', '.join(map(repr, missing))}; the catalog's columns are "
            f"{', '.join(catalog.table.column_names)}."
        )
    parts = pa.table({part: clean_column(catalog.table[part]) for part in names})
    return pa.array(render(template, parts), pa.large_string())


def _encode(name: str, texts: list[str], model: SentenceModel, context: Context) -> tuple[Float32, int]:
    """Vectors of distinct texts, ``(n, d) float32``, and how many texts were cut; from the cache where it has them.

    An entry of the cache is the vector and, behind it, whether its text was cut.
    """
    keys = [key_of(text.encode()) for text in texts]
    entries = known(context.cache, model.space, keys)
    missing = np.flatnonzero(entries.missing)
    with context.progress.task(f"read {name}", total=len(texts)) as task:
        if len(missing) < len(texts):
            task.advance(len(texts) - len(missing))
            task.say(f"{len(texts) - len(missing):,} from the cache")
        if len(missing):
            model = _shared(model, context)
            ids, cut = model.tokenize([texts[at] for at in missing])
            waiting: list[int] = []
            done = 0
            for block, (positions, vectors) in enumerate(model.encode(ids), start=1):
                rows = missing[positions]
                entries.fill(rows, np.column_stack([vectors, cut[positions].astype(np.float16)]))
                waiting += rows.tolist()
                done += len(rows)
                task.advance(len(rows))
                if context.cache is not None and (block % _BLOCKS_A_WRITE == 0 or done == len(missing)):
                    context.cache.put(model.space, [keys[at] for at in waiting], list(entries.matrix[waiting]))
                    waiting = []
    matrix = entries.matrix
    return matrix[:, :-1].astype(np.float32), int(np.count_nonzero(matrix[:, -1:]))


def _shared(model: SentenceModel, context: Context) -> SentenceModel:
    """One loaded model a process, however many fields and encoders name it."""
    key = (model.hash, model.precision, model.device)
    if key not in _LOADED:
        _LOADED[key] = model.found(allow_network=context.allow_network) if isinstance(model, _NamedModel) else model
    return _LOADED[key]
