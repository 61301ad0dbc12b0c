"""`longtail judge` from a bundle to a summary, through the page, on the small generated shop."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from longtail.cli.main import app
from longtail.core.errors import DataError
from longtail.data.judgements import Judgements


def _judge(*arguments):
    return CliRunner().invoke(app, ["judge", *map(str, arguments)])


def test_judging_in_a_browser_ends_with_a_summary(trained_shop, tmp_path, judge_in_browser):
    path, bundle = tmp_path / "j.parquet", trained_shop / "shop.bundle"
    for judge in ("anna", "ben"):
        done = _judge(bundle, "-o", path, "--items", 6, "-k", 4, "--judge", judge, "--page")
        assert done.exit_code == 0, done.output
    assert "irrelevant share@4" in done.output.lower()
    assert "anna and ben" in done.output
    assert Judgements.read(path).judges == ["anna", "ben"]
    again = _judge(bundle, "-o", path, "-k", 4, "--summary", "--json", "-")
    (result,) = json.loads(again.stdout)["results"]
    assert result["methods"] == ["ALS", "longtail"]
    assert result["counts"]["judged items"] == 6


def test_what_cannot_be_done_is_said(trained_shop, tmp_path):
    bundle = trained_shop / "shop.bundle"
    nothing = _judge(bundle, "-o", tmp_path / "none.csv", "--summary")
    assert isinstance(nothing.exception, DataError)
    assert "nothing was judged" in str(nothing.exception)
    no_terminal = _judge(bundle, "-o", tmp_path / "j.csv")
    assert "--page" in str(no_terminal.exception)
    assert isinstance(_judge(bundle, "-o", tmp_path / "nowhere" / "j.csv").exception, DataError)


@pytest.mark.parametrize("ending", ["txt", "json"])
def test_a_file_of_another_kind_is_refused_before_anybody_judges(trained_shop, tmp_path, ending):
    done = _judge(trained_shop / "shop.bundle", "-o", tmp_path / f"j.{ending}", "--page")
    assert ".parquet or .csv" in str(done.exception)
