import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from longtail.content.cache import EncodingCache, default_cache_folder, key_of
from longtail.core.errors import DataError

KEYS = [key_of(bytes([value])) for value in range(5)]


def vectors(n: int = 5) -> list[np.ndarray]:
    return list(np.random.default_rng(0).standard_normal((n, 7)).astype(np.float16))


def test_what_was_put_comes_back_bit_equal_also_to_another_opener(tmp_path: Path) -> None:
    EncodingCache(tmp_path).put("space", KEYS, vectors())
    found = EncodingCache(tmp_path).get("space", [KEYS[3], key_of(b"new"), KEYS[0], KEYS[3]], np.float16)
    assert sorted(found) == [0, 2, 3]
    for position, row in ((0, 3), (2, 0), (3, 3)):
        assert found[position].tobytes() == vectors()[row].tobytes()


def test_spaces_do_not_see_each_other(tmp_path: Path) -> None:
    cache = EncodingCache(tmp_path)
    cache.put("one", KEYS[:1], vectors(1))
    assert cache.get("two", KEYS, np.float16) == {}


def test_more_keys_than_one_query_takes(tmp_path: Path) -> None:
    keys = [key_of(str(value).encode()) for value in range(1203)]
    cache = EncodingCache(tmp_path)
    cache.put("s", keys, [np.array([value], np.float32) for value in range(1203)])
    found = cache.get("s", keys[::-1], np.float32)
    assert [int(found[position][0]) for position in range(1203)] == list(range(1203))[::-1]


@pytest.mark.parametrize("damage", ["UPDATE encodings SET value = x'0000' WHERE rowid = 2", "flip"])
def test_a_damaged_entry_is_not_given_and_can_be_replaced(tmp_path: Path, damage: str) -> None:
    cache = EncodingCache(tmp_path)
    cache.put("s", KEYS, vectors())
    with sqlite3.connect(cache.path) as connection:
        if damage == "flip":
            value = bytearray(connection.execute("SELECT value FROM encodings WHERE rowid = 2").fetchone()[0])
            value[0] ^= 1
            connection.execute("UPDATE encodings SET value = ? WHERE rowid = 2", [bytes(value)])
        else:
            connection.execute(damage)
    found = cache.get("s", KEYS, np.float16)
    assert sorted(found) == [0, 2, 3, 4]
    cache.put("s", KEYS[1:2], vectors()[1:2])
    assert cache.get("s", KEYS, np.float16)[1].tobytes() == vectors()[1].tobytes()
    assert len(cache) == 5


def test_a_file_that_is_no_database_is_put_aside(tmp_path: Path) -> None:
    cache = EncodingCache(tmp_path)
    cache.path.write_bytes(b"this is not a database, whatever its name says" * 50)
    for leftover in tmp_path.glob("*-wal"):
        leftover.unlink()
    again = EncodingCache(tmp_path)
    assert len(again) == 0
    again.put("s", KEYS, vectors())
    assert len(again.get("s", KEYS, np.float16)) == 5
    assert list(tmp_path.glob("*.damaged-*"))


def test_two_processes_write_at_the_same_time(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys, numpy as np
        from longtail.content.cache import EncodingCache, key_of
        cache, who = EncodingCache(sys.argv[1]), int(sys.argv[2])
        for at in range(40):
            cache.put("s", [key_of(b"%d/%d" % (who, at)), key_of(b"shared/%d" % at)], [np.full(4, at, np.float32)] * 2)
        """
    )
    running = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path), str(who)]) for who in range(2)]
    assert [process.wait(60) for process in running] == [0, 0]
    cache = EncodingCache(tmp_path)
    assert len(cache) == 120
    found = cache.get("s", [key_of(b"shared/%d" % at) for at in range(40)], np.float32)
    assert [float(found[at][0]) for at in range(40)] == list(range(40))


def test_a_call_that_fails_keeps_nothing(tmp_path: Path) -> None:
    cache = EncodingCache(tmp_path)
    with pytest.raises(ValueError):
        cache.put("s", KEYS, vectors(3))
    assert len(cache) == 0


def test_default_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LONGTAIL_CACHE", str(tmp_path / "chosen"))
    assert default_cache_folder() == tmp_path / "chosen"
    assert EncodingCache().path.parent == tmp_path / "chosen"
    monkeypatch.delenv("LONGTAIL_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache_folder() == tmp_path / "xdg" / "longtail"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="LONGTAIL_CACHE"):
        EncodingCache(tmp_path / "file" / "cache")
    assert os.path.isfile(tmp_path / "file")
