import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from longtail.content.cache import EncodingCache
from longtail.content.model import ContentModel
from longtail.content.picture_attributes import MIN_PICTURES, read_labels
from longtail.core.errors import RecipeError
from longtail.data.catalog import Catalog

CATEGORIES = {"colour": {"kind": "category"}, "tone": {"kind": "category"}, "uses": {"kind": "tags"}}


def rows(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.int64)


def test_shares_of_values_are_counted_over_the_items_of_a_picture(make_catalog: Any) -> None:
    n = 120
    catalog = make_catalog(CATEGORIES | {"name": {"kind": "category"}},
        colour=["red" if at % 3 else "blue" for at in range(n)],
        tone=["r" if at % 3 else "b" for at in range(n)],
        uses=[["a", "b"] if at % 2 else ["b"] for at in range(n)],
        name=[f"n{at // 5}" for at in range(n)],
    )  # fmt: skip
    picture_of = rows(n) // 2  # items 0 and 1, 2 and 3 ... share one
    labels, skipped = read_labels(catalog, None, picture_of, 60, None)
    assert [label.name for label in labels] == ["colour", "uses"]
    assert skipped["tone"] == "says the same as colour"
    assert "name" in skipped
    colour = labels[0]
    assert colour.classes == ["red", "blue"]
    np.testing.assert_allclose(colour.targets[:2], [[0.5, 0.5], [0.5, 0.5]])  # items 0, 3 are blue
    np.testing.assert_allclose(colour.targets[2], [1.0, 0.0])
    np.testing.assert_allclose(labels[1].targets[0], [1 / 3, 2 / 3], rtol=1e-6)  # a of one item, b of both


def test_items_held_out_and_items_without_a_picture_say_nothing(make_catalog: Any) -> None:
    n = 200
    catalog = make_catalog(CATEGORIES, colour=["red", "blue"] * 100, tone=["x"] * n, uses=[["a"]] * n)
    picture_of = rows(n)
    picture_of[:20] = -1
    labels, skipped = read_labels(catalog, None, picture_of, n, rows(150))
    labelled = labels[0].targets.any(axis=1)
    assert labelled[20:150].all()
    assert not labelled[:20].any()
    assert not labelled[150:].any()
    assert skipped.keys() == {"tone", "uses"}
    too_few = read_labels(catalog, None, picture_of, n, rows(20 + MIN_PICTURES - 1))[1]["colour"]
    assert too_few == f"{MIN_PICTURES - 1} pictures with a value, fewer than {MIN_PICTURES}"


