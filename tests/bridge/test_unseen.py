"""What a bridge that has not seen an item says about parts of its content."""

from __future__ import annotations

import numpy as np
import pytest

from longtail.bridge.kernel import KernelBridge, _landmark_kernel, _normal_equations
from longtail.bridge.settings import BridgeSettings, NetworkSettings
from longtail.bridge.training import Bridge, FittedBridge, fit_bridge
from longtail.bridge.unseen import Unseen
from longtail.content.combine import combine
from longtail.core.features import Features, Field
from longtail.core.unit_rows import unit_rows
from longtail.core.vocabulary import Vocabulary


def shop(n: int, d: int = 5) -> tuple[Features, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    one, two = (unit_rows(rng.standard_normal((n, width)).astype(np.float32)) for width in (4, 3))
    there = rng.random(n) < 0.8
    features = Features(
        Vocabulary([f"i{at}" for at in range(n)]),
        (Field("one", one, np.ones(n, bool)), Field("two", two * there[:, None], there)),
    )
    targets = one @ rng.standard_normal((4, d)) + 0.3 * rng.standard_normal((n, d))
    return features, combine(features, {}), targets.astype(np.float32)


def fitted(features: Features, z: np.ndarray, targets: np.ndarray, rows: np.ndarray, method: str) -> tuple[
    FittedBridge, np.ndarray, Unseen
]:  # fmt: skip
    settings = BridgeSettings(method=method, network=NetworkSettings(hidden=16, epochs=3))
    bridge = fit_bridge(features, z, targets, rows, settings, seed=1)
    raw = bridge.bridge.predict(features, z)
    raw[bridge.rows] = bridge.out_of_sample
    return bridge, raw, Unseen.of(bridge, raw)


def parts_of(features: Features, item: int) -> tuple[Features, np.ndarray]:
    """The item as it is, without its second field, without its first, and as another item."""
    rows = [item, item, item, (item + 1) % len(features.items)]
    fields = tuple(Field(field.name, field.matrix[rows], field.present[rows]) for field in features)
    taken = Features(Vocabulary(list("abcd")), fields)
    one, two = (field.present.copy() for field in taken)
    two[1] = one[2] = False
    masked = Features(
        taken.items,
        tuple(
            Field(field.name, field.matrix * there[:, None], there)
            for field, there in zip(taken, (one, two), strict=True)
        ),
    )
    return masked, combine(masked, {})


@pytest.mark.parametrize("method", ["kernel", "network", "mean"])
def test_says_of_the_whole_item_what_was_predicted_out_of_sample(method: str) -> None:
    pytest.importorskip("torch")
    features, z, targets = shop(400)
    rows = np.arange(360)
    bridge, raw, unseen = fitted(features, z, targets, rows, method)
    assert (bridge.bridge.network is not None) == (method != "kernel")
    for item in (0, 17, 200, 359, 360, 399):
        masked, own = parts_of(features, item)
        said = unseen.predict(bridge.bridge, item, 3 * raw[item], masked, own)
        np.testing.assert_allclose(said[0], raw[item], atol=1e-5)
        if item >= 360:  # not learned from: the bridge as it is
            np.testing.assert_array_equal(said, bridge.bridge.predict(masked, own))


def test_says_of_its_parts_what_a_kernel_without_the_item_says() -> None:
    features, z, targets = shop(120)
    rows = np.arange(100)
    bridge, raw, unseen = fitted(features, z, targets, rows, "kernel")
    kernel = bridge.bridge.kernel
    assert kernel is not None
    unit = unit_rows(targets[rows])
    for item in (3, 40, 99):
        left = np.setdiff1d(rows, [item])
        gram, cross = _normal_equations(z[left], unit[left], kernel.landmarks)
        ridge = bridge.scores["ridge"]
        weights = np.linalg.solve(gram + ridge * _landmark_kernel(kernel.landmarks), cross).astype(np.float32)
        without = Bridge(KernelBridge(kernel.landmarks, weights), None)
        masked, own = parts_of(features, item)
        said = unseen.predict(bridge.bridge, item, raw[item], masked, own)
        np.testing.assert_allclose(said, without.predict(masked, own), atol=2e-3)
        # And that is something else than what the published bridge says.
        assert np.abs(said[0] - bridge.bridge.predict(masked, own)[0]).max() > 5e-3


def test_its_state_restores_it() -> None:
    features, z, targets = shop(60)
    bridge, raw, unseen = fitted(features, z, targets, np.arange(60), "kernel")
    again = Unseen.from_state(*unseen.state())
    masked, own = parts_of(features, 5)
    np.testing.assert_array_equal(
        again.predict(bridge.bridge, 5, raw[5], masked, own), unseen.predict(bridge.bridge, 5, raw[5], masked, own)
    )


def test_an_item_that_came_later_is_asked_of_the_bridge_as_it_is() -> None:
    features, z, targets = shop(60)
    bridge, raw, unseen = fitted(features, z, targets, np.arange(60), "kernel")
    masked, own = parts_of(features, 5)
    np.testing.assert_array_equal(
        unseen.predict(bridge.bridge, 60, raw[5], masked, own), bridge.bridge.predict(masked, own)
    )
