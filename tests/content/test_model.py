import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from longtail.content.model import ContentModel
from longtail.content.registry import plan
from longtail.core.errors import DataError, RecipeError
from longtail.data.schema import CatalogSchema, FieldSchema

FIELDS = {
    "price": {"kind": "price", "within": "kind"},
    "kind": {"kind": "category"},
    "clip": {"kind": "vector"},
    "tags": {"kind": "tags", "separator": ","},
    "size": {"kind": "measure"},
}


def shop(make_catalog: Any, n: int = 40, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return make_catalog(
        FIELDS,
        price=[None if value < 0.6 else value for value in rng.lognormal(size=n)],
        kind=[f"k{value}" for value in rng.integers(0, 4, n)],
        clip=pa.array([list(map(float, row)) for row in rng.standard_normal((n, 6))]),
        tags=["a,b" if value else "" for value in rng.integers(0, 2, n)],
        size=[f"{value} OZ" for value in rng.integers(1, 9, n)],
    )


def test_fields_in_order_with_groups_at_their_first_column(make_catalog: Any) -> None:
    model, features = ContentModel.fit(shop(make_catalog), cache=None)
    assert features.names == ("numbers", "attributes", "clip")
    assert [part["field"] for part in model.describe()] == ["price", "size", "kind", "tags", "clip"]
    assert all({"kind", "into", "became", "items", "missing"} <= part.keys() for part in model.describe())
    json.dumps(model.describe())


def test_rows_are_bit_equal_after_a_round_trip_and_alone(make_catalog: Any) -> None:
    catalog = shop(make_catalog)
    model, features = ContentModel.fit(catalog, cache=None)
    meta, arrays = model.state()
    again = ContentModel.from_state(json.loads(json.dumps(meta)), {key: array.copy() for key, array in arrays.items()})
    for row in range(0, len(catalog), 13):
        alone = again.encode(catalog.take([row]))
        for field in alone:
            assert field.matrix.tobytes() == features[field.name].matrix[row : row + 1].tobytes()
            assert field.present.tolist() == features[field.name].present[[row]].tolist()


def test_held_out_items_decide_nothing(make_catalog: Any) -> None:
    first, second = shop(make_catalog), shop(make_catalog, seed=1)
    rows = np.arange(30)
    mixed = {name: pa.concat_arrays([
        first.table[name].combine_chunks()[:30], second.table[name].combine_chunks()[30:]
    ]) for name in FIELDS}  # fmt: skip
    one, of_first = ContentModel.fit(first, cache=None, fit_rows=rows)
    other, of_mixed = ContentModel.fit(make_catalog(FIELDS, **mixed), cache=None, fit_rows=rows)
    for field in of_first:
        assert field.matrix[:30].tobytes() == of_mixed[field.name].matrix[:30].tobytes()
    arrays, others = one.state()[1], other.state()[1]
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, others[name])


def test_a_catalog_without_fields_has_features_without_fields(make_catalog: Any) -> None:
    model, features = ContentModel.fit(make_catalog({}, name=["a", "b"]), cache=None)
    assert features.names == ()
    assert features.present.shape == (2, 0)
    assert ContentModel.from_state(*model.state()).encode(make_catalog({}, name=["c"])).names == ()


def test_no_items_at_all_can_be_encoded(make_catalog: Any) -> None:
    catalog = shop(make_catalog)
    model, features = ContentModel.fit(catalog, cache=None)
    nothing = model.encode(catalog.take([]))
    assert [field.matrix.shape for field in nothing] == [(0, field.matrix.shape[1]) for field in features]


@pytest.mark.parametrize("rows", [[-1, 2], [0, 40]])
def test_fit_rows_out_of_range(make_catalog: Any, rows: list[int]) -> None:
    with pytest.raises(DataError, match="fit_rows"):
        ContentModel.fit(shop(make_catalog), cache=None, fit_rows=np.array(rows))


def test_a_field_that_is_called_like_a_group() -> None:
    with pytest.raises(RecipeError, match="attributes"):
        plan(CatalogSchema(fields={"attributes": FieldSchema(kind="vector")}))


def test_an_encoder_this_version_does_not_have(make_catalog: Any) -> None:
    meta, arrays = ContentModel.fit(shop(make_catalog), cache=None)[0].state()
    meta["encoders"][0] = "numbrs"
    with pytest.raises(DataError, match="nearest: 'numbers'"):
        ContentModel.from_state(meta, arrays)
