import numpy as np
import pytest

from longtail.bridge.article import default_threshold, fit_article
from longtail.bridge.network import NetworkBridge, fit_network
from longtail.bridge.r_squared import r_squared
from longtail.bridge.settings import BridgeSettings, NetworkSettings
from longtail.bridge.training import NETWORK_ROWS, Bridge, fit_bridge
from longtail.core.errors import DataError
from longtail.core.features import Features, Field
from longtail.core.unit_rows import unit_rows
from longtail.core.vocabulary import Vocabulary

SMALL = NetworkSettings(hidden=32, epochs=20, batch=64, dropout=0.0, learning_rate=5e-3, weight_decay=0.01, patience=5)


def shop(n=600, seed=0, missing=0.2):
    """Two fields that decide behaviour together; one is missing now and then."""
    rng = np.random.default_rng(seed)
    a, b = (unit_rows(rng.standard_normal((n, 8)).astype(np.float32)) for _ in range(2))
    y = unit_rows((np.tanh(2 * a @ rng.standard_normal((8, 4))) + b @ rng.standard_normal((8, 4))).astype(np.float32))
    there = rng.random(n) >= missing
    fields = (Field("a", a, np.ones(n, bool)), Field("b", b * there[:, None], there))
    return Features(Vocabulary([f"i{i}" for i in range(n)]), fields), y


@pytest.fixture(scope="module")
def fitted():
    features, y = shop()
    return features, y, fit_network(features, np.arange(500), y[:500], SMALL)


def test_beats_the_mean_on_held_out_items(fitted):
    features, y, fit = fitted
    new = fit.bridge.predict(features.take(np.arange(500, 600)))
    assert r_squared(y[500:], new) > 0.5
    assert r_squared(y[:500], fit.out_of_sample) > 0.5


def test_out_of_sample_is_not_in_sample():
    # Targets are noise: whoever had seen them would score above zero.
    features, _ = shop(300)
    noise = unit_rows(np.random.default_rng(1).standard_normal((300, 4)).astype(np.float32))
    fit = fit_network(features, np.arange(300), noise, SMALL)
    assert r_squared(noise, fit.out_of_sample) < 0.05
    assert r_squared(noise, fit.bridge.predict(features)) > r_squared(noise, fit.out_of_sample)


def test_a_missing_field_is_learned_not_zero(fitted):
    features, _, fit = fitted
    only_a = Features(features.items, (features["a"], Field("b", features["b"].matrix, np.zeros(600, bool))))
    zeroed = Features(
        features.items, (features["a"], Field("b", np.zeros_like(features["b"].matrix), np.ones(600, bool)))
    )
    assert not np.allclose(fit.bridge.predict(only_a), fit.bridge.predict(zeroed))


def test_what_is_behind_the_mask_means_nothing(fitted):
    features, _, fit = fitted
    hidden = Features(features.items, (features["a"], Field("b", features["b"].matrix, np.zeros(600, bool))))
    other = Features(features.items, (features["a"], Field("b", features["b"].matrix + 7, np.zeros(600, bool))))
    np.testing.assert_array_equal(fit.bridge.predict(hidden), fit.bridge.predict(other))


def test_nothing_present_gets_zero(fitted):
    features, _, fit = fitted
    none = Features(features.items, tuple(Field(f.name, f.matrix, np.zeros(600, bool)) for f in features))
    assert not fit.bridge.predict(none).any()


def test_numpy_says_what_torch_says(fitted):
    torch = pytest.importorskip("torch")
    from longtail.bridge.network import _forward, _step

    features, _, fit = fitted
    weights = fit.bridge.members[0]
    x = [field.matrix[:50] for field in features]
    present = features.present[:50]
    assert not present.all()
    towers = [weights[f"{part}.{name}"] for part in ("tower", "missing") for name in features.names]
    given = np.concatenate([*(m * p[:, None] for m, p in zip(x, present.T, strict=True)), ~present], axis=1)
    with torch.no_grad():
        said = _step(
            torch,
            {name: torch.from_numpy(array) for name, array in (weights | {"towers": np.vstack(towers)}).items()},
            torch.from_numpy(given.astype(np.float32)),
            torch.ones(50, SMALL.hidden),
        ).numpy()
    np.testing.assert_allclose(_forward(weights, features.names, x, present), said, atol=1e-5)


def test_the_best_epoch_of_each_fold_is_kept_and_its_curve_told(fitted):
    _, _, fit = fitted
    assert len(fit.errors) == len(fit.epochs) == SMALL.folds
    for epoch, errors in zip(fit.epochs, fit.errors, strict=True):
        assert epoch == int(np.argmin(errors)) > 0
        assert len(errors) in (SMALL.epochs + 1, epoch + SMALL.patience + 1)


def test_same_seed_same_network(fitted):
    features, y, fit = fitted
    again = fit_network(features, np.arange(500), y[:500], SMALL)
    np.testing.assert_array_equal(again.out_of_sample, fit.out_of_sample)
    other = fit_network(features, np.arange(500), y[:500], SMALL, seed=1)
    assert not np.array_equal(other.out_of_sample, fit.out_of_sample)


def test_state_round_trip(fitted):
    features, _, fit = fitted
    again = NetworkBridge.from_state(*fit.bridge.state())
    np.testing.assert_array_equal(again.predict(features), fit.bridge.predict(features))


