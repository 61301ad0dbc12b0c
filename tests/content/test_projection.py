import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from longtail.content.projection import fix_signs, principal_directions, project, singular_directions
from longtail.core.unit_rows import unit_rows


@given(st.integers(1, 700), st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_a_projected_row_has_the_same_bits_alone(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, 33)).astype(np.float32)
    fitted = rng.standard_normal(33), rng.random(33) + 0.5, rng.standard_normal((33, 9))
    together = unit_rows(project(rows, *fitted))
    for row in {0, n // 2, n - 1}:
        alone = unit_rows(project(rows[row : row + 1], *fitted))
        assert alone.tobytes() == together[row : row + 1].tobytes()


def test_projection_is_the_formula() -> None:
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((300, 5)).astype(np.float32)
    mean, scale, directions = rng.standard_normal(5), rng.random(5) + 1, rng.standard_normal((5, 3))
    np.testing.assert_allclose(project(rows, mean, scale, directions), (rows - mean) / scale @ directions, rtol=1e-12)


def test_principal_directions_against_numpy_with_counts() -> None:
    rng = np.random.default_rng(2)
    distinct = (rng.standard_normal((40, 6)) @ rng.standard_normal((6, 6)) * [1, 2, 3, 4, 5, 100]).astype(np.float32)
    counts = rng.integers(0, 4, 40).astype(np.float64)
    repeated = np.repeat(distinct.astype(np.float64), counts.astype(int), axis=0)
    found = principal_directions(distinct, counts, 4)
    np.testing.assert_allclose(found.mean, repeated.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.scale, repeated.std(axis=0), rtol=1e-5)
    values = np.linalg.eigvalsh(np.corrcoef(repeated.T))[::-1]
    np.testing.assert_allclose(found.variances, values[:4], rtol=1e-5)
    assert found.explained == pytest.approx(values[:4].sum() / 6)
    np.testing.assert_allclose(found.directions.T @ found.directions, np.eye(4), atol=1e-10)


def test_constant_columns_are_left_alone() -> None:
    rows = np.random.default_rng(0).standard_normal((30, 3)).astype(np.float32)
    rows[:, 1] = 7.3
    found = principal_directions(rows, np.ones(30), 3)
    assert found.scale[1] == 1.0
    assert len(found.variances) == 2
    np.testing.assert_allclose(found.directions[1], 0.0, atol=1e-12)


def test_singular_directions_against_a_dense_decomposition() -> None:
    dense = np.random.default_rng(3).standard_normal((60, 40)) * np.linspace(3, 0.1, 40)
    dense[np.abs(dense) < 0.3] = 0
    matrix = sp.csr_array(dense)
    directions, values = singular_directions(matrix, 10, seed=0)
    _, expected, rows = np.linalg.svd(dense, full_matrices=False)
    np.testing.assert_allclose(values, expected[:10], rtol=1e-4)
    np.testing.assert_allclose(np.abs((directions * fix_signs(rows[:10].T)).sum(axis=0)), 1.0, atol=1e-3)
    again, _ = singular_directions(matrix, 10, seed=0)
    assert again.tobytes() == directions.tobytes()


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (3, 4)])
def test_singular_directions_of_little_or_nothing(shape: tuple[int, int]) -> None:
    directions, values = singular_directions(sp.csr_array(shape), 8, seed=0)
    assert directions.shape == (shape[1], len(values))
    assert len(values) == 0
