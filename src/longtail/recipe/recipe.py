"""The recipe: one TOML file that says where a shop's data is, which column means what, and how to train on it."""

from __future__ import annotations

import math
import os
import re
import tomllib
from pathlib import Path
from typing import Self

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from longtail.calibrate.settings import CalibrationSettings
from longtail.cf.als import AlsSettings
from longtail.core.errors import RecipeError
from longtail.core.settings import Settings
from longtail.data.schema import CatalogSchema, EventsSchema, WeightSettings
from longtail.recipe.problems import describe_invalid, describe_unknown

#: Set once at the top of a recipe and handed down to the sections that use them.
SHARED = ("tail_below", "seed")


class Recipe(Settings):
    """Everything training needs to know about a shop.

    ``Recipe.load(path)`` reads a file; ``Recipe.parse(text, folder)`` reads text. Built directly from settings, in
    Python, a recipe has an empty ``text``.
    """

    data_dir: str | None = None
    """The folder that relative ``files`` start from; relative to the recipe itself. None: the recipe's own folder.
    ``${NAME}`` is replaced by an environment variable, ``${NAME:-default}`` by the default where it is not set."""
    tail_below: int = Field(default=20, ge=1)
    """Items with fewer interactions are the tail."""
    exclude_seen: bool = True
    """Whether recommendations leave out what a user already took."""
    seed: int = Field(default=0, ge=0)
    """The same seed on the same data gives the same bundle."""
    events: EventsSchema = EventsSchema()
    weights: WeightSettings = WeightSettings()
    catalog: CatalogSchema = CatalogSchema()
    als: AlsSettings = AlsSettings()
    model: CalibrationSettings = CalibrationSettings()

    _text: str = PrivateAttr(default="")
    _folder: Path = PrivateAttr(default_factory=Path)
    _data: Path | None = PrivateAttr(default=None)

    @property
    def text(self) -> str:
        """The TOML this recipe was read from, as it stood; goes into the bundle."""
        return self._text

    @property
    def folder(self) -> Path:
        """The folder of the recipe's file."""
        return self._folder

    @property
    def data_folder(self) -> Path:
        """The folder that relative ``files`` start from: what the caller asked for, ``data_dir``, or `folder`.

        Raises:
            RecipeError: ``data_dir`` names an environment variable that is not set.
        """
        if self._data is not None:
            return self._data
        if self.data_dir is None:
            return self._folder
        return self._folder / Path(_with_environment(self.data_dir)).expanduser()

    @classmethod
    def load(cls, path: str | Path, *, data: str | Path | None = None) -> Self:
        """Read a recipe from a TOML file.

        Args:
            path: the file.
            data: the folder that relative ``files`` start from, instead of the recipe's ``data_dir``; relative to the
                working directory.

        Raises:
            RecipeError: the file cannot be read, is not TOML, or says something that cannot be understood.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            near = sorted(other.name for other in path.parent.glob("*.toml"))[:5] if path.parent.is_dir() else []
            there = f" Recipes in that folder: {', '.join(near)}." if near else ""
            raise RecipeError(
                f"There is no recipe at {path}.{there} Write one with: longtail init EVENTS CATALOG -o {path}"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"The recipe {path} cannot be read as UTF-8 text: {error}.") from error
        return cls.parse(text, path.parent, name=str(path), data=data)

    @classmethod
    def parse(
        cls, text: str, folder: str | Path = ".", *, name: str = "the recipe", data: str | Path | None = None
    ) -> Self:
        """Read a recipe from text.

        Args:
            text: TOML.
            folder: what relative paths in it are relative to.
            name: how messages call it.
            data: see `load`.

        Raises:
            RecipeError: it is not TOML, has an unknown key (the message names the nearest known one) or a value that
                is not understood (the message gives its path, what was found and what was expected).
        """
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise RecipeError(f"{name} is not valid TOML: {_at_line(error, text)}") from error
        problems = describe_unknown(cls, values)
        problems += [
            f"{section}.{key}: set `{key}` once, at the top of the recipe, above all sections."
            for section in ("als", "model")
            for key in SHARED
            if isinstance(values.get(section), dict) and key in values[section] and _has(cls, section, key)
        ]
        try:
            recipe = cls.model_validate(values)
        except ValidationError as error:
            problems += describe_invalid(cls, error)
        if problems:
            many = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
            raise RecipeError("\n  ".join([f"{name} has {many}:", *problems]))
        recipe._text = text
        recipe._folder = Path(folder)
        recipe._data = None if data is None else Path(data)
        return recipe

    def seeded(self, seed: int) -> Self:
        """The same recipe with another seed, in its sections as well."""
        other = self.model_copy(update={"seed": seed})
        _hand_down(other)
        return other

    @model_validator(mode="after")
    def _parts_share(self) -> Self:
        _hand_down(self)
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        problems = [*_events_and_weights(self.events, self.weights), *_fields(self.catalog)]
        if problems:
            raise ValueError("\n".join(problems))
        return self


def _hand_down(recipe: Recipe) -> None:
    """Give the sections what is set once for all."""
    for section in ("als", "model"):
        own = {key: getattr(recipe, key) for key in SHARED if _has(type(recipe), section, key)}
        if own:
            # The way pydantic itself fills frozen models; a copy would validate this model again.
            recipe.__dict__[section] = getattr(recipe, section).model_copy(update=own)


def _has(recipe: type[Recipe], section: str, key: str) -> bool:
    annotation = recipe.model_fields[section].annotation
    return isinstance(annotation, type) and issubclass(annotation, Settings) and key in annotation.model_fields


def _events_and_weights(events: EventsSchema, weights: WeightSettings) -> list[str]:
    problems = []
    for name, weight in weights.types.items():
        if not math.isfinite(weight):
            problems.append(
                f"weights.types.{name}: found {weight}, expected a finite number. A type that should not count gets 0."
            )
    if weights.types and events.event_type is None and set(weights.types) != {"event"}:
        problems.append(
            "weights.types: events.event_type names no column, so there are no types to weigh. Name it or remove them."
        )
    if weights.types and not any(weight > 0 for weight in weights.types.values()):
        problems.append(
            "weights.types: no type weighs more than 0, so no event would count. Give one a positive weight."
        )
    if weights.half_life_days is not None and events.timestamp is None:
        problems.append(
            "weights.half_life_days: events have no timestamp to age by. Name the column in events.timestamp or "
            "remove the half-life."
        )
    if weights.value_exponent > 0 and events.value is None:
        problems.append(
            f"weights.value_exponent: found {weights.value_exponent:g}, but events.value names no column. Name one or "
            "remove the exponent."
        )
    if events.timestamp is None and events.timestamp_format is not None:
        problems.append("events.timestamp_format: there is no events.timestamp for it to read.")
    return problems


def _fields(catalog: CatalogSchema) -> list[str]:
    problems = []
    for name, field in catalog.fields.items():
        path = f"catalog.fields.{name}"
        if field.template is not None and field.kind != "text":
            problems.append(f"{path}.template: only text fields have a template; this one is {field.kind!r}.")
        if field.template is not None and field.column is not None:
            problems.append(f"{path}: found `column` and `template`, expected one of them.")
        if field.pattern is not None and field.kind != "image":
            problems.append(f"{path}.pattern: only pictures have a pattern; this field is {field.kind!r}.")
        if field.pattern is not None and field.column is not None:
            problems.append(f"{path}: found `column` and `pattern`, expected one of them.")
        problems += [
            f"{path}.{key}: only pictures have this; the field is {field.kind!r}."
            for key in ("attributes", "fine_tune", "hosts")
            if getattr(field, key) not in (None, []) and field.kind != "image"
        ]
        if field.separator is not None and field.kind != "tags":
            problems.append(f"{path}.separator: only tags are separated; this field is {field.kind!r}.")
        if field.separator == "":
            problems.append(f"{path}.separator: found an empty text, expected what stands between two tags.")
        if field.within is not None and field.kind not in ("number", "price"):
            problems.append(f"{path}.within: only numbers and prices are ranked within a category.")
        if field.model is not None and field.kind not in ("text", "image"):
            problems.append(f"{path}.model: only text and pictures are read by a model; this field is {field.kind!r}.")
    return problems


def _with_environment(text: str) -> str:
    def value(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        found = os.environ.get(name) or default
        if found is None:
            raise RecipeError(
                f"data_dir = {text!r} needs the environment variable {name}, which is not set. Set it, write "
                f"${{{name}:-FOLDER}} to have a default, or pass --data FOLDER."
            )
        return found

    return re.sub(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}", value, text)


def _at_line(error: tomllib.TOMLDecodeError, text: str) -> str:
    lines = text.splitlines()
    found = re.search(r"line (\d+)", str(error))
    number = int(found[1]) if found else len(lines)  # "at end of document"
    if not 0 < number <= len(lines):
        return f"{error}."
    return f"{error}: {lines[number - 1].strip()!r}."
