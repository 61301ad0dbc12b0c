"""Garments drawn with Pillow: a shape, a colour, a pattern and sleeves, a little different each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from longtail.core.extras import require

#: Colours by name, RGB.
COLOURS = {
    "black": (35, 35, 40),
    "white": (238, 236, 230),
    "red": (196, 40, 45),
    "blue": (45, 80, 175),
    "green": (45, 120, 70),
    "yellow": (230, 190, 50),
    "pink": (232, 140, 170),
    "brown": (120, 80, 50),
}
PATTERNS = ("plain", "striped", "dotted", "checked")
SLEEVES = ("none", "short", "long")
#: Outlines of bodies on a ground of 100 x 140, the left half from the top; the right one mirrors it.
_BODIES: dict[str, tuple[tuple[int, int], ...]] = {
    "top": ((40, 30), (30, 34), (31, 92)),
    "dress": ((41, 22), (32, 27), (36, 60), (20, 122)),
    "coat": ((38, 20), (29, 25), (26, 122)),
    "skirt": ((38, 36), (22, 104)),
    "trousers": ((36, 22), (30, 124), (44, 124), (49, 56)),
    "shorts": ((36, 36), (28, 88), (45, 88), (49, 62)),
}
SHAPES = tuple(_BODIES)
#: Where sleeves begin: shoulder and armpit of the left one. Shapes that are not here have none.
_ARMS: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "top": ((31, 33), (31, 52)),
    "dress": ((33, 26), (34, 44)),
    "coat": ((30, 24), (28, 46)),
}
_WIDTH, _HEIGHT, _FINE = 100, 140, 2

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Garment:
    """What is drawn; ``sleeve`` is None for skirts, trousers and shorts."""

    shape: str
    colour: str
    pattern: str
    sleeve: str | None


def has_arms(shape: str) -> bool:
    """Whether garments of that shape have sleeves (or are sleeveless)."""
    return shape in _ARMS


def draw(garment: Garment, rng: np.random.Generator) -> Any:
    """A photograph of sorts, a Pillow image of 100 x 140 pixels: ground, light, place, size and noise vary.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    image = require("PIL.Image", extra="images", purpose="Drawing garments")
    drawing = require("PIL.ImageDraw", extra="images", purpose="Drawing garments")
    size = (_WIDTH * _FINE, _HEIGHT * _FINE)
    scale = _FINE * rng.uniform(0.85, 1.0)
    shift = (np.array(size) - scale * np.array([_WIDTH, _HEIGHT])) / 2 + rng.uniform(-3, 3, 2) * _FINE

    mask = image.new("L", size, 0)
    pen = drawing.Draw(mask)
    for outline in _outlines(garment):
        pen.polygon([tuple(shift + scale * np.array(point)) for point in outline], fill=255)
    cloth = image.fromarray(_cloth(garment, size, rng))
    picture = image.new("RGB", size, tuple(int(shade) for shade in rng.uniform(205, 225) + rng.uniform(-6, 6, 3)))
    picture.paste(cloth, mask=mask)
    if garment.shape == "coat":  # it opens
        top, bottom = shift + scale * np.array([50, 22]), shift + scale * np.array([50, 121])
        drawing.Draw(picture).line([tuple(top), tuple(bottom)], fill=(90, 90, 90), width=_FINE)
    pixels = np.asarray(picture.resize((_WIDTH, _HEIGHT), image.Resampling.BOX), np.float64)
    pixels = pixels * rng.uniform(0.92, 1.05) + rng.normal(0, 3, pixels.shape)
    return image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _outlines(garment: Garment) -> list[list[tuple[float, float]]]:
    left = _BODIES[garment.shape]
    body = [*left, *((100 - x, y) for x, y in reversed(left))]
    outlines: list[list[tuple[float, float]]] = [[(float(x), float(y)) for x, y in body]]
    if garment.shape in _ARMS and garment.sleeve in ("short", "long"):
        (sx, sy), (ax, ay) = _ARMS[garment.shape]
        reach = 0.38 if garment.sleeve == "short" else 1.0
        outer, inner = (sx - 20 * reach, sy + 58 * reach), (ax - 10 * reach, ay + 44 * reach)
        arm = [(float(sx), float(sy)), outer, inner, (float(ax), float(ay))]
        outlines += [arm, [(100 - x, y) for x, y in arm]]
    return outlines


def _cloth(garment: Garment, size: tuple[int, int], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """The material, ``(height, width, 3) uint8``; patterns are drawn in white, on light cloth in dark blue."""
    base = np.clip(np.array(COLOURS[garment.colour]) + rng.normal(0, 8, 3), 0, 255)
    ink = np.array([60, 65, 110.0]) if base.mean() > 170 else np.array([240, 240, 235.0])
    y, x = np.mgrid[0 : size[1], 0 : size[0]] / _FINE + rng.uniform(0, 10)
    period = rng.uniform(8, 11)
    match garment.pattern:
        case "striped":
            inked = y % period < 0.35 * period
        case "dotted":
            inked = (x % period - period / 2) ** 2 + (y % period - period / 2) ** 2 < (0.27 * period) ** 2
        case "checked":
            inked = (x % period < 0.3 * period) | (y % period < 0.3 * period)
        case _:
            inked = np.zeros(x.shape, np.bool_)
    return np.where(inked[..., None], ink, base).astype(np.uint8)
