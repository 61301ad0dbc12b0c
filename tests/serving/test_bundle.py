from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.sparse import csr_array

from longtail.bundle import FORMAT_VERSION, Bundle, Evidence, Manifest, check_destination, load, save
from longtail.core.errors import BundleError, DataError


def assert_equal(one: Any, other: Any) -> None:
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
    elif isinstance(one, csr_array):
        assert one.shape == other.shape
        assert (one != other).nnz == 0
    elif isinstance(one, pa.Table | pa.Array):
        assert one.equals(other)
    elif isinstance(one, Evidence):
        assert_equal(one.state(), other.state())
    elif isinstance(one, tuple) and one and isinstance(one[0], dict):
        assert one[0] == other[0]
        assert one[1].keys() == other[1].keys()
        for name in one[1]:
            assert_equal(one[1][name], other[1][name])
    else:
        assert one == other


def test_round_trip_keeps_every_field(bundle: Bundle, tmp_path: Path) -> None:
    state = ({"kind": "x", "words": ["é", "a b"]}, {"a": np.arange(3), "b": np.zeros((0, 2), np.float32)})
    whole = replace(bundle, content_model=state, bridge=state, reduction=({}, {"m": np.ones((2, 2))}))
    save(whole, tmp_path / "shop.bundle")
    again = load(tmp_path / "shop.bundle")
    for field in fields(Bundle):
        assert_equal(getattr(whole, field.name), getattr(again, field.name))


