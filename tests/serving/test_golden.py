"""Bundles of every format version there was must still open, and answer as they did."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from longtail.bundle import FORMAT_VERSION
from longtail.recommender import Recommender

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_make", GOLDEN / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("version", range(1, FORMAT_VERSION + 1))
def test_opens_and_answers_as_it_did(make: ModuleType, version: int) -> None:
    expected = json.loads((GOLDEN / f"format-{version}.json").read_text(encoding="utf-8"))
    found = make.answers(Recommender.load(GOLDEN / f"format-{version}"))
    assert found.keys() == expected.keys()
    for question, rows in expected.items():
        assert [row[0] for row in found[question]] == [row[0] for row in rows], question
        assert [row[2:] for row in found[question]] == [row[2:] for row in rows], question
        # BLAS differs in the last digits from machine to machine.
        assert [row[1] for row in found[question]] == pytest.approx([row[1] for row in rows], abs=2e-3), question


@pytest.mark.parametrize("version", [1, 2, 3])
def test_saved_again_older_ones_answer_as_they_did(make: ModuleType, version: int, tmp_path: Path) -> None:
    shop = Recommender.load(GOLDEN / f"format-{version}")
    assert shop.bundle.fusion.averaged == (version < 3)
    assert shop.bundle.fusion.fresh_steepness == 1
    shop.save(tmp_path / "again.bundle")
    again = Recommender.load(tmp_path / "again.bundle")
    assert again.bundle.manifest.format_version == FORMAT_VERSION
    assert make.answers(again) == make.answers(shop)


def test_is_small() -> None:
    for version in GOLDEN.glob("format-*/"):
        assert sum(file.stat().st_size for file in version.iterdir()) < 100_000


def test_current_code_still_writes_what_the_current_version_holds(make: ModuleType, tmp_path: Path) -> None:
    Recommender(make.make()).save(tmp_path / "shop.bundle")
    golden = GOLDEN / f"format-{FORMAT_VERSION}"
    assert {file.name for file in (tmp_path / "shop.bundle").iterdir()} == {file.name for file in golden.iterdir()}
    written, kept = (json.loads((path / "manifest.json").read_text()) for path in (tmp_path / "shop.bundle", golden))
    # A key that older readers need not know may be added without another version; none may go.
    assert written.keys() - kept.keys() <= {"training"}
    assert kept.keys() <= written.keys()
    assert written["settings"].keys() == kept["settings"].keys()
    assert written["shape"] == kept["shape"] | {key: written["shape"][key] for key in ("created", "longtail_version")}
