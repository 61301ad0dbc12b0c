from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longtail.core.errors import DataError, RecipeError, UnknownIdError
from longtail.data.catalog import Catalog, read_catalog
from longtail.data.schema import CatalogSchema, FieldSchema, GroupSchema, Source

F = FieldSchema


def read(rows: list[dict[str, Any]] | pa.Table, **schema: Any) -> Catalog:
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows)
    return read_catalog(CatalogSchema(**{"item_id": "id", **schema}), base=Path(), table=table)


def column(catalog: Catalog, name: str) -> list[Any]:
    return list(catalog.table[name].to_pylist())


VARIANTS = [
    {"id": "b", "colour": "red", "size": None, "rank": 3},
    {"id": "a", "colour": "blue", "size": "M", "rank": 1},
    {"id": "b", "colour": "green", "size": "L", "rank": None},
    {"id": "b", "colour": "green", "size": None, "rank": 1},
    {"id": "a", "colour": "white", "size": "S", "rank": 2},
]


def test_the_table_is_in_the_order_of_the_source_with_all_its_columns() -> None:
    catalog = read([{"id": 42.0, "name": "x"}, {"id": 7.0, "name": None}])
    assert list(catalog) == ["42", "7"]
    assert catalog.table.to_pylist() == [
        {"item_id": "42", "id": 42.0, "name": "x"},
        {"item_id": "7", "id": 7.0, "name": None},
    ]
    assert catalog.row("7")["id"] == 7.0
    with pytest.raises(UnknownIdError):
        catalog.row("8")


def test_duplicates_are_refused_unless_a_rule_says_otherwise() -> None:
    catalog = read(VARIANTS)
    assert (list(catalog), column(catalog, "colour")) == (["b", "a"], ["red", "blue"])
    (refusal,) = catalog.refusals.by_reason
    assert (refusal.reason, refusal.count, refusal.example) == ("duplicate catalog item", 3, VARIANTS[2])
    assert (catalog.refusals.read, catalog.refusals.accepted) == (5, 2)


def test_first_takes_a_whole_row() -> None:
    rule = GroupSchema(rule="first")
    assert column(read(VARIANTS, group=rule), "colour") == ["red", "blue"]
    ordered = read(VARIANTS, group=GroupSchema(rule="first", order_by="rank"))
    assert (list(ordered), column(ordered, "size")) == (["b", "a"], [None, "M"])
    assert column(read(VARIANTS, group=GroupSchema(rule="first", order_by="-rank")), "rank") == [3, 2]
    assert (ordered.refusals.accepted, ordered.refusals.refused) == (5, 0)


def test_most_common_takes_the_value_of_each_column() -> None:
    catalog = read(VARIANTS, group=GroupSchema(rule="most_common"))
    assert list(catalog) == ["b", "a"]
    assert column(catalog, "colour") == ["green", "blue"]
    assert column(catalog, "size") == ["L", "M"]
    assert column(catalog, "rank") == [3, 1]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, "x", "y", "z"])), min_size=1, max_size=20))
def test_most_common_against_counting(pairs: list[tuple[str, str | None]]) -> None:
    rows = pa.table({"id": [id for id, _ in pairs], "n": pa.array([value for _, value in pairs], pa.string())})
    catalog = read(rows, group=GroupSchema(rule="most_common"))
    for id in catalog:
        counts = Counter(value for other, value in pairs if other == id and value is not None)
        # Counter keeps the order of first sight among equals.
        assert catalog.row(id)["n"] == (counts.most_common(1)[0][0] if counts else None)
    assert list(catalog) == list(dict.fromkeys(id for id, _ in pairs))


def test_variants_are_grouped_by_an_expression() -> None:
    rows = [{"article": f"0108775{n:03}", "colour": c} for n, c in enumerate(["red", "blue", "blue"])]
    catalog = read(rows, item_id="substr(article, 1, 7)", group=GroupSchema(rule="most_common"))
    assert catalog.table.to_pylist() == [{"item_id": "0108775", "article": "0108775000", "colour": "blue"}]


def test_rows_without_id_are_refused_and_filtered_rows_counted(tmp_path: Path) -> None:
    catalog = read([{"id": "a"}, {"id": ""}, {"id": None}, {"id": "gone"}], where="id IS DISTINCT FROM 'gone'")
    told = catalog.refusals
    assert (told.read, told.accepted, told.filtered, told.count("null catalog id")) == (4, 1, 1, 2)
    assert told.write(tmp_path / "refused.csv") == 2
    assert (tmp_path / "refused.csv").read_text().startswith("refusal_reason,id\nnull catalog id,")


