"""Attribute-level classifiers: for each attribute of the catalog, a classifier that reads it from the picture.

A pretrained backbone knows what is in a photograph; it does not know which of that this shop cares about. A classifier
of product types brings trousers together, one of patterns brings stripes together; their hidden layers side by side say
what a picture shows in the shop's own words. The backbone is frozen and run once a picture.
"""

from __future__ import annotations

import difflib
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longtail.content.attribute_columns import Occurrences
from longtail.content.classifier import Classifier, Score, train
from longtail.content.nesting import nest, nested
from longtail.content.prepare import signed_square_root
from longtail.core.arrays import Bool, Float32, Float64, Int64, State
from longtail.core.errors import RecipeError
from longtail.core.progress import Progress
from longtail.data.catalog import Catalog
from longtail.data.schema import FieldSchema

#: A value of fewer pictures is no class; an attribute needs two classes and so many pictures.
MIN_PICTURES_A_CLASS = 5
MIN_PICTURES = 50
#: An attribute of more values is no attribute but a name; where the recipe asks for it, its most common values count.
MAX_CLASSES = 200


@dataclass(frozen=True)
class Labels:
    """One attribute of pictures.

    Attributes:
        name: the attribute.
        classes: names of its values.
        targets: ``(n_pictures, c) float32``, shares of the values among the picture's items (one picture may show
            several colours); zero rows where a picture has no label.
        items: rows of the items whose values were counted.
    """

    name: str
    classes: list[str]
    targets: Float32
    items: Int64

    @property
    def pictures(self) -> Int64:
        """Positions of those that have a label."""
        return np.flatnonzero(self.targets.any(axis=1)).astype(np.int64)

    def seed(self, seed: int) -> int:
        """Of what learns this attribute: none depends on which others there are."""
        return zlib.crc32(f"{seed}/{self.name}".encode())

    def described(self, score: Score) -> dict[str, Any]:
        """How well this attribute was learned, as bundles say it."""
        return {"attribute": self.name, "classes": len(self.classes), **asdict(score)}


