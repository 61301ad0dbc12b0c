from __future__ import annotations

import pyarrow as pa
import pytest

from longtail.core.errors import RecipeError
from longtail.data.template import placeholders, render


@pytest.mark.parametrize(
    ("template", "values", "text"),
    [
        ("{a}. {b}. {c}", ("Tea", "Drink", "Hot"), "Tea. Drink. Hot"),
        ("{a}. {b}. {c}", ("Tea", None, "Hot"), "Tea. Hot"),
        ("{a}. {b}. {c}", (None, " ", "Hot"), "Hot"),
        ("{a}. {b}. {c}", ("Tea", "", None), "Tea"),
        ("{a}. {b}. {c}", (None, None, None), None),
        ("{a}. {b}", ("Tea.", "Drink", None), "Tea. Drink"),
        ("{a}, colour {b}", ("Tea", None, None), "Tea"),
        ("Colour: {b}", (None, "red", None), "Colour: red"),
        ("{a} ({b})", ("Tea", "1 l", None), "Tea (1 l)"),
        ("{a}", ("two\n  lines", None, None), "two lines"),
        ("{{{a}}}", ("Tea", None, None), "{Tea}"),
    ],
)
def test_empty_parts_vanish(template: str, values: tuple[str | None, ...], text: str | None) -> None:
    table = pa.table({name: pa.array([value], pa.string()) for name, value in zip("abc", values, strict=True)})
    assert render(template, table) == [text]


def test_numbers_and_lists_are_written_plainly() -> None:
    table = pa.table({"n": [42.0], "x": [1.5], "tags": [["red", "", "blue"]]})
    assert render("{n} {x} {tags}", table) == ["42 1.5 red, blue"]


def test_placeholders() -> None:
    assert placeholders("{a}. {b b}") == ["a", "b b"]


@pytest.mark.parametrize("template", ["{a", "a}", "{}", "{ }"])
def test_templates_that_cannot_be_understood(template: str) -> None:
    with pytest.raises(RecipeError, match=r"Write columns as \{name\}"):
        placeholders(template)
