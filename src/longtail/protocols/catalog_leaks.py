"""The catalog's own leak: a price, or anything else of an item, that was worked out from sales which are held out."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from longtail.core.progress import SILENT, Progress
from longtail.data.catalog import Catalog, read_catalog
from longtail.data.first_sales import write_first_sales
from longtail.data.schema import CatalogSchema
from longtail.data.template import placeholders
from longtail.protocols.leaks import LeakError
from longtail.recipe import Recipe


def check_catalog(recipe: Recipe, catalog: Catalog, *, progress: Progress = SILENT) -> bool:
    """Read the catalog again as if every item had been sold only once, and see that no field says anything else.

    A shop knows a new item's price before its first sale; where prices stand in the sales alone, that of the first sale
    may stand for it. A mean or a latest price comes from sales that are held out, and so does anything else that a
    query counts in them.

    Args:
        recipe: where events and catalog come from.
        catalog: as the recipe reads it.
        progress: told of the reading.

    Returns:
        Whether it could be looked at: events and catalog are files below the recipe's data folder, and the catalog
        comes out of a query or out of the events' own files. Where it does not, no sale can have got into it here;
        whether one did before is for those to know who made it.

    Raises:
        LeakError: a field of an item changes; names both values.
        DataError: the events or the catalog cannot be read.
    """
    source = recipe.catalog.source
    if source is None or source.files is None:
        return False
    if source.query is None and source.files != (recipe.events.source.files if recipe.events.source else None):
        return False
    with tempfile.TemporaryDirectory(prefix="longtail-first-sales-") as name:
        folder = Path(name)
        if not write_first_sales(recipe.events, recipe.data_folder, folder):
            return False
        again = read_catalog(recipe.catalog, base=folder, progress=progress)
    _compare(catalog, again)
    return True


def _compare(catalog: Catalog, again: Catalog) -> None:
    rows = again.items.rows(catalog.items)
    there = np.flatnonzero(rows >= 0)
    for field, columns in _columns(catalog.schema).items():
        for column in columns:
            one = catalog.table[column].take(pa.array(there)).combine_chunks()
            other = again.table[column].take(pa.array(rows[there])).combine_chunks()
            if one.equals(other):
                continue
            said, then = one.to_pylist(), other.to_pylist()
            wrong = [at for at, (first, second) in enumerate(zip(said, then, strict=True)) if first != second]
            if wrong:
                at = wrong[0]
                raise LeakError(
                    f"The field {field!r} of {len(wrong):,} items follows from more than their first sale, the first "
                    f"{catalog.items.id(int(there[at]))!r}: {said[at]!r}, and {then[at]!r} by its first sale alone. "
                    "Later sales are held out: let the catalog's query take nothing from sales but the first price, "
                    "such as arg_min(price, (time, price))."
                )


def _columns(schema: CatalogSchema) -> dict[str, list[str]]:
    """The columns of the catalog that each field reads."""
    return {
        name: placeholders(field.template) if field.template is not None else [name]
        for name, field in schema.fields.items()
    }
