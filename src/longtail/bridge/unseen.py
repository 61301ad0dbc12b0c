"""How the bridge predicted the very items it learned from: by learners that had not seen them.

The prior of an item with events must not have seen those events, so it is not what the published bridge says of that
item but what a bridge without it would. An explanation asks the same bridge about parts of the item's content:

- kernel: leaving row i out changes the prediction at any z to f(z) - h_i(z) r_i, with the residual r_i of its
  leave-one-out prediction and h_i(z) = k(z)'(K'K + r K_mm)^-1 k_i (Sherman & Morrison 1950; at z_i Allen's PRESS);
- network: the member of the fold the item was held out of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from longtail.bridge.kernel import kernel
from longtail.bridge.network import NetworkBridge
from longtail.bridge.training import Bridge, FittedBridge
from longtail.core.arrays import Bool, Float32, Int32, State
from longtail.core.features import Features


@dataclass(frozen=True)
class Unseen:
    """What it takes to ask the bridge that has not seen an item about any content.

    Attributes:
        learned: ``(n_items,) bool``, items the bridge learned from.
        fold: ``(n_items,) int32``, the network's member that did not see the item; -1 for others.
        lengths: ``(n_items,) float32``, of the predictions before their length was set.
        whitener: ``(m, m) float32`` W with W W' = (K'K + r K_mm)^-1; ``(0, 0)`` without a kernel.
    """

    learned: Bool
    fold: Int32
    lengths: Float32
    whitener: Float32

    @classmethod
    def of(cls, fitted: FittedBridge, raw: Float32) -> Self:
        """From a fitted bridge and ``raw (n_items, d)``, all predictions before their length is set."""
        learned = np.zeros(len(raw), dtype=np.bool_)
        learned[fitted.rows] = True
        fold = np.full(len(raw), -1, dtype=np.int32)
        if fitted.folds is not None:
            fold[fitted.rows] = fitted.folds
        return cls(learned, fold, np.linalg.norm(raw, axis=1).astype(np.float32), fitted.whitener)

    def predict(self, bridge: Bridge, item: int, prediction: Float32, features: Features, z: Float32) -> Float32:
        """What the bridge that predicted an item says about contents, ``(n, d) float32`` before the length is set.

        Args:
            bridge: as published.
            item: the item's row; one that came after training was predicted by the bridge as it is.
            prediction: ``(d,)`` the item's own prediction, of any length.
            features: ``(n, ...)`` contents, the first of them the item's own and whole.
            z: ``(n, d_z)`` their content vectors.
        """
        if item >= len(self.learned) or not self.learned[item]:
            return bridge.predict(features, z)
        whole = prediction * (self.lengths[item] / max(float(np.linalg.norm(prediction)), 1e-12))
        total = np.zeros((len(z), len(prediction)), dtype=np.float32)
        if bridge.network is not None and bridge.network_weight:
            network = bridge.network
            if 0 <= self.fold[item] < len(network.members):
                network = NetworkBridge(network.fields, (network.members[self.fold[item]],))
            total += np.float32(bridge.network_weight) * network.predict(features)
        if bridge.kernel is not None and bridge.kernel_weight:
            seen = np.float32(bridge.kernel_weight) * bridge.kernel.predict(z)
            # What the item itself had taught the kernel, as far as it bears on each content.
            taught = seen[0] + total[0] - whole
            total += seen - self._bearing(bridge.kernel.landmarks, z)[:, None] * taught
        total[~z.any(axis=1)] = 0.0
        return total

    def _bearing(self, landmarks: Float32, z: Float32) -> Float32:
        """h_i(z) / h_i(z_i), ``(n,)``, of contents of which the first is the item's."""
        if not len(self.whitener):
            return np.zeros(len(z), dtype=np.float32)
        white = kernel(z, landmarks) @ self.whitener
        bearing = white @ white[0]
        return np.asarray(bearing / bearing[0] if bearing[0] > 1e-12 else np.zeros_like(bearing), dtype=np.float32)

    def state(self) -> State:
        """Plain arrays for a bundle."""
        return {}, {name: getattr(self, name) for name in ("learned", "fold", "lengths", "whitener")}

    @classmethod
    def from_state(cls, meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Self:
        """The same again."""
        return cls(**arrays)
