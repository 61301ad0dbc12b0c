"""Small catalogs, read the way training reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from longtail.data.catalog import Catalog, read_catalog
from longtail.data.schema import CatalogSchema, FieldSchema

MakeCatalog = Callable[..., Catalog]


@pytest.fixture
def make_catalog(tmp_path: Path) -> MakeCatalog:
    """``make_catalog({"name": {"kind": "text"}}, name=[...])``: ids are i0, i1, ... unless ``item_id`` is given."""

    def make(fields: dict[str, dict[str, Any]], **columns: Any) -> Catalog:
        arrays = {
            name: column if isinstance(column, pa.Array) else pa.array(column) for name, column in columns.items()
        }
        n = len(next(iter(arrays.values())))
        table = pa.table({"item_id": pa.array([f"i{row}" for row in range(n)]), **arrays})
        schema = CatalogSchema(fields={name: FieldSchema(**field) for name, field in fields.items()})
        return read_catalog(schema, base=tmp_path, table=table)

    return make
