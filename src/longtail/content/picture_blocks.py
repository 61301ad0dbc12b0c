"""Pictures through a network so that a picture's bits are its own.

As with text, blocks have one shape and run on one thread each, several at a time; a block's pictures are decoded on its
thread, beside the inference of others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from longtail.content.pictures import Pixels, Unreadable, decode
from longtail.core.arrays import Float32
from longtail.core.errors import DataError
from longtail.core.extras import require
from longtail.core.machine import one_torch_thread

#: Pictures in a block. Part of what makes a vector, hence of the cache's space.
PICTURES = 8
#: What float16 can hold.
_LARGEST = 65_504.0


class Block(NamedTuple):
    """Positions of pictures, their rows (float16, as the cache keeps them), and by position why others have none."""

    positions: list[int]
    rows: npt.NDArray[np.float16]
    unreadable: dict[int, str]


@dataclass(frozen=True)
class Inputs:
    """What pictures must look like for a network: squares of so many pixels, standardised by channel.

    Attributes:
        side: pixels.
        mean, std: ``(3,) float32``, of channels from 0 to 255.
    """

    side: int
    mean: Float32
    std: Float32

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """From what timm says about a pretrained model."""
        mean, std = (np.array(config[key], np.float32) * np.float32(255) for key in ("mean", "std"))
        return cls(int(config["input_size"][-1]), mean, std)

    def batch(self, pixels: npt.NDArray[np.uint8]) -> Any:
        """``(n, side, side, 3) uint8`` as the tensor ``(n, 3, side, side) float32`` that the network takes."""
        torch = require("torch", extra="images", purpose="Reading pictures")
        mean, std = (torch.from_numpy(values).view(1, 3, 1, 1) for values in (self.mean, self.std))
        batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().sub(mean).div(std)
        return batch.contiguous(memory_format=torch.channels_last)


def run_blocks(
    n: int, read: Callable[[int], bytes], inputs: Inputs, compute: Callable[[Any], Any], name: str
) -> Iterator[Block]:
    """Decode pictures and run a network on them, block by block.

    Args:
        n: how many pictures.
        read: the bytes of one; may raise Unreadable.
        inputs: what the network takes.
        compute: from a batch to ``(n, d)``, on the processor or not.
        name: of the network, for messages.

    Raises:
        DataError: the network gave NaN or infinity.
    """
    torch = require("torch", extra="images", purpose="Reading pictures")

    def run(block: Sequence[int]) -> Block:
        pixels: dict[int, Pixels] = {}
        failed: dict[int, str] = {}
        for at in block:
            try:
                pixels[at] = decode(read(at), inputs.side)
            except Unreadable as reason:
                failed[at] = str(reason)
        if not pixels:
            return Block([], np.zeros((0, 0), np.float16), failed)
        batch = inputs.batch(np.stack(list(pixels.values()))[np.arange(PICTURES) % len(pixels)])
        with torch.inference_mode():
            result = compute(batch)[: len(pixels)].float().cpu()
        if not bool(torch.isfinite(result).all()):
            raise DataError(f"The picture model {name} gives NaN or infinite vectors. Is it damaged?")
        return Block(list(pixels), result.clamp(-_LARGEST, _LARGEST).numpy().astype(np.float16), failed)

    with one_torch_thread(torch) as threads:
        pool = ThreadPoolExecutor(threads, thread_name_prefix="longtail-pictures")
        try:
            yield from pool.map(run, (range(start, min(start + PICTURES, n)) for start in range(0, n, PICTURES)))
        finally:
            pool.shutdown(cancel_futures=True)
