import numpy as np
import pytest

from longtail.content.combine import Reduction, combine, reduce
from longtail.content.prepare import Preparation, Rows
from longtail.core.errors import DataError
from longtail.core.features import Features, Field
from longtail.core.vocabulary import Vocabulary


def rows_of(n: int = 50, d: int = 6, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    matrix = (rng.standard_normal((n, d)) @ rng.standard_normal((d, d))).astype(np.float32)
    row_of = np.arange(n)
    row_of[3] = -1
    return Rows(matrix, row_of)


def test_half_whitening_leaves_the_fourth_root_of_each_variance() -> None:
    rows = rows_of()
    preparation = Preparation.fit(rows, None)
    kept = rows.matrix[rows.row_of[rows.present]]
    scores = (kept - preparation.mean) / preparation.scale @ preparation.directions
    standardised = (kept - kept.mean(axis=0)) / kept.std(axis=0)
    values = np.linalg.eigvalsh(standardised.T @ standardised / len(kept))[::-1]
    np.testing.assert_allclose(scores.std(axis=0), values**0.25, rtol=1e-4)


def test_field_has_unit_rows_and_marks_missing_ones() -> None:
    field = Preparation.fit(rows_of(), None).apply("f", rows_of())
    assert field.present.sum() == 49
    assert not field.present[3]
    np.testing.assert_allclose(np.linalg.norm(field.matrix[field.present], axis=1), 1.0, rtol=1e-6)
    assert not field.matrix[3].any()


def test_rows_that_are_held_out_decide_nothing() -> None:
    rows, other = rows_of(), rows_of()
    other.matrix[40:] = 1e6
    fit_rows = np.arange(40)
    for name in ("mean", "scale", "directions"):
        first, second = (getattr(Preparation.fit(each, fit_rows), name) for each in (rows, other))
        assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_rows(n: int) -> None:
    rows = Rows(np.ones((n, 4), np.float32) * np.arange(1, n + 1)[:, None], np.arange(n))
    field = Preparation.fit(rows, None).apply("f", rows)
    assert len(field.matrix) == n
    np.testing.assert_allclose(np.linalg.norm(field.matrix, axis=1), 1.0, rtol=1e-6)


def test_identical_rows_only() -> None:
    rows = Rows(np.full((3, 4), 2.0, np.float32), np.arange(3))
    np.testing.assert_allclose(np.linalg.norm(Preparation.fit(rows, None).apply("f", rows).matrix, axis=1), 1.0)


def test_other_width_is_refused() -> None:
    with pytest.raises(DataError, match="fitted on 6"):
        Preparation.fit(rows_of(), None).apply("f", rows_of(d=5))


@pytest.mark.parametrize("signed_root", [False, True])
def test_preparation_state_round_trip_is_bit_equal(signed_root: bool) -> None:
    preparation = Preparation.fit(rows_of(), None, signed_root=signed_root)
    again = Preparation.from_state(*preparation.state())
    assert again.apply("f", rows_of()).matrix.tobytes() == preparation.apply("f", rows_of()).matrix.tobytes()


def features() -> Features:
    a = np.array([[1, 0], [0.6, 0.8], [0, 0], [0, 0]], np.float32)
    b = np.array([[1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 0]], np.float32)
    return Features(
        Vocabulary(["p", "q", "r", "s"]),
        (Field("a", a, np.array([True, True, False, False])), Field("b", b, np.array([True, False, True, False]))),
    )


def test_combined_cosine_is_the_weighted_mean_of_the_fields() -> None:
    z = combine(features(), {"a": 1.0, "b": 0.5})
    np.testing.assert_allclose(z[0], np.array([1, 0, 0.5, 0, 0]) / np.sqrt(1.25), rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), [1, 1, 1, 0], rtol=1e-6)


def test_a_missing_field_is_absent() -> None:
    z = combine(features(), {"a": 0.3, "b": 2.0})
    np.testing.assert_allclose(z[1], [0.6, 0.8, 0, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(z[2], [0, 0, 0, 1, 0], rtol=1e-6)


def test_weight_zero_leaves_a_field_out_and_keeps_the_columns() -> None:
    z = combine(features(), {"b": 0.0})
    assert z.shape == (4, 5)
    assert not z[2].any()


@pytest.mark.parametrize("weights", [{"a": -1.0}, {"a": float("nan")}, {"c": 1.0}])
def test_weights_that_make_no_sense_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(DataError):
        combine(features(), weights)


def test_reduction_keeps_cosines_of_low_rank_content() -> None:
    rng = np.random.default_rng(0)
    z = rng.standard_normal((200, 10)) @ rng.standard_normal((10, 60))
    z[5] = 0
    z = (z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-9)).astype(np.float32)
    reduction = reduce(z, 16, fit_rows=np.arange(100))
    small = reduction.apply(z)
    assert small.shape == (200, 16)
    np.testing.assert_allclose(small @ small.T, z @ z.T, atol=1e-5)
    assert reduction.kept == pytest.approx(1.0)
    again = Reduction.from_state(*reduction.state())
    assert again.apply(z[7:8]).tobytes() == small[7:8].tobytes()


def test_reduction_of_narrow_content_changes_nothing() -> None:
    z = combine(features(), {})
    np.testing.assert_allclose(reduce(z, 128).apply(z), z, atol=1e-7)
