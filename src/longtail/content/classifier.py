"""A classifier with one hidden layer on the features of a frozen backbone, trained and run in numpy.

One process, one thread, one seed: the same weights. What is kept of a classifier's reading is its hidden layer, the
penultimate embedding; the last layer says how well it can tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from longtail.content.nesting import pack, unpack
from longtail.content.projection import project
from longtail.core.arrays import Float32, Float64, Int64, State
from longtail.core.machine import one_blas_thread

#: Neurons of the hidden layer: the width of an embedding.
WIDTH = 128
#: The share of rows that only say when to stop, and as many again that only say how good the classifier is.
_VALIDATION = 0.1
_EPOCHS, _PATIENCE, _BATCH = 40, 4, 128
_RATE, _DECAY, _DROPOUT, _SMOOTHING = 1e-3, 0.02, 0.4, 0.05
_BETAS, _EPSILON = (0.9, 0.999), 1e-8


@dataclass(frozen=True)
class Score:
    """How well a classifier tells rows it was not trained on.

    Attributes:
        accuracy: the share of rows (by target mass, where a row has several classes) whose class it names, of those
            that it was neither trained on nor stopped by.
        majority: the same for always naming the most common class of training.
        trained, validated: numbers of rows.
    """

    accuracy: float
    majority: float
    trained: int
    validated: int

    @classmethod
    def of(cls, named: Int64, targets: Float32, used: Int64, scored: Int64) -> Self:
        """Of the classes named for the rows ``scored`` by what was trained on the rows ``used``."""
        common = int(targets[used].sum(axis=0, dtype=np.float64).argmax())
        right, majority = (float(targets[scored, who].mean(dtype=np.float64)) for who in (named, common))
        return cls(right, majority, len(used), len(scored))


def split_rows(n: int, rng: np.random.Generator) -> tuple[Int64, Int64, Int64]:
    """Rows to train on, to stop by, and to score on: a tenth, at least one, for each of the latter.

    Raises:
        ValueError: fewer than three rows.
    """
    if n < 3:
        raise ValueError(f"{n} rows cannot be trained on, stopped by and scored: three are needed.")
    order = rng.permutation(n).astype(np.int64)
    n_held = max(1, round(_VALIDATION * n))
    return order[2 * n_held :], order[:n_held], order[n_held : 2 * n_held]


@dataclass(frozen=True)
class Classifier:
    """``softmax(relu(x @ hidden + hidden_bias) @ output + output_bias)``.

    Attributes:
        classes: names of the ``c`` classes.
        hidden: ``(d, h) float32``; ``hidden_bias``: ``(h,)``.
        output: ``(h, c) float32``; ``output_bias``: ``(c,)``.
    """

    classes: list[str]
    hidden: Float32
    hidden_bias: Float32
    output: Float32
    output_bias: Float32

    def embed(self, rows: Float32, mean: Float64, scale: Float64) -> Float32:
        """The hidden layer of ``((rows - mean) / scale)``, ``(n, h) float32``; a row's bits are its own."""
        active = project(rows, mean, scale, self.hidden.astype(np.float64)) + self.hidden_bias
        return np.maximum(active, 0.0).astype(np.float32)

    def state(self) -> State:
        """JSON values and arrays that :meth:`from_state` takes."""
        layers = {
            "hidden": self.hidden,
            "hidden_bias": self.hidden_bias,
            "output": self.output,
            "output_bias": self.output_bias,
        }
        return {}, {**layers, **pack(self.classes)}

    @classmethod
    def from_state(cls, meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Self:
        """The same classifier again."""
        layers = (arrays[name] for name in ("hidden", "hidden_bias", "output", "output_bias"))
        return cls(unpack(arrays), *layers)


def train(
    inputs: Float32, targets: Float32, classes: list[str], *, seed: int, width: int = WIDTH
) -> tuple[Classifier, Score]:
    """Train by cross entropy (AdamW, dropout), stop where the loss on held-back rows is least.

    Args:
        inputs: ``(n, d) float32``, standardised and finite.
        targets: ``(n, c) float32``, shares of the classes; every row adds up to 1.
        classes: the names of the columns of ``targets``.
        seed: same seed, same weights on the same machine.
        width: neurons of the hidden layer.

    Returns:
        The classifier and its score on a tenth of the rows that had no part in training.

    Raises:
        ValueError: fewer than three rows.
    """
    rng = np.random.default_rng(seed)
    used, held, scored = split_rows(len(inputs), rng)
    parameters = [
        (rng.standard_normal((inputs.shape[1], width)) * np.sqrt(2.0 / inputs.shape[1])).astype(np.float32),
        np.zeros(width, np.float32),
        (rng.standard_normal((width, len(classes))) * np.sqrt(1.0 / width)).astype(np.float32),
        np.zeros(len(classes), np.float32),
    ]
    best, least, since = [array.copy() for array in parameters], np.inf, 0
    with one_blas_thread():
        optimizer = _AdamW(parameters)
        for _ in range(_EPOCHS):
            for rows in _batches(used, rng):
                kept = rng.random((len(rows), width), dtype=np.float32) >= _DROPOUT
                keep = kept.astype(np.float32) / np.float32(1 - _DROPOUT)
                optimizer.step(_gradients(parameters, inputs[rows], targets[rows], keep))
            loss = _loss(_probabilities(parameters, inputs[held]), targets[held])
            since = 0 if loss < least else since + 1
            if loss < least:
                best, least = [array.copy() for array in parameters], loss
            if since >= _PATIENCE:
                break
        named = _probabilities(best, inputs[scored]).argmax(axis=1)
    return Classifier(classes, *best), Score.of(named, targets, used, scored)


def _batches(rows: Int64, rng: np.random.Generator) -> Iterator[Int64]:
    shuffled = rng.permutation(rows)
    return (shuffled[start : start + _BATCH] for start in range(0, len(shuffled), _BATCH))


def _probabilities(parameters: list[Float32], inputs: Float32) -> Float32:
    hidden, hidden_bias, output, output_bias = parameters
    return _softmax(np.maximum(inputs @ hidden + hidden_bias, 0) @ output + output_bias)


def _softmax(logits: Float32) -> Float32:
    powers: Float32 = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _loss(probabilities: Float32, targets: Float32) -> float:
    return float(-(targets * np.log(np.maximum(probabilities, 1e-12))).sum(axis=1, dtype=np.float64).mean())


def _gradients(parameters: list[Float32], inputs: Float32, targets: Float32, keep: Float32) -> list[Float32]:
    """Of the mean cross entropy to smoothed targets, by the chain rule; ``keep`` is the dropout's mask, scaled."""
    hidden, hidden_bias, output, output_bias = parameters
    active = np.maximum(inputs @ hidden + hidden_bias, 0) * keep
    smoothed = targets * np.float32(1 - _SMOOTHING) + np.float32(_SMOOTHING / targets.shape[1])
    error = (_softmax(active @ output + output_bias) - smoothed) / np.float32(len(inputs))
    # Where the unit is off or dropped, `active` is zero; where it is on, the slope is the mask's factor.
    back = (error @ output.T) * keep * (active > 0)
    return [inputs.T @ back, back.sum(axis=0), active.T @ error, error.sum(axis=0)]


class _AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019), on matrices; biases do not decay. In place."""

    def __init__(self, parameters: list[Float32]) -> None:
        self._parameters = parameters
        self._first = [np.zeros_like(array) for array in parameters]
        self._second = [np.zeros_like(array) for array in parameters]
        self._steps = 0

    def step(self, gradients: list[Float32]) -> None:
        self._steps += 1
        rate = np.float32(_RATE * np.sqrt(1 - _BETAS[1] ** self._steps) / (1 - _BETAS[0] ** self._steps))
        for array, gradient, first, second in zip(self._parameters, gradients, self._first, self._second, strict=True):
            first += np.float32(1 - _BETAS[0]) * (gradient - first)
            second += np.float32(1 - _BETAS[1]) * (gradient * gradient - second)
            if array.ndim == 2:
                array *= np.float32(1 - _RATE * _DECAY)
            array -= rate * first / (np.sqrt(second) + np.float32(_EPSILON))
