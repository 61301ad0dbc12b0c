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
from longtail.content.picture_reading import Model, open_pictures, read_pictures
from longtail.content.prepare import Preparation, Rows
from longtail.content.sentence_model import best_device
from longtail.content.tuned_networks import TunedNetworks
from longtail.core.arrays import Bool, Float32, Int64, State
from longtail.core.features import Field
from longtail.core.words import many
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
        classifiers: of the catalog's attributes, on top of the frozen backbone; may be none.
        tuned: networks that were fine-tuned to tell the attributes, instead of these; None: the backbone is as it was.
        preparation: fitted on the items allowed; takes the signed square root first.
        counts: what was found in fitting: items, missing, distinct pictures, and unreadable ones by reason.
    """

    name: str
    model: Model
    hosts: tuple[str, ...]
    pooled: int
    classifiers: PictureClassifiers
    tuned: TunedNetworks | None
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
        tune = best_device()[0] == "cuda" if schema.fine_tune is None else schema.fine_tune
        with open_pictures(catalog.table[name], Policy(hosts), context) as pictures:
            classifiers, tuned = PictureClassifiers.none(), None
            if tune:
                labels, skipped = read_labels(
                    catalog, schema.attributes, pictures.decodable(), len(pictures.keys), fit_rows
                )
                if labels:
                    tuned = TunedNetworks.fit(weights, pictures, labels, skipped, context)
            if tuned is not None:
                rows, counts = pictures.read(name, tuned, context)
            else:
                rows, counts = pictures.read(name, model, context)
                labels, skipped = read_labels(catalog, schema.attributes, rows.row_of, len(rows.matrix), fit_rows)
                classifiers = PictureClassifiers.fit(
                    rows.matrix, _pictures_of(rows, fit_rows), labels, skipped, context.seed, context.progress
                )
                rows = Rows(_seen(rows.matrix, pooled, classifiers), rows.row_of)
        _note_unreadable(name, counts, context)
        for score in (tuned or classifiers).scores:
            context.progress.note(
                f"{name} shows {score['attribute']}: {score['accuracy']:.0%} right of {score['validated']:,} pictures "
                f"it was not trained on; the most common of {score['classes']} values alone {score['majority']:.0%}"
            )
        preparation = Preparation.fit(rows, fit_rows, signed_root=True)
        for learned in (fit_rows, *(label.items for label in labels)):
            context.fitted.on(learned)
        return (
            cls(name, model, hosts, pooled, classifiers, tuned, preparation, counts),
            preparation.apply(name, rows),
        )

    def encode(self, catalog: Catalog, context: Context) -> Field:
        """The field of other items; the same picture gets the same bits as in training."""
        reader = self.tuned or self.model
        rows, counts = read_pictures(self.name, catalog.table[self.name], reader, Policy(self.hosts), context)
        _note_unreadable(self.name, counts, context)
        if self.tuned is None:
            rows = Rows(_seen(rows.matrix, self.pooled, self.classifiers), rows.row_of)
        return self.preparation.apply(self.name, rows)

    def describe(self) -> list[dict[str, Any]]:
        """Model, classifiers with their accuracy, dimensions and what was found in fitting."""
        learned = self.tuned or self.classifiers
        of = f"{len(learned.names)} attribute classifiers" if learned.names else "the backbone"
        of = f"{of}, fine-tuned" if self.tuned else of
        became = f"{self.preparation.width} dimensions of {len(self.preparation.mean)} of {of}, half whitened"
        return [
            {
                "field": self.name,
                "kind": "image",
                "into": self.name,
                "became": became,
                "model": self.model.name,
                "explained": round(self.preparation.explained, 4),
                **self.counts,
                "attributes": learned.scores,
                "not learned": learned.skipped,
            }
        ]

    def state(self) -> State:
        """JSON values and arrays that :meth:`from_state` takes; the frozen backbone is named with its hash."""
        parts = {"preparation": self.preparation.state(), "classifiers": self.classifiers.state()}
        meta, arrays = nest(parts if self.tuned is None else {**parts, "tuned": self.tuned.state()})
        own = {"name": self.name, "model": self.model.name, "hash": self.model.hash, "pooled": self.pooled}
        return {**own, "hosts": list(self.hosts), "counts": self.counts, **meta}, arrays

    @classmethod
    def from_state(cls, meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Self:
        """The same encoder again; a frozen backbone is looked for when the first picture needs it."""
        preparation = Preparation.from_state(meta["preparation"], nested("preparation", arrays))
        classifiers = PictureClassifiers.from_state(meta["classifiers"], nested("classifiers", arrays))
        tuned = TunedNetworks.from_state(meta["tuned"], nested("tuned", arrays)) if "tuned" in meta else None
        return cls(
            meta["name"],
            Model(meta["model"], meta["hash"]),
            tuple(meta["hosts"]),
            meta["pooled"],
            classifiers,
            tuned,
            preparation,
            dict(meta["counts"]),
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


def _note_unreadable(name: str, counts: dict[str, int], context: Context) -> None:
    """Nothing is left out unseen."""
    reasons = {key.removeprefix("unreadable: "): n for key, n in counts.items() if key.startswith("unreadable: ")}
    if reasons:
        said = ", ".join(f"{why}: {n:,}" for why, n in reasons.items())
        context.progress.note(
            f"{name}: {many(sum(reasons.values()), 'item')} with a picture that counts as none ({said})."
        )
