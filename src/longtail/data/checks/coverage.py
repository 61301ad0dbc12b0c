"""How much of the catalog each field covers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from longtail.data.catalog import Catalog
from longtail.data.schema import FieldKind, FieldSchema
from longtail.data.template import render

#: Names of pictures whose files are looked for.
_PICTURES = 1000
#: Text encoders read about so much of a text.
_READ_CHARACTERS = 1000


@dataclass(frozen=True)
class FieldCoverage:
    """One field of the catalog.

    Attributes:
        name: of the field.
        kind: its kind.
        present: items that have it.
        share: of all items, in [0, 1]; 0.0 for an empty catalog.
        distinct: different values; different tags of tags; None for vectors.
        unparsable: items with a value that could not be read as the field's kind.
        examples: frequent values, at most 3.
        characters: of all different texts together, each up to 1,000; None for other kinds.
        files_missing: share of the pictures looked for whose file is not there; None for other kinds.
    """

    name: str
    kind: FieldKind
    present: int
    share: float
    distinct: int | None
    unparsable: int
    examples: tuple[str, ...]
    characters: int | None = None
    files_missing: float | None = None


def cover(catalog: Catalog, base: Path) -> list[FieldCoverage]:
    """Look at every field of a catalog, in the recipe's order.

    Args:
        catalog: as it was read.
        base: the folder relative names of pictures start from.
    """
    return [_field(catalog, name, field, base) for name, field in catalog.schema.fields.items()]


def _field(catalog: Catalog, name: str, field: FieldSchema, base: Path) -> FieldCoverage:
    if field.template is not None:
        values = pa.chunked_array([pa.array(render(field.template, catalog.table), pa.string())])
    else:
        values = catalog.table[name]
    present = pc.and_kleene(pc.is_valid(values), _not_empty(values)).combine_chunks().fill_null(False)
    count = int(pc.sum(present).as_py() or 0)
    distinct, examples = _values(values.filter(present), field)
    return FieldCoverage(
        name=name,
        kind=field.kind,
        present=count,
        share=count / len(catalog) if len(catalog) else 0.0,
        distinct=distinct,
        unparsable=catalog.unparsable.get(name, 0),
        examples=examples,
        characters=_characters(values.filter(present)) if field.kind == "text" else None,
        files_missing=_files_missing(values.filter(present), base) if field.kind == "image" else None,
    )


def _not_empty(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if _is_list(values.type):
        return pc.greater(pc.list_value_length(values), 0)
    if _is_text(values.type):
        return pc.not_equal(pc.utf8_trim_whitespace(values), "")
    if pa.types.is_floating(values.type):
        return pc.is_finite(values)
    return pc.is_valid(values)


def _values(values: pa.ChunkedArray, field: FieldSchema) -> tuple[int | None, tuple[str, ...]]:
    """How many values differ, and the most frequent as text."""
    if field.kind == "vector":
        return None, ()
    if _is_list(values.type):
        values = pc.list_flatten(values)
    elif field.kind == "tags" and field.separator is not None:
        values = pc.utf8_trim_whitespace(pc.list_flatten(pc.split_pattern(values, field.separator)))
        values = values.filter(pc.not_equal(values, ""))
    if len(values) == 0:
        return 0, ()
    counted = pc.value_counts(values)
    counts = counted.field("counts")
    order = pc.sort_indices(pa.table({"n": counts}), sort_keys=[("n", "descending")])[:3]
    return len(counted), tuple(_shown(value) for value in counted.field("values").take(order).to_pylist())


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _characters(texts: pa.ChunkedArray) -> int:
    lengths = pc.min_element_wise(pc.utf8_length(texts.unique()), _READ_CHARACTERS)
    return int(pc.sum(lengths).as_py() or 0)


def _files_missing(values: pa.ChunkedArray, base: Path) -> float:
    """Addresses on the web are not asked; pictures in the column itself are there."""
    if not _is_text(values.type):
        return 0.0
    names = [name for name in values.unique().to_pylist() if "://" not in name]
    step = max(1, len(names) // _PICTURES)
    looked_for = names[::step]
    return sum(not (base / name).is_file() for name in looked_for) / len(looked_for) if looked_for else 0.0


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