def test_refusals(fitted):
    features, y, fit = fitted
    with pytest.raises(DataError, match="lack"):
        fit.bridge.predict(Features(features.items, (features["a"],)))
    with pytest.raises(DataError, match="8 dimensions"):
        fit.bridge.predict(
            Features(features.items, (Field("a", np.ones((600, 3), np.float32), np.ones(600, bool)), features["b"]))
        )
    with pytest.raises(DataError, match="at least 6 items"):
        fit_network(features, np.arange(4), y[:4], SMALL)


class TestTraining:
    settings = BridgeSettings(network=SMALL)

    @pytest.mark.parametrize(("method", "kernel", "network"), [("kernel", True, False), ("mean", True, True)])
    def test_keeps_what_is_asked_for(self, method, kernel, network):
        features, y = shop(400)
        z = unit_rows(np.concatenate([f.matrix for f in features], axis=1))
        fit = fit_bridge(features, z, 3 * y, np.arange(400), self.settings, method=method)
        assert (fit.bridge.kernel is not None, fit.bridge.network is not None) == (kernel, network)
        assert fit.scores["kept"] == method
        assert fit.scores["r2"] == pytest.approx(r_squared(y, fit.out_of_sample))
        again = Bridge.from_state(*fit.bridge.state())
        np.testing.assert_array_equal(again.predict(features, z), fit.bridge.predict(features, z))

    def test_auto_keeps_the_kernel_where_nothing_is_clearly_better(self):
        features, y = shop(400)
        z = unit_rows(np.concatenate([f.matrix for f in features], axis=1))
        scores = fit_bridge(features, z, y, np.arange(400), self.settings).scores
        assert set(scores["scores"]) == {"kernel", "network", "mean"}
        assert scores["scores"]["mean"] >= max(scores["scores"]["kernel"], scores["scores"]["network"]) - 1e-6
        assert scores["scores"]["mean"] < 1.01 * scores["scores"]["kernel"]
        assert scores["kept"] == "kernel"

    def test_auto_keeps_the_mean_where_the_network_adds_to_it(self):
        features, y = shop(1500)
        z = unit_rows(np.concatenate([f.matrix for f in features], axis=1))
        few = BridgeSettings(network=SMALL, landmarks=12)
        fit = fit_bridge(features, z, y, np.arange(1500), few)
        scores = fit.scores["scores"]
        assert fit.scores["kept"] == max(scores, key=lambda name: scores[name]) != "kernel"
        assert scores["mean"] > 1.01 * scores["kernel"]
        assert fit.bridge.kernel_weight + fit.bridge.network_weight == pytest.approx(1.0)
        assert fit.scores["r2"] == pytest.approx(r_squared(y, fit.out_of_sample))

    def test_few_items_get_the_kernel_alone(self):
        features, y = shop(30)
        z = unit_rows(np.concatenate([f.matrix for f in features], axis=1))
        fit = fit_bridge(features, z, y, np.arange(30), self.settings)
        assert fit.scores["kept"] == "kernel"
        assert NETWORK_ROWS > 30

    def test_without_torch_the_kernel_is_used_and_it_is_said(self, monkeypatch):
        import longtail.bridge.network as network
        from longtail.core.errors import MissingExtraError

        def refuse(module, *, extra, purpose):
            raise MissingExtraError(purpose, extra, module)

        class Listener:
            def __init__(self):
                self.notes = []

            def note(self, text):
                self.notes.append(text)

        monkeypatch.setattr(network, "require", refuse)
        listener = Listener()
        features, y = shop(400)
        z = unit_rows(np.concatenate([f.matrix for f in features], axis=1))
        fit = fit_bridge(features, z, y, np.arange(400), self.settings, progress=listener)
        assert fit.scores["kept"] == "kernel"
        assert "longtail[text]" in listener.notes[0]

    def test_more_rows_than_allowed_are_sampled(self):
        features, y = shop(400)
        z = unit_rows(np.concatenate([f.matrix for f in features], axis=1))
        limited = self.settings.model_copy(update={"max_rows": 100})
        fit = fit_bridge(features, z, y, np.arange(400), limited, method="kernel")
        assert len(fit.rows) == len(fit.out_of_sample) == 100

    def test_items_without_content_or_behaviour_do_not_teach(self):
        features, y = shop(100)
        z = unit_rows(np.concatenate([f.matrix for f in features], axis=1))
        z[3], y[5] = 0, 0
        fit = fit_bridge(features, z, y, np.arange(100), self.settings, method="kernel")
        assert {3, 5}.isdisjoint(fit.rows)
        with pytest.raises(DataError, match="at least two"):
            fit_bridge(features, z, y, np.array([3, 5]), self.settings)


class TestArticle:
    @pytest.mark.parametrize(
        ("counts", "threshold"),
        [([400] * 3 + [0] * 7, 300), ([400] + [25] * 2 + [1] * 7, 20), ([0] * 9 + [1], 1), ([2] * 10, 1)],
    )
    def test_the_switch_keeps_a_fifth(self, counts, threshold):
        assert default_threshold(np.array(counts)) == threshold

    def test_learns_raw_vectors_of_the_head(self):
        features, y = shop(400)
        counts = np.where(np.arange(400) < 300, 50, 1)
        network, head = fit_article(features, 3 * y, counts, threshold=20, settings=SMALL)
        assert head.sum() == 300
        assert r_squared(3 * y[300:], network.predict(features)[300:]) > 0.4

    def test_too_few_heads_are_refused(self):
        features, y = shop(40)
        with pytest.raises(DataError, match="Lower article_threshold"):
            fit_article(features, y, np.ones(40, int), threshold=5)
