"""Encodings kept on disk, so that what did not change is never encoded twice.

One SQLite file. An encoding is found by its *space* (a hash of model and settings) and its *key* (a hash of the
content); beside it stands a checksum. Several processes may share the file: SQLite's write-ahead log lets them read
while one writes.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from longtail.core.errors import DataError

#: Seconds to wait for another process that is writing.
_PATIENCE = 120.0
_AT_ONCE = 500
_FILE = "encodings-1.sqlite"


def default_cache_folder() -> Path:
    """``LONGTAIL_CACHE``, or ``longtail`` in the platform's cache folder."""
    if chosen := os.environ.get("LONGTAIL_CACHE"):
        return Path(chosen)
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "longtail" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "longtail"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "longtail"


def key_of(content: bytes) -> bytes:
    """The key of a content, 16 bytes."""
    return hashlib.blake2b(content, digest_size=16).digest()


class EncodingCache:
    """Vectors by content.

    Args:
        folder: where the file lives; made if it does not exist. None: :func:`default_cache_folder`.

    Raises:
        DataError: the folder cannot be made or written.
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        self.folder = Path(folder) if folder is not None else default_cache_folder()
        self.path = self.folder / _FILE
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._connection():
                pass
        except (OSError, sqlite3.OperationalError) as error:
            raise DataError(
                f"The cache of encodings {self.path} cannot be opened ({error}). Give another folder, or set "
                "LONGTAIL_CACHE to one that can be written."
            ) from error

    def get(self, space: str, keys: Sequence[bytes], dtype: npt.DTypeLike) -> dict[int, npt.NDArray[np.generic]]:
        """What is known: position in ``keys`` -> vector.

        An entry whose checksum does not fit is left out, so that it is computed and written again.
        """
        wanted: dict[bytes, list[int]] = {}
        for position, key in enumerate(keys):
            wanted.setdefault(key, []).append(position)
        distinct, found = list(wanted), {}
        with self._connection() as connection:
            for start in range(0, len(distinct), _AT_ONCE):
                some = distinct[start : start + _AT_ONCE]
                marks = ",".join("?" * len(some))
                for key, value, checksum in connection.execute(
                    f"SELECT key, value, checksum FROM encodings WHERE space = ? AND key IN ({marks})", [space, *some]
                ):
                    if not isinstance(value, bytes) or _checksum(space, key, value) != checksum:
                        continue
                    vector = np.frombuffer(value, dtype=dtype)
                    found.update(dict.fromkeys(wanted[key], vector))
        return found

    def put(self, space: str, keys: Sequence[bytes], vectors: Sequence[npt.NDArray[np.generic]]) -> None:
        """Keep vectors; all or none of one call are on disk when it returns. An existing entry is replaced."""
        rows = []
        for key, vector in zip(keys, vectors, strict=True):
            value = np.ascontiguousarray(vector).tobytes()
            rows.append((space, key, value, _checksum(space, key, value)))
        with self._connection() as connection:
            connection.executemany("INSERT OR REPLACE INTO encodings VALUES (?, ?, ?, ?)", rows)

    def __len__(self) -> int:
        with self._connection() as connection:
            return int(connection.execute("SELECT count(*) FROM encodings").fetchone()[0])

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for one piece of work, committed at its end. A file that is no database is put aside."""
        try:
            connection = self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # busy, or not to be opened: the file may be sound
                raise
            self._put_aside()
            connection = self._open()
        try:
            with connection:
                yield connection
        finally:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_PATIENCE)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # After a power cut the last writes may be gone, the file is sound: enough for what can be computed again.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS encodings (space TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, "
                "checksum INTEGER NOT NULL, PRIMARY KEY (space, key))"
            )
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _put_aside(self) -> None:
        for path in (self.path, self.path.with_name(_FILE + "-wal"), self.path.with_name(_FILE + "-shm")):
            if path.exists():
                os.replace(path, path.with_name(path.name + f".damaged-{os.getpid()}"))


def _checksum(space: str, key: bytes, value: bytes) -> int:
    return zlib.crc32(value, zlib.crc32(key, zlib.crc32(space.encode())))
