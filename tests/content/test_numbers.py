from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longtail.content.context import Context
from longtail.content.numbers import NumbersEncoder
from longtail.content.positions import Ranks, centre_and_spread, on_arc
from longtail.core.arrays import Int64
from longtail.core.errors import RecipeError
from longtail.core.features import Field
from longtail.data.catalog import Catalog


def fit(catalog: Catalog, fit_rows: Int64 | None = None) -> tuple[NumbersEncoder, Field]:
    return NumbersEncoder.fit("numbers", catalog.schema.fields, catalog, Context(), fit_rows)


@given(st.floats(0, 1), st.floats(0, 1))
def test_positions_have_unit_length_and_nearer_is_more_similar(a: float, b: float) -> None:
    rows = on_arc(np.array([a, b, (a + b) / 2]))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0)
    assert rows[0] @ rows[2] >= rows[0] @ rows[1] - 1e-9


def test_robust_scale_ignores_outliers() -> None:
    values = np.r_[np.random.default_rng(0).normal(10, 2, 2000), 1e9]
    centre, spread = centre_and_spread(values)
    assert centre == pytest.approx(10, abs=0.2)
    assert spread == pytest.approx(2, rel=0.1)
    assert centre_and_spread(np.full(5, 3.0)) == (3.0, 1.0)
    assert centre_and_spread(np.zeros(0)) == (0.0, 1.0)


def test_ranks_within_groups() -> None:
    values = np.r_[np.arange(100.0), np.arange(1000.0, 1100.0), [5.0, 6.0]]
    group = np.r_[np.zeros(100, int), np.ones(100, int), [2, 2]]
    ranks = Ranks.fit(values, group, ["cheap", "dear", "small"])
    assert ranks.groups == ["cheap", "dear"]
    found = ranks.of(np.array([50.0, 1050.0, 50.0, 50.0, -1.0]), np.array([0, 1, 1, -1, 0]), ["cheap", "dear"])
    np.testing.assert_allclose(found[:2], 0.5, atol=0.04)
    assert found[2] == 0.0
    assert 0.15 < found[3] < 0.35
    assert found[4] == 0.0


def test_equal_values_share_the_middle_rank() -> None:
    ranks = Ranks.fit(np.full(20, 7.0), np.zeros(20, int), ["g"])
    assert ranks.of(np.array([7.0]), np.array([0]), ["g"]) == pytest.approx([0.5])


def test_price_is_logarithmic_and_ranked_within(make_catalog: Any) -> None:
    catalog = make_catalog(
        {"price": {"kind": "price", "within": "kind"}, "kind": {"kind": "category"}},
        price=[1.0 + 0.1 * n for n in range(20)]
        + [1000.0 + 100 * n for n in range(20)]
        + [0.0, -3.0, None, float("nan")],
        kind=["milk"] * 20 + ["sofa"] * 20 + ["milk"] * 4,
    )
    schemas = {"price": catalog.schema.fields["price"]}
    encoder, field = NumbersEncoder.fit("numbers", schemas, catalog, Context(), None)
    assert field.present.tolist() == [True] * 40 + [False] * 4
    assert not field.matrix[40:].any()
    cosine = field.matrix[:40] @ field.matrix[:40].T
    assert cosine[0, 1] > cosine[0, 10] > cosine[0, 39]
    assert cosine[0, 20] > cosine[0, 39]  # the cheapest sofa is nearer to the cheapest milk than the dearest is
    described = encoder.describe()[0]
    assert described["transform"] == "log"
    assert described["missing"] == 4
    assert described["unreadable"] == 2  # prices that are not positive; null and NaN are missing in the catalog


def test_one_missing_value_of_two_is_a_place_of_its_own(make_catalog: Any) -> None:
    catalog = make_catalog(
        {"a": {"kind": "number"}, "b": {"kind": "number"}},
        a=[1.0, 2.0, 3.0, 4.0],
        b=[5.0, None, None, 8.0],
    )
    _, field = fit(catalog)
    assert field.present.all()
    np.testing.assert_allclose(np.linalg.norm(field.matrix, axis=1), 1.0, rtol=1e-6)
    assert field.matrix[1] @ field.matrix[2] > field.matrix[1] @ field.matrix[0]


