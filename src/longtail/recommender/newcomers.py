"""Items that were not there at training: from a catalog row to a vector.

This is the one place of serving that reads content, and the only one that loads encoders.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from longtail.bundle import Bundle
from longtail.core.arrays import Float32
from longtail.core.errors import DataError
from longtail.core.features import Features
from longtail.core.progress import SilentProgress
from longtail.data.schema import CatalogSchema

if TYPE_CHECKING:
    from longtail.bridge.training import Bridge
    from longtail.content.combine import Reduction
    from longtail.content.model import ContentModel
    from longtail.data.catalog import Catalog

#: Rows of new items: dictionaries, or a dataframe that speaks Arrow.
Rows = Iterable[Mapping[str, Any]] | Any


@dataclass(frozen=True)
class Newcomers:
    """New items as the trained model sees them.

    Attributes:
        catalog: their rows, read the way the training catalog was.
        predictions: ``(m, d) float32``, calibrated; zero where there is no content.
        content: ``(m, d_z) float32``, unit rows; zero where there is none.
        features: what the encoders made of them; None where training found content to say nothing.
        notes: what encoders could not read, such as a picture that is not there, a sentence each.
    """

    catalog: Catalog
    predictions: Float32
    content: Float32
    features: Features | None = None
    notes: tuple[str, ...] = ()


class _Notes(SilentProgress):
    """Keeps what encoders say."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


class NewcomerReader:
    """Encodes, predicts and calibrates rows of new items, with the parts a bundle carries. Thread-safe."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._lock = threading.Lock()
        self._parts: tuple[ContentModel, Bridge | None, Reduction | None] | None = None

    def read(self, rows: Rows, *, anonymous: bool = False) -> Newcomers:
        """What is known about new items from their rows alone; where training found content to say nothing, zeros.

        Args:
            rows: dictionaries or a dataframe with the columns the training catalog had; missing ones are null, and a
                row without any field that was learned from gets zeros.
            anonymous: accept a row without an id; only one of them can be read at a time.

        Raises:
            DataError: the recipe declared no fields, or a row has no usable id.
            MissingExtraError: an encoder's library is not installed.
        """
        from longtail.content.combine import combine
        from longtail.data.catalog import Catalog

        bundle = self._bundle
        if bundle.catalog_schema is None or not bundle.catalog_schema.fields:
            raise DataError(
                "This bundle was trained without content, so it cannot say anything about items that are not in it. "
                "Declare fields under [catalog.fields] in the recipe and train anew."
            )
        named = [_named(row, bundle.catalog_schema) for row in dictionaries(rows)] if anonymous else dictionaries(rows)
        catalog = Catalog.from_rows(bundle.catalog_schema, named, like=bundle.catalog)
        m = len(catalog.items)
        predictions = np.zeros((m, bundle.item_vectors.shape[1]), dtype=np.float32)
        content = np.zeros((m, bundle.content.shape[1]), dtype=np.float32)
        if bundle.content_model is None:
            return Newcomers(catalog, predictions, content)
        model, bridge, reduction = self._restored()
        notes = _Notes()
        features = model.encode(catalog, progress=notes)
        z = combine(features, bundle.field_weights)
        if bridge is not None:
            predictions = bundle.length.apply(bridge.predict(features, z))
        if reduction is not None:
            content = reduction.apply(z)
        return Newcomers(catalog, predictions, content, features, tuple(notes.said))

    def _restored(self) -> tuple[ContentModel, Bridge | None, Reduction | None]:
        from longtail.bridge.training import Bridge
        from longtail.content.combine import Reduction
        from longtail.content.model import ContentModel

        bundle = self._bundle
        with self._lock:
            if self._parts is None:
                assert bundle.content_model is not None
                self._parts = (
                    ContentModel.from_state(*bundle.content_model, base=Path(bundle.data_folder or "")),
                    None if bundle.bridge is None else Bridge.from_state(*bundle.bridge),
                    None if bundle.reduction is None else Reduction.from_state(*bundle.reduction),
                )
            return self._parts


def _named(row: dict[str, Any], schema: CatalogSchema) -> dict[str, Any]:
    """The row, with a name of its own unless it says something its id is made of."""
    made_of = {"item_id", *re.findall(r"\w+", schema.item_id)}
    return row if made_of & row.keys() else row | {"item_id": "(new item)"}


def dictionaries(rows: Rows) -> list[dict[str, Any]]:
    """Rows as dictionaries. Raises DataError where one is none."""
    if hasattr(rows, "__arrow_c_stream__"):
        return list(pa.table(rows).to_pylist())
    if isinstance(rows, Mapping):
        return [dict(rows)]
    found = list(rows)
    wrong = next((row for row in found if not isinstance(row, Mapping)), None)
    if wrong is not None:
        raise DataError(f"Rows are dictionaries of column and value; found {type(wrong).__name__}: {wrong!r}.")
    return [dict(row) for row in found]
