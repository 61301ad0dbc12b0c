"""Fit the learners, score them on items they did not see, keep the best or their mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from longtail.bridge.kernel import KernelBridge, KernelFit, fit_kernel
from longtail.bridge.network import NetworkBridge, NetworkFit, fit_network
from longtail.bridge.r_squared import r_squared
from longtail.bridge.settings import BridgeMethod, BridgeSettings
from longtail.core.arrays import Float32, Int64, State
from longtail.core.errors import DataError, MissingExtraError
from longtail.core.features import Features
from longtail.core.progress import SILENT, Progress
from longtail.core.unit_rows import unit_rows

#: With fewer items to learn from, a network's folds are too small to say anything.
NETWORK_ROWS = 300
#: The share of its R² by which another learner must be better than the kernel to be kept: it costs more.
_MARGIN = 0.01


@dataclass(frozen=True)
class Bridge:
    """The learned map from content to behaviour space: one learner, or a weighted sum of two.

    Attributes:
        kernel: or None.
        network: or None.
        network_weight: the network's part of the sum.
        kernel_weight: the kernel's.
    """

    kernel: KernelBridge | None
    network: NetworkBridge | None
    kernel_weight: float = 1.0
    network_weight: float = 0.0

    def predict(self, features: Features, z: Float32) -> Float32:
        """Predicted directions ``(n, d) float32``; their length in about [0, 1] says how sure they are.

        Args:
            features: of the items, with the fields of training.
            z: ``(n, d_z) float32`` content vectors of the same items, weighted as in training.

        Raises:
            DataError: widths or fields differ from those of training.
        """
        total: Float32 | None = None
        if self.kernel is not None and self.kernel_weight:
            total = np.float32(self.kernel_weight) * self.kernel.predict(z)
        if self.network is not None and self.network_weight:
            part = np.float32(self.network_weight) * self.network.predict(features)
            total = part if total is None else total + part
        if total is None:
            raise DataError("This bridge has neither a kernel nor a network; it was not fitted.")
        total[~z.any(axis=1)] = 0.0
        return total

    def state(self) -> State:
        """Plain arrays for a bundle, the learners' under ``kernel.`` and ``network.``."""
        meta: dict[str, Any] = {"kernel_weight": self.kernel_weight, "network_weight": self.network_weight}
        arrays = {}
        for name, part in (("kernel", self.kernel), ("network", self.network)):
            if part is not None:
                meta[name], own = part.state()
                arrays.update({f"{name}.{key}": array for key, array in own.items()})
        return meta, arrays

    @classmethod
    def from_state(cls, meta: dict[str, Any], arrays: dict[str, Float32]) -> Bridge:
        """Restore what ``state`` gave."""

        def own(name: str) -> dict[str, Float32]:
            return {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")}

        return cls(
            KernelBridge.from_state(meta["kernel"], own("kernel")) if "kernel" in meta else None,
            NetworkBridge.from_state(meta["network"], own("network")) if "network" in meta else None,
            float(meta["kernel_weight"]),
            float(meta["network_weight"]),
        )


@dataclass(frozen=True)
class FittedBridge:
    """A bridge with what it says about its own training items without having seen them.

    Attributes:
        bridge: for every other item.
        rows: ``(n,)`` the items it learned from.
        out_of_sample: ``(n, d) float32``, a prediction for each of them from learners that did not see it.
        scores: R² on unseen items by learner, and what was kept; plain JSON.
        folds: ``(n,)``, the network's fold each was held out of; None without a network.
        whitener: of the kernel, see `longtail.bridge.kernel.KernelFit`.
    """

    bridge: Bridge
    rows: Int64
    out_of_sample: Float32
    scores: dict[str, Any]
    folds: Int64 | None
    whitener: Float32


def shape_targets(vectors: Float32, exponent: float) -> Float32:
    """Targets v |v|^(exponent - 1) with a median length of 1, ``float32``; zero rows stay zero.

    Exponent 0 leaves directions alone; with 1 the length, which follows popularity, is learned too.
    """
    unit = unit_rows(vectors)
    if exponent == 0.0:
        return unit
    lengths = np.linalg.norm(vectors, axis=1) ** exponent
    middle = float(np.median(lengths[lengths > 0])) if (lengths > 0).any() else 1.0
    return np.asarray(unit * (lengths / middle)[:, None], dtype=np.float32)


def fit_bridge(
    features: Features,
    z: Float32,
    targets: Float32,
    rows: Int64,
    settings: BridgeSettings,
    *,
    method: BridgeMethod | None = None,
    target_exponent: float = 0.0,
    seed: int = 0,
    progress: Progress = SILENT,
) -> FittedBridge:
    """Learn behaviour from content.

    The kernel's leave-one-out and the network's folds give every training item a prediction by learners that have not
    seen it. Those predictions are the score: no item has to be set aside, and nothing is scored on what it learned.

    Args:
        features: of all items.
        z: ``(n_items, d_z) float32`` content vectors; rows without content are zero and are not learned from.
        targets: ``(n_items, d) float32``.
        rows: items to learn from; those without content or with a zero target are left out, and of more than the
            settings allow a sample is drawn.
        settings: what to fit.
        method: overrides ``settings.method``: the first rounds of an alternation need only the kernel.
        target_exponent: see :func:`shape_targets`; 0 teaches directions only.
        seed: the same seed gives the same bridge.
        progress: told of scores, and of a missing torch, in which case the kernel alone is used.

    Raises:
        DataError: fewer than two usable rows; NumericalError: values that are not finite.
    """
    method = method or settings.method
    rows = rows[z[rows].any(axis=1) & targets[rows].any(axis=1)]
    if len(rows) > settings.max_rows:
        rows = np.sort(np.random.default_rng(seed).choice(rows, settings.max_rows, replace=False))
    if len(rows) < 2:
        raise DataError(f"A bridge needs at least two items with content and behaviour; found {len(rows)}.")
    unit = shape_targets(targets[rows], target_exponent)
    kernel = fit_kernel(z[rows], unit, landmarks=settings.landmarks, seed=seed)
    network = None if method == "kernel" else _network(features, rows, unit, settings, seed, progress)
    return _keep(rows, unit, kernel, network, method)


def _network(
    features: Features,
    rows: Int64,
    unit: Float32,
    settings: BridgeSettings,
    seed: int,
    progress: Progress,
) -> NetworkFit | None:
    if len(rows) < NETWORK_ROWS:
        progress.note(f"{len(rows):,} items have content and events, too few for a network: the kernel predicts alone.")
        return None
    try:
        return fit_network(features, rows, unit, settings.network, seed=seed)
    except MissingExtraError as error:
        progress.note(f"{error} Until then the kernel predicts alone.")
        return None


def _keep(
    rows: Int64, unit: Float32, kernel: KernelFit, network: NetworkFit | None, method: BridgeMethod
) -> FittedBridge:
    """Score the candidates, weights (kernel, network), and keep one."""
    learned = None if network is None else network.out_of_sample
    candidates: dict[str, tuple[float, float]] = {"kernel": (1.0, 0.0)}
    if learned is not None:
        share = _network_share(unit, kernel.out_of_sample, learned)
        candidates |= {"network": (0.0, 1.0), "mean": (1.0 - share, share)}

    def predict(weights: tuple[float, float]) -> Float32:
        prediction = np.float32(weights[0]) * kernel.out_of_sample
        return prediction if learned is None or not weights[1] else prediction + np.float32(weights[1]) * learned

    scores = {name: r_squared(unit, predict(weights)) for name, weights in candidates.items()}
    best = method if method in candidates else best_learner(scores)
    weights = candidates[best]
    bridge = Bridge(
        kernel.bridge if weights[0] else None,
        network.bridge if network is not None and weights[1] else None,
        kernel_weight=weights[0],
        network_weight=weights[1],
    )
    report: dict[str, Any] = {
        "kept": best,
        "r2": scores[best],
        "scores": scores,
        "items": len(rows),
        "ridge": kernel.ridge,
        "ridge_curve": {str(ridge): score for ridge, score in kernel.curve.items()},
    }
    if network is not None:
        report["network_epochs"] = list(network.epochs)
        report["network_errors"] = [list(errors) for errors in network.errors]
    folds = None if network is None else network.folds
    return FittedBridge(bridge, rows, predict(weights), report, folds, kernel.whitener)


def best_learner(scores: Mapping[str, float]) -> str:
    """The name with the best R²; ``kernel`` unless another is better by more than a hundredth of its R²."""
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] > scores["kernel"] + _MARGIN * abs(scores["kernel"]) else "kernel"


def _network_share(targets: Float32, kernel: Float32, network: Float32) -> float:
    """The network's part w in [0, 1] of the mean (1 - w) k + w n that is nearest to the targets, by least squares."""
    apart = (network - kernel).astype(np.float64)
    size = float((apart**2).sum())
    return float(np.clip(((targets - kernel) * apart).sum() / size, 0.0, 1.0)) if size > 1e-12 else 0.0
