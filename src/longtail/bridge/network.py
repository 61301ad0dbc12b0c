"""The network bridge: a tower per field, summed into a shared trunk. Trained with torch, used with NumPy.

    h = SiLU(sum over fields of [W_f x_f + b_f, or the learned m_f where the field is missing])
    f = W_3 SiLU(W_2 h + b_2) + b_3 (+ h V, a linear short cut)

Whole fields are hidden at random in training, so that a missing one is nothing new. The loss is the squared error on
unit-length targets; the output is not normalised, so its length says how sure it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from longtail.bridge.settings import NetworkSettings
from longtail.core.arrays import Bool, Float32, Int64, State
from longtail.core.errors import DataError
from longtail.core.extras import require
from longtail.core.features import Features
from longtail.core.machine import one_torch_thread, usable_cores

_BLOCK = 8192

#: One trained network: named arrays, see ``_forward``.
Weights = dict[str, Float32]


@dataclass(frozen=True)
class NetworkBridge:
    """The mean of one or several trained networks; needs no torch.

    Attributes:
        fields: names of the fields in the order of the towers.
        members: the networks' weights.
    """

    fields: tuple[str, ...]
    members: tuple[Weights, ...]

    def predict(self, features: Features) -> Float32:
        """Predictions ``(n, d) float32``; an item with none of the fields gets zero.

        Raises:
            DataError: a field is missing altogether or has another width than in training.
        """
        x, present = inputs(features, self.fields)
        for name, matrix in zip(self.fields, x, strict=True):
            width = self.members[0][f"tower.{name}"].shape[0]
            if matrix.shape[1] != width:
                raise DataError(
                    f"The network was trained on {width} dimensions of field {name!r}; found {matrix.shape[1]}."
                )
        result = np.zeros((len(present), self.members[0]["out.bias"].shape[0]), dtype=np.float32)
        for member in self.members:
            for start in range(0, len(present), _BLOCK):
                rows = slice(start, start + _BLOCK)
                result[rows] += _forward(member, self.fields, [matrix[rows] for matrix in x], present[rows])
        result /= len(self.members)
        result[~present.any(axis=1)] = 0.0
        return result

    def state(self) -> State:
        """Plain arrays for a bundle, ``{member}.{name}``."""
        arrays = {f"{i}.{name}": array for i, member in enumerate(self.members) for name, array in member.items()}
        return {"kind": "network", "fields": list(self.fields), "members": len(self.members)}, arrays

    @classmethod
    def from_state(cls, meta: dict[str, Any], arrays: dict[str, Float32]) -> NetworkBridge:
        """Restore what ``state`` gave."""
        members = tuple(
            {name.removeprefix(f"{i}."): array for name, array in arrays.items() if name.startswith(f"{i}.")}
            for i in range(meta["members"])
        )
        return cls(tuple(meta["fields"]), members)


@dataclass(frozen=True)
class NetworkFit:
    """Networks fitted by folds.

    Attributes:
        bridge: the mean of the folds' networks, for new items.
        out_of_sample: ``(n, d) float32``: each training row predicted by networks that did not see it.
        epochs: how long each fold trained before its error on held-out items stopped falling.
        errors: each fold's mean squared error on its held-out items, before training and after each epoch.
        folds: ``(n,)`` the fold each training row was held out of.
    """

    bridge: NetworkBridge
    out_of_sample: Float32
    epochs: tuple[int, ...]
    errors: tuple[tuple[float, ...], ...]
    folds: Int64


def inputs(features: Features, names: tuple[str, ...]) -> tuple[list[Float32], Bool]:
    """The fields' matrices and the mask ``(n, n_fields)`` in the towers' order; DataError for a missing field."""
    missing = [name for name in names if name not in features.names]
    if missing:
        raise DataError(
            f"The network was trained on the fields {missing}, which these features lack: {features.names}."
        )
    chosen = [features[name] for name in names]
    present = (
        np.stack([field.present for field in chosen], axis=1) if chosen else np.zeros((len(features.items), 0), bool)
    )
    return [field.matrix for field in chosen], present


def fit_network(
    features: Features,
    rows: Int64,
    targets: Float32,
    settings: NetworkSettings,
    *,
    seed: int = 0,
) -> NetworkFit:
    """Train one network a fold and predict every training row out of sample.

    Args:
        features: of all items; fields no training row has are left out.
        rows: ``(n,)`` items to learn from.
        targets: ``(n, d) float32``.
        settings: sizes and schedule.
        seed: of folds, initial weights, order and dropout; the same seed gives the same network.

    Raises:
        MissingExtraError: torch is not installed.
        DataError: fewer rows than twice the folds, or no field at all.
    """
    torch = require("torch", extra="text", purpose="Training the network bridge")
    names = tuple(field.name for field in features if field.present[rows].any() and field.matrix.shape[1])
    if len(rows) < 2 * settings.folds or not names:
        raise DataError(
            f"The network bridge needs at least {2 * settings.folds} items with content; found {len(rows)} and the "
            f"fields {names}."
        )
    x, present = inputs(features, names)
    x, present = [matrix[rows] for matrix in x], present[rows]
    rng = np.random.default_rng(seed)
    fold_of = rng.permutation(len(rows)) % settings.folds
    predictions = np.zeros(targets.shape, dtype=np.float32)

    def one(fold: int) -> tuple[Weights, int, tuple[float, ...]]:
        learn, hold = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        own = np.random.default_rng([seed, fold])
        watch = hold if len(hold) <= 4000 else np.sort(own.choice(hold, 4000, replace=False))
        return _train(torch, names, x, present, targets, learn, watch, settings, seed + 1 + fold)

    # Folds side by side, each on one thread: torch releases the interpreter's lock inside its operations.
    with one_torch_thread(torch), ThreadPoolExecutor(min(settings.folds, usable_cores())) as pool:
        fits = list(pool.map(one, range(settings.folds)))
    for fold, (member, _, _) in enumerate(fits):
        hold = np.flatnonzero(fold_of == fold)
        for start in range(0, len(hold), _BLOCK):
            part = hold[start : start + _BLOCK]
            predictions[part] = _forward(member, names, [matrix[part] for matrix in x], present[part])
    members, epochs, errors = zip(*fits, strict=True)
    predictions[~present.any(axis=1)] = 0.0
    return NetworkFit(NetworkBridge(names, tuple(members)), predictions, tuple(epochs), tuple(errors), fold_of)


def fit_single(
    features: Features, rows: Int64, targets: Float32, settings: NetworkSettings, *, seed: int = 0
) -> NetworkBridge:
    """Train one network on nine tenths of the rows, stopping early on the rest. Arguments and errors: `fit_network`."""
    torch = require("torch", extra="text", purpose="Training the network bridge")
    names = tuple(field.name for field in features if field.present[rows].any() and field.matrix.shape[1])
    if len(rows) < 10 or not names:
        raise DataError(f"A network needs at least 10 items with content; found {len(rows)} and the fields {names}.")
    x, present = inputs(features, names)
    x, present = [matrix[rows] for matrix in x], present[rows]
    order = np.random.default_rng(seed).permutation(len(rows))
    cut = max(1, len(rows) // 10)
    learn = np.sort(order[cut:])
    # Layers this small are faster on one thread, and then the result does not depend on the number of cores.
    with one_torch_thread(torch):
        member, _, _ = _train(torch, names, x, present, targets, learn, np.sort(order[:cut]), settings, seed + 1)
    return NetworkBridge(names, (member,))


def _forward(weights: Weights, names: tuple[str, ...], x: list[Float32], present: Bool) -> Float32:
    """One network's output ``(n, d)``; must say the same as ``_step`` does in torch."""
    hidden = np.zeros((len(present), weights["trunk.bias"].shape[0]), dtype=np.float32)
    for column, (name, matrix) in enumerate(zip(names, x, strict=True)):
        there = present[:, column, None]
        hidden += np.where(there, matrix @ weights[f"tower.{name}"], weights[f"missing.{name}"])
    hidden = _silu(hidden + weights["tower.bias"])
    deep = _silu(hidden @ weights["trunk"] + weights["trunk.bias"])
    output: Float32 = deep @ weights["out"] + hidden @ weights["skip"] + weights["out.bias"]
    return output


