"""One row solved by its own small system is the row that the half-step solves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from longtail.blend import blend
from longtail.cf.als import AlsSettings, solve_users
from longtail.cf.row import Shared, item_system, user_system

SETTINGS = [
    AlsSettings(factors=6, regularization=0.01, alpha=3.0, unobserved_weight=0.2),
    AlsSettings(factors=6, regularization=0.1, alpha=2.0, frequency_scaling=0.5, objective="hu"),
    AlsSettings(factors=6, regularization=0.02, frequency_scaling=0.0, unobserved_weight=0.0),
]


def shop(seed: int = 0) -> tuple[csr_array, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    dense = (rng.random((40, 25)) < 0.3) * rng.integers(1, 5, (40, 25))
    dense[3] = 0
    dense[:, 4] = 0
    exposure = np.where(dense.any(axis=0), rng.random(25), 0).astype(np.float32)
    return (
        csr_array(dense.astype(np.float32)),
        rng.standard_normal((40, 6)).astype(np.float32),
        rng.standard_normal((25, 6)).astype(np.float32),
        exposure,
    )


@pytest.mark.parametrize("settings", SETTINGS)
def test_users_are_those_of_the_half_step(settings: AlsSettings) -> None:
    matrix, _, items, exposure = shop()
    shared = Shared.of(items, len(items), exposure)
    wide = items.astype(np.float64)  # so that the reference does not round where there is next to no penalty
    solved = solve_users(matrix, wide, settings, exposure=exposure).factors  # type: ignore[arg-type]
    for user in range(40):
        start, end = matrix.indptr[user : user + 2]
        rows, weights = matrix.indices[start:end], matrix.data[start:end]
        system = user_system(shared, items[rows], weights, settings, exposure=exposure[rows])
        np.testing.assert_allclose(system.solve(), solved[user], rtol=1e-4, atol=5e-5)
        direction = items[7].astype(np.float64)
        assert system.by_pair(direction).sum() == pytest.approx(float(system.solve() @ direction), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("precision", [0.0, 2.0])
def test_items_are_those_of_the_blend(settings: AlsSettings, precision: float) -> None:
    matrix, users, prior, exposure = shop(1)
    has = np.arange(25) % 3 > 0
    blended = blend(
        matrix, users, prior, has, precision, settings, exposure=exposure, with_share=True, threads=1
    )  # fmt: skip
    columns = matrix.tocsc()
    shared = Shared.of(users, len(users))
    for item in range(25):
        start, end = columns.indptr[item : item + 2]
        if start == end:
            continue  # nothing but its prediction is known of it: that is its vector, and no system is solved
        rows, weights = columns.indices[start:end], columns.data[start:end]
        system = item_system(
            shared, users[rows], weights, settings, exposure=float(exposure[item]),
            prior=prior[item] if has[item] else None, precision=precision,
        )  # fmt: skip
        np.testing.assert_allclose(system.solve(), blended.vectors[item], rtol=2e-4, atol=2e-5)
        parts = system.by_pair(users[0].astype(np.float64)).sum() + system.by_prior() @ users[0]
        assert parts == pytest.approx(float(system.solve() @ users[0]), abs=1e-5)


def test_changed_rows_change_what_is_shared() -> None:
    _, _, items, exposure = shop(2)
    after, seen = items.copy(), exposure.copy()
    after[[2, 4, 9]] *= -2
    seen[[2, 4]] = 1
    rows = np.array([2, 4, 9])
    changed = Shared.of(items, 25, exposure).changed(items[rows], after[rows], exposure[rows], seen[rows])
    np.testing.assert_allclose(changed.gram, Shared.of(after, 25, seen).gram, rtol=1e-5, atol=1e-5)
    assert changed.rows == 25


def test_is_the_same_at_any_number_of_threads() -> None:
    vectors = np.random.default_rng(0).standard_normal((5000, 8)).astype(np.float32)
    one, two = (Shared.of(vectors, 1, threads=threads).gram for threads in (1, 2))
    assert np.array_equal(one, two)


def test_without_evidence_and_penalty_there_is_nothing() -> None:
    settings = AlsSettings(factors=6, regularization=0.0, unobserved_weight=0.0)
    shared = Shared(np.zeros((6, 6)), 10)
    nothing: Any = np.zeros((0, 6), dtype=np.float32)
    assert not user_system(shared, nothing, np.zeros(0, np.float32), settings).solve().any()
    one = np.eye(6, dtype=np.float32)[:1]
    found = user_system(shared, one, np.ones(1, np.float32), settings).solve()
    np.testing.assert_allclose(found, one[0], atol=1e-6)
