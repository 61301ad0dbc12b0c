"""Picture fields: a pretrained backbone, classifiers of the catalog's attributes on top, their embeddings prepared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from longtail.content.context import Context
from longtail.content.downloads import Policy
from longtail.content.nesting import nest, nested
from longtail.content.picture_attributes import PictureClassifiers, read_labels
from longtail.content.picture_model import PACKAGED, PictureModel, find_weights
from longtail.content.picture_reading import Model, read_pictures
from longtail.content.prepare import Preparation, Rows
from longtail.core.arrays import Bool, Float32, Int64, State
from longtail.core.features import Field
from longtail.data.catalog import Catalog
from longtail.data.schema import FieldSchema


@dataclass(frozen=True)
class ImageEncoder:
    """A picture field: paths (relative to the context's ``base``), URLs of allowed hosts, or bytes.

    Attributes:
        name: the field.
        model: the backbone as the recipe says it, and the hash of training.
        hosts: that URLs are fetched from.
        pooled: how many of the backbone's columns are its pooled features, which are all that is used where there are
            no classifiers.
        classifiers: of the catalog's attributes; may be none.
        preparation: fitted on the items allowed; takes the signed square root first.
        counts: what was found in fitting: items, missing, distinct pictures, and unreadable ones by reason.
    """

    name: str
    model: Model
    hosts: tuple[str, ...]
    pooled: int
    classifiers: PictureClassifiers
    preparation: Preparation
    counts: dict[str, int]

    @classmethod
    def fit(
        cls, name: str, schemas: Mapping[str, FieldSchema], catalog: Catalog, context: Context, fit_rows: Int64 | None
    ) -> tuple[Self, Field]:
        """Read all items' pictures; train classifiers and fit the preparation on those in ``fit_rows``.

        Raises:
            DataError: the model cannot be found or read.
            RecipeError: an attribute to learn that is no column.
            MissingExtraError: the libraries for pictures are not installed.
        """
        schema, hosts = schemas[name], tuple(schemas[name].hosts)
        model_name = schema.model or PACKAGED
        weights = find_weights(model_name, allow_network=context.allow_network)
        model, pooled = Model(model_name, weights.hash), PictureModel(weights, weights.hash).pooled
        rows, counts = read_pictures(name, catalog.table[name], model, Policy(hosts), context)
        allowed = _pictures_of(rows, fit_rows)
        labels, skipped = read_labels(catalog, schema.attributes, rows.row_of, len(rows.matrix), fit_rows)
        classifiers = PictureClassifiers.fit(rows.matrix, allowed, labels, skipped, context.seed, context.progress)
        for score in classifiers.scores:
            context.progress.note(
                f"{name} shows {score['attribute']}: {score['accuracy']:.0%} right of {score['validated']:,} pictures "
                f"it was not trained on; the most common of {score['classes']} values alone {score['majority']:.0%}"
            )
        rows = Rows(_seen(rows.matrix, pooled, classifiers), rows.row_of)
        preparation = Preparation.fit(rows, fit_rows, signed_root=True)
        for learned in (fit_rows, *(label.items for label in labels)):
            context.fitted.on(learned)
        return cls(name, model, hosts, pooled, classifiers, preparation, counts), preparation.apply(name, rows)

    def encode(self, catalog: Catalog, context: Context) -> Field:
        """The field of other items; the same picture gets the same bits as in training."""
        rows, _ = read_pictures(self.name, catalog.table[self.name], self.model, Policy(self.hosts), context)
        return self.preparation.apply(self.name, Rows(_seen(rows.matrix, self.pooled, self.classifiers), rows.row_of))

    def describe(self) -> list[dict[str, Any]]:
        """Model, classifiers with their accuracy, dimensions and what was found in fitting."""
        of = f"{len(self.classifiers.names)} attribute classifiers" if self.classifiers.names else "the backbone"
        became = f"{self.preparation.width} dimensions of {len(self.preparation.mean)} of {of}, half whitened"
        about = {"field": self.name, "kind": "image", "into": self.name, "became": became, "model": self.model.name}
        learned = {"attributes": self.classifiers.scores, "not learned": self.classifiers.skipped}
        return [{**about, "explained": round(self.preparation.explained, 4), **self.counts, **learned}]

    def state(self) -> State:
        """JSON values and arrays that :meth:`from_state` takes; the backbone is named with its hash."""
        meta, arrays = nest({"preparation": self.preparation.state(), "classifiers": self.classifiers.state()})
        own = {"name": self.name, "model": self.model.name, "hash": self.model.hash, "pooled": self.pooled}
        return {**own, "hosts": list(self.hosts), "counts": self.counts, **meta}, arrays

    @classmethod
    def from_state(cls, meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Self:
        """The same encoder again; the backbone is looked for when the first picture needs it."""
        preparation = Preparation.from_state(meta["preparation"], nested("preparation", arrays))
        classifiers = PictureClassifiers.from_state(meta["classifiers"], nested("classifiers", arrays))
        model = Model(meta["model"], meta["hash"])
        return cls(
            meta["name"], model, tuple(meta["hosts"]), meta["pooled"], classifiers, preparation, dict(meta["counts"])
        )


def _pictures_of(rows: Rows, fit_rows: Int64 | None) -> Bool:
    """Pictures that an item in ``fit_rows`` has."""
    row_of = rows.row_of if fit_rows is None else rows.row_of[fit_rows]
    allowed = np.zeros(len(rows.matrix), np.bool_)
    allowed[row_of[row_of >= 0]] = True
    return allowed


def _seen(matrix: Float32, pooled: int, classifiers: PictureClassifiers) -> Float32:
    """What classifiers see in pictures; without any, the backbone's pooled features."""
    return classifiers.embed(matrix) if classifiers.names else np.ascontiguousarray(matrix[:, :pooled])
