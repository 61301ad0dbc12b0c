import numpy as np

from longtail.core.distinct import distinct


def test_distinct_rows_in_the_order_they_come_in():
    rows = np.eye(4, dtype=np.float32)[[2, 0, 2, 3, 0, 2]]
    first, which, counts = distinct(rows)
    assert first.tolist() == [0, 1, 3]
    assert which.tolist() == [0, 1, 0, 2, 1, 0]
    assert counts.tolist() == [3, 2, 1]


def test_no_rows():
    first, which, counts = distinct(np.zeros((0, 3), np.float32))
    assert len(first) == len(which) == len(counts) == 0


def test_more_rows_than_a_block_and_the_matrix_back():
    rng = np.random.default_rng(0)
    kinds = rng.standard_normal((500, 7)).astype(np.float32)
    rows = kinds[rng.integers(0, 500, 20_000)]
    first, which, counts = distinct(rows)
    assert len(first) == 500
    assert counts.sum() == len(rows)
    np.testing.assert_array_equal(rows[first][which], rows)
