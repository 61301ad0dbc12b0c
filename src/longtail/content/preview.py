"""What the fields of a catalog will become: as much as can be told without reading a text or opening a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from longtail.content.attribute_columns import AttributeColumn, Occurrences
from longtail.content.attributes import RANK as ATTRIBUTES_RANK
from longtail.content.context import Context
from longtail.content.numbers import NumbersEncoder
from longtail.content.picture_attributes import read_labels
from longtail.content.picture_model import PACKAGED as PACKAGED_PICTURES
from longtail.content.prepare import RANK
from longtail.content.registry import plan
from longtail.content.sentence_model import PACKAGED as PACKAGED_TEXTS
from longtail.content.vectors import read_vectors
from longtail.data.catalog import Catalog
from longtail.data.schema import FieldSchema


def preview(catalog: Catalog) -> list[dict[str, Any]]:
    """One JSON object a field, with the keys of `longtail.content.model.ContentModel.describe` as far as known.

    Categories, tags, booleans and numbers are really fitted, on all items. Of texts and pictures it says the model, and
    what classifiers would learn if every picture could be read.

    Raises:
        RecipeError, DataError: see `longtail.content.model.ContentModel.fit`.
    """
    found: list[dict[str, Any]] = []
    for into, (encoder, schemas) in plan(catalog.schema).items():
        match encoder:
            case "attributes":
                found += _attributes(into, schemas, catalog)
            case "numbers":
                found += NumbersEncoder.fit(into, schemas, catalog, Context(), None)[0].describe()
            case "vector":
                found.append(_vectors(into, catalog))
            case "text":
                model = schemas[into].model or PACKAGED_TEXTS
                found.append(_read_by(model, into, "text", "sentence vectors"))
            case "image":
                found.append(_pictures(into, schemas[into], catalog))
    order = {name: at for at, name in enumerate(catalog.schema.fields)}
    return sorted(found, key=lambda one: order[one["field"]])


def _attributes(into: str, schemas: Mapping[str, FieldSchema], catalog: Catalog) -> list[dict[str, Any]]:
    rows = np.arange(len(catalog), dtype=np.int64)
    columns = [
        AttributeColumn.fit(name, schema, Occurrences.read(name, schema, catalog), rows)
        for name, schema in schemas.items()
    ]
    total = sum(column.n_places for column in columns)
    became = f"of {total:,} places in all, in at most {min(total, ATTRIBUTES_RANK)} dimensions"
    return [{**column.describe(), "into": into, "became": f"{column.n_places:,} {became}"} for column in columns]


def _vectors(name: str, catalog: Catalog) -> dict[str, Any]:
    rows, not_finite = read_vectors(name, catalog, None)
    width = rows.matrix.shape[1]
    counts = {"items": len(catalog), "missing": int((~rows.present).sum()), "not_finite": not_finite}
    became = f"at most {min(width, RANK)} dimensions of {width}"
    return {"field": name, "kind": "vector", "into": name, "became": became, **counts}


def _pictures(name: str, schema: FieldSchema, catalog: Catalog) -> dict[str, Any]:
    coded = catalog.table[name].combine_chunks().dictionary_encode()
    picture_of = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    labels, skipped = read_labels(catalog, schema.attributes, picture_of, len(coded.dictionary), None)
    seen = f"what {len(labels)} attribute classifiers see" if labels else "what the backbone sees"
    attributes = [
        {
            "attribute": label.name,
            "classes": len(label.classes),
            "pictures": int(np.count_nonzero(label.targets.any(axis=1))),
        }
        for label in labels
    ]
    about = _read_by(schema.model or PACKAGED_PICTURES, name, "image", seen)
    return {**about, "attributes": attributes, "not learned": skipped}


def _read_by(model: str, name: str, kind: str, what: str) -> dict[str, Any]:
    return {"field": name, "kind": kind, "into": name, "became": f"{what}, at most {RANK} dimensions", "model": model}