@dataclass(frozen=True)
class PictureClassifiers:
    """The classifiers of a picture field.

    Attributes:
        names: their attributes.
        classifiers: one each.
        mean, scale: ``(d,)``, which the pictures' rows are standardised by (after their signed square root).
        scores: one an attribute: classes, pictures trained on and scored, accuracy there and that of the majority
            class, see `longtail.content.classifier.Score`.
        skipped: attributes that could not be learned, and why.
    """

    names: list[str]
    classifiers: list[Classifier]
    mean: Float64
    scale: Float64
    scores: list[dict[str, Any]]
    skipped: dict[str, str]

    @classmethod
    def fit(
        cls,
        matrix: Float32,
        allowed: Bool,
        labels: Sequence[Labels],
        skipped: dict[str, str],
        seed: int,
        progress: Progress,
    ) -> Self:
        """Train one classifier an attribute.

        Args:
            matrix: ``(n_pictures, d) float32``, the backbone's rows.
            allowed: ``(n_pictures,) bool``, pictures of items that may be learned from.
            labels: targets are zero where ``allowed`` is False.
            skipped: see the attribute of that name.
            seed: see :meth:`Labels.seed`.
            progress: told of each attribute.
        """
        if not labels:
            width = matrix.shape[1]
            return cls([], [], np.zeros(width), np.ones(width), [], skipped)
        rows = signed_square_root(matrix)
        mean = rows[allowed].mean(axis=0, dtype=np.float64)
        deviation = rows[allowed].std(axis=0, dtype=np.float64)
        scale = np.where(deviation > 1e-6 * np.abs(mean) + 1e-12, deviation, 1.0)
        inputs = ((rows - mean) / scale).astype(np.float32)
        classifiers, scores = [], []
        with progress.task("learn what pictures show", total=len(labels)) as task:
            for label in labels:
                own = label.pictures
                classifier, score = train(inputs[own], label.targets[own], label.classes, seed=label.seed(seed))
                classifiers.append(classifier)
                scores.append(label.described(score))
                task.advance(1)
        return cls([label.name for label in labels], classifiers, mean, scale, scores, skipped)

    @classmethod
    def none(cls) -> Self:
        """No classifiers."""
        return cls([], [], np.zeros(0), np.ones(0), [], {})

    def embed(self, matrix: Float32) -> Float32:
        """Penultimate embeddings of all classifiers side by side, ``(n, h * number of classifiers) float32``."""
        if not len(matrix):
            return np.zeros((0, sum(len(classifier.hidden_bias) for classifier in self.classifiers)), np.float32)
        rows = signed_square_root(matrix)
        return np.concatenate([one.embed(rows, self.mean, self.scale) for one in self.classifiers], axis=1)

    def state(self) -> State:
        """JSON values and arrays that :meth:`from_state` takes."""
        meta, arrays = nest({f"classifier{at}": one.state() for at, one in enumerate(self.classifiers)})
        own = {"names": self.names, "scores": self.scores, "skipped": self.skipped}
        return {**own, **meta}, {**arrays, "mean": self.mean, "scale": self.scale}

    @classmethod
    def from_state(cls, meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Self:
        """The same classifiers again."""
        parts = [f"classifier{at}" for at in range(len(meta["names"]))]
        classifiers = [Classifier.from_state(meta[part], nested(part, arrays)) for part in parts]
        return cls(meta["names"], classifiers, arrays["mean"], arrays["scale"], meta["scores"], meta["skipped"])


def read_labels(
    catalog: Catalog, wanted: list[str] | None, row_of: Int64, n_pictures: int, fit_rows: Int64 | None
) -> tuple[list[Labels], dict[str, str]]:
    """What may be learned about pictures, from the items in ``fit_rows`` alone.

    Args:
        catalog: the items.
        wanted: names of fields or of text columns; None: every category, boolean and tags field of 2 to
            :data:`MAX_CLASSES` values.
        row_of: ``(n_items,) int64``, the item's picture, -1 where there is none.
        n_pictures: of the catalog.
        fit_rows: items that may be learned from; None: all.

    Returns:
        Labels, and why other attributes are none.

    Raises:
        RecipeError: a wanted attribute that is no column.
    """
    allowed = row_of >= 0
    if fit_rows is not None:
        chosen = np.zeros(len(row_of), np.bool_)
        chosen[fit_rows] = True
        allowed &= chosen
    labels: list[Labels] = []
    skipped: dict[str, str] = {}
    for name, schema in _attributes(catalog, wanted).items():
        read = Occurrences.read(name, schema, catalog)
        used = allowed[read.items]
        found = _count(name, read, used, row_of, n_pictures)
        n_values = len(np.unique(read.values[used]))
        same = next((label.name for label in labels if _says_the_same(label.targets, found.targets)), None)
        n_labelled = len(found.pictures)
        if len(found.classes) < 2:
            skipped[name] = f"fewer than 2 values with {MIN_PICTURES_A_CLASS} pictures each"
        elif wanted is None and n_values > MAX_CLASSES:
            skipped[name] = f"{n_values:,} values, more than {MAX_CLASSES}"
        elif n_labelled < MIN_PICTURES:
            skipped[name] = f"{n_labelled} pictures with a value, fewer than {MIN_PICTURES}"
        elif wanted is None and same is not None:
            skipped[name] = f"says the same as {same}"
        else:
            labels.append(found)
    return labels, skipped


def _attributes(catalog: Catalog, wanted: list[str] | None) -> dict[str, FieldSchema]:
    fields = {
        name: field for name, field in catalog.schema.fields.items() if field.kind in ("category", "boolean", "tags")
    }
    if wanted is None:
        return fields
    for name in wanted:
        if name not in catalog.table.column_names:
            near = difflib.get_close_matches(name, catalog.table.column_names, n=1)
            raise RecipeError(
                f"A picture field's attributes name {name!r}, which is no field or column of the catalog"
                f"{f' (nearest: {near[0]!r})' if near else ''}. Its columns: {', '.join(catalog.table.column_names)}."
            )
    return {name: fields.get(name) or _plain(catalog.table[name].type) for name in wanted}


def _plain(type: pa.DataType) -> FieldSchema:
    """How a column that is no field is read: lists as tags."""
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return FieldSchema(kind="tags" if any(is_list(type) for is_list in lists) else "category")


def _count(name: str, read: Occurrences, used: Bool, row_of: Int64, n_pictures: int) -> Labels:
    """Shares of the values that enough pictures have, most common first; of the occurrences that may be used."""
    items, values = read.items[used], read.values[used]
    pictures = row_of[items]
    pairs, times = np.unique(pictures * len(read.names) + values, return_counts=True)
    rows, columns = pairs // max(1, len(read.names)), pairs % max(1, len(read.names))
    n_with = np.bincount(columns, minlength=len(read.names))
    enough = np.flatnonzero(n_with >= MIN_PICTURES_A_CLASS).tolist()
    # By count, then by name: the order must not depend on the order of the catalog.
    kept = sorted(enough, key=lambda at: (-n_with[at], read.names[at]))[:MAX_CLASSES]
    place = np.full(len(read.names), -1, np.int64)
    place[kept] = np.arange(len(kept))
    own = place[columns] >= 0
    targets = np.zeros((n_pictures, len(kept)), np.float32)
    targets[rows[own], place[columns[own]]] = times[own]
    totals = targets.sum(axis=1, keepdims=True)
    targets /= np.where(totals > 0, totals, np.float32(1))
    return Labels(name, [read.names[at] for at in kept], targets, np.unique(items))


def _says_the_same(one: Float32, other: Float32) -> bool:
    """Whether two attributes are one under two names (a code beside its name)."""
    if one.shape != other.shape:
        return False
    return sorted(column.tobytes() for column in one.T) == sorted(column.tobytes() for column in other.T)
