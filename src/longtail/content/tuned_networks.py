"""The fine-tuned networks of a picture field: one an attribute, their hidden layers side by side."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from longtail.content.context import Context
from longtail.content.fine_tuning import Task, add_head, fine_tune
from longtail.content.nesting import Arrays, nest, nested
from longtail.content.picture_attributes import Labels
from longtail.content.picture_blocks import PICTURES, Block, Inputs, run_blocks
from longtail.content.picture_model import Weights, channels_last, load_backbone
from longtail.content.picture_reading import Pictures
from longtail.content.pictures import Pixels, decode
from longtail.content.sentence_model import best_device
from longtail.core.arrays import State
from longtail.core.extras import require
from longtail.core.machine import one_torch_thread


@dataclass(frozen=True)
class TunedNetworks:
    """Networks that were trained from one backbone, with all of their weights.

    Attributes:
        architecture: of the backbone, as timm calls it.
        device: ``"cpu"`` or ``"cuda"``, where they were trained; there a picture's bits are its own.
        weights: by attribute, the arrays of its network: kernels and matrices float16, all else float32.
        scores: see `longtail.content.picture_attributes.PictureClassifiers`.
        skipped: attributes that could not be learned, and why.
    """

    architecture: str
    device: str
    weights: dict[str, Arrays]
    scores: list[dict[str, Any]]
    skipped: dict[str, str]

    @classmethod
    def fit(
        cls,
        backbone: Weights,
        pictures: Pictures,
        labels: Sequence[Labels],
        skipped: dict[str, str],
        context: Context,
    ) -> Self:
        """Fine-tune one network an attribute, several at a time on a processor, one after the other on a GPU.

        Args:
            backbone: what each begins as.
            pictures: all of them; only those with a label are looked at.
            labels: targets are zero for pictures that may not be learned from or cannot be decoded.
            skipped: see the attribute of that name.
            context: seed and progress; the seed of a network is made of this one and the attribute's name.

        Raises:
            DataError: the backbone's weights do not fit.
        """
        torch = require("torch", extra="images", purpose="Fine-tuning")
        device, _ = best_device()
        pretrained, inputs = channels_last(load_backbone(backbone))

        def pixels(picture: int) -> Pixels:
            return decode(pictures.content(picture), inputs.side)

        def learn(label: Labels) -> tuple[Arrays, dict[str, Any]]:
            seed, rows = label.seed(context.seed), label.pictures
            network = add_head(copy.deepcopy(pretrained), len(label.classes), seed)
            score = fine_tune(network, Task(rows, label.targets[rows], seed), pixels, inputs, device, decoders)
            return _rounded(network), label.described(score)

        with ExitStack() as stack:
            threads = stack.enter_context(one_torch_thread(torch))
            pool = stack.enter_context(ThreadPoolExecutor(threads if device == "cpu" else 1))
            decoders = None if device == "cpu" else stack.enter_context(ThreadPoolExecutor(1))
            weights, scores = {}, []
            with context.progress.task("fine-tune on what pictures show", total=len(labels)) as task:
                for label, (learned, score) in zip(labels, pool.map(learn, labels), strict=True):
                    weights[label.name] = learned
                    scores.append(score)
                    task.advance(1)
        return cls(backbone.architecture, device, weights, scores, skipped)

    @property
    def names(self) -> list[str]:
        """The attributes."""
        return list(self.weights)

    @cached_property
    def space(self) -> str:
        """See `longtail.content.picture_reading.Reader`."""
        whole = hashlib.blake2b(self.architecture.encode(), digest_size=16)
        for name, arrays in self.weights.items():
            whole.update(name.encode())
            for key in sorted(arrays):
                whole.update(key.encode())
                whole.update(np.ascontiguousarray(arrays[key]).tobytes())
        return f"picture-tuned-1/{whole.hexdigest()}/{self.device}/{PICTURES}"

    def loaded(self, context: Context) -> TunedNetworks:
        """See `longtail.content.picture_reading.Reader`; the weights are here."""
        return self

    @cached_property
    def _networks(self) -> tuple[list[Any], Inputs, str]:
        timm = require("timm", extra="images", purpose="Reading pictures")
        torch = require("torch", extra="images", purpose="Reading pictures")
        # Without the GPU of training the rows are near, not equal, as with text.
        device = self.device if self.device == "cpu" else best_device()[0]
        networks = []
        for arrays in self.weights.values():
            backbone = timm.create_model(self.architecture, pretrained=False)
            backbone.reset_classifier(0)
            network = add_head(backbone, len(arrays["3.bias"]), 0)
            network.load_state_dict({key: torch.from_numpy(_widened(array)) for key, array in arrays.items()})
            networks.append(network[:3].eval().to(device, memory_format=torch.channels_last))
        inputs = Inputs.of(timm.create_model(self.architecture, pretrained=False).pretrained_cfg)
        return networks, inputs, device

    def encode(self, n: int, read: Callable[[int], bytes]) -> Iterator[Block]:
        """The hidden layers of all networks, see `longtail.content.picture_blocks.run_blocks`."""
        torch = require("torch", extra="images", purpose="Reading pictures")
        networks, inputs, device = self._networks
        return run_blocks(
            n,
            read,
            inputs,
            lambda batch: torch.cat([network(batch.to(device)) for network in networks], dim=1),
            f"fine-tuned from {self.architecture}",
        )

    def state(self) -> State:
        """JSON values and arrays that :meth:`from_state` takes."""
        own = {"architecture": self.architecture, "device": self.device, "names": self.names}
        _, arrays = nest({f"network{at}": ({}, one) for at, one in enumerate(self.weights.values())})
        return {**own, "scores": self.scores, "skipped": self.skipped}, arrays

    @classmethod
    def from_state(cls, meta: dict[str, Any], arrays: Arrays) -> Self:
        """The same networks again."""
        weights = {name: nested(f"network{at}", arrays) for at, name in enumerate(meta["names"])}
        return cls(meta["architecture"], meta["device"], weights, meta["scores"], meta["skipped"])


def _rounded(network: Any) -> Arrays:
    """Its weights; kernels and matrices, nearly all of them, in half the space."""
    arrays = {key: tensor.cpu().numpy() for key, tensor in network.state_dict().items()}
    return {
        key: np.ascontiguousarray(array.astype(np.float16) if array.ndim > 1 else array)
        for key, array in arrays.items()
    }


def _widened(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A copy that may be written to, in the type of the network."""
    return array.astype(np.float32) if array.dtype == np.float16 else array.copy()
