"""Where each item's picture is, as a pattern of its columns: ``images/{id:0>10[:3]}/{id:0>10}.jpg``."""

from __future__ import annotations

import re

from longtail.core.errors import RecipeError
from longtail.data.columns import nearest, text
from longtail.data.database import literal, quoted

_PLACE = re.compile(
    r"\{(?P<name>[^{}:\[\]]+)(?::(?P<fill>[^{}])(?P<side>[<>])(?P<width>\d{1,3}))?"
    r"(?:\[(?P<start>\d{0,3}):(?P<stop>\d{0,3})\])?\}"
)


def sql_of_pattern(pattern: str, columns: dict[str, str], role: str) -> str:
    """The SQL expression of a pattern; null where a column that it names is null or empty.

    ``{name}`` stands for the column's value as text; ``{name:0>10}`` for the value, filled up with zeros on its left to
    10 characters (``<``: on its right), longer ones as they are; ``[:3]``, ``[3:]``, ``[1:4]`` behind either for a part
    of it, as in Python.

    Args:
        pattern: what stands outside of braces is kept as it is.
        columns: the source's columns with their types.
        role: the recipe's key, for messages.

    Raises:
        RecipeError: a brace that is not understood, or a name that is no column.
    """
    parts, at = [], 0
    for place in _PLACE.finditer(pattern):
        name = place["name"].strip()
        if name not in columns:
            raise RecipeError(f"{role} = {pattern!r} names {{{name}}}, which is no column. {nearest(name, columns)}")
        parts += [
            literal(_plain(pattern[at : place.start()], pattern, role)),
            _value(place, text(quoted(name), columns[name])),
        ]
        at = place.end()
    parts.append(literal(_plain(pattern[at:], pattern, role)))
    return " || ".join(parts)


def _value(place: re.Match[str], value: str) -> str:
    if place["width"] is not None:
        fill = "lpad" if place["side"] == ">" else "rpad"
        width = int(place["width"])
        filled = f"{fill}({value}, {width}, {literal(place['fill'])})"
        value = f"CASE WHEN length({value}) >= {width} THEN {value} ELSE {filled} END"
    start, stop = int(place["start"] or 0), place["stop"]
    if stop:
        return f"substr({value}, {start + 1}, {max(0, int(stop) - start)})"
    return f"substr({value}, {start + 1})" if start else f"({value})"


def _plain(part: str, pattern: str, role: str) -> str:
    if "{" in part or "}" in part:
        raise RecipeError(
            f"{role} = {pattern!r}: {part.strip()!r} is not understood. Write a column as {{name}}, filled up as "
            "{name:0>10}, a part of it as {name[:3]} or {name:0>10[:3]}."
        )
    return part
