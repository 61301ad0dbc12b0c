from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from longtail.core.errors import DataError
from longtail.data.datasets import boutique
from longtail.data.datasets.garments import COLOURS, PATTERNS, SHAPES, SLEEVES, Garment, draw, has_arms

Image = pytest.importorskip("PIL.Image", reason="the extra 'images' is not installed")


def test_customers_buy_and_praise_what_they_look_at_often() -> None:
    shop = boutique.generate(n_items=80, n_users=120)
    counts = dict(zip(*np.unique(shop.events["event_type"].to_pylist(), return_counts=True), strict=True))
    assert counts["view"] > counts["cart"] > counts["purchase"] > counts["rating"] > 20
    ratings = shop.events.filter(pc.equal(shop.events["event_type"], "rating"))["rating"]
    assert set(ratings.to_pylist()) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    times = shop.events["timestamp"].to_pylist()
    assert times == sorted(times)
    # Who likes a colour likes it twice: two views of a customer share their colour more often than views of two.
    colour = {f"g{at:04d}": garment.colour for at, garment in enumerate(shop.garments)}
    views = shop.events.filter(pc.equal(shop.events["event_type"], "view"))
    seen = np.array([colour[item] for item in views["item_id"].to_pylist()])
    users = np.array(views["user_id"].to_pylist())
    rng = np.random.default_rng(0)
    one, two = rng.integers(0, len(seen), (2, 60_000))
    same_user, same_colour = users[one] == users[two], seen[one] == seen[two]
    assert same_colour[same_user & (one != two)].mean() > 1.3 * same_colour[~same_user].mean()


def test_no_event_before_a_garment_arrives_and_none_for_the_newest() -> None:
    shop = boutique.generate(n_items=80, n_users=120)
    added = dict(zip(shop.catalog["item_id"].to_pylist(), shop.catalog["added"].to_pylist(), strict=True))
    rows = zip(shop.events["item_id"].to_pylist(), shop.events["timestamp"].to_pylist(), strict=True)
    assert all(time >= added[item] for item, time in rows)
    newest = {item for item, day in added.items() if day == max(added.values())}
    assert len(newest) == 8
    assert not newest & set(shop.events["item_id"].to_pylist())


def test_sleeves_are_for_garments_with_arms_and_values_are_missing() -> None:
    shop = boutique.generate(n_items=200, n_users=10)
    assert all((garment.sleeve is not None) == has_arms(garment.shape) for garment in shop.garments)
    assert 40 < shop.catalog["colour"].null_count < 95
    with pytest.raises(DataError, match="at least 20"):
        boutique.generate(n_items=3)


def test_what_is_drawn_shows_what_it_is() -> None:
    def mean(**change: str) -> np.ndarray:
        garment = Garment(**{"shape": "top", "colour": "red", "pattern": "plain", "sleeve": "long", **change})
        return np.mean([np.asarray(draw(garment, np.random.default_rng(at)), np.float64) for at in range(4)], axis=0)

    base = mean()
    assert base.shape == (140, 100, 3)
    middle = base[60, 50]
    assert middle[0] > middle[1] + 60  # red
    changes = [{"shape": one} for one in SHAPES if one != "top"] + [{"colour": one} for one in COLOURS if one != "red"]
    changes += [{"pattern": one} for one in PATTERNS[1:]] + [{"sleeve": one} for one in SLEEVES[:2]]
    assert all(np.abs(mean(**change) - base).mean() > 1.0 for change in changes)


def test_same_seed_same_files_and_two_pictures_are_not_right(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert boutique.write(tmp_path / name, n_items=20, n_users=12, seed=3).is_file()
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(files) == 3 + 19
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert pq.read_table(tmp_path / "one" / "catalog.parquet").num_rows == 20
    with Image.open(tmp_path / "one/images/g0000.jpg") as picture:
        picture.load()
    with Image.open(tmp_path / "one/images/g0019.jpg") as picture, pytest.raises(OSError, match="truncated"):
        picture.load()
    new = boutique.new_item(tmp_path / "one")
    assert (tmp_path / "one" / new["picture"]).is_file()
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        boutique.write(tmp_path / "file", n_items=20, n_users=12)
