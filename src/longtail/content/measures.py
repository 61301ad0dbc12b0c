"""Free measures ("40 LB", "1 1/2 L", "4 PK/4.4 OZ", "300 CT(1)") as an amount and what it is an amount of."""

from __future__ import annotations

import re
from typing import NamedTuple

_UNITS: dict[str, dict[str, float]] = {
    "mass": {
        "g": 1, "gr": 1, "gm": 1, "gram": 1, "gramm": 1, "mg": 1e-3, "kg": 1e3, "kilo": 1e3, "oz": 28.3495,
        "z": 28.3495, "ounce": 28.3495, "lb": 453.592, "pound": 453.592, "st": 6350.29, "ton": 1e6, "t": 1e6,
    },
    "volume": {
        "ml": 1, "cl": 10, "dl": 100, "l": 1e3, "lt": 1e3, "ltr": 1e3, "liter": 1e3, "litre": 1e3, "fl oz": 29.5735,
        "floz": 29.5735, "pt": 473.176, "pint": 473.176, "qt": 946.353, "quart": 946.353, "gal": 3785.41, "ga": 3785.41,
        "gallon": 3785.41, "cup": 236.588, "cp": 236.588,
    },
    "length": {
        "mm": 1e-3, "cm": 1e-2, "m": 1, "km": 1e3, "in": 0.0254, "inch": 0.0254, '"': 0.0254, "ft": 0.3048,
        "foot": 0.3048, "feet": 0.3048, "'": 0.3048, "yd": 0.9144, "yard": 0.9144,
    },
    "area": {
        "sq ft": 0.092903, "sqft": 0.092903, "sq in": 6.4516e-4, "sq m": 1, "sqm": 1, "m2": 1, "m²": 1, "cm2": 1e-4,
    },
    "count": {
        "ct": 1, "count": 1, "ctn": 1, "pk": 1, "pack": 1, "pck": 1, "pc": 1, "pcs": 1, "piece": 1, "ea": 1, "each": 1,
        "stk": 1, "dz": 12, "doz": 12, "dozen": 12, "roll": 1, "sheet": 1, "pr": 1, "pair": 1,
    },
}  # fmt: skip
_FAMILY = {unit: (family, factor) for family, units in _UNITS.items() for unit, factor in units.items()}
#: Said first, a count tells how many of the amount behind it: what is inside decides what the measure is of.
_COUNT = "count"

_NUMBER = r"\d+(?:[.,]\d+)*|[.,]\d+"
_AMOUNT = re.compile(
    rf"(?P<whole>{_NUMBER})(?:\s*(?P<mixed>\d+/\d+)|(?P<by>\s*[/xX×]\s*)(?P<second>{_NUMBER}))?"
    r"\s*-?\s*(?P<unit>(?:fl|sq)\.?\s*[a-z]+|[a-zµ]+[²2]?|[\"'])?",
    re.IGNORECASE,
)
_BARE = re.compile(r"\b(?P<half>half\s+)?(?P<unit>[a-z]+)\b", re.IGNORECASE)
_DENOMINATORS = (2, 3, 4, 8, 16)


class Measure(NamedTuple):
    """An amount in the base unit of its family (g, ml, m, m², pieces), or in the unit itself if that is unknown."""

    amount: float
    family: str


def parse_measure(text: str) -> Measure | None:
    """Read a measure; None where there is no positive number and no known unit.

    Of several amounts the first of mass, volume, length or area counts, since a count before or behind it only says how
    it is packed; then the first count; then the first with an unknown unit (its family is that word) or none (family
    ``""``). "1/2" is a fraction, "10/200" a pack of ten: the family is of one piece, the amount of all.
    """
    found = [measure for match in _AMOUNT.finditer(text) if (measure := _read(match)) is not None]
    for wanted in (_UNITS.keys() - {_COUNT}, {_COUNT}):
        for measure in found:
            if measure.family in wanted:
                return measure
    if any(character.isdigit() for character in text):
        return found[0] if found else None
    for match in _BARE.finditer(text):
        if (known := _unit(match["unit"])) is not None and known[0] in _UNITS:
            return Measure(known[1] * (0.5 if match["half"] else 1.0), known[0])
    return None


def _read(match: re.Match[str]) -> Measure | None:
    family, factor = _unit(match["unit"] or "") or ("", 1.0)
    amount = _number(match["whole"])
    if match["mixed"]:
        over, under = (float(part) for part in match["mixed"].split("/"))
        amount = amount + over / under if under and over < under else amount
    elif match["second"]:
        second = _number(match["second"])
        fraction = match["by"].strip() == "/" and amount < second and second in _DENOMINATORS
        amount = amount / second if fraction else amount * second
    amount *= factor
    return Measure(amount, family) if 0 < amount < 1e15 else None


def _unit(word: str) -> tuple[str, float] | None:
    """Family and factor of a unit; its own family where it is unknown; None where there is no word."""
    word = re.sub(r"\.?\s+", " ", word.strip().lower())
    if not word:
        return None
    for spelled in (word, word.rstrip("s"), word + "s"):
        if spelled in _FAMILY:
            return _FAMILY[spelled]
    return (word[:-1] if len(word) > 3 and word.endswith("s") else word), 1.0


def _number(text: str) -> float:
    """Both "1,000.5" and "1,5" are understood; a comma before exactly three digits separates thousands."""
    if "," in text and "." not in text and not re.fullmatch(r"\d{1,3}(,\d{3})+", text):
        text = text.replace(",", ".", 1)
    text = text.replace(",", "")
    head, dot, tail = text.partition(".")
    return float(f"{head or 0}{dot}{tail.replace('.', '')}" if dot else head)
