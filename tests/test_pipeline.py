"""What reading a shop says and refuses before anything is learned."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from longtail.bundle import read_manifest
from longtail.core.errors import DataError
from longtail.core.progress import SilentProgress
from longtail.pipeline import read
from longtail.recipe import Recipe

RECIPE = Recipe.parse('[events]\ntimestamp = ""\n')


class Notes(SilentProgress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def events(*items: str | None) -> pa.Table:
    return pa.table({"user_id": [f"u{at}" for at in range(len(items))], "item_id": pa.array(items, pa.string())})


def test_refused_rows_are_told() -> None:
    told = Notes()
    catalog = pa.table({"item_id": ["a", "a", "b"]})
    read(RECIPE, events=events("a", None, "b", None), catalog=catalog, progress=told)
    assert any("Refused: 2 of 4 rows of the events (null item id 2)" in note for note in told.notes)
    assert any("Refused: 1 of 3 rows of the catalog (duplicate catalog item 1)" in note for note in told.notes)


def test_nothing_is_told_of_a_sound_shop() -> None:
    told = Notes()
    read(RECIPE, events=events("a", "b"), catalog=pa.table({"item_id": ["a", "b"]}), progress=told)
    read(RECIPE, events=events("a", "b"), progress=told)
    assert told.notes == []


def test_events_and_catalog_that_never_meet_stop_training_with_examples_of_both() -> None:
    with pytest.raises(DataError, match=r"Only 0 of 2 items.*'01', '02'.*'1', '2'.*longtail check"):
        read(RECIPE, events=events("01", "02"), catalog=pa.table({"item_id": ["1", "2"]}))


def test_events_and_catalog_that_hardly_meet_say_so() -> None:
    told = Notes()
    read(RECIPE, events=events("1", "02", "03"), catalog=pa.table({"item_id": ["1", "2", "3"]}), progress=told)
    (note,) = told.notes
    assert note.startswith("Only 1 of 3 items in the events are in the catalog.")


def test_no_rows_and_no_accepted_rows_are_told_apart() -> None:
    with pytest.raises(DataError, match="have no rows"):
        read(RECIPE, events=events())
    with pytest.raises(DataError, match="None of 2 rows"):
        read(RECIPE, events=events(None, None))


def test_a_bundle_tells_what_became_of_the_data(trained_shop: Path) -> None:
    training = read_manifest(trained_shop / "shop.bundle")["training"]
    data = training["data"]
    assert training["seconds"] > 0
    assert training["tail_below"] == 20
    assert data["events"]["refused"] == 1
    assert data["events"]["reasons"] == {"null user id": 1}
    assert data["events"]["read"] == data["events"]["accepted"] + 1
    assert data["catalog"]["accepted"] == 120
    assert data["join"]["unknown_items"] == 0
    assert data["join"]["silent_items"] >= 12
    assert {field["name"] for field in data["fields"]} >= {"kind", "colour", "price"}
    assert all(field["share"] == 1.0 for field in data["fields"])
