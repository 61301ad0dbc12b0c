from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from longtail.cli.recommend import recommend
from longtail.cli.similar import similar
from longtail.core.errors import BundleError, DataError, FilterError, UnknownIdError
from longtail.recommender import Recommender

GOLDEN = Path(__file__).parent.parent / "golden" / "format-1"

app = typer.Typer()
app.command()(similar)
app.command()(recommend)


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=text, catch_exceptions=False, env={"COLUMNS": "160"})


def asked(*arguments: str, text: str | None = None) -> dict[str, object]:
    result = run(*arguments, "--json", text=text)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def test_similar_prints_a_table_for_people() -> None:
    result = run("similar", str(GOLDEN), "0005", "-k", "3")
    assert result.exit_code == 0
    expected = Recommender.load(GOLDEN).similar_items("0005", 3)
    lines = result.stdout.splitlines()
    assert "Like 0005" in lines[0]
    assert lines[1].split() == ["rank", "item", "title", "score", "source", "interactions"]
    for line, row in zip(lines[2:], expected, strict=True):
        for part in (str(row.rank), row.item_id, "Wine №", f"{row.score:.4g}", row.source, str(row.n_interactions)):
            assert part in line


def test_similar_prints_json_for_programs() -> None:
    shop = Recommender.load(GOLDEN)
    expected = shop.similar_items("0005", 4, where="price < 9", one_per="colour")
    found = asked("similar", str(GOLDEN), "0005", "-k", "4", "--where", "price < 9", "--one-per", "colour")
    titles = shop.titles(expected.item_ids)
    rows = [row | {"title": title} for row, title in zip(expected.to_dicts(), titles, strict=True)]
    assert found == {"item_id": "0005", "results": rows, "note": expected.note}


def test_new_item_from_a_file_and_from_standard_input(tmp_path: Path) -> None:
    row = {"department": "WINE", "colour": "red", "price": 9.5}
    (tmp_path / "item.json").write_text(json.dumps(row))
    from_file = asked("similar", str(GOLDEN), "--new", str(tmp_path / "item.json"), "-k", "3")
    assert from_file == asked("similar", str(GOLDEN), "--new", "-", "-k", "3", text=json.dumps(row))
    expected = Recommender.load(GOLDEN).similar_to(row, 3).item_ids
    assert [found["item_id"] for found in from_file["results"]] == expected  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["[1]", "{", '"x"'])
def test_new_item_that_is_no_object_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "item.json").write_text(text)
    with pytest.raises(DataError, match=r"item\.json"):
        run("similar", str(GOLDEN), "--new", str(tmp_path / "item.json"))
    with pytest.raises(DataError, match=r"nothing\.json"):
        run("similar", str(GOLDEN), "--new", str(tmp_path / "nothing.json"))


def test_recommend_for_a_user() -> None:
    shop = Recommender.load(GOLDEN)
    for option, exclude_seen in (("--exclude-seen", True), ("--include-seen", False)):
        found = asked("recommend", str(GOLDEN), "shopper 3", option)
        assert found["user_id"] == "shopper 3"
        expected = shop.recommend("shopper 3", exclude_seen=exclude_seen)
        assert [row["item_id"] for row in found["results"]] == expected.item_ids  # type: ignore[attr-defined]
    assert "For user shopper 3" in run("recommend", str(GOLDEN), "shopper 3").stdout


def test_recommend_for_a_history() -> None:
    found = asked("recommend", str(GOLDEN), "--history", "0001, 0005,sold out", "-k", "4")
    assert found["history"] == ["0001", "0005", "sold out"]
    expected = Recommender.load(GOLDEN).recommend_for(["0001", "0005", "sold out"], 4)
    assert [row["item_id"] for row in found["results"]] == expected.item_ids  # type: ignore[attr-defined]


def test_unknown_id_is_an_error_or_a_labelled_fallback() -> None:
    with pytest.raises(UnknownIdError, match="'0005'"):
        run("similar", str(GOLDEN), "5")
    with pytest.raises(UnknownIdError):
        run("recommend", str(GOLDEN), "nobody")
    for arguments in (("similar", str(GOLDEN), "5"), ("recommend", str(GOLDEN), "nobody")):
        found = asked(*arguments, "--fallback")
        assert {row["source"] for row in found["results"]} == {"fallback"}  # type: ignore[attr-defined]
        assert "most popular" in str(found["note"])
        table = run(*arguments, "--fallback")
        assert "most popular" in table.stderr
        assert "most popular" not in table.stdout


def test_bad_filter_and_bad_bundle(tmp_path: Path) -> None:
    with pytest.raises(FilterError, match="Nearest: price"):
        run("similar", str(GOLDEN), "0005", "--where", "prise < 3")
    with pytest.raises(BundleError, match="no bundle"):
        run("similar", str(tmp_path / "nothing"), "0005")


@pytest.mark.parametrize(
    "arguments",
    [
        ["similar", str(GOLDEN)],
        ["similar", str(GOLDEN), "0005", "--new", "item.json"],
        ["recommend", str(GOLDEN)],
        ["recommend", str(GOLDEN), "shopper 3", "--history", "0005"],
        ["similar", str(GOLDEN), "0005", "-k", "0"],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2
