"""What is wrong with a recipe, in words: full dotted paths, what was found, what was expected, the nearest name."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Mapping
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

#: How pydantic's kinds of errors read after "expected".
_EXPECTED = {
    "string_type": "a text in quotes",
    "list_type": "a list",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "model_type": "a section [{path}]",
    "dict_type": "a section [{path}]",
    "tuple_type": "a list",
    "too_short": "a list of at least {min_length}",
    "missing": "a value",
    "literal_error": "{expected}",
}


def describe_unknown(model: type[BaseModel], values: Mapping[str, Any]) -> list[str]:
    """One message per key of ``values`` that ``model`` does not know, however deep, in the order they stand."""
    known = list(_known_paths(model))
    return [
        f"{path}: unknown key.{_suggestion(path, siblings, known)}" for path, siblings in _unknown(model, values, "")
    ]


def describe_invalid(model: type[BaseModel], error: ValidationError) -> list[str]:
    """One message per invalid value: its path, what was found, what was expected. Unknown keys are left out."""
    found: dict[str, tuple[Any, list[str]]] = {}
    problems = [problem for problem in error.errors() if problem["type"] != "extra_forbidden"]
    located = [".".join(_without_union_members(model, problem["loc"])) for problem in problems]
    for path, problem in zip(located, problems, strict=True):
        if problem["type"] == "too_short" and any(other.startswith(f"{path}.") for other in located):
            continue  # it has members, and it is they that are wrong
        if problem["type"] == "value_error":
            text = str(problem["ctx"]["error"])
            expected = text.split("\n") if not path else [f"{path}: {text}"]
            found.setdefault("\n".join(expected), (None, []))
            continue
        template = _EXPECTED.get(problem["type"])
        expected_one = (
            template.format(**{"path": path, **problem.get("ctx", {})}) if template else problem["msg"].lower()
        )
        found.setdefault(path, (problem["input"], []))[1].append(expected_one)
    messages = []
    for path, (value, expectations) in found.items():
        if not expectations:  # a validator's own sentences already have their paths
            messages += path.split("\n")
            continue
        near = _nearest_choice(value, expectations)
        shown = "nothing" if isinstance(value, dict) and expectations == ["a value"] else repr(value)
        messages.append(f"{path}: found {shown}, expected {' or '.join(dict.fromkeys(expectations))}.{near}")
    return messages


def _unknown(model: type[BaseModel], values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, list[str]]]:
    for key, value in values.items():
        path = f"{prefix}{key}"
        field = model.model_fields.get(key)
        if field is None:
            yield path, list(model.model_fields)
            continue
        inner, is_mapping = inner_model(field.annotation)
        if inner is None or not isinstance(value, Mapping):
            continue
        if not is_mapping:
            yield from _unknown(inner, value, f"{path}.")
            continue
        for name, entry in value.items():
            if isinstance(entry, Mapping):
                yield from _unknown(inner, entry, f"{path}.{name}.")


def inner_model(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The settings inside an annotation, and whether it is a mapping of names to them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    if get_origin(annotation) is dict:
        return inner_model(get_args(annotation)[1])[0], True
    if get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            inner = inner_model(member)
            if inner[0] is not None:
                return inner
    return None, False


def _known_paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner, is_mapping = inner_model(field.annotation)
        yield f"{prefix}{name}"
        if inner is not None:
            yield from _known_paths(inner, f"{prefix}{name}.{'NAME.' if is_mapping else ''}")


def _suggestion(path: str, siblings: list[str], known: list[str]) -> str:
    key = path.rpartition(".")[2]
    folded = key.lower().replace("-", "_")
    near = difflib.get_close_matches(folded, siblings, n=1, cutoff=0.6)
    elsewhere = [other for other in known if other.rpartition(".")[2] == folded]
    if near:
        return f" Did you mean `{near[0]}`?"
    if elsewhere:
        return f" Did you mean {' or '.join(f'`{other}`' for other in elsewhere[:3])}?"
    far = difflib.get_close_matches(folded, [other.rpartition(".")[2] for other in known], n=1, cutoff=0.75)
    if far:
        return f" Did you mean `{next(other for other in known if other.rpartition('.')[2] == far[0])}`?"
    return f" Known here: {', '.join(siblings)}."


def _without_union_members(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """A location as it stands in the file: pydantic adds the tried member of a union (``files.list[str].1``)."""
    parts: list[str] = []
    level: type[BaseModel] | None = model
    names_next = False  # the next part is a name the user chose
    for position, part in enumerate(location):
        if level is not None and not names_next:
            field = level.model_fields.get(str(part))
            if field is None:  # a union's member
                continue
            parts.append(str(part))
            level, names_next = inner_model(field.annotation)
            if level is None and get_origin(field.annotation) in (Union, types.UnionType):
                rest = location[position + 1 :]
                return parts + [str(other) for other in rest if isinstance(other, int)]
            continue
        parts.append(str(part))
        names_next = False
    return parts


def _nearest_choice(value: Any, expectations: list[str]) -> str:
    if not isinstance(value, str) or len(expectations) != 1:
        return ""
    choices = [part.strip("' ") for part in expectations[0].replace(" or ", ", ").split(",") if "'" in part]
    near = difflib.get_close_matches(value.lower(), choices, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""
