import numpy as np
import pytest

from longtail.content.classifier import Classifier, _gradients, _loss, _probabilities, train


def spread(n: int = 400, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Classes that a line cannot part: the sign of a product decides."""
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((n, 6)).astype(np.float32)
    label = np.where(inputs[:, 0] * inputs[:, 1] > 0, 0, np.where(inputs[:, 2] > 0, 1, classes - 1))
    return inputs, np.eye(classes, dtype=np.float32)[label]


def test_learns_what_a_line_cannot_and_is_scored_on_rows_it_did_not_see() -> None:
    inputs, targets = spread(2000)
    classifier, score = train(inputs, targets, ["a", "b", "c"], seed=0)
    assert (score.trained, score.validated) == (1600, 200)
    assert score.majority < 0.6
    assert score.accuracy > 0.85
    embedded = classifier.embed(inputs, np.zeros(6), np.ones(6))
    named = (embedded @ classifier.output + classifier.output_bias).argmax(axis=1)
    assert (named == targets.argmax(axis=1)).mean() > 0.85


def test_noise_is_not_learned() -> None:
    rng = np.random.default_rng(0)
    targets = np.eye(2, dtype=np.float32)[rng.integers(0, 2, 1000)]
    _, score = train(rng.standard_normal((1000, 20)).astype(np.float32), targets, ["a", "b"], seed=0)
    assert 0.3 < score.accuracy < 0.7


def test_same_seed_same_weights_another_seed_others() -> None:
    inputs, targets = spread(200)
    one, same, other = (train(inputs, targets, ["a", "b", "c"], seed=seed)[0] for seed in (4, 4, 5))
    assert one.hidden.tobytes() == same.hidden.tobytes()
    assert one.output.tobytes() == same.output.tobytes()
    assert one.hidden.tobytes() != other.hidden.tobytes()


def test_a_row_has_the_same_bits_alone_and_from_a_restored_state() -> None:
    inputs, targets = spread(300)
    classifier, _ = train(inputs, targets, ["a", "ä", "c"], seed=0)
    again = Classifier.from_state(*classifier.state())
    assert again.classes == ["a", "ä", "c"]
    mean, scale = inputs.mean(axis=0, dtype=np.float64), inputs.std(axis=0, dtype=np.float64)
    together = classifier.embed(inputs, mean, scale)
    assert together.dtype == np.float32
    assert together.min() == 0.0
    for row in (0, 77, 299):
        alone = again.embed(inputs[row : row + 1], mean, scale)
        assert alone.tobytes() == together[row : row + 1].tobytes()


def test_gradients_are_those_of_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longtail.content.classifier._SMOOTHING", 0.0)
    rng = np.random.default_rng(0)
    shapes = [(4, 5), (5,), (5, 3), (3,)]
    parameters = [rng.standard_normal(shape) for shape in shapes]  # float64: differences need the digits
    inputs, targets = rng.standard_normal((7, 4)), np.eye(3)[rng.integers(0, 3, 7)]
    found = _gradients(parameters, inputs, targets, np.ones((7, 5)))  # type: ignore[arg-type]
    for parameter, gradient in zip(parameters, found, strict=True):
        at = tuple(rng.integers(0, size) for size in parameter.shape)
        losses = []
        for step in (1e-5, -1e-5):
            parameter[at] += step
            losses.append(_loss(_probabilities(parameters, inputs), targets))  # type: ignore[arg-type]
            parameter[at] -= step
        assert gradient[at] == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-4, abs=1e-8)
