from pathlib import Path

import pyarrow as pa
import pytest

from longtail.core.errors import RecipeError
from longtail.data.catalog import Catalog, read_catalog
from longtail.data.schema import CatalogSchema, FieldSchema
from longtail.recipe import Recipe


def paths(pattern: str, **columns: list[object]) -> list[str | None]:
    table = pa.table({"item_id": [f"i{row}" for row in range(len(next(iter(columns.values()))))], **columns})
    schema = CatalogSchema(fields={"photo": FieldSchema(kind="image", pattern=pattern)})
    catalog = read_catalog(schema, base=Path(), table=table)
    found: list[str | None] = catalog.table["photo"].to_pylist()
    row = {"item_id": "new", **{name: values[0] for name, values in columns.items()}}
    new = Catalog.from_rows(schema, [row], like=catalog).table["photo"].to_pylist()
    assert new == found[:1]  # at serving as in training
    return found


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("images/{id:0>10[:3]}/{id:0>10}.jpg", ["images/010/0108775015.jpg", "images/000/0000000042.jpg"]),
        ("{id}.jpg", ["108775015.jpg", "42.jpg"]),
        ("{id[3:]}/{id[1:3]}/{id[:0]}x", ["775015/08/x", "/2/x"]),
        ("{id:_<4}/it's", ["108775015/it's", "42__/it's"]),
        ("no column.png", ["no column.png"] * 2),
    ],
)
def test_values_are_filled_up_and_cut(pattern: str, expected: list[str]) -> None:
    assert paths(pattern, id=["108775015", "42"]) == expected
    if "_" not in pattern:
        assert paths(pattern, id=[108775015, 42]) == expected  # numbers are written as they are


def test_an_item_that_lacks_a_part_has_no_picture() -> None:
    assert paths("{folder}/{id}.jpg", id=["a", "b", "c"], folder=["x", None, ""]) == ["x/a.jpg", None, None]


@pytest.mark.parametrize("pattern", ["{id:>>}.jpg", "{id.jpg", "id}.jpg", "{}.jpg", "{id[1]}.jpg", "{id:0>10[:3}.jpg"])
def test_what_is_not_understood_is_named(pattern: str) -> None:
    with pytest.raises(RecipeError, match="is not understood"):
        paths(pattern, id=["a"])


def test_a_name_that_is_no_column() -> None:
    with pytest.raises(RecipeError, match=r"fields\.photo\.pattern .*\{idd\}.*Did you mean 'id'"):
        paths("{idd}.jpg", id=["a"])


def test_only_pictures_have_one_and_not_beside_a_column() -> None:
    with pytest.raises(RecipeError, match="only pictures have a pattern"):
        Recipe.parse('[catalog.fields.name]\nkind = "text"\npattern = "{name}"\n')
    with pytest.raises(RecipeError, match="`column` and `pattern`"):
        Recipe.parse('[catalog.fields.photo]\nkind = "image"\npattern = "{id}"\ncolumn = "x"\n')
