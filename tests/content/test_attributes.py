from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from longtail.content.attribute_columns import AttributeColumn, Occurrences
from longtail.content.attributes import AttributesEncoder
from longtail.content.context import Context
from longtail.core.arrays import Int64
from longtail.core.errors import DataError
from longtail.core.features import Field
from longtail.data.catalog import Catalog
from longtail.data.schema import FieldSchema


def fit(catalog: Catalog, fit_rows: Int64 | None = None) -> tuple[AttributesEncoder, Field]:
    return AttributesEncoder.fit("attributes", catalog.schema.fields, catalog, Context(), fit_rows)


def column(catalog: Catalog, name: str, fit_rows: Any = None) -> AttributeColumn:
    schema = catalog.schema.fields[name]
    rows = np.arange(len(catalog)) if fit_rows is None else np.asarray(fit_rows)
    return AttributeColumn.fit(name, schema, Occurrences.read(name, schema, catalog), rows)


def test_occurrences_of_every_kind(make_catalog: Any) -> None:
    catalog = make_catalog(
        {
            "colour": {"kind": "category"},
            "new": {"kind": "boolean"},
            "tags": {"kind": "tags"},
            "uses": {"kind": "tags", "separator": ";"},
        },
        colour=["red", " red ", None, ""],
        new=[True, False, None, True],
        tags=pa.array([["a", "b", "a"], [], None, ["b", None, " "]]),
        uses=["x; y;;x", None, " ", "y"],
    )
    read = {name: Occurrences.read(name, schema, catalog) for name, schema in catalog.schema.fields.items()}
    pairs = {
        name: [(int(item), found.names[value]) for item, value in zip(found.items, found.values, strict=True)]
        for name, found in read.items()
    }
    assert pairs["colour"] == [(0, "red"), (1, "red")]
    assert pairs["new"] == [(0, "true"), (1, "false"), (3, "true")]
    assert sorted(pairs["tags"]) == [(0, "a"), (0, "b"), (3, "b")]
    assert sorted(pairs["uses"]) == [(0, "x"), (0, "y"), (3, "y")]


def test_weights_are_inverse_frequencies_and_rare_values_share_a_place(make_catalog: Any) -> None:
    catalog = make_catalog({"brand": {"kind": "category"}}, brand=["A"] * 6 + ["B"] * 2 + ["C", "D"])
    fitted = column(catalog, "brand")
    assert fitted.values == ["A", "B"]
    np.testing.assert_allclose(fitted.weights, np.log(11 / np.array([7, 3, 3])) + 0.05)
    assert fitted.counts == {"items": 10, "missing": 0, "values": 4, "kept": 2, "rare": 2}
    unseen = make_catalog({"brand": {"kind": "category"}}, brand=["B", "never seen", None])
    weighed = fitted.weigh(Occurrences.read("brand", fitted.schema, unseen))
    assert weighed.items.tolist() == [0, 1]
    assert weighed.places.tolist() == [1, 2]


def test_tags_share_the_weight_of_their_item(make_catalog: Any) -> None:
    catalog = make_catalog({"t": {"kind": "tags"}}, t=pa.array([["a"], ["a", "b"], ["a", "b"], ["c"]]))
    fitted = column(catalog, "t")
    weighed = fitted.weigh(Occurrences.read("t", fitted.schema, catalog))
    of_second = weighed.weights[weighed.items == 1]
    np.testing.assert_allclose(np.sort(of_second), np.sort(fitted.weights[:2] / np.sqrt(2)))


def test_similar_attributes_are_near_and_missing_ones_are_missing(make_catalog: Any) -> None:
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 5, 300)
    catalog = make_catalog(
        {"kind": {"kind": "category"}, "brand": {"kind": "category"}, "flag": {"kind": "boolean"}},
        kind=[f"k{kind}" for kind in kinds[:-1]] + [None],
        brand=[f"b{brand}" for brand in rng.integers(0, 60, 299)] + [None],
        flag=[bool(flag) for flag in rng.integers(0, 2, 299)] + [None],
    )
    encoder, field = fit(catalog)
    assert not field.present[-1]
    assert field.present[:-1].all()
    np.testing.assert_allclose(np.linalg.norm(field.matrix[:-1], axis=1), 1.0, rtol=1e-5)
    cosine = field.matrix[:-1] @ field.matrix[:-1].T
    same = kinds[:-1, None] == kinds[None, :-1]
    np.fill_diagonal(same, False)
    assert cosine[same].mean() > cosine[~same].mean() + 0.1
    assert encoder.counts == {"items": 300, "missing": 1}


def test_an_item_with_unseen_values_only_is_missing_where_nothing_rare_was_seen(make_catalog: Any) -> None:
    fields = {"c": {"kind": "category"}}
    encoder, _ = fit(make_catalog(fields, c=["a", "a", "b", "b"]))
    assert encoder.encode(make_catalog(fields, c=["z", "a"]), Context()).present.tolist() == [False, True]


def test_values_of_held_out_items_are_unknown(make_catalog: Any) -> None:
    fields = {"c": {"kind": "category"}}
    first = make_catalog(fields, c=["a", "a", "b", "b", "x", "x"])
    second = make_catalog(fields, c=["a", "a", "b", "b", "y", "b"])
    rows = np.arange(4)
    one, other = fit(first, rows)[0], fit(second, rows)[0]
    assert one.columns[0].values == other.columns[0].values == ["a", "b"]
    assert one.directions.tobytes() == other.directions.tobytes()


def test_thousands_of_brands_stay_sparse(make_catalog: Any) -> None:
    rng = np.random.default_rng(0)
    catalog = make_catalog({"brand": {"kind": "category"}}, brand=[f"b{n}" for n in rng.integers(0, 2000, 5000)])
    encoder, field = fit(catalog)
    assert field.matrix.shape == (5000, 128)
    assert encoder.directions.shape[0] == len(encoder.columns[0].values) + 1 > 1000


def test_state_round_trip_is_bit_equal_one_row_at_a_time(make_catalog: Any) -> None:
    rng = np.random.default_rng(1)
    catalog = make_catalog(
        {"brand": {"kind": "category"}, "t": {"kind": "tags", "separator": ","}},
        brand=[f"é{brand}" for brand in rng.integers(0, 9, 80)],
        t=["x,y" if flag else None for flag in rng.integers(0, 2, 80)],
    )
    encoder, field = fit(catalog)
    again = AttributesEncoder.from_state(*encoder.state())
    for row in (0, 41, 79):
        alone = again.encode(catalog.take([row]), Context())
        assert alone.matrix.tobytes() == field.matrix[row : row + 1].tobytes()
    assert again.describe() == encoder.describe()


def test_the_same_catalog_gives_the_same_bits(make_catalog: Any) -> None:
    catalog = make_catalog({"c": {"kind": "category"}}, c=[f"v{n % 7}" for n in range(50)])
    assert fit(catalog)[1].matrix.tobytes() == fit(catalog)[1].matrix.tobytes()


def test_lists_that_are_no_tags_and_tags_that_are_no_lists(make_catalog: Any) -> None:
    catalog = make_catalog({"t": {"kind": "tags"}}, t=pa.array([["a"], ["b"]]))
    with pytest.raises(DataError, match="tags"):
        Occurrences.read("t", FieldSchema(kind="category"), catalog)
    plain = make_catalog({"t": {"kind": "category"}}, t=["a,b", "c"])
    with pytest.raises(DataError, match="separator"):
        Occurrences.read("t", FieldSchema(kind="tags"), plain)
