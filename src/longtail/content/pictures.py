"""Pictures as shops have them: decoded to one size and mode, or refused with a reason. Never a crash."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from longtail.core.extras import require

#: Larger files and pictures are not opened: a few bytes can unpack to gigabytes.
MAX_BYTES = 50_000_000
MAX_PIXELS = 80_000_000

Pixels = npt.NDArray[np.uint8]


class Unreadable(Exception):
    """A picture that counts as missing; the message is the reason it is counted under."""


def read_file(path: Path) -> bytes:
    """The bytes of a picture's file.

    Raises:
        Unreadable: no file, not readable, empty, or too large.
    """
    try:
        if not path.is_file():
            raise Unreadable("no such file")
        size = path.stat().st_size
        if size == 0:
            raise Unreadable("empty file")
        if size > MAX_BYTES:
            raise Unreadable("file too large")
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise Unreadable("file cannot be read") from error


def decode(content: bytes, side: int) -> Pixels:
    """A picture as ``(side, side, 3) uint8`` RGB, whole, centred on a ground of its border's mean colour.

    The first frame of an animation; turned as EXIF says; what is transparent stands on white; 16-bit greys are scaled.

    Raises:
        Unreadable: not a picture, cut off, or of more than :data:`MAX_PIXELS`.
        MissingExtraError: Pillow is not installed.
    """
    image = require("PIL.Image", extra="images", purpose="Reading pictures")
    ops = require("PIL.ImageOps", extra="images", purpose="Reading pictures")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a bomb is refused by its size below, odd EXIF does not matter
            with image.open(io.BytesIO(content)) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise Unreadable("too many pixels")
                opened.draft("RGB", (2 * side, 2 * side))  # a JPEG can be decoded at a fraction of its size
                plain = _rgb(ops.exif_transpose(opened), image)
                fitted = plain.resize(_fit(plain.size, side), image.Resampling.BICUBIC)
    except Unreadable:
        raise
    except image.DecompressionBombError as error:
        raise Unreadable("too many pixels") from error
    except image.UnidentifiedImageError as error:
        raise Unreadable("not a picture") from error
    except Exception as error:  # decoders of some thirty formats, on bytes that may be anything
        raise Unreadable("truncated" if "truncated" in str(error).lower() else "damaged") from error
    pixels = np.asarray(fitted, dtype=np.uint8)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    ground = np.full((side, side, 3), border.mean(axis=0).round().astype(np.uint8), dtype=np.uint8)
    top, left = (side - pixels.shape[0]) // 2, (side - pixels.shape[1]) // 2
    ground[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return ground


def _fit(size: tuple[int, int], side: int) -> tuple[int, int]:
    scale = side / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _rgb(opened: Any, image: Any) -> Any:
    if opened.mode.startswith(("I", "F")):
        values = np.asarray(opened, dtype=np.float64)
        high = 65_535.0 if opened.mode.startswith("I") else max(1.0, float(np.nanmax(values)))
        return image.fromarray(np.nan_to_num(np.clip(values / high, 0, 1) * 255).astype(np.uint8)).convert("RGB")
    if opened.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in opened.info:
        clear = opened.convert("RGBA")
        white = image.new("RGBA", clear.size, (255, 255, 255, 255))
        return image.alpha_composite(white, clear).convert("RGB")
    return opened.convert("RGB")
