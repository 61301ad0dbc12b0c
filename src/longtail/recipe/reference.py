"""Every key of a recipe with its default and what it means, as the settings themselves say it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from longtail.recipe.problems import inner_model
from longtail.recipe.recipe import SHARED, Recipe


@dataclass(frozen=True)
class Key:
    """A key.

    Attributes:
        section: the table it stands in, ``model.bridge``; empty at the top. ``NAME`` stands for a name of one's own.
        name: the key.
        default: as it would stand in TOML; empty: none, or the key may be left out.
        meaning: one paragraph of plain text with code in single backticks.
    """

    section: str
    name: str
    default: str
    meaning: str


def keys(section: str | None = None) -> list[Key]:
    """All keys in the order of the sections; with a section, its own and those of the sections inside it.

    An unknown section has none.
    """
    found = list(_keys(Recipe, ""))
    if section is None:
        return found
    return [key for key in found if f"{key.section}.".startswith(f"{section}.")]


def _keys(model: type[BaseModel], section: str) -> Iterator[Key]:
    inside: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        inner, is_mapping = inner_model(field.annotation)
        if inner is not None:
            inside.append((f"{section}.{name}".lstrip(".") + (".NAME" if is_mapping else ""), inner))
        elif not section or name not in SHARED:
            yield Key(section, name, _default(field), _paragraph(field.description or ""))
    for path, inner in inside:
        yield from _keys(inner, path)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    value: Any = field.get_default(call_default_factory=True)
    return "" if value is None or value == {} else json.dumps(value)


def _paragraph(text: str) -> str:
    return " ".join(text.replace("``", "`").split())
