"""Every kind of picture that shops have, through the whole encoder: handled, or counted as missing with its reason."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from longtail.content import pictures
from longtail.content.model import ContentModel

torch = pytest.importorskip("torch", reason="the extra 'images' is not installed")
timm = pytest.importorskip("timm", reason="the extra 'images' is not installed")
Image = pytest.importorskip("PIL.Image", reason="the extra 'images' is not installed")

RED, BLUE = (200, 30, 30), (30, 30, 200)


def scene(mode: str = "RGB") -> Any:
    """Red above blue."""
    image = Image.new("RGB", (64, 64), RED)
    image.paste(BLUE, (0, 32, 64, 64))
    return image.convert(mode)


def saved(image: Any, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    return saved(scene().rotate(180), "JPEG", exif=exif, quality=95)


def deep() -> bytes:
    """RGB with 16 bits a channel, which Pillow cannot write."""
    rows = np.asarray(scene(), np.uint16) * 257
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in rows)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def bomb() -> bytes:
    """A few bytes that say they are 3.6 thousand million pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 10_000)) + chunk(b"IEND", b"")


def animated() -> bytes:
    return saved(scene(), "GIF", save_all=True, append_images=[Image.new("RGB", (64, 64), "green")])


#: All of these show the same.
GOOD = {
    "plain.jpg": lambda: saved(scene(), "JPEG", quality=95),
    "plain.png": lambda: saved(scene(), "PNG"),
    "palette.png": lambda: saved(scene().quantize(4), "PNG"),
    "cmyk.jpg": lambda: saved(scene("CMYK"), "JPEG", quality=95),
    "alpha.png": lambda: saved(scene("RGBA"), "PNG"),
    "turned.jpg": turned,
    "animated.gif": animated,
    "deep.png": deep,
    "plain.webp": lambda: saved(scene(), "WEBP", quality=95),
    "wrong-ending.png": lambda: saved(scene(), "JPEG", quality=90),
}
#: What is wrong with these, by the reason they are counted under.
BAD = {
    "zero.jpg": (lambda: b"", "empty file"),
    "cut.jpg": (lambda: saved(scene().resize((300, 300)), "JPEG", quality=95)[:900], "truncated"),
    "page.jpg": (lambda: b"<html>404</html>", "not a picture"),
    "bomb.png": (bomb, "too many pixels"),
    "huge.jpg": (lambda: saved(scene(), "JPEG") + b"\0" * 40_000, "file too large"),
}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("longtail.content.picture_reading._LOADED", {})
    monkeypatch.setattr(pictures, "MAX_BYTES", 40_000)
    torch.manual_seed(0)
    torch.save(timm.create_model("test_resnet", pretrained=False).state_dict(), tmp_path / "w.pth")
    return f"test_resnet:{tmp_path / 'w.pth'}"


@pytest.mark.parametrize("as_bytes", [False, True])
def test_each_is_handled_or_counted_with_its_reason(
    make_catalog: Any, model: str, tmp_path: Path, as_bytes: bool
) -> None:
    contents = {name: make() for name, make in GOOD.items()} | {name: make() for name, (make, _) in BAD.items()}
    # Without other pictures there would be nothing to standardise by.
    rng = np.random.default_rng(0)
    for at in range(20):
        noise = Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8))
        contents[f"noise{at}.png"] = saved(noise, "PNG")
    names = [*contents, "nowhere.jpg", None, "  "]
    reasons = {f"unreadable: {reason}": 1 for _, reason in BAD.values()}
    photo: Any
    if as_bytes:
        photo = pa.array([*contents.values(), None, None, None], pa.binary())
        no_value = 3
    else:
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content)
        photo, no_value = names, 2
        reasons["unreadable: no such file"] = 1
    catalog = make_catalog({"photo": {"kind": "image", "model": model}}, photo=photo)
    fitted, features = ContentModel.fit(catalog, cache=None, base=tmp_path)
    described = fitted.describe()[0]
    assert {key: value for key, value in described.items() if key.startswith("unreadable")} == reasons
    assert described["no value"] == no_value
    assert described["missing"] == len(BAD) + 3
    field = features["photo"]
    assert field.present.tolist() == [name in GOOD or str(name).startswith("noise") for name in names]
    np.testing.assert_allclose(np.linalg.norm(field.matrix[field.present], axis=1), 1.0, rtol=1e-5)
    like = field.matrix[: len(GOOD)] @ field.matrix[0]
    unlike = field.matrix[len(contents) - 20 : len(contents)] @ field.matrix[0]
    assert like.min() > 0.8 > 0.4 > unlike.max(), dict(zip(GOOD, like.round(2).tolist(), strict=True))
