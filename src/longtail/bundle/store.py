"""A bundle as a directory: written, checked, read."""

from __future__ import annotations

import hashlib
import json
import math
import mmap
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_array

from longtail.bundle.evidence import Evidence
from longtail.bundle.model import FORMAT_VERSION, Bundle, Manifest
from longtail.bundle.publish import previous_of, published, try_place
from longtail.bundle.tensors import read_tensors, write_tensors
from longtail.calibrate.model import Fusion, Length
from longtail.core.arrays import State
from longtail.core.errors import BundleError, DataError
from longtail.core.vocabulary import Vocabulary
from longtail.data.schema import CatalogSchema, WeightSettings

MANIFEST = "manifest.json"
_FORMAT = "longtail-bundle"

#: Which arrays stand in which file.
_MATRICES = {
    "vectors.safetensors": ("user_factors", "item_vectors", "predictions", "content"),
    "als.safetensors": ("als_user_factors", "als_item_factors"),
    "items.safetensors": (
        "n_interactions",
        "item_events",
        "behaviour_share",
        "source_codes",
        "exposure",
        "sellable",
    ),
}
#: Fitted parts that a bundle may lack, each in a file of its own.
_PARTS = ("content_model", "bridge", "reduction")
#: What only explanations need: mapped when the bundle is opened, compared with its checksum when it is first read.
_EVIDENCE = "evidence.safetensors"
_INDEXES = ("user_item", "item_item")


def save(bundle: Bundle, path: str | Path) -> None:
    """Publish a bundle at ``path``: whole or not at all; the one that stood there is kept as ``path.previous``.

    Raises:
        BundleError: the place holds something else or cannot be written to.
        DataError: a part's state is not made of plain JSON values and arrays of numbers.
    """
    with published(Path(path), _is_bundle) as directory:
        for name, fields in _MATRICES.items():
            arrays = {field: getattr(bundle, field) for field in fields}
            if name == "vectors.safetensors" and bundle.average_user is not None:
                arrays["average_user"] = bundle.average_user
            if name == "items.safetensors" and bundle.present is not None:
                arrays["present"] = bundle.present
            if name == "items.safetensors" and bundle.first_seen is not None:
                arrays["first_seen"] = bundle.first_seen.view(np.int64)  # seconds since 1970
            write_tensors(directory / name, arrays)
        history = bundle.history
        write_tensors(
            directory / "history.safetensors",
            {"indptr": history.indptr, "indices": history.indices, "data": history.data},
        )
        parts = {part: getattr(bundle, part) for part in _PARTS}
        parts |= {f"index_{name}": bundle.indexes.get(name) for name in _INDEXES}
        evidence = None if bundle.evidence is None else bundle.evidence.state()
        if evidence is not None:
            write_tensors(directory / _EVIDENCE, evidence[1], evidence[0])
        for part, state in parts.items():
            if state is not None:
                write_tensors(directory / f"{part}.safetensors", state[1], state[0])
        _write_table(directory / "users.arrow", pa.table({"id": bundle.users.ids}))
        _write_table(directory / "items.arrow", pa.table({"id": bundle.items.ids, "title": bundle.titles}))
        _write_table(directory / "catalog.arrow", bundle.catalog)
        files = {
            file.name: {"bytes": file.stat().st_size, "sha256": _sha256(file)} for file in sorted(directory.iterdir())
        }
        _write_manifest(directory / MANIFEST, _content_of_manifest(bundle) | {"files": files})


def load(path: str | Path, *, verify: bool = True) -> Bundle:
    """Open a bundle; matrices stay on disk until they are needed.

    Args:
        path: the directory.
        verify: compare every file's checksum, that of what only explanations need when it is first read. Without it
            only names and sizes are compared, for a place whose disk is trusted and whose start must be instant.

    Raises:
        BundleError: ``path`` is no bundle, is of a newer format, or a file is missing, truncated, altered or extra;
            the message names it.
    """
    path = Path(path)
    values = read_manifest(path)
    _check_files(path, values["files"], verify)
    try:
        return _read(path, values, verify)
    except (KeyError, TypeError, ValueError, pa.ArrowException, DataError, OSError) as error:
        detail = f"{type(error).__name__}: {error}"
        raise BundleError(f"The bundle {path} cannot be read ({detail}). Train it anew.") from error


