"""A directory that appears whole or not at all: written beside its place, then renamed into it."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from longtail.core.errors import BundleError

#: Names of directories being written; the dot keeps them out of globs.
_PARTIAL = ".partial-"
_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
_HERE = -100  # AT_FDCWD


def previous_of(path: Path) -> Path:
    """Where the bundle that stood at ``path`` before the last publication is kept."""
    return path.with_name(path.name + ".previous")


@contextmanager
def published(path: Path, is_ours: Callable[[Path], bool]) -> Iterator[Path]:
    """Give an empty directory to write into; when the block ends well, it stands at ``path``.

    What stood there is moved to ``path.previous`` (and what stood *there* is removed). When the block raises, or the
    process dies, ``path`` is as it was; what a dead process left behind is removed by the next publication.

    Args:
        path: where the directory shall stand.
        is_ours: tells whether an existing directory may be replaced.

    Raises:
        BundleError: something else stands at ``path``, or the place cannot be written to.
    """
    path = _target(path)
    check_place(path, is_ours)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        partial = Path(tempfile.mkdtemp(prefix=f".{path.name}{_PARTIAL}", dir=path.parent))
    except OSError as error:
        raise _unwritable(path, error) from error
    held = _hold(partial)
    try:
        partial.chmod(0o777 & ~_umask())
        yield partial
        for file in partial.iterdir():  # some writers make files that nobody else may read
            file.chmod(0o666 & ~_umask())
        _flush(partial)
        check_place(path, is_ours)
        _put_in_place(partial, path)
    except OSError as error:
        raise BundleError(f"Cannot write the bundle {path}: {error}. What stood there is untouched.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if held is not None:
            os.close(held)


def check_place(path: Path, is_ours: Callable[[Path], bool]) -> None:
    """Raise BundleError where ``path`` exists and is neither an empty directory nor one of ours."""
    if path.is_symlink() and not path.exists():
        raise BundleError(f"{path} is a link that leads nowhere. Remove it or choose another place.")
    if not path.exists():
        return
    if not path.is_dir():
        raise BundleError(f"{path} is a file, not a bundle's directory. Choose another place or remove it.")
    if any(path.iterdir()) and not is_ours(path):
        raise BundleError(f"{path} holds something that is no bundle, so it is not replaced. Choose another place.")


def try_place(path: Path, is_ours: Callable[[Path], bool]) -> None:
    """Raise BundleError now where `published` would later; what is tried is removed again."""
    path = _target(path)
    check_place(path, is_ours)
    nearest = next(folder for folder in path.parents if folder.exists())
    try:
        os.rmdir(tempfile.mkdtemp(prefix=f".{path.name}{_PARTIAL}", dir=nearest))
    except OSError as error:
        raise _unwritable(path, error) from error


def _target(path: Path) -> Path:
    """The place itself: what a link leads to is replaced, not the link."""
    return path.resolve() if path.is_symlink() else path.absolute()


def _unwritable(path: Path, error: OSError) -> BundleError:
    return BundleError(f"Cannot write a bundle to {path}: {error.strerror or error}. Choose another place.")


def _put_in_place(partial: Path, path: Path) -> None:
    previous = previous_of(path)
    if not path.exists():
        partial.rename(path)
    elif _exchange(partial, path):
        _retire(partial, previous)
    else:
        # Without an atomic exchange there is a moment with nothing at `path`; a failure in it is undone.
        kept = _retire(path, previous)
        try:
            partial.rename(path)
        except OSError:
            if kept:
                previous.rename(path)
            raise
    _flush_directory(path.parent)


def _retire(old: Path, previous: Path) -> bool:
    """Keep what stood at the place as ``previous``, unless it was an empty directory; say whether it was kept."""
    if not any(old.iterdir()):
        old.rmdir()
        return False
    if previous.exists():
        shutil.rmtree(previous)
    old.rename(previous)
    return True


def _exchange(one: Path, other: Path) -> bool:
    """Swap two directories in one step, where the system can (Linux); say whether it was done."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0)


def _hold(directory: Path) -> int | None:
    """Lock a directory for as long as this process lives, so that others can tell it from a leftover."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _remove_leftovers(path: Path) -> None:
    for leftover in path.parent.glob(f".{path.name}{_PARTIAL}*"):
        handle = _hold(leftover)
        if handle is not None:
            shutil.rmtree(leftover, ignore_errors=True)
            os.close(handle)


def _flush(directory: Path) -> None:
    for file in directory.iterdir():
        handle = os.open(file, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    _flush_directory(directory)


def _flush_directory(directory: Path) -> None:
    with suppress(OSError):  # not every system lets a directory be opened
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