def test_broken_lines_of_the_catalog_are_refused(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("id,name\n001,Milk\n002\n003,Tea\n")
    catalog = read_catalog(CatalogSchema(source=Source(files="c.csv"), item_id="id"), base=tmp_path)
    assert (list(catalog), catalog.refusals.count("malformed line"), catalog.refusals.read) == (["001", "003"], 1, 3)


def test_fields_have_the_type_of_their_kind() -> None:
    row = {
        "id": "a", "price": "4.99", "sold": "yes", "since": "2024-01-02", "tags": "red|blue", "list": ["x", "y"],
        "vector": "[1, 2.5]", "code": 42.0, "name": "  ", "size": "40 LB", "picture": "a.jpg", "weight": "2e3",
    }  # fmt: skip
    fields = {
        "price": F(kind="price"),
        "sold": F(kind="boolean"),
        "since": F(kind="date"),
        "tags": F(kind="tags", separator="|"),
        "list": F(kind="tags"),
        "vector": F(kind="vector"),
        "code": F(kind="category"),
        "name": F(kind="text"),
        "size": F(kind="measure"),
        "picture": F(kind="image"),
        "heavy": F(kind="number", column="weight"),
        "loud": F(kind="category", column="upper(picture)"),
    }
    catalog = read([row], fields=fields)
    assert catalog.table.schema.names == ["item_id", *row, "heavy", "loud"]
    assert catalog.row("a") == {
        **{"item_id": "a", "id": "a", "price": 4.99, "sold": True, "since": datetime(2024, 1, 2), "tags": "red|blue"},
        **{"list": ["x", "y"], "vector": [1.0, 2.5], "code": "42", "name": None, "size": "40 LB", "picture": "a.jpg"},
        **{"weight": "2e3", "heavy": 2000.0, "loud": "A.JPG"},
    }
    assert catalog.table.schema.field("vector").type == pa.list_(pa.float32())
    assert catalog.unparsable == {}


def test_what_cannot_be_read_as_its_kind_is_null_and_counted() -> None:
    rows = [
        {"id": "a", "price": "$4", "sold": "maybe", "since": "soon", "vector": "none"},
        {"id": "b", "price": "nan", "sold": "", "since": None, "vector": "[1, 2]"},
        {"id": "c", "price": "", "sold": "1", "since": "2024-01-02T03:00:00+01:00", "vector": None},
    ]
    kinds = {"price": "price", "sold": "boolean", "since": "date", "vector": "vector"}
    catalog = read(rows, fields={name: F(kind=kind) for name, kind in kinds.items()})
    assert catalog.unparsable == {"price": 2, "sold": 1, "since": 1, "vector": 1}
    assert column(catalog, "price") == [None, None, None]
    assert column(catalog, "since") == [None, None, datetime(2024, 1, 2, 2)]


def test_named_columns_serve_fields_filters_and_ranks() -> None:
    catalog = read(
        [{"id": "a", "cents": "499", "kind": "Tea"}],
        columns={"price": "TRY_CAST(cents AS DOUBLE) / 100"},
        fields={"price": F(kind="price", within="lower(kind)"), "words": F(kind="text", template="{kind} {price}")},
    )
    assert catalog.row("a") == {
        **{"item_id": "a", "id": "a", "cents": "499", "kind": "Tea", "price": 4.99, "lower(kind)": "tea"}
    }
    assert catalog.titles.to_pylist() == ["Tea 4.99"]


@pytest.mark.parametrize(
    ("schema", "titles"),
    [
        ({"title": "name"}, ["Tea", "b"]),
        ({"title": "upper(name)"}, ["TEA", "b"]),
        ({"fields": {"kind": F(kind="category"), "name": F(kind="text")}}, ["Tea", "b"]),
        ({"fields": {"all": F(kind="text", template="{name}. {kind}")}}, ["Tea. Drink", "Food"]),
        ({}, ["a", "b"]),
    ],
)
def test_titles(schema: dict[str, Any], titles: list[str]) -> None:
    rows = [{"id": "a", "name": "Tea", "kind": "Drink"}, {"id": "b", "name": "", "kind": "Food"}]
    assert read(rows, **schema).titles.to_pylist() == titles


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"item_id": "idd"}, r"catalog\.item_id = 'idd': there is no such column"),
        ({"title": "nmae"}, r"catalog\.title = 'nmae': .* Did you mean 'name'"),
        ({"columns": {"x": "nam || '!'"}}, r"catalog\.columns\.x = .*Did you mean 'name'"),
        ({"fields": {"nome": F(kind="text")}}, r"catalog\.fields\.nome = 'nome': .* Did you mean 'name'"),
        ({"fields": {"x": F(kind="text", column="nome")}}, r"catalog\.fields\.x\.column = 'nome'"),
        ({"fields": {"x": F(kind="text", template="{nome}")}}, r"names \{nome\}, which is no column.*'name'"),
        ({"fields": {"price": F(kind="date")}}, r"catalog\.fields\.price is a number \(DOUBLE\)"),
        ({"fields": {"price": F(kind="tags")}}, r"tags are a list or text, but the column has the type DOUBLE"),
        ({"fields": {"name": F(kind="text", within="x y")}}, r"catalog\.fields\.name\.within"),
        ({"group": GroupSchema(rule="first", order_by="prize")}, r"catalog\.group\.order_by = 'prize'.*'price'"),
    ],
)
def test_columns_that_are_not_there(schema: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        read([{"id": "a", "name": "Tea", "price": 4.99}], **schema)


def test_a_template_that_cannot_be_understood() -> None:
    with pytest.raises(RecipeError, match=r"Write columns as \{name\}"):
        read([{"id": "a"}], fields={"x": F(kind="text", template="{id")})


def test_an_empty_catalog_has_columns() -> None:
    catalog = read(pa.table({"id": pa.array([], pa.int64())}), fields={"x": F(kind="number", column="id")})
    assert (len(catalog), catalog.table.schema.names) == (0, ["item_id", "id", "x"])


def test_take_keeps_rows_and_titles_together() -> None:
    catalog = read([{"id": id, "name": id.upper()} for id in "abc"], title="name")
    taken = catalog.take([2, 0])
    assert (list(taken), column(taken, "name"), taken.titles.to_pylist()) == (["c", "a"], ["C", "A"], ["C", "A"])


SCHEMA = CatalogSchema(
    item_id="substr(article, 1, 3)",
    title="name",
    columns={"shelf": "upper(kind)"},
    group=GroupSchema(rule="most_common"),
    fields={
        "text": F(kind="text", template="{name}. {kind}"),
        "price": F(kind="price"),
        "cheap": F(kind="boolean", column="TRY_CAST(price AS DOUBLE) < 2"),
        "tags": F(kind="tags", separator=";"),
        "code": F(kind="category", column="n"),
        "launched": F(kind="date"),
    },
)
SOLD = pa.Table.from_pylist(
    [
        {
            "article": "001-a",
            "name": "Tea",
            "kind": "Drink",
            "price": "1.5",
            "tags": "x;y",
            "n": 42.0,
            "launched": None,
        },
        {"article": "001-b", "name": "Tea", "kind": None, "price": "2.5", "tags": "", "n": None, "launched": None},
        {
            "article": "002-a",
            "name": None,
            "kind": "Food",
            "price": "dear",
            "tags": None,
            "n": 7.0,
            "launched": "2024-01-02",
        },
    ]
)


def test_a_new_row_takes_the_same_path_as_trainings() -> None:
    catalog = read_catalog(SCHEMA, base=Path(), table=SOLD)
    for id in catalog:
        again = Catalog.from_rows(SCHEMA, [SOLD.slice({"001": 0, "002": 2}[id], 1).to_pylist()[0]], like=catalog)
        assert again.table.schema.equals(catalog.table.schema, check_metadata=True)
        wanted = catalog.take([catalog.items.row(id)])
        assert again.table.equals(wanted.table)
        assert again.titles.equals(wanted.titles)
    # And a row of the table itself, as a bundle has it.
    again = Catalog.from_rows(SCHEMA, catalog.table.to_pylist(), like=catalog.table)
    assert again.table.drop_columns(["price"]).equals(catalog.table.drop_columns(["price"]))


def test_new_rows_may_say_less_or_more_directly() -> None:
    catalog = read_catalog(SCHEMA, base=Path(), table=SOLD)
    rows = [
        {"item_id": "new", "name": "Cocoa", "price": 3, "tags": ["hot", "sweet"], "cheap": True, "n": "5"},
        {"article": 123456, "shelf": "TOP"},
    ]
    new = Catalog.from_rows(SCHEMA, rows, like=catalog.table)
    assert list(new) == ["new", "123"]
    first, second = new.table.to_pylist()
    assert (first["price"], first["tags"], first["cheap"], first["code"]) == (3.0, "hot;sweet", True, "5")
    assert (second["article"], second["shelf"], second["price"], second["cheap"]) == ("123456", "TOP", None, None)
    assert new.titles.to_pylist() == ["Cocoa", "123"]
    assert new.table.schema.equals(catalog.table.schema)


def test_no_new_rows() -> None:
    catalog = read_catalog(SCHEMA, base=Path(), table=SOLD)
    assert len(Catalog.from_rows(SCHEMA, [], like=catalog)) == 0


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"article": "003", "nmae": "x"}], r"New item 1 has 'nmae', which is no column.*Did you mean 'name'"),
        ([{"item_id": "a"}, {"name": "x"}], r"New item 2 has no id\. Give it .* or 'item_id'"),
        ([{"item_id": "a"}, {"item_id": "a"}], r"'a' occurs 2 times among the new items"),
        ([{"item_id": "a", "n": "many"}], r"'n' = 'many' cannot be read as DOUBLE"),
        ([{"item_id": "a", "name": ["x"]}], r"'name' is text in the catalog; found the list"),
    ],
)
def test_new_rows_that_cannot_be(rows: list[dict[str, Any]], said: str) -> None:
    catalog = read_catalog(SCHEMA, base=Path(), table=SOLD)
    with pytest.raises(DataError, match=said):
        Catalog.from_rows(SCHEMA, rows, like=catalog)


def test_a_table_that_lost_its_note_still_tells_the_columns() -> None:
    catalog = read([{"id": "a", "price": "1.5"}], fields={"price": F(kind="price")})
    bare = catalog.table.replace_schema_metadata(None)
    new = Catalog.from_rows(catalog.schema, [{"id": "b", "price": 2}], like=bare)
    assert (list(new), column(new, "price")) == (["b"], [2.0])
    assert list(Catalog.from_rows(catalog.schema, [{"item_id": "c"}], like=bare)) == ["c"]