def test_many_values_are_an_attribute_only_where_it_is_wanted(make_catalog: Any) -> None:
    n = 210 * 5
    catalog = make_catalog(
        {"kind": {"kind": "category"}}, kind=[f"k{at % 210}" for at in range(n)], other=["a", "b"] * (n // 2)
    )
    assert "210 values" in read_labels(catalog, None, rows(n), n, None)[1]["kind"]
    labels, _ = read_labels(catalog, ["kind", "other"], rows(n), n, None)
    assert [len(label.classes) for label in labels] == [200, 2]
    assert read_labels(catalog, [], rows(n), n, None) == ([], {})
    with pytest.raises(RecipeError, match="nearest: 'other'"):
        read_labels(catalog, ["othr"], rows(n), n, None)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    torch = pytest.importorskip("torch", reason="the extra 'images' is not installed")
    timm = pytest.importorskip("timm", reason="the extra 'images' is not installed")
    monkeypatch.setattr("longtail.content.picture_reading._LOADED", {})
    torch.manual_seed(0)
    torch.save(timm.create_model("test_resnet", pretrained=False).state_dict(), tmp_path / "w.pth")
    return tmp_path / "w.pth"


def coloured(make_catalog: Any, weights: Path, n: int = 120, wrong_from: int | None = None, **more: Any) -> Any:
    """Plain squares in one of three colours with some noise; ``wrong_from``: later items say the wrong colour."""
    image = pytest.importorskip("PIL.Image", reason="the extra 'images' is not installed")
    rng = np.random.default_rng(0)
    names, said = [], []
    for at in range(n):
        channel = int(rng.integers(3))
        pixels = rng.integers(0, 120, (24, 24, 3), dtype=np.uint8)
        pixels[..., channel] += 90
        image.fromarray(pixels).save(weights.parent / f"{at}.png")
        names.append(f"{at}.png")
        said.append("rgb"[channel if wrong_from is None or at < wrong_from else (channel + 1) % 3])
    photo = {"kind": "image", "model": f"test_resnet:{weights}", **more}
    return make_catalog({"photo": photo, "colour": {"kind": "category"}}, photo=names, colour=said)


def test_classifiers_learn_from_pictures_and_new_items_are_read_the_same(
    make_catalog: Any, weights: Path, tmp_path: Path
) -> None:
    catalog = coloured(make_catalog, weights)
    cache = EncodingCache(tmp_path / "cache")
    model, features = ContentModel.fit(catalog, cache=cache, base=tmp_path)
    described = model.describe()[0]
    (score,) = described["attributes"]
    assert (score["attribute"], score["classes"], score["trained"], score["validated"]) == ("colour", 3, 96, 12)
    assert score["accuracy"] >= score["majority"] + 0.25
    assert "of 1 attribute classifiers" in described["became"]
    json.dumps(described)

    meta, arrays = model.state()
    again = ContentModel.from_state(json.loads(json.dumps(meta)), arrays, base=tmp_path)
    assert again.describe()[0] == described
    fitted = features["photo"].matrix
    for row in (0, 63, 119):  # without a cache: the backbone runs again
        assert again.encode(catalog.take([row]))["photo"].matrix.tobytes() == fitted[row : row + 1].tobytes()
    # The same colour is nearer than another.
    colour = np.array(catalog.table["colour"].to_pylist())
    same = colour[:, None] == colour
    alike = fitted @ fitted.T
    assert alike[same].mean() > alike[~same].mean() + 0.3

    _, same_features = ContentModel.fit(catalog, cache=cache, base=tmp_path)
    assert same_features["photo"].matrix.tobytes() == fitted.tobytes()
    plain = coloured(make_catalog, weights, attributes=[])
    model, features = ContentModel.fit(plain, cache=cache, base=tmp_path)
    assert "of the backbone" in model.describe()[0]["became"]
    assert features["photo"].matrix.tobytes() != fitted.tobytes()


def test_classifiers_learn_nothing_from_items_held_out(make_catalog: Any, weights: Path, tmp_path: Path) -> None:
    cache, fit_rows = EncodingCache(tmp_path / "cache"), rows(90)
    right = coloured(make_catalog, weights)
    wrong = coloured(make_catalog, weights, wrong_from=90)
    one, first = ContentModel.fit(right, cache=cache, base=tmp_path, fit_rows=fit_rows)
    two, second = ContentModel.fit(wrong, cache=cache, base=tmp_path, fit_rows=fit_rows)
    assert first["photo"].matrix.tobytes() == second["photo"].matrix.tobytes()
    assert one.describe()[0] == two.describe()[0]
    everything, _ = ContentModel.fit(right, cache=cache, base=tmp_path)
    assert everything.describe()[0]["attributes"] != one.describe()[0]["attributes"]


def test_pictures_as_bytes_in_a_column(make_catalog: Any, weights: Path, tmp_path: Path) -> None:
    coloured(make_catalog, weights, n=9)
    content = [(tmp_path / f"{at}.png").read_bytes() for at in range(9)]
    content[3], content[4], content[5] = b"", b"no picture", content[0]
    catalog = make_catalog(
        {"photo": {"kind": "image", "model": f"test_resnet:{weights}", "column": "picture.bytes"}},
        picture=pa.array([{"bytes": one, "path": "x"} for one in content]),
    )
    model, features = ContentModel.fit(catalog, cache=None, base=tmp_path)
    assert features["photo"].present.tolist() == [at not in (3, 4) for at in range(9)]
    counts = {key: value for key, value in model.describe()[0].items() if key.startswith(("unread", "no v", "miss"))}
    assert counts == {"missing": 2, "no value": 0, "unreadable: empty file": 1, "unreadable: not a picture": 1}
    new = [
        {"item_id": "a", "picture": {"bytes": content[0], "path": ""}},
        {"item_id": "b", "photo": content[8]},
        {"item_id": "c"},
    ]
    read = model.encode(Catalog.from_rows(catalog.schema, new, like=catalog))["photo"]
    assert read.matrix[:2].tobytes() == features["photo"].matrix[[0, 8]].tobytes()
    assert read.present.tolist() == [True, True, False]


def test_what_cannot_be_decoded_is_not_tried_again(
    make_catalog: Any, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = coloured(make_catalog, weights, n=9)
    (tmp_path / "2.png").write_bytes(b"no picture")
    (tmp_path / "7.png").write_bytes(b"no picture")
    cache = EncodingCache(tmp_path / "cache")
    model, _ = ContentModel.fit(catalog, cache=cache, base=tmp_path)
    assert model.describe()[0]["unreadable: not a picture"] == 2
    monkeypatch.setattr("longtail.content.picture_model.PictureModel.encode", lambda *_: pytest.fail("tried again"))
    again, _ = ContentModel.fit(catalog, cache=cache, base=tmp_path)
    assert again.describe() == model.describe()
    # Another limit may let it pass: what was refused under the old one is tried again.
    monkeypatch.setattr("longtail.content.pictures.MAX_PIXELS", 10**9)
    with pytest.raises(pytest.fail.Exception, match="tried again"):
        ContentModel.fit(catalog, cache=cache, base=tmp_path)