def test_matrices_are_mapped_and_read_only(bundle: Bundle, tmp_path: Path) -> None:
    save(bundle, tmp_path / "shop.bundle")
    again = load(tmp_path / "shop.bundle")
    base = again.item_vectors
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base  # type: ignore[assignment]
    assert isinstance(base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        again.item_vectors[0, 0] = 1


def test_ids_survive_as_they_are(bundle: Bundle, tmp_path: Path) -> None:
    odd = ["0012", "12", " 12", "ärmel", "日本", "a,b", "'", '"', "x\ty", "emoji 🙂"]
    ids = odd + [f"n{number}" for number in range(len(bundle.items) - len(odd))]
    from longtail.core.vocabulary import Vocabulary

    save(replace(bundle, items=Vocabulary(ids)), tmp_path / "shop.bundle")
    assert list(load(tmp_path / "shop.bundle").items) == ids


def test_shop_without_content_or_users(bundle_with: Callable[..., Bundle], tmp_path: Path) -> None:
    empty = bundle_with(n_users=1, d_z=0, catalog_schema=None)
    save(empty, tmp_path / "shop.bundle")
    assert not load(tmp_path / "shop.bundle").has_content.any()


def test_manifest_says_what_is_in_it(bundle: Bundle, tmp_path: Path) -> None:
    measured = Manifest(recipe="[events]\n", metrics={"a": np.float32(0.5), "b": float("nan"), "c": {3: (1, 2)}})
    save(replace(bundle, manifest=measured), tmp_path / "shop.bundle")
    written = json.loads((tmp_path / "shop.bundle" / "manifest.json").read_text())
    assert written["recipe"] == "[events]\n"
    assert written["metrics"] == {"a": 0.5, "b": None, "c": {"3": [1, 2]}}
    assert written["format_version"] == FORMAT_VERSION
    assert written["versions"]["numpy"] == np.__version__
    assert set(written["files"]) == {path.name for path in (tmp_path / "shop.bundle").iterdir()} - {"manifest.json"}
    assert load(tmp_path / "shop.bundle").manifest.metrics == written["metrics"]
    assert "url" not in json.dumps(written["settings"]["catalog_schema"])


def test_no_file_is_a_pickle(bundle: Bundle, tmp_path: Path) -> None:
    save(bundle, tmp_path / "shop.bundle")
    assert {path.suffix for path in (tmp_path / "shop.bundle").iterdir()} == {".json", ".arrow", ".safetensors"}


@pytest.fixture
def saved(bundle: Bundle, tmp_path: Path) -> Path:
    save(bundle, tmp_path / "shop.bundle")
    return tmp_path / "shop.bundle"


NAMES = [
    "als.safetensors",
    "catalog.arrow",
    "history.safetensors",
    "items.arrow",
    "items.safetensors",
    "manifest.json",
    "users.arrow",
    "vectors.safetensors",
]


def test_names_are_all_files(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", ["cut", "byte", "gone", "empty", "longer"])
def test_damaged_file_is_refused_and_named(saved: Path, name: str, damage: str) -> None:
    file = saved / name
    content = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    elif damage == "byte":
        place = content.index(b'"recipe"') + 14 if name == "manifest.json" else len(content) // 2
        content[place] ^= 1
        file.write_bytes(content)
    else:
        file.write_bytes({"cut": content[:-20], "empty": b"", "longer": content + b" x"}[damage])
    with pytest.raises(BundleError, match=name.replace(".", r"\.")):
        load(saved)


def test_others_may_read_it(saved: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)
    assert {stat.S_IMODE(file.stat().st_mode) for file in saved.iterdir()} == {0o666 & ~mask}
    assert stat.S_IMODE(saved.stat().st_mode) == 0o777 & ~mask


def test_extra_file_is_refused_and_named(saved: Path) -> None:
    (saved / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match=r"notes\.txt"):
        load(saved)


def test_sizes_are_compared_even_without_checksums(saved: Path) -> None:
    load(saved, verify=False)
    with (saved / "users.arrow").open("ab") as file:
        file.write(b"x")
    with pytest.raises(BundleError, match=r"users\.arrow is altered"):
        load(saved, verify=False)


def test_newer_format_is_refused_clearly(saved: Path) -> None:
    manifest = json.loads((saved / "manifest.json").read_text())
    (saved / "manifest.json").write_text(json.dumps(manifest | {"format_version": 99, "longtail_version": "7.0"}))
    with pytest.raises(BundleError, match=r"version 99, written by longtail 7\.0.*Upgrade longtail"):
        load(saved)


def test_what_is_no_bundle_says_so(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle at"):
        load(tmp_path / "nothing")
    with pytest.raises(BundleError, match="not a longtail bundle"):
        load(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": "other", "format_version": 1}')
    with pytest.raises(BundleError, match="'other'"):
        load(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(BundleError, match="damaged"):
        load(tmp_path)


def test_consistent_files_with_impossible_content_are_refused(bundle: Bundle, saved: Path) -> None:
    from longtail.bundle.store import _digest, _sha256
    from longtail.bundle.tensors import write_tensors

    history = bundle.history
    arrays = {"indptr": history.indptr, "indices": history.indices + 1000, "data": history.data}
    write_tensors(saved / "history.safetensors", arrays)
    manifest = json.loads((saved / "manifest.json").read_text())
    del manifest["checksum"]
    file = saved / "history.safetensors"
    manifest["files"][file.name] = {"bytes": file.stat().st_size, "sha256": _sha256(file)}
    (saved / "manifest.json").write_text(json.dumps(manifest | {"checksum": _digest(manifest)}))
    with pytest.raises(BundleError, match="outside of the items"):
        load(saved)


def test_old_bundle_is_kept_as_previous(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "shop.bundle"
    for number in range(3):
        save(replace(bundle, precision=float(number)), path)
    assert load(path).precision == 2
    assert load(tmp_path / "shop.bundle.previous").precision == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["shop.bundle", "shop.bundle.previous"]


def test_missing_bundle_with_a_previous_one_points_to_it(bundle: Bundle, tmp_path: Path) -> None:
    save(bundle, tmp_path / "shop.bundle.previous")
    with pytest.raises(BundleError, match=r"shop\.bundle\.previous"):
        load(tmp_path / "shop.bundle")


def test_a_loaded_bundle_outlives_its_replacement(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "shop.bundle"
    save(bundle, path)
    opened = load(path)
    for _ in range(2):
        save(replace(bundle, item_vectors=bundle.item_vectors * 2), path)
    assert np.array_equal(opened.item_vectors, bundle.item_vectors)


def test_failed_write_leaves_the_old_bundle(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "shop.bundle"
    save(bundle, path)
    bad = replace(bundle, precision=9.0, bridge=({}, {"names": np.array(["a", "b"])}))
    with pytest.raises(DataError, match="'names'"):
        save(bad, path)
    assert load(path).precision == bundle.precision
    assert [file.name for file in tmp_path.iterdir()] == ["shop.bundle"]


def test_killed_writer_leaves_the_old_bundle_and_its_leftover_is_cleaned(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "shop.bundle"
    save(bundle, path)
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom longtail.bundle.publish import published\n"
        "with published(Path(sys.argv[1]), lambda path: True) as directory:\n"
        "    (directory / 'half').write_text('written')\n    os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode == 9
    assert len(list(tmp_path.glob(".shop.bundle.partial-*"))) == 1
    assert load(path).precision == bundle.precision
    save(replace(bundle, precision=5.0), path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["shop.bundle", "shop.bundle.previous"]


def test_running_writer_is_not_cleaned_away(bundle: Bundle, tmp_path: Path) -> None:
    from longtail.bundle.publish import published

    path = tmp_path / "shop.bundle"
    with published(path, lambda _: True) as directory:
        (directory / "manifest.json").write_text("{}")
        save(bundle, path)
        assert (directory / "manifest.json").exists()
    assert (path / "manifest.json").read_text() == "{}"


@pytest.mark.parametrize("atomic", [True, False])
def test_replaces_with_and_without_an_atomic_exchange(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, atomic: bool
) -> None:
    if not atomic:
        monkeypatch.setattr("longtail.bundle.publish._exchange", lambda one, other: False)
    path = tmp_path / "shop.bundle"
    path.mkdir()
    save(bundle, path)
    assert not (tmp_path / "shop.bundle.previous").exists()
    save(replace(bundle, precision=8.0), path)
    assert load(path).precision == 8
    assert load(tmp_path / "shop.bundle.previous").precision == bundle.precision


def test_failing_rename_puts_the_old_bundle_back(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "shop.bundle"
    save(bundle, path)
    monkeypatch.setattr("longtail.bundle.publish._exchange", lambda one, other: False)
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if ".partial-" in self.name:
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(BundleError, match="untouched"):
        save(replace(bundle, precision=8.0), path)
    assert load(path).precision == bundle.precision


def test_what_is_no_bundle_is_not_replaced(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BundleError, match="is a file"):
        save(bundle, tmp_path / "file")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.txt").write_text("mine")
    with pytest.raises(BundleError, match="holds something"):
        check_destination(tmp_path / "folder")
    with pytest.raises(BundleError, match="holds something"):
        save(bundle, tmp_path / "folder")
    assert (tmp_path / "folder" / "mine.txt").read_text() == "mine"
    check_destination(tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"], "nothing is left of the trial"


def test_a_place_that_cannot_be_written_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BundleError, match="Cannot write"):
        check_destination(tmp_path / "file" / "new")

    def refuse(**given: object) -> str:
        raise PermissionError(13, "Permission denied", str(given["dir"]))

    monkeypatch.setattr("longtail.bundle.publish.tempfile.mkdtemp", refuse)
    with pytest.raises(BundleError, match="Permission denied"):
        check_destination(tmp_path / "not" / "yet" / "there")


def test_link_is_kept_and_what_it_leads_to_replaced(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    save(bundle, tmp_path / "real" / "v1")
    (tmp_path / "current").symlink_to(tmp_path / "real" / "v1")
    save(replace(bundle, precision=8.0), tmp_path / "current")
    assert (tmp_path / "current").is_symlink()
    assert load(tmp_path / "current").precision == 8


def test_fields_that_do_not_fit_are_refused(bundle: Bundle) -> None:
    with pytest.raises(DataError, match="user_factors"):
        replace(bundle, user_factors=bundle.user_factors[:, :2])
    with pytest.raises(DataError, match="sellable"):
        replace(bundle, sellable=bundle.sellable[:-1])
    with pytest.raises(DataError, match="float32"):
        replace(bundle, content=bundle.content.astype(np.float64))
    with pytest.raises(DataError, match="Catalog and titles"):
        replace(bundle, catalog=bundle.catalog.slice(1))


def test_loading_imports_neither_torch_nor_numba(saved: Path) -> None:
    script = (
        "import sys\nfrom longtail import Recommender\n"
        "shop = Recommender.load(sys.argv[1])\n"
        "assert len(shop.similar_items('007', k=3)) == 3\n"
        "assert len(shop.recommend('u1', k=3, where='price > 2')) == 3\n"
        "loaded = {'torch', 'numba', 'transformers', 'sentence_transformers', 'voyager'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", script, str(saved)], check=True)


def test_settings_of_the_hu_objective_come_back(bundle: Bundle) -> None:
    from longtail.cf.als import AlsSettings

    settings = AlsSettings(objective="hu", factors=4)
    assert replace(bundle, als=settings.model_dump(mode="json")).als_settings.background == 1
