"""States within states, and lists of text as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from longtail.core.arrays import State

Arrays = dict[str, npt.NDArray[Any]]


def nest(parts: dict[str, State]) -> State:
    """One state of several: metas by name, arrays under ``name.array``."""
    meta = {name: part for name, (part, _) in parts.items()}
    return meta, {f"{name}.{key}": array for name, (_, arrays) in parts.items() for key, array in arrays.items()}


def nested(name: str, arrays: Arrays) -> Arrays:
    """The arrays of one part of a nested state."""
    return {key[len(name) + 1 :]: array for key, array in arrays.items() if key.startswith(f"{name}.")}


def pack(texts: Sequence[str]) -> Arrays:
    """Texts as UTF-8 bytes and the end of each, for vocabularies too long for JSON."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    return {"bytes": np.frombuffer(b"".join(encoded), dtype=np.uint8), "ends": ends}


def unpack(arrays: Arrays) -> list[str]:
    """The texts again."""
    whole, ends = arrays["bytes"].tobytes(), arrays["ends"].tolist()
    return [whole[start:end].decode("utf-8", "surrogatepass") for start, end in zip([0, *ends][:-1], ends, strict=True)]