def check_destination(path: str | Path) -> None:
    """Raise BundleError now if `save` would refuse ``path`` after an hour of training."""
    try_place(Path(path), _is_bundle)


def read_manifest(path: str | Path) -> dict[str, Any]:
    """A bundle's manifest as plain values, checked against its own checksum. Raises BundleError."""
    path = Path(path)
    file = path / MANIFEST
    if not path.exists():
        kept = previous_of(path)
        hint = (
            f" The one before it is at {kept}." if kept.exists() else " Train one with: longtail train RECIPE -o PATH"
        )
        raise BundleError(f"There is no bundle at {path}.{hint}")
    if not file.is_file():
        raise BundleError(f"{path} is not a longtail bundle: it has no {MANIFEST}.")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        if values["format"] != _FORMAT:
            raise BundleError(f"{path} is not a longtail bundle: its {MANIFEST} is of the format {values['format']!r}.")
        found = values["format_version"]
        if not isinstance(found, int) or found > FORMAT_VERSION:
            raise BundleError(
                f"The bundle {path} has format version {found}, written by longtail {values.get('longtail_version')}; "
                f"this longtail reads up to version {FORMAT_VERSION}. Upgrade longtail, or train the bundle anew."
            )
        if values.pop("checksum") != _digest(values):
            raise BundleError(f"{file} was altered: it does not match its own checksum. Train the bundle anew.")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{file} is damaged ({type(error).__name__}: {error}). Train the bundle anew.") from error
    return dict(values)


def _is_bundle(path: Path) -> bool:
    return (path / MANIFEST).is_file()


def _content_of_manifest(bundle: Bundle) -> dict[str, Any]:
    schema = bundle.catalog_schema
    return {
        "format": _FORMAT,
        **asdict(bundle.manifest),
        "format_version": FORMAT_VERSION,
        "shape": bundle.describe(),
        "settings": {
            "als": bundle.als,
            "fusion": bundle.fusion.to_dict(),
            "length": asdict(bundle.length),
            "precision": bundle.precision,
            "field_weights": bundle.field_weights,
            "catalog_schema": None if schema is None else schema.model_dump(mode="json", exclude={"source"}),
            "exclude_seen": bundle.exclude_seen,
            "data_folder": bundle.data_folder,
            "index": bundle.index,
            "fields": bundle.fields,
            "trained": bundle.trained,
            "weights": None if bundle.weights is None else bundle.weights.model_dump(mode="json"),
            "window": bundle.window,
        },
    }


def _read(path: Path, values: dict[str, Any], verify: bool) -> Bundle:
    settings, files = values["settings"], values["files"]
    arrays: dict[str, Any] = {}
    for name, fields in _MATRICES.items():
        found = read_tensors(path / name)[0]
        arrays |= {field: found[field] for field in fields}
        if "average_user" in found:  # older bundles do not know
            arrays["average_user"] = found["average_user"]
    users = Vocabulary(_read_table(path / "users.arrow").column("id"), "user")
    table = _read_table(path / "items.arrow")
    items = Vocabulary(table.column("id"), "item")
    history = read_tensors(path / "history.safetensors")[0]
    schema = settings["catalog_schema"]
    return Bundle(
        **arrays,
        **_since_2(path, settings, files, verify),
        users=users,
        items=items,
        history=_csr(history, (len(users), len(items))),
        als=settings["als"],
        fusion=Fusion(**{**_fusion_before(values["format_version"]), **settings["fusion"]}),
        length=Length(**settings["length"]),
        precision=settings["precision"],
        field_weights=settings["field_weights"],
        catalog=_read_table(path / "catalog.arrow"),
        titles=table.column("title").combine_chunks(),
        catalog_schema=None if schema is None else CatalogSchema.model_validate(schema),
        exclude_seen=settings["exclude_seen"],
        data_folder=settings.get("data_folder"),  # older bundles of this format do not know
        content_model=_part(path, "content_model.safetensors", files),
        bridge=_part(path, "bridge.safetensors", files),
        reduction=_part(path, "reduction.safetensors", files),
        index=settings["index"],
        indexes={
            name: state for name in _INDEXES if (state := _part(path, f"index_{name}.safetensors", files)) is not None
        },
        manifest=Manifest(**{key: values[key] for key in Manifest.__dataclass_fields__ if key in values}),
    )