def _silu(x: Float32) -> Float32:
    return np.asarray(x * expit(x), dtype=np.float32)


def _initial(widths: list[int], d: int, hidden: int, rng: np.random.Generator) -> Weights:
    def normal(rows: int, columns: int, scale: float) -> Float32:
        return (rng.standard_normal((rows, columns)) * scale).astype(np.float32)

    # Fields are unit rows: unit-variance weights give unit-variance sums, whatever the width.
    towers = normal(sum(widths), hidden, 1.5 / np.sqrt(len(widths)))
    return {
        "towers": np.concatenate([towers, np.zeros((len(widths), hidden), dtype=np.float32)]),
        "tower.bias": np.zeros(hidden, dtype=np.float32),
        "trunk": normal(hidden, hidden, np.sqrt(2.0 / hidden)),
        "trunk.bias": np.zeros(hidden, dtype=np.float32),
        # Start from predicting the mean: noise in the last layer would have to be unlearned first, in every dimension.
        "out": np.zeros((hidden, d), dtype=np.float32),
        "skip": np.zeros((hidden, d), dtype=np.float32),
        "out.bias": np.zeros(d, dtype=np.float32),
    }


def _train(
    torch: Any,
    names: tuple[str, ...],
    x: list[Float32],
    present: Bool,
    targets: Float32,
    learn: Int64,
    watch: Int64,
    settings: NetworkSettings,
    seed: int,
) -> tuple[Weights, int, tuple[float, ...]]:
    rng = np.random.default_rng(seed)
    widths = [matrix.shape[1] for matrix in x]
    # All towers are one product: of the fields side by side, and of ones where a field is missing.
    field_of = np.repeat(np.arange(len(widths)), widths)
    wide = np.where(present[:, field_of], np.concatenate(x, axis=1), np.float32(0.0))
    start = _initial(widths, targets.shape[1], settings.hidden, rng)
    start["out.bias"] = targets[learn].mean(axis=0, dtype=np.float64).astype(np.float32)
    parameters = {name: torch.tensor(array, requires_grad=True) for name, array in start.items()}
    optimizer = torch.optim.AdamW(
        parameters.values(), lr=settings.learning_rate, weight_decay=settings.weight_decay, betas=(0.9, 0.98),
        fused=True,
    )  # fmt: skip
    steps = settings.epochs * max(1, -(-len(learn) // settings.batch))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=settings.learning_rate, total_steps=steps, cycle_momentum=False,
        pct_start=max(0.1, min(0.9, 2 / steps)),  # a rise of no step at all would be divided by
    )  # fmt: skip

    def effective() -> dict[str, Any]:
        # Adam moves every weight of the last layer as far at once, and so many add up: they are scaled to bear it.
        return parameters | {name: parameters[name] * settings.hidden**-0.5 for name in ("out", "skip")}

    def error_of(weights: Weights) -> float:
        predicted = _forward(weights, names, [matrix[watch] for matrix in x], present[watch])
        return float(np.mean(((predicted - targets[watch]) ** 2).sum(axis=1, dtype=np.float64)))

    # Not having trained at all is a candidate: content may say nothing.
    best, best_epoch = _by_field(start, names, widths), 0
    errors = [error_of(best)]
    for epoch in range(settings.epochs):
        for batch in _batches(rng, learn, settings.batch):
            shown = present[batch] & (rng.random((len(batch), len(names))) >= settings.field_dropout)
            nothing = ~shown.any(axis=1)
            shown[nothing] = present[batch][nothing]
            keep = rng.random((len(batch), settings.hidden), dtype=np.float32) >= settings.dropout
            scaled = torch.from_numpy(keep.astype(np.float32) / np.float32(1 - settings.dropout))
            design = np.concatenate([wide[batch] * shown[:, field_of], ~shown], axis=1, dtype=np.float32)
            output = _step(torch, effective(), torch.from_numpy(design), scaled)
            loss = ((output - torch.from_numpy(targets[batch])) ** 2).sum(dim=1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        trained = {name: tensor.detach().numpy().copy() for name, tensor in effective().items()}
        current = _by_field(trained, names, widths)
        errors.append(error_of(current))
        if errors[-1] < errors[best_epoch]:
            best, best_epoch = current, epoch + 1
        elif epoch + 1 - best_epoch >= settings.patience:
            break
    return best, best_epoch, tuple(errors)


def _by_field(weights: Weights, names: tuple[str, ...], widths: list[int]) -> Weights:
    """Weights as training has them, with all towers in one, as ``_forward`` takes them."""
    towers, missing = np.split(weights["towers"], [sum(widths)])
    parts = np.split(towers, np.cumsum(widths)[:-1])
    return {
        **{f"tower.{name}": part for name, part in zip(names, parts, strict=True)},
        **{f"missing.{name}": row for name, row in zip(names, missing, strict=True)},
        **{name: array for name, array in weights.items() if name != "towers"},
    }


def _step(torch: Any, p: dict[str, Any], x: Any, keep: Any) -> Any:
    """The output ``(n, d)`` for fields side by side, zero where missing, and as many columns that say what is missing.

    ``keep (n, hidden)``: the trunk's dropout.
    """
    silu = torch.nn.functional.silu
    hidden = silu(torch.addmm(p["tower.bias"], x, p["towers"]))
    deep = silu(torch.addmm(p["trunk.bias"], hidden, p["trunk"])) * keep
    return torch.addmm(p["out.bias"], deep, p["out"]) + hidden @ p["skip"]


def _batches(rng: np.random.Generator, rows: Int64, size: int) -> Iterator[Int64]:
    order = rng.permutation(rows)
    for start in range(0, len(order), size):
        yield order[start : start + size]
