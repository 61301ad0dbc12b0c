"""A pretrained backbone trained on, whole, to tell one attribute of what a picture shows.

Statistics of batch normalisation stay those of pretraining: batches here are small, and pictures of one shop alike. One
network is trained on one thread of the processor (or on a GPU), so that the same seed gives the same weights whatever
the number of cores.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np

from longtail.content.classifier import Score, split_rows
from longtail.content.picture_blocks import Inputs
from longtail.content.pictures import Pixels
from longtail.core.arrays import Float32, Int64
from longtail.core.extras import require

#: Neurons of the hidden layer: the width of an embedding.
WIDTH = 128
_EPOCHS, _PATIENCE, _BATCH = 8, 2, 32
#: Learning rates of what is pretrained and of what is new; the decay is of matrices and kernels.
_RATE, _HEAD_RATE, _DECAY, _DROPOUT, _SMOOTHING = 2e-4, 2e-3, 0.02, 0.2, 0.05
#: A picture is moved by up to this share of its side, and every second one is mirrored.
_SHIFT = 0.06


@dataclass(frozen=True)
class Task:
    """What a network is to learn.

    Attributes:
        pictures: ``(n,) int64``, positions.
        targets: ``(n, c) float32``, shares of the classes; every row adds up to 1.
        seed: of the split, the order, the changes of pictures and the new layers.
    """

    pictures: Int64
    targets: Float32
    seed: int


def add_head(backbone: Any, n_classes: int, seed: int) -> Any:
    """The backbone, a hidden layer, an output: ``network[0]`` pools, ``network[1:3]`` embeds, ``network[3]`` tells."""
    torch = require("torch", extra="images", purpose="Fine-tuning")
    hidden = torch.nn.Linear(backbone.head_hidden_size, WIDTH)
    output = torch.nn.Linear(WIDTH, n_classes)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer, gain in ((hidden, 2.0), (output, 1.0)):
            layer.weight.normal_(0.0, (gain / layer.in_features) ** 0.5, generator=generator)
            layer.bias.zero_()
    return torch.nn.Sequential(backbone, hidden, torch.nn.ReLU(), output).eval()


def fine_tune(
    network: Any, task: Task, pixels: Callable[[int], Pixels], inputs: Inputs, device: str, decoders: Executor | None
) -> Score:
    """Train a network in place by cross entropy (AdamW), and stop where the loss on held-back pictures is least.

    Args:
        network: see :func:`add_head`; on ``device`` afterwards.
        task: what to learn; three pictures at least.
        pixels: a picture by its position, ``(side, side, 3) uint8``; it must be readable.
        inputs: what the backbone takes.
        device: ``"cpu"`` or ``"cuda"``.
        decoders: where the next batch is decoded while this one is learned; None: not beforehand.

    Returns:
        How well it tells a tenth of the pictures, at least one, that had no part in training.

    Raises:
        ValueError: fewer than three pictures.
    """
    torch = require("torch", extra="images", purpose="Fine-tuning")
    network.to(device)
    rng = np.random.default_rng(task.seed)
    used, held, scored = split_rows(len(task.pictures), rng)
    optimizer = torch.optim.AdamW(_groups(network), betas=(0.9, 0.999))
    steps = _EPOCHS * -(-len(used) // _BATCH)
    # A tenth to warm up, then down to nothing in a straight line.
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (0.1 * steps + 1), max(0.0, 1.0 - step / steps))
    )
    targets = torch.from_numpy(task.targets)
    best, least, since = copy.deepcopy(network.state_dict()), np.inf, 0
    for _ in range(_EPOCHS):
        batches = [rows for rows in np.split(rng.permutation(used), range(_BATCH, len(used), _BATCH)) if len(rows)]
        seeds = rng.integers(2**63, size=len(batches)).tolist()
        for rows, seed, pictures in zip(batches, seeds, _ahead(task, batches, seeds, pixels, decoders), strict=True):
            embedded = network[:3](inputs.batch(pictures).to(device))
            kept = np.random.default_rng([seed, 1]).random(tuple(embedded.shape), dtype=np.float32) >= _DROPOUT
            logits = network[3](embedded * torch.from_numpy(kept).to(device) / (1 - _DROPOUT))
            smoothed = targets[rows] * (1 - _SMOOTHING) + _SMOOTHING / targets.shape[1]
            loss = -(smoothed.to(device) * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        told = _tell(network, task.pictures[held], pixels, inputs, device)
        found = float(-(task.targets[held] * told).sum(axis=1, dtype=np.float64).mean())
        since = 0 if found < least else since + 1
        if found < least:
            best, least = copy.deepcopy(network.state_dict()), found
        if since >= _PATIENCE:
            break
    network.load_state_dict(best)
    named = _tell(network, task.pictures[scored], pixels, inputs, device).argmax(axis=1)
    return Score.of(named, task.targets, used, scored)


def _groups(network: Any) -> list[dict[str, Any]]:
    groups = []
    for part, rate in ((network[0], _RATE), (network[1:], _HEAD_RATE)):
        for matrices in (True, False):
            parameters = [one for one in part.parameters() if (one.ndim > 1) == matrices]
            groups.append({"params": parameters, "lr": rate, "weight_decay": _DECAY if matrices else 0.0})
    return groups


def _ahead(
    task: Task, batches: list[Int64], seeds: list[int], pixels: Callable[[int], Pixels], decoders: Executor | None
) -> Iterator[Pixels]:
    """Changed pictures of each batch, the next one on its way while one is used."""

    def make(at: int) -> Pixels:
        rng = np.random.default_rng([seeds[at], 0])
        return np.stack([_changed(pixels(int(task.pictures[row])), rng) for row in batches[at]])

    if decoders is None:
        yield from map(make, range(len(batches)))
        return
    waiting = decoders.submit(make, 0)
    for at in range(len(batches)):
        made = waiting.result()
        if at + 1 < len(batches):
            waiting = decoders.submit(make, at + 1)
        yield made


def _changed(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Mirrored or not, and moved a little; what comes in at the edge is the edge."""
    reach = int(_SHIFT * len(picture))
    down, right = rng.integers(-reach, reach + 1, 2).tolist()
    rows = np.clip(np.arange(len(picture)) + down, 0, len(picture) - 1)
    columns = np.clip(np.arange(len(picture)) + right, 0, len(picture) - 1)
    return picture[rows][:, columns[::-1] if rng.random() < 0.5 else columns]


def _tell(network: Any, pictures: Int64, pixels: Callable[[int], Pixels], inputs: Inputs, device: str) -> Float32:
    """Logarithms of the classes' probabilities, ``(n, c) float32``."""
    torch = require("torch", extra="images", purpose="Fine-tuning")
    told = []
    with torch.inference_mode():
        for start in range(0, len(pictures), _BATCH):
            some = np.stack([pixels(int(at)) for at in pictures[start : start + _BATCH]])
            told.append(torch.log_softmax(network(inputs.batch(some).to(device)), dim=1).float().cpu().numpy())
    return np.concatenate(told)
