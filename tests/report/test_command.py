"""`longtail report` as it is typed."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from longtail.cli.main import app
from longtail.core.errors import BundleError, DataError
from longtail.data.datasets import boutique
from longtail.report.evaluation import Evaluation

GOLDEN = Path(__file__).parent.parent / "golden" / "format-1"


def refused(*arguments: object) -> BaseException | None:
    return CliRunner().invoke(app, [str(argument) for argument in arguments]).exception


def test_writes_one_file(run: Callable[..., str], evaluation: Evaluation, tmp_path: Path) -> None:
    file, page = tmp_path / "results.json", tmp_path / "page.html"
    file.write_text(json.dumps({"results": [one.to_dict() for one in evaluation.results]}), encoding="utf-8")
    said = run("report", GOLDEN, "-o", page, "--evaluation", file, "--no-map")
    assert f"Wrote {page}: 0." in said
    assert sorted(tmp_path.iterdir()) == [page, file]
    text = page.read_text(encoding="utf-8")
    assert "left out by --no-map" in text
    assert "Measured: results.json" in text


def test_what_cannot_be_is_said_before_the_work_begins(tmp_path: Path) -> None:
    assert isinstance(refused("report", GOLDEN, "-o", tmp_path / "none" / "page.html"), DataError)
    assert isinstance(refused("report", GOLDEN, "--evaluation", tmp_path / "none.json"), DataError)
    assert isinstance(refused("report", tmp_path / "none.bundle", "-o", tmp_path / "page.html"), BundleError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_shop_with_pictures_from_its_files_to_the_page(run: Callable[..., str], tmp_path: Path) -> None:
    pytest.importorskip("timm")
    recipe = boutique.write(tmp_path, n_items=120, n_users=250)
    bundle, results, page = tmp_path / "boutique.bundle", tmp_path / "results.json", tmp_path / "page.html"
    run("train", recipe, "-o", bundle, "--cache", tmp_path / "cache")
    run("evaluate", recipe, "--json", results, "--resamples", "200", "--cache", tmp_path / "cache")
    run("report", bundle, "-o", page, "--evaluation", results, "--data", tmp_path)
    text = page.read_text(encoding="utf-8")
    pictures = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)"', text)
    assert len(pictures) > 20
    assert all(base64.b64decode(picture).startswith(b"\xff\xd8") for picture in pictures)
    assert "longtail evaluate RECIPE --protocol tail" not in text
    assert "learning took" in text
