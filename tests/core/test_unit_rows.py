from __future__ import annotations

import numpy as np
import pytest

from longtail.core.unit_rows import unit_rows


def test_rows_have_length_one_and_zeros_stay() -> None:
    rows = unit_rows(np.array([[0.0, 0.0], [3.0, 4.0]]))
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, [[0, 0], [0.6, 0.8]], rtol=1e-7)


def test_what_is_nearly_zero_has_no_direction() -> None:
    assert not unit_rows(np.array([[1e-13, 0.0]], dtype=np.float32)).any()


def test_no_rows() -> None:
    assert unit_rows(np.zeros((0, 3), dtype=np.float32)).shape == (0, 3)


@pytest.mark.parametrize("at", [0, 255, 256, 599])
def test_a_row_alone_has_the_same_bits(at: int) -> None:
    rows = np.random.default_rng(0).standard_normal((600, 7)).astype(np.float32)
    np.testing.assert_array_equal(unit_rows(rows)[at], unit_rows(rows[at : at + 1])[0])


def test_what_is_not_finite_is_not_hidden() -> None:
    assert np.isnan(unit_rows(np.array([[np.nan, 1.0]]))).any()


def test_neither_the_smallest_nor_the_largest_numbers_overflow() -> None:
    np.testing.assert_allclose(unit_rows(np.array([[3e30, 4e30], [3e-10, 4e-10]], np.float32)), [[0.6, 0.8]] * 2, 1e-6)
