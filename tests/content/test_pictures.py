import contextlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longtail.content import pictures
from longtail.content.pictures import Unreadable, decode, read_file

Image = pytest.importorskip("PIL.Image", reason="the extra 'images' is not installed")

RED, BLUE = (200, 30, 30), (30, 30, 200)


def halves(mode: str = "RGB", size: tuple[int, int] = (40, 40)) -> Any:
    """Red above blue."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (0, size[1] // 2, size[0], size[1]))
    return image.convert(mode)


def saved(image: Any, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("mode", "format"),
    [("RGB", "JPEG"), ("RGB", "PNG"), ("P", "PNG"), ("RGBA", "PNG"), ("CMYK", "JPEG"), ("P", "GIF"), ("RGB", "WEBP")],
)
def test_every_mode_becomes_the_same_picture(mode: str, format: str) -> None:
    pixels = decode(saved(halves(mode), format), 32)
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels[4, 16].astype(int), RED, atol=40)
    np.testing.assert_allclose(pixels[28, 16].astype(int), BLUE, atol=40)


@pytest.mark.parametrize(("mode", "value"), [("L", 128), ("I;16", 128 * 257), ("1", 1), ("LA", (128, 255))])
def test_greys_of_every_depth(mode: str, value: Any) -> None:
    pixels = decode(saved(Image.new(mode, (20, 20), value), "PNG"), 16)
    np.testing.assert_allclose(pixels, 255 if mode == "1" else 128, atol=2)


def test_what_is_transparent_stands_on_white() -> None:
    assert (decode(saved(Image.new("RGBA", (10, 10), (0, 0, 0, 0)), "PNG"), 8) == 255).all()


def test_turned_as_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    pixels = decode(saved(halves(), "JPEG", exif=exif), 32)
    np.testing.assert_allclose(pixels[4, 16].astype(int), BLUE, atol=40)


def test_an_animation_is_its_first_frame() -> None:
    frames = [Image.new("RGB", (10, 10), colour) for colour in (RED, BLUE)]
    pixels = decode(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]), 8)
    np.testing.assert_allclose(pixels[4, 4].astype(int), RED, atol=10)


def test_the_whole_picture_stays_on_the_ground_of_its_border() -> None:
    image = Image.new("RGB", (20, 60), (240, 240, 240))
    image.paste(RED, (8, 25, 12, 35))
    pixels = decode(saved(image, "PNG"), 30)
    np.testing.assert_allclose(pixels[:, :9], 240, atol=2)
    assert (pixels[15, 15] < 235).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (3000, 2)])
def test_odd_shapes(size: tuple[int, int]) -> None:
    assert decode(saved(Image.new("RGB", size, RED), "PNG"), 16).shape == (16, 16, 3)


def reason_of(content: bytes) -> str:
    with pytest.raises(Unreadable) as found:
        decode(content, 16)
    return str(found.value)


def test_what_cannot_be_read_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90, 3), dtype=np.uint8))
    assert reason_of(b"<html>404</html>") == "not a picture"
    assert reason_of(saved(noise, "JPEG")[:2000]) == "truncated"
    assert reason_of(saved(noise, "PNG")[:2000]) in ("truncated", "damaged")
    monkeypatch.setattr(pictures, "MAX_PIXELS", 1000)
    assert reason_of(saved(noise, "PNG")) == "too many pixels"


def test_a_decompression_bomb_is_refused_before_it_unpacks() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 10_000))
    assert reason_of(bomb + chunk(b"IEND", b"")) == "too many pixels"


@given(st.binary(max_size=300), st.integers(0, 600), st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_damage_is_never_a_crash(junk: bytes, at: int, value: int) -> None:
    whole = bytearray(saved(halves(), "PNG") + junk)
    whole[at % len(whole)] = value
    for content in (bytes(whole), junk, bytes(whole[:at])):
        with contextlib.suppress(Unreadable):
            assert decode(content, 8).shape == (8, 8, 3)


def test_files_that_are_not_there_or_empty_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "large").write_bytes(b"12345")
    monkeypatch.setattr(pictures, "MAX_BYTES", 4)
    for name, reason in [("none", "no such file"), ("empty", "empty file"), ("large", "file too large")]:
        with pytest.raises(Unreadable, match=reason):
            read_file(tmp_path / name)
    with pytest.raises(Unreadable):
        read_file(tmp_path / "nul\0l")
    with pytest.raises(Unreadable, match="no such file"):
        read_file(tmp_path)
