"""Which encoder reads which kind of field. A new encoder is a module and a line here."""

from __future__ import annotations

from longtail.content.attributes import AttributesEncoder
from longtail.content.context import FieldEncoder
from longtail.content.image import ImageEncoder
from longtail.content.numbers import NumbersEncoder
from longtail.content.text import TextEncoder
from longtail.content.vectors import VectorEncoder
from longtail.core.errors import RecipeError
from longtail.data.schema import CatalogSchema, FieldKind, FieldSchema

#: Encoders by the name a bundle keeps.
ENCODERS: dict[str, type[FieldEncoder]] = {
    "text": TextEncoder,
    "attributes": AttributesEncoder,
    "numbers": NumbersEncoder,
    "vector": VectorEncoder,
    "image": ImageEncoder,
}

#: The encoder of each kind of field.
_ENCODER_OF: dict[FieldKind, str] = {
    "text": "text",
    "category": "attributes",
    "tags": "attributes",
    "boolean": "attributes",
    "number": "numbers",
    "price": "numbers",
    "measure": "numbers",
    "date": "numbers",
    "vector": "vector",
    "image": "image",
}
#: Encoders that read all their columns as one field, which has the encoder's name.
_TOGETHER = ("attributes", "numbers")


def plan(schema: CatalogSchema) -> dict[str, tuple[str, dict[str, FieldSchema]]]:
    """The features' fields in order: name -> encoder, and the catalog's fields that go into it.

    Raises:
        RecipeError: a field that has the name of a group of columns.
    """
    planned: dict[str, tuple[str, dict[str, FieldSchema]]] = {}
    for name, field in schema.fields.items():
        encoder = _ENCODER_OF[field.kind]
        into = encoder if encoder in _TOGETHER else name
        if encoder not in _TOGETHER and name in _TOGETHER:
            raise RecipeError(
                f"The field {name!r} of kind {field.kind!r} has the name that the features give to several columns "
                "together. Call it otherwise."
            )
        planned.setdefault(into, (encoder, {}))[1][name] = field
    return planned
