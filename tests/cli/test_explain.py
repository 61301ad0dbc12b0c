"""`longtail explain`: lines that add up, in words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from longtail.cli.main import app
from longtail.recommender import Recommender


def adds(printed: str) -> tuple[list[float], float]:
    """The numbers in front of the reasons, and the score under them."""
    parts = [float(number) for number in re.findall(r"^\s*([+-]\d+\.\d{4})\s", printed, re.MULTILINE)]
    (score,) = re.findall(r"^\s*(-?\d+\.\d{4})\s+the score", printed, re.MULTILINE)
    return parts, float(score)


@pytest.mark.parametrize("more", [(), ("--by-history",)])
def test_lines_add_up_to_the_score(run, trained_shop: Path, more: tuple[str, ...]) -> None:
    bundle = trained_shop / "shop.bundle"
    printed = run("explain", bundle, "c003", "00007", *more)
    parts, score = adds(printed)
    assert len(parts) > 2
    assert sum(parts) == pytest.approx(score, abs=0.0001 * len(parts))
    assert "Why 00007 blue lamp no 7 for user c003" in printed
    assert "the user took" in printed
    answers = json.loads(run("recommend", bundle, "c003", "-k", 120, "--include-seen", "--json"))["results"]
    assert score == pytest.approx(next(row["score"] for row in answers if row["item_id"] == "00007"), abs=1e-4)


def test_new_items_are_explained_by_their_fields(run, trained_shop: Path) -> None:
    printed = run("explain", trained_shop / "shop.bundle", "c003", "00115")
    assert "predicted, taken by 0 users" in printed
    assert "what people do with items like that" in printed
    assert re.search(r"attributes \(kind.*colour.*\): what people do", printed)


def test_why_two_items_are_alike(run, trained_shop: Path) -> None:
    printed = run("explain", "--similar", trained_shop / "shop.bundle", "00001", "00007")
    parts, score = adds(printed)
    assert sum(parts) == pytest.approx(score, abs=0.0001 * len(parts))
    assert "is like 00001" in printed
    assert re.search(r"what people did with both \(\d+ took both\)", printed)


def test_one_id_alone_tells_what_is_known_of_the_item(run, trained_shop: Path) -> None:
    printed = run("explain", trained_shop / "shop.bundle", "00115")
    assert re.search(r"users who took it\s+0", printed)
    assert re.search(r"vector\s+0% behaviour, 100% predicted from content", printed)
    assert "attributes (kind, colour" in printed
    info = json.loads(run("explain", trained_shop / "shop.bundle", "00115", "--json"))
    assert (info["source"], info["events"], set(info["fields"].values())) == ("predicted", 0, {True})


def test_json_has_every_part(run, trained_shop: Path) -> None:
    found = json.loads(run("explain", trained_shop / "shop.bundle", "c003", "00115", "--json"))
    assert sum(part["value"] for part in found["contributions"]) == pytest.approx(found["score"], rel=1e-5)
    assert sum(part["value"] for part in found["by_history"]) == pytest.approx(found["score"], rel=1e-5)


def test_refuses_what_cannot_be_asked(trained_shop: Path) -> None:
    bundle = str(trained_shop / "shop.bundle")
    for arguments in (["--similar", bundle, "00001"], ["--similar", "--by-history", bundle, "00001", "00002"]):
        assert CliRunner().invoke(app, ["explain", *arguments]).exit_code == 2


def test_a_user_alone_is_told_that_an_item_is_missing(trained_shop: Path) -> None:
    user = Recommender.load(trained_shop / "shop.bundle").bundle.users.id(0)
    result = CliRunner().invoke(app, ["explain", str(trained_shop / "shop.bundle"), user])
    assert result.exit_code == 2
    assert "is a user" in result.output
