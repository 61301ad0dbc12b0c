from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from longtail.content.context import Context
from longtail.content.vectors import VectorEncoder, read_vectors
from longtail.core.errors import DataError

FIELDS = {"clip": {"kind": "vector"}}


def vectors(n: int = 30, d: int = 5) -> list[Any]:
    return [list(map(float, row)) for row in np.random.default_rng(0).standard_normal((n, d)).round(3)]


def test_null_empty_and_not_finite_rows_are_missing(make_catalog: Any) -> None:
    values = vectors()
    values[1], values[2], values[3] = None, [], [1.0, float("nan"), 0.0, 0.0, 0.0]
    values[4] = [1.0, None, 0.0, 0.0, 0.0]
    catalog = make_catalog(FIELDS, clip=pa.array(values, pa.list_(pa.float64())))
    encoder, field = VectorEncoder.fit("clip", catalog.schema.fields, catalog, Context(), None)
    assert np.flatnonzero(~field.present).tolist() == [1, 2, 3, 4]
    assert encoder.counts == {"items": 30, "missing": 4, "not_finite": 2}
    rows, _ = read_vectors("clip", catalog, None)
    np.testing.assert_array_equal(rows.matrix[rows.row_of[0]], np.float32(values[0]))
    np.testing.assert_array_equal(rows.matrix[rows.row_of[5]], np.float32(values[5]))


def test_another_width_is_named_with_its_item(make_catalog: Any) -> None:
    values = vectors()
    values[7] = [1.0, 2.0]
    catalog = make_catalog(FIELDS, clip=pa.array(values))
    with pytest.raises(DataError, match=r"'i7' with 2"):
        VectorEncoder.fit("clip", catalog.schema.fields, catalog, Context(), None)


def test_new_items_must_have_the_width_of_training(make_catalog: Any) -> None:
    catalog = make_catalog(FIELDS, clip=pa.array(vectors()))
    encoder, _ = VectorEncoder.fit("clip", catalog.schema.fields, catalog, Context(), None)
    with pytest.raises(DataError, match="not 5 wide"):
        encoder.encode(make_catalog(FIELDS, clip=pa.array([[1.0, 2.0]])), Context())


def test_state_round_trip_is_bit_equal_one_row_at_a_time(make_catalog: Any) -> None:
    catalog = make_catalog(FIELDS, clip=pa.array(vectors()))
    encoder, field = VectorEncoder.fit("clip", catalog.schema.fields, catalog, Context(), None)
    again = VectorEncoder.from_state(*encoder.state())
    assert again.encode(catalog.take([9]), Context()).matrix.tobytes() == field.matrix[9:10].tobytes()


def test_no_vectors_at_all(make_catalog: Any) -> None:
    catalog = make_catalog(FIELDS, clip=pa.array([None, None], pa.list_(pa.float64())))
    encoder, field = VectorEncoder.fit("clip", catalog.schema.fields, catalog, Context(), None)
    assert not field.present.any()
    assert not encoder.encode(catalog, Context()).present.any()
