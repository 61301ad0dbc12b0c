"""The recipe: what it accepts, what it refuses, and how it says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from longtail.core.errors import RecipeError
from longtail.recipe import Recipe

MINIMAL = """
[events]
source = { files = "events.csv" }

[catalog]
source = { files = "items.csv" }
title = "name"

[catalog.fields.text]
kind = "text"
template = "{name}. {brand}"
"""


def refused(text: str) -> str:
    with pytest.raises(RecipeError) as error:
        Recipe.parse(text)
    return str(error.value)


def test_defaults_and_everything_that_was_said() -> None:
    recipe = Recipe.parse(
        "tail_below = 7\nseed = 3\nexclude_seen = false\n"
        + MINIMAL.replace("[events]", '[events]\nevent_type = "what"')
        + """
[weights]
half_life_days = 90
[weights.types]
"add to cart" = 2
view = 0.5
[als]
factors = 16
[model]
rounds = 1
"""
    )
    assert (recipe.tail_below, recipe.seed, recipe.exclude_seen) == (7, 3, False)
    assert recipe.weights.types == {"add to cart": 2.0, "view": 0.5}
    assert recipe.als.factors == 16
    assert recipe.model.rounds == 1
    assert recipe.events.user_id == "user_id"
    assert recipe.catalog.fields["text"].template == "{name}. {brand}"
    assert Recipe().tail_below == 20
    assert Recipe().text == ""


def test_a_column_may_be_any_sql_expression() -> None:
    recipe = Recipe.parse('[events]\nitem_id = "substr(article_id, 1, 7)"\nwhere = "country <> \'XX\'"')
    assert recipe.events.item_id == "substr(article_id, 1, 7)"
    assert recipe.events.where == "country <> 'XX'"


def test_text_and_folder_are_remembered(tmp_path: Path) -> None:
    path = tmp_path / "shop" / "recipe.toml"
    path.parent.mkdir()
    text = "# a comment with an ä\n" + MINIMAL.replace("[events]", '[events]\nevent_type = "what"')
    path.write_text(text, encoding="utf-8")
    recipe = Recipe.load(path)
    assert recipe.text == text
    assert recipe.folder == path.parent
    assert recipe.data_folder == path.parent


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("seed = 5", encoding="utf-8-sig")
    assert Recipe.load(path).seed == 5


@pytest.mark.parametrize(
    ("text", "path", "hint"),
    [
        ("tail_bellow = 3", "tail_bellow", "Did you mean `tail_below`?"),
        ("[event]\nuser_id = 'u'", "event", "Did you mean `events`?"),
        ("[events]\nuserid = 'u'", "events.userid", "Did you mean `user_id`?"),
        ("[events]\nsource = { file = 'a.csv' }", "events.source.file", "Did you mean `files`?"),
        ("[catalog.fields.picture]\nkind = 'image'\ncolunm = 'p'", "catalog.fields.picture.colunm", "`column`"),
        ("[catalog.group]\norderby = 'x'", "catalog.group.orderby", "Did you mean `order_by`?"),
        ("[weights]\nhalf_life = 30", "weights.half_life", "Did you mean `half_life_days`?"),
        ("[model.bridge]\nxyzzy = 1", "model.bridge.xyzzy", "Known here: "),
        ("factors = 64", "factors", "Did you mean `als.factors`?"),
        ("[events]\nhalf_life_days = 30", "events.half_life_days", "Did you mean `weights.half_life_days`?"),
        ("[als]\nFACTORS = 64", "als.FACTORS", "Did you mean `factors`?"),
    ],
)
def test_an_unknown_key_is_refused_with_its_path_and_the_nearest_name(text: str, path: str, hint: str) -> None:
    message = refused(text)
    assert f"\n  {path}: unknown key." in message
    assert hint in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tail_below = 0", "tail_below: found 0, expected a number of at least 1."),
        ("seed = 1.5", "seed: found 1.5, expected a whole number."),
        ("exclude_seen = 'perhaps'", "exclude_seen: found 'perhaps', expected true or false."),
        ("events = 3", "events: found 3, expected a section [events]."),
        ("[events]\nuser_id = 3", "events.user_id: found 3, expected a text in quotes."),
        ("[events.source]\nfiles = 3", "events.source.files: found 3, expected a text in quotes or a list."),
        ("[weights]\nhalf_life_days = -1", "weights.half_life_days: found -1, expected a number above 0."),
        ("[weights.types]\nview = 'much'", "weights.types.view: found 'much', expected a number."),
        ("[weights.types]\nview = inf", "weights.types.view: found inf, expected a finite number."),
        ("[weights.types]\nview = 0", "weights.types: no type weighs more than 0"),
        ("[weights.types]\nview = 1", "weights.types: events.event_type names no column"),
        ("[weights]\nconfidence = 'lin'", "Did you mean 'linear'?"),
        ("[catalog.fields.a]\nkind = 'txt'", "catalog.fields.a.kind: found 'txt', expected 'text', 'category'"),
        ("[catalog.fields.a]\nkind = 'txt'", "Did you mean 'text'?"),
        ("[catalog.fields.a]\ncolumn = 'a'", "catalog.fields.a.kind: found nothing, expected a value."),
        ("[catalog.fields.a.b]\nkind = 'text'", "catalog.fields.a.b: unknown key."),
        ("[events.source]", "events.source: a source is either `files = ...` or `url = ...` with `query = ...`"),
        ("[events.source]\nurl = 'sqlite:///x'", "events.source: `url` needs a `query`"),
        (
            "[events]\ntimestamp_format = 'epoch_s'\n[weights]\nvalue_exponent = 1",
            "weights.value_exponent: found 1, but",
        ),
        ("[catalog.fields.a]\nkind = 'price'\ntemplate = '{x}'", "catalog.fields.a.template: only text fields"),
        ("[catalog.fields.a]\nkind = 'text'\ntemplate = '{x}'\ncolumn = 'x'", "found `column` and `template`"),
        ("[catalog.fields.a]\nkind = 'category'\nseparator = '|'", "catalog.fields.a.separator: only tags"),
        ("[catalog.fields.a]\nkind = 'tags'\nseparator = ''", "catalog.fields.a.separator: found an empty text"),
        ("[catalog.fields.a]\nkind = 'text'\nwithin = 'x'", "catalog.fields.a.within: only numbers and prices"),
        ("[catalog.fields.a]\nkind = 'tags'\nmodel = 'x'", "catalog.fields.a.model: only text and pictures"),
        ("[model]\ntail_below = 3", "model.tail_below: set `tail_below` once, at the top"),
    ],
)
def test_an_invalid_value_is_refused_with_path_found_and_expected(text: str, expected: str) -> None:
    assert expected in refused(text)


def test_all_problems_are_told_at_once() -> None:
    message = refused("tail_belo = 1\n[events]\nuserid = 'u'\n[weights]\nhalf_live_days = 1")
    assert message.startswith("the recipe has 3 problems:")
    message = refused("tail_below = 0\n[events]\nuser_id = 3")
    assert "2 problems" in message


def test_text_that_is_no_toml_names_the_line() -> None:
    message = refused('seed = 1\n[events]\nuser_id = "u')
    assert "not valid TOML" in message
    assert "user_id" in message


def test_a_missing_file_says_which_recipes_are_there(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text("")
    with pytest.raises(RecipeError, match=r"Recipes in that folder: shop\.toml"):
        Recipe.load(tmp_path / "recipe.toml")
    with pytest.raises(RecipeError, match="UTF-8"):
        Recipe.load(tmp_path)


def test_tail_and_seed_are_set_once_and_handed_down() -> None:
    recipe = Recipe.parse("tail_below = 9\nseed = 11")
    assert recipe.model.tail_below == 9
    for section in (recipe.als, recipe.model):
        assert getattr(section, "seed", 11) == 11


def test_data_dir_is_relative_to_the_recipe_and_takes_environment_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def folder(text: str, data: str | None = None) -> Path:
        return Recipe.parse(text, tmp_path, data=data).data_folder

    monkeypatch.delenv("SHOP_DATA", raising=False)
    assert folder("") == tmp_path
    assert folder('data_dir = "../raw"') == tmp_path / "../raw"
    assert folder('data_dir = "${SHOP_DATA:-raw}"') == tmp_path / "raw"
    with pytest.raises(RecipeError, match=r"environment variable SHOP_DATA, which is not set"):
        folder('data_dir = "${SHOP_DATA}"')
    monkeypatch.setenv("SHOP_DATA", str(tmp_path / "elsewhere"))
    assert folder('data_dir = "${SHOP_DATA:-raw}/2024"') == tmp_path / "elsewhere" / "2024"
    assert folder('data_dir = "${SHOP_DATA}"', data="given") == Path("given")


def test_the_half_life_needs_a_timestamp() -> None:
    from longtail.data.schema import EventsSchema, WeightSettings

    with pytest.raises(ValueError, match="no timestamp to age by"):
        Recipe(events=EventsSchema(timestamp=None), weights=WeightSettings(half_life_days=3))


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[1] / "recipes").glob("*.toml")), ids=lambda p: p.stem)
def test_the_recipes_of_the_repository_are_valid(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe.load(path, data="anywhere")
    assert recipe.events.source is not None
    assert recipe.catalog.source is not None
    assert recipe.catalog.fields


def test_the_recipe_in_the_documentation_is_one() -> None:
    text = (Path(__file__).parents[1] / "docs" / "recipe.md").read_text(encoding="utf-8")
    block = text.partition("```toml\n")[2].partition("```")[0]
    recipe = Recipe.parse(block)
    assert recipe.weights.types == {"view": 1.0, "add to cart": 3.0, "purchase": 4.0}
    assert recipe.catalog.fields["price"].within == "type"


def test_all_problems_are_told_at_once_each_once() -> None:
    message = refused(
        MINIMAL + "[model]\nprecisions = []\nfusion_half_lives = [0.0]\nroundss = 2\n[als]\nfactors = 0\n"
    )
    assert message.splitlines()[0].endswith("has 4 problems:")
    assert "model.roundss: unknown key. Did you mean `rounds`?" in message
    assert "model.precisions: found [], expected a list of at least 1." in message
    assert "model.fusion_half_lives.0: found 0.0, expected a number above 0.0." in message
    assert "als.factors: found 0, expected a number of at least 1." in message


def test_another_seed_is_handed_down_as_well_and_leaves_the_recipe_as_it_was() -> None:
    recipe = Recipe.parse("seed = 3\n[als]\nfactors = 9")
    other = recipe.seeded(5)
    assert (other.seed, other.als.seed, other.als.factors, other.text) == (5, 5, 9, recipe.text)
    assert (recipe.seed, recipe.als.seed) == (3, 3)