def test_measures_of_different_units_have_nothing_in_common_but_rank(make_catalog: Any) -> None:
    catalog = make_catalog(
        {"size": {"kind": "measure"}},
        size=[f"{n} OZ" for n in range(1, 13)] + [f"{n} CT" for n in range(1, 13)] + ["LARGE", None],
    )
    encoder, field = fit(catalog)
    assert encoder.columns[0].families == ["count", "mass"]
    cosine = field.matrix @ field.matrix.T
    assert cosine[3, 4] > 0.9 > cosine[3, 3 + 12] > 0.4
    described = encoder.describe()[0]
    assert (described["missing"], described["unreadable"]) == (2, 1)
    pound = encoder.encode(make_catalog({"size": {"kind": "measure"}}, size=["0.5 LB"]), Context())
    assert (pound.matrix[0] @ field.matrix[:12].T).argmax() == 7


def test_dates_become_ages_and_newer_ones_are_new(make_catalog: Any) -> None:
    newest = datetime(2024, 5, 1)
    fields = {"since": {"kind": "date"}}
    catalog = make_catalog(fields, since=[newest - timedelta(days=days) for days in (0, 1, 30, 400, 4000)] + [None])
    encoder, field = fit(catalog)
    assert field.present.tolist() == [True] * 5 + [False]
    later = encoder.encode(make_catalog(fields, since=[newest + timedelta(days=90)]), Context())
    assert later.matrix.tobytes() == field.matrix[:1].tobytes()
    assert field.matrix[0] @ field.matrix[1] > field.matrix[0] @ field.matrix[3]


def test_held_out_rows_decide_nothing(make_catalog: Any) -> None:
    fields = {"n": {"kind": "number"}}
    one = fit(make_catalog(fields, n=[1.0, 2.0, 3.0, 4.0]), np.arange(3))[1]
    other = fit(make_catalog(fields, n=[1.0, 2.0, 3.0, 4e9]), np.arange(3))[1]
    assert one.matrix[:3].tobytes() == other.matrix[:3].tobytes()


def test_state_round_trip_is_bit_equal_one_row_at_a_time(make_catalog: Any) -> None:
    rng = np.random.default_rng(0)
    catalog = make_catalog(
        {
            "price": {"kind": "price", "within": "kind"},
            "size": {"kind": "measure"},
            "stock": {"kind": "number"},
            "since": {"kind": "date"},
        },
        price=rng.lognormal(size=60),
        kind=[f"k{n}" for n in rng.integers(0, 3, 60)],
        size=[f"{n} OZ" for n in rng.integers(1, 40, 60)],
        stock=rng.lognormal(0, 3, 60),
        since=[datetime(2020, 1, 1) + timedelta(days=int(n)) for n in rng.integers(0, 900, 60)],
    )
    encoder, field = fit(catalog)
    assert encoder.columns[2].transform == "log1p"
    again = NumbersEncoder.from_state(*encoder.state())
    for row in (0, 33, 59):
        assert again.encode(catalog.take([row]), Context()).matrix.tobytes() == field.matrix[row : row + 1].tobytes()
    assert again.describe() == encoder.describe()


def test_within_a_column_that_is_not_there(make_catalog: Any) -> None:
    catalog = make_catalog({"n": {"kind": "number"}}, n=[1.0])
    schema = catalog.schema.fields["n"].model_copy(update={"within": "aisle"})
    with pytest.raises(RecipeError, match="aisle"):
        NumbersEncoder.fit("numbers", {"n": schema}, catalog, Context(), None)


def test_a_column_without_any_value(make_catalog: Any) -> None:
    catalog = make_catalog({"n": {"kind": "number"}}, n=[None, float("inf"), float("nan")])
    _, field = fit(catalog)
    assert not field.present.any()
    assert not field.matrix.any()
