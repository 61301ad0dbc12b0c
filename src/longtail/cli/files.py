"""Files a command writes: their place is looked at before the work begins, not after it."""

from __future__ import annotations

from pathlib import Path

from longtail.core.errors import DataError


def check_place(path: Path | None) -> None:
    """Raise DataError where a file cannot be written; None and ``-`` (standard output) always can."""
    if path is None or str(path) == "-":
        return
    if path.is_dir():
        raise DataError(f"{path} is a folder; expected the name of a file to write. Name a file in it.")
    if not path.parent.is_dir():
        raise DataError(f"There is no folder {path.parent} to write {path.name} into. Make it first.")


def write_file(path: Path, text: str) -> None:
    """Write a text file. Raises DataError where it cannot be written."""
    check_place(path)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}. Choose another place.") from error
