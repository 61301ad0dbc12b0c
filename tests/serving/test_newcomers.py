from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from longtail.bundle import load
from longtail.core.errors import DataError, UnknownIdError
from longtail.recommender import Recommender

GOLDEN = Path(__file__).parent.parent / "golden" / "format-1"
WINE = {"department": "WINE", "colour": "red", "price": 9.5}


@pytest.fixture
def shop() -> Recommender:
    return Recommender.load(GOLDEN)


def test_a_copy_of_an_item_is_seen_as_that_item_was(shop: Recommender) -> None:
    bundle = shop.bundle
    for id in ("0005", "0043"):
        row = bundle.items.row(id)
        columns = bundle.catalog.slice(row, 1).to_pylist()[0]
        copy = {name: columns[name] for name in ("name", "department", "colour", "price")}
        shop.add_items([copy | {"sku": f"copy of {id}"}])
        added = shop.bundle.items.row(f"copy of {id}")
        assert np.array_equal(shop.bundle.content[added], bundle.content[row])
        assert np.allclose(shop.bundle.item_vectors[added], bundle.predictions[row], atol=1e-6)


def test_new_item_is_like_its_kind_and_nothing_is_remembered(shop: Recommender) -> None:
    before = shop.bundle
    ranking = shop.similar_to(WINE, 5)
    departments = shop.bundle.catalog.column("department").to_pylist()
    assert [departments[shop.bundle.items.row(id)] for id in ranking.item_ids] == ["WINE"] * 5
    assert shop.bundle is before


def test_a_category_nobody_knows_is_said_to_be_none(shop: Recommender) -> None:
    assert shop.similar_to(WINE, 3).note == ""
    said = shop.similar_to({**WINE, "department": "WINES"}, 3).note
    assert "department: 'WINES' is no value that training learned from" in said
    assert "Did you mean 'WINE'?" in said
    with pytest.warns(UserWarning, match="'WINES'"):
        shop.add_items([{"sku": "misspelt", **WINE, "department": "WINES"}])


def test_row_of_a_known_item_leaves_that_item_out(shop: Recommender) -> None:
    row = shop.bundle.catalog.slice(5, 1).to_pylist()[0]
    assert "0005" not in shop.similar_to({"sku": "0005", **WINE}, 40).item_ids
    assert "0005" in shop.similar_to({key: row[key] for key in ("department", "colour", "price")}, 40).item_ids


def test_added_items_are_searchable_at_once(shop: Recommender) -> None:
    shop.similar_items("0005", 3)  # so that indexes, filters and groups exist already
    shop.recommend("shopper 3", 3, where="price > 1", one_per="colour")
    assert shop.add_items([{"sku": "0099", **WINE}, {"sku": "new two", "department": "DELI"}]) == ["0099", "new two"]
    found = {row.item_id: row for row in shop.similar_items("0005", 40)}
    assert (found["0099"].source, found["0099"].n_interactions) == ("predicted", 0)
    assert "0099" in shop.recommend("shopper 3", 40, where="price = 9.5 and colour = 'red'").item_ids
    assert "0099" in shop.recommend_for(["0001"], 40).item_ids
    asked = shop.similar_items("0099", 5)
    assert "0099" not in asked.item_ids
    assert asked.item_ids == [id for id in shop.similar_to(WINE, 6).item_ids if id != "0099"][:5]
    assert "0099" not in shop.recommend_for(["0001", "0099"], 40).item_ids
    assert shop.titles(["0099"]) == ["0099"]


def test_added_items_are_saved(shop: Recommender, tmp_path: Path) -> None:
    shop.add_items([{"sku": "0099", **WINE}])
    shop.save(tmp_path / "shop.bundle")
    again = Recommender.load(tmp_path / "shop.bundle")
    assert again.similar_items("0099", 9) == shop.similar_items("0099", 9)
    assert again.recommend("shopper 3", 9) == shop.recommend("shopper 3", 9)
    assert again.add_items([{"sku": "0100", **WINE}]) == ["0100"]


def test_dataframes_are_accepted(shop: Recommender) -> None:
    frame = pl.DataFrame({"sku": ["007a", "007b"], "department": ["WINE", "DELI"], "price": [3, None]})
    assert shop.add_items(frame) == ["007a", "007b"]
    assert shop.similar_items("007b", 2).rows


def test_item_without_content_gets_a_labelled_fallback(shop: Recommender) -> None:
    ranking = shop.similar_to({}, 3)
    assert {row.source for row in ranking} == {"fallback"}
    assert "no content" in ranking.note
    shop.add_items([{"sku": "blank"}])
    known = shop.similar_items("blank", 3)
    assert {row.source for row in known} == {"fallback"}
    assert "blank" not in shop.recommend("shopper 3", 60).item_ids


def test_what_cannot_be_added_is_refused_and_nothing_changes(shop: Recommender) -> None:
    with pytest.raises(DataError, match="'0005'"):
        shop.add_items([{"sku": "0099", **WINE}, {"sku": "0005", **WINE}])
    with pytest.raises(DataError, match="no id"):
        shop.add_items([WINE])
    with pytest.raises(DataError, match="dictionaries"):
        shop.add_items(["0099"])
    with pytest.raises(UnknownIdError):
        shop.similar_items("0099")


def test_bundle_without_content_says_so(shop: Recommender) -> None:
    from dataclasses import replace

    schema = shop.bundle.catalog_schema
    assert schema is not None
    bare = Recommender(
        replace(shop.bundle, content_model=None, catalog_schema=schema.model_copy(update={"fields": {}}))
    )
    with pytest.raises(DataError, match="without content"):
        bare.similar_to(WINE)
    with pytest.raises(DataError, match="without content"):
        bare.add_items([{"sku": "0099"}])


def test_where_content_says_nothing_new_items_get_the_fallback_of_their_category(shop: Recommender) -> None:
    from dataclasses import replace

    plain = Recommender(replace(shop.bundle, content_model=None, bridge=None))
    asked = plain.similar_to(WINE, 3)
    column = plain.bundle.category_column
    assert column is not None
    assert "by behaviour alone" in asked.note
    assert repr(WINE[column]) in asked.note
    assert [row.source for row in asked] == ["fallback"] * 3
    kinds = dict(zip(plain.bundle.items, plain.bundle.catalog.column(column).to_pylist(), strict=True))
    assert {kinds[item] for item in asked.item_ids} == {WINE[column]}
    assert plain.add_items([{"sku": "0099", **WINE}]) == ["0099"]
    assert plain.similar_items("0099", 3).item_ids == asked.item_ids


def test_readers_never_see_half_of_an_addition(shop: Recommender) -> None:
    wrong: list[object] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            ranking = shop.similar_items("0005", 100, where="price > 0")
            if len(ranking) < 43 or len(ranking) != len(set(ranking.item_ids)):
                wrong.append(ranking)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(5):
        shop.add_items([{"sku": f"n{number}", **WINE}])
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong
    assert len(shop.bundle.items) == len(load(GOLDEN).items) + 5


def test_new_items_without_text_need_no_torch() -> None:
    script = (
        "import sys\nfrom longtail import Recommender\n"
        f"shop = Recommender.load({str(GOLDEN)!r})\n"
        "assert len(shop.similar_to({'department': 'WINE'}, 3)) == 3\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
