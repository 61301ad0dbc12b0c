"""Text made of columns: ``"{name}. {type}. {description}"``, where empty parts vanish."""

from __future__ import annotations

import string
from collections.abc import Sequence

import pyarrow as pa

from longtail.core.errors import RecipeError

_JOINTS = " \t\n.,;:/|-–—·()[]"


def placeholders(template: str) -> list[str]:
    """The columns a template names, in order.

    Raises:
        RecipeError: a brace that is not closed, or an empty placeholder.
    """
    return [name for _, name in _parts(template) if name is not None]


def render(template: str, table: pa.Table) -> list[str | None]:
    """One text a row, ``(n_rows,)``; None where every part is empty.

    An empty part (null, or nothing but spaces) vanishes with the text before it, the first part that remains begins
    without the punctuation before it, and text behind the last placeholder stays if anything does.

    Raises:
        RecipeError: the template cannot be understood.
        KeyError: the table lacks a column that is named.
    """
    parts = _parts(template)
    names = [name for _, name in parts if name is not None]
    columns = {name: table[name].to_pylist() for name in names}
    return [_fill(parts, [columns[name][row] for name in names]) for row in range(len(table))]


def _fill(parts: Sequence[tuple[str, str | None]], values: Sequence[object]) -> str | None:
    written, at, last_vanished = "", 0, False
    for before, name in parts:
        if name is None:
            if written:
                written += before.lstrip() if last_vanished and written.endswith(tuple(_JOINTS)) else before
            continue
        value, at = values[at], at + 1
        text = _written(value)
        last_vanished = not text
        if text:
            # Text such as "Colour: " belongs to its part; a joint such as ". " only stands between two.
            joint = before if written else before.lstrip(_JOINTS)
            if written and joint[:1] == "." and written[-1:] in ".!?":
                joint = joint[1:]
            written += joint + text
    return written or None


def _written(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(_written, value)))
    return " ".join(str(value).split())


def _parts(template: str) -> list[tuple[str, str | None]]:
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise RecipeError(f"template = {template!r}: {error}. Write columns as {{name}}.") from error
    parts: list[tuple[str, str | None]] = []
    waiting = ""
    for before, name, _, _ in parsed:
        waiting += before
        if name is not None:  # an escaped brace comes as a part of its own, which belongs to the next
            parts.append((waiting, name))
            waiting = ""
    parts += [(waiting, None)] if waiting else []
    if any(name is not None and not name.strip() for _, name in parts):
        raise RecipeError(f"template = {template!r} has an empty placeholder. Write columns as {{name}}.")
    return parts
