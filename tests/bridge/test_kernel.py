import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longtail.bridge.kernel import KernelBridge, choose_landmarks, fit_kernel, kernel, leave_one_out_curve
from longtail.bridge.r_squared import r_squared
from longtail.core.errors import DataError, NumericalError


def unit(rng, n, d):
    x = rng.standard_normal((n, d)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def world(n=400, seed=0):
    """Content, and behaviour that is a smooth function of it with noise."""
    rng = np.random.default_rng(seed)
    z = unit(rng, n, 6)
    y = np.tanh(z @ rng.standard_normal((6, 5))) + 0.2 * rng.standard_normal((n, 5))
    return z, y.astype(np.float32)


def test_kernel_is_one_on_equal_rows_and_bounded():
    z, _ = world(50)
    k = kernel(z, z)
    np.testing.assert_allclose(np.diag(k), 1.0, atol=1e-5)
    assert k.min() >= np.exp(-2) - 1e-5


@pytest.mark.parametrize("ridge", [0.1, 1.0, 5.0])
def test_leave_one_out_equals_fitting_without_the_row(ridge):
    z, y = world(40)
    fit = fit_kernel(z, y, landmarks=15, ridges=(ridge,), seed=3)
    marks = fit.bridge.landmarks.astype(np.float64)
    gram = np.exp(marks @ marks.T - 1) + 1e-4 * np.eye(len(marks))
    K = np.exp(z.astype(np.float64) @ marks.T - 1)
    for row in range(len(z)):
        rest = np.arange(len(z)) != row
        weights = np.linalg.solve(K[rest].T @ K[rest] + ridge * gram, K[rest].T @ y[rest])
        np.testing.assert_allclose(fit.out_of_sample[row], K[row] @ weights, atol=2e-3)


def test_leave_one_out_curve_equals_the_predictions_it_stands_for():
    z, y = world(80)
    marks = z[choose_landmarks(z, 20, 3)]
    curve = leave_one_out_curve(z, y, marks, (0.1, 1.0))
    for ridge, score in curve.items():
        fit = fit_kernel(z, y, landmarks=20, ridges=(ridge,), seed=3)
        assert score == pytest.approx(r_squared(y, fit.out_of_sample), abs=1e-3)


def test_beats_the_mean_on_held_out_items():
    z, y = world(600)
    fit = fit_kernel(z[:500], y[:500])
    assert r_squared(y[500:], fit.bridge.predict(z[500:])) > 0.5
    assert fit.ridge == max(fit.curve, key=lambda ridge: fit.curve[ridge])


def test_noise_is_not_predicted():
    rng = np.random.default_rng(0)
    z, y = unit(rng, 500, 6), rng.standard_normal((500, 5)).astype(np.float32)
    assert r_squared(y, fit_kernel(z, y).out_of_sample) < 0.02


def test_same_seed_same_bridge_and_other_seed_other_landmarks():
    z, y = world(100)
    first, again = (fit_kernel(z, y, landmarks=20, seed=1) for _ in range(2))
    other = fit_kernel(z, y, landmarks=20, seed=2)
    np.testing.assert_array_equal(first.bridge.weights, again.bridge.weights)
    assert not np.array_equal(first.bridge.landmarks, other.bridge.landmarks)


def test_equal_rows_with_other_targets_each_count():
    z, y = world(40)
    kinds = np.random.default_rng(1).integers(0, 12, 40)
    z = z[kinds]
    fit = fit_kernel(z, y, ridges=(0.5,))
    marks = fit.bridge.landmarks.astype(np.float64)
    assert len(marks) == len(np.unique(kinds))
    gram = np.exp(marks @ marks.T - 1) + 1e-4 * np.eye(len(marks))
    K = np.exp(z.astype(np.float64) @ marks.T - 1)
    for row in range(len(z)):
        rest = np.arange(len(z)) != row
        weights = np.linalg.solve(K[rest].T @ K[rest] + 0.5 * gram, K[rest].T @ y[rest])
        np.testing.assert_allclose(fit.out_of_sample[row], K[row] @ weights, atol=2e-3)


def test_many_equal_rows_are_predicted_as_one_alone():
    z, y = world(60)
    bridge = fit_kernel(z, y).bridge
    many = np.concatenate([z[np.random.default_rng(0).integers(0, 60, 2000)], np.zeros((1, z.shape[1]), np.float32)])
    alone = np.concatenate([bridge.predict(row[None]) for row in many])
    np.testing.assert_allclose(bridge.predict(many), alone, atol=1e-5)
    assert not bridge.predict(many)[-1].any()


def test_equal_rows_do_not_break_it():
    z, y = world(20)
    fit = fit_kernel(np.repeat(z, 10, axis=0), np.repeat(y, 10, axis=0))
    assert len(fit.bridge.landmarks) == 20
    assert np.isfinite(fit.out_of_sample).all()


def test_constant_content_predicts_the_mean():
    _, y = world(50)
    z = np.zeros((50, 3), np.float32)
    z[:, 0] = 1
    fit = fit_kernel(z, y, ridges=(1e-3,))
    np.testing.assert_allclose(fit.bridge.predict(z[:1])[0], y.mean(axis=0), atol=1e-3)


def test_no_content_gets_zero():
    z, y = world(50)
    assert not fit_kernel(z, y).bridge.predict(np.zeros((1, 6), np.float32)).any()


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 30), st.integers(1, 4), st.integers(0, 5))
def test_any_small_shape_is_finite(n, d, seed):
    rng = np.random.default_rng(seed)
    fit = fit_kernel(unit(rng, n, d), rng.standard_normal((n, 2)).astype(np.float32))
    assert np.isfinite(fit.out_of_sample).all()


def test_state_round_trip():
    z, y = world(60)
    bridge = fit_kernel(z, y).bridge
    np.testing.assert_array_equal(KernelBridge.from_state(*bridge.state()).predict(z), bridge.predict(z))


def test_refusals():
    z, y = world(10)
    with pytest.raises(DataError, match="as many content vectors"):
        fit_kernel(z, y[:5])
    with pytest.raises(NumericalError, match="NaN"):
        fit_kernel(z, np.full_like(y, np.nan))
    with pytest.raises(DataError, match="6 dimensions"):
        fit_kernel(z, y).bridge.predict(z[:, :3])


def test_r_squared_of_the_mean_of_nothing_and_of_what_does_not_differ():
    y = np.array([[1.0, 2.0], [3.0, 6.0]], np.float32)
    assert r_squared(y, y) == 1.0
    assert r_squared(y, np.repeat(y.mean(axis=0, keepdims=True), 2, axis=0)) == pytest.approx(0.0)
    assert r_squared(y, -y) < 0
    assert r_squared(y[:0], y[:0]) == 0.0
    assert r_squared(y[:1], y[1:]) == 0.0
