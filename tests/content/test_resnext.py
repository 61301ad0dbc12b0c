"""ResNeXt-50 32x4d from a local file, in timm's and in torchvision's layout, with random weights."""

from pathlib import Path
from typing import Any

import pytest

from longtail.content.picture_model import PictureModel, find_weights, load_backbone
from longtail.core.errors import DataError

torch = pytest.importorskip("torch", reason="the extra 'images' is not installed")
timm = pytest.importorskip("timm", reason="the extra 'images' is not installed")
torchvision = pytest.importorskip("torchvision", reason="the extra 'images' is not installed")
save_safetensors = pytest.importorskip("safetensors.torch").save_file


@pytest.fixture(scope="module")
def published() -> Any:
    """Torchvision's model; its statistics are not those of a fresh one, so that a lost key would show."""
    torch.manual_seed(0)
    model = torchvision.models.resnext50_32x4d(weights=None)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 2.0)
    return model.eval()


@pytest.mark.parametrize("layout", ["torchvision.pth", "timm.safetensors", "checkpoint.pth"])
def test_gives_what_the_published_model_gives(published: Any, tmp_path: Path, layout: str) -> None:
    file, state = tmp_path / layout, published.state_dict()
    if layout == "timm.safetensors":
        renamed = timm.create_model("resnext50_32x4d", pretrained=False)
        renamed.load_state_dict(state)
        save_safetensors(renamed.state_dict(), file)
    elif layout == "checkpoint.pth":  # as training scripts save it, without the counters that nothing needs
        kept = {f"module.{key}": value for key, value in state.items() if "num_batches" not in key}
        torch.save({"epoch": 90, "state_dict": kept}, file)
    else:
        torch.save(state, file)
    weights = find_weights(str(file), allow_network=False)
    assert weights.architecture == "resnext50_32x4d"
    assert PictureModel(weights, weights.hash).pooled == 2048
    batch = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        headless = torch.nn.Sequential(*list(published.children())[:-1], torch.nn.Flatten())
        torch.testing.assert_close(load_backbone(weights)(batch), headless(batch), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("resnet18", r"it has no 'layer1\.0\.conv3\.weight'"),  # other keys
        ("resnet50", r"'layer1\.0\.conv1\.weight' is \(64, 64, 1, 1\), expected \(128, 64, 1, 1\)"),  # same keys
        ("mobilenet_v2", r"it has no 'conv1\.weight' \(its first key is 'features\.0\.0\.weight'\)"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path: Path, architecture: str, message: str) -> None:
    file = tmp_path / "resnext50.pth"
    torch.save(getattr(torchvision.models, architecture)(weights=None).state_dict(), file)
    with pytest.raises(DataError, match=message):
        load_backbone(find_weights(str(file), allow_network=False))
