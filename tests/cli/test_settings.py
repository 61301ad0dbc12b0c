"""`longtail settings` tells every key of a recipe, and the page in docs is what it prints."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from longtail.cli.main import app
from longtail.core.errors import RecipeError
from longtail.recipe import Recipe
from longtail.recipe.reference import keys

RUN = CliRunner()


def test_the_page_is_what_is_printed() -> None:
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    assert RUN.invoke(app, ["settings", "--markdown"]).stdout == page


def test_every_key_says_what_it_is_and_every_default_is_one() -> None:
    found = keys()
    assert [f"{key.section}.{key.name}" for key in found if not key.meaning.endswith((".", ")"))] == []
    assert len({(key.section, key.name) for key in found}) == len(found)
    lines: list[str] = []
    for section in dict.fromkeys(key.section for key in found if "NAME" not in key.section):
        given = [f"{key.name} = {key.default}" for key in found if key.section == section and key.default]
        lines += [f"[{section}]", *given] if section and given else given
    text = "\n".join(lines)
    tomllib.loads(text)
    recipe = Recipe.parse(text)
    assert recipe.model == Recipe.parse("").model
    assert recipe.als == Recipe.parse("").als


def test_a_section_has_those_inside_it() -> None:
    told = json.loads(RUN.invoke(app, ["settings", "model.bridge", "--json"]).stdout)
    assert {row["section"] for row in told} == {"model.bridge", "model.bridge.network"}
    assert "landmarks" in {row["name"] for row in told}
    shown = RUN.invoke(app, ["settings", "catalog.fields"], env={"COLUMNS": "120"}).stdout
    assert "fine_tune" in shown
    assert "landmarks" not in shown


def test_an_unknown_section_names_those_there_are() -> None:
    with pytest.raises(RecipeError, match=r"no section \[modle\].*model\.bridge"):
        RUN.invoke(app, ["settings", "modle"], catch_exceptions=False)


def test_what_is_set_above_is_not_told_twice() -> None:
    names = [(key.section, key.name) for key in keys() if key.name in ("seed", "tail_below")]
    assert names == [("", "tail_below"), ("", "seed")]
