"""Named arrays in a safetensors file, memory-mapped when read.

The library's numpy reader copies every array into memory; the format is a length, a JSON header and the raw bytes, so
mapping it takes a page of code and lets a server start without reading what no query asks for.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from longtail.core.errors import BundleError, DataError

_DTYPES: dict[str, type[np.generic]] = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U64": np.uint64,
    "U32": np.uint32,
    "U16": np.uint16,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
_KNOWN = {np.dtype(kind) for kind in _DTYPES.values()}


def write_tensors(path: Path, arrays: Mapping[str, npt.NDArray[Any]], meta: Mapping[str, Any] | None = None) -> None:
    """Write arrays, and JSON values beside them.

    Raises:
        DataError: an array is of a type the format has no word for (text, objects), or ``meta`` is no JSON.
    """
    for name, array in arrays.items():
        if array.dtype not in _KNOWN:
            raise DataError(
                f"The array {name!r} for {path.name} is of type {array.dtype}; bundles hold numbers and booleans. "
                "Put text into the JSON values beside the arrays."
            )
    try:
        written = json.dumps(dict(meta or {}), ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"Beside its arrays {path.name} holds plain JSON values: {error}.") from error
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    save_file(contiguous, path, metadata={"meta": written})


def read_tensors(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """The arrays of a file, read-only and memory-mapped, and the JSON values beside them.

    Raises:
        BundleError: the file is no safetensors file, or its header points outside of it.
    """
    try:
        return _read(path)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise BundleError(f"{path} is damaged: it is no safetensors file that can be read ({error}).") from error


def _read(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= size - 8:
            raise ValueError(f"its header claims {length:,} of {size:,} bytes")
        header = json.loads(file.read(length))
    begin = 8 + length
    raw = np.memmap(path, dtype=np.uint8, mode="r", offset=0) if size else np.empty(0, dtype=np.uint8)
    meta = json.loads(header.pop("__metadata__", {}).get("meta", "{}"))
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, entry in header.items():
        dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(int(side) for side in entry["shape"])
        start, end = (begin + int(offset) for offset in entry["data_offsets"])
        if not begin <= start <= end <= size or end - start != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"the array {name!r} does not fit into the file")
        arrays[name] = np.asarray(raw[start:end]).view(dtype).reshape(shape)
    return arrays, meta