def _fusion_before(version: int) -> dict[str, Any]:
    """What bundles of older formats meant without saying so."""
    if version >= 4:
        return {}
    return {"averaged": version < 3, "fresh_half_at": 1.0, "fresh_steepness": 1.0}


def _since_2(path: Path, settings: dict[str, Any], files: dict[str, Any], verify: bool) -> dict[str, Any]:
    """What bundles of format 1 did not have."""
    if "fields" not in settings:
        return {}
    weights, window, trained = settings["weights"], settings["window"], settings["trained"]
    items = read_tensors(path / "items.safetensors")[0]
    seen = items.get("first_seen")
    return {
        "fields": tuple(settings["fields"]),
        "present": items.get("present"),
        "first_seen": None if seen is None else seen.view("datetime64[s]"),
        "trained": None if trained is None else (int(trained[0]), int(trained[1])),
        "weights": None if weights is None else WeightSettings.model_validate(weights),
        "window": None if window is None else (datetime.fromisoformat(window[0]), datetime.fromisoformat(window[1])),
        "evidence": _evidence(path / _EVIDENCE, files, verify),
    }


def _evidence(file: Path, files: dict[str, Any], verify: bool) -> Evidence | None:
    if file.name not in files:
        return None
    arrays, meta = read_tensors(file)
    if not verify:
        return Evidence((meta, arrays))
    expected = files[file.name]["sha256"]
    with file.open("rb") as opened:  # mapped now: the bundle may be replaced before anybody asks for an explanation
        mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)

    def check() -> None:
        if hashlib.sha256(mapped).hexdigest() != expected:
            raise BundleError(_altered(file))

    return Evidence((meta, arrays), check=check)


def _altered(file: Path) -> str:
    return (
        f"The bundle {file.parent} is damaged: {file.name} is altered, its checksum differs. "
        "Copy it again or train anew."
    )


def _part(path: Path, name: str, files: dict[str, Any]) -> State | None:
    if name not in files:
        return None
    arrays, meta = read_tensors(path / name)
    return meta, arrays


def _csr(arrays: dict[str, npt.NDArray[Any]], shape: tuple[int, int]) -> csr_array:
    indptr, indices = arrays["indptr"], arrays["indices"]
    if indptr.shape != (shape[0] + 1,) or indptr[0] != 0 or indptr[-1] != len(indices) or np.any(np.diff(indptr) < 0):
        raise ValueError("the history's row pointers do not fit its entries")
    if len(indices) and (indices.min() < 0 or indices.max() >= shape[1]):
        raise ValueError("the history points outside of the items")
    return csr_array((arrays["data"], indices, indptr), shape=shape)


def _check_files(path: Path, files: dict[str, dict[str, Any]], verify: bool) -> None:
    expected = {MANIFEST, *files}
    found = {file.name for file in path.iterdir()}
    for name in sorted(expected - found):
        raise BundleError(f"The bundle {path} is incomplete: {name} is missing. Copy it again or train it anew.")
    for name in sorted(found - expected):
        raise BundleError(
            f"The bundle {path} has a file that is not its own: {name}. Remove it if you put it there; "
            "otherwise copy the bundle again."
        )
    for name, entry in sorted(files.items()):
        size = (path / name).stat().st_size
        if size != entry["bytes"]:
            change = "truncated" if size < entry["bytes"] else "altered"
            raise BundleError(
                f"The bundle {path} is damaged: {name} is {change}, it has {size:,} bytes instead of "
                f"{entry['bytes']:,}. Copy it again or train it anew."
            )
        if verify and name != _EVIDENCE and _sha256(path / name) != entry["sha256"]:
            raise BundleError(_altered(path / name))


def _write_manifest(file: Path, values: dict[str, Any]) -> None:
    values = _plain(values)
    text = json.dumps(values | {"checksum": _digest(values)}, ensure_ascii=False, indent=2, allow_nan=False)
    file.write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """``value`` as JSON can say it: text keys, numpy's numbers as Python's, null for NaN and infinity.

    Raises:
        DataError: something else than numbers, text, dates, lists and dictionaries.
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    raise DataError(f"A manifest holds plain JSON values; found {value!r} of type {type(value).__name__}.")


def _digest(values: dict[str, Any]) -> str:
    plain = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(plain.encode()).hexdigest()


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _write_table(file: Path, table: pa.Table) -> None:
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _read_table(file: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(file))).read_all()
