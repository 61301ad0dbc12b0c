"""The table of what was asked: a row says yes only where the numbers do."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from longtail.evaluate.compare import compare

TABLE = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "quality" / "table.py"))


def _section(name: str, means: dict[str, float]) -> dict[str, object]:
    noise = np.random.default_rng(0).normal(0, 0.001, 400)
    values = {method: mean + noise * (1 + at / 100) for at, (method, mean) in enumerate(means.items())}
    comparison = compare("ndcg@10", values, resamples=200).to_dict()
    return {"name": name, "n_candidates": 10, "n_users": 400, "comparisons": {"ndcg@10": comparison}}


def _rows(tmp_path: Path, sections: dict[str, list[dict[str, object]]]) -> list[list[str]]:
    results = {
        label: {"question": "What?", "k": 10, "methods": ["ALS", "longtail"], "split": {}, "sections": parts}
        for label, parts in sections.items()
    }
    document = {"commit": "abc1234", "results": results}
    (tmp_path / "fashion.json").write_text(json.dumps(document), encoding="utf-8")
    lines = TABLE["page"](tmp_path).splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| fashion |")]


@pytest.mark.parametrize(("ours", "met"), [(0.15, "yes"), (0.13, "**no**")])
def test_so_many_times_as_good(tmp_path: Path, ours: float, met: str) -> None:
    rows = _rows(tmp_path, {"random": [_section("tail", {"ALS": 0.1, "longtail": ours})]})
    (row,) = [row for row in rows if row[3] == "ALS"]
    assert row[1:5] == ["random", "tail", "ALS", "1.4 x"]
    assert (row[5], row[6], row[9]) == (f"{ours:.4f}", "0.1000", met)
    (missing,) = [row for row in rows if row[3] == "article"]
    assert (missing[5], missing[-1]) == ("not measured", "no")


@pytest.mark.parametrize(("ours", "not_below"), [(0.1, "yes"), (0.099, "yes"), (0.097, "**no**")])
def test_not_below_allows_two_hundredths(tmp_path: Path, ours: float, not_below: str) -> None:
    means = {"ALS": 0.1, "irspack": 0.1, "longtail": ours}
    rows = _rows(tmp_path, {"random": [_section("whole catalog", means)]})
    assert {row[3]: row[9] for row in rows if row[5] != "not measured"} == {"ALS": not_below, "irspack": not_below}


@pytest.mark.parametrize(("ours", "ahead"), [(0.102, "yes"), (0.1, "**no**"), (0.099, "**no**")])
def test_ahead_needs_an_interval_above_zero(tmp_path: Path, ours: float, ahead: str) -> None:
    rows = _rows(tmp_path, {"cold": [_section("cold items", {"irspack": 0.1, "longtail": ours})]})
    assert [row[9] for row in rows if row[3] == "irspack"] == [ahead]


def test_what_a_rival_was_tuned_to_and_why_one_is_missing_are_told(tmp_path: Path) -> None:
    result = {
        "question": "What?", "k": 10, "methods": ["ALS", "longtail"], "split": {}, "commit": "def5678",
        "sections": [_section("whole catalog", {"ALS": 0.1, "longtail": 0.1})],
        "rivals chosen": {"irspack": {"setting": "{'reg': 0.009}", "value": 0.2, "tried": 12, "stopped": True}},
        "rivals missing": {"cmfrec": "does not install: no compiler"},
    }  # fmt: skip
    (tmp_path / "fashion.json").write_text(json.dumps({"commit": "abc1234", "results": {"random": result}}))
    page = TABLE["page"](tmp_path)
    assert "irspack: `{'reg': 0.009}`, the best of 12 on validation when the time for it ended." in page
    assert "cmfrec is missing: does not install: no compiler." in page
    # Results may be of several commits; each tells its own.
    assert "Commit def5678." in page
    assert "abc1234" not in page


def test_of_several_seeds_the_mean_is_told_and_how_far_apart_they_are(tmp_path: Path) -> None:
    sections = [_section("tail", {"ALS": 0.1, "longtail": 0.14})]
    sections += [_section(f"tail, seed {seed}", {"ALS": 0.1, "longtail": 0.1 + 0.04 * seed}) for seed in (0, 1, 2)]
    sections += [_section(f"tail, window {w}", {"ALS": 0.1, "longtail": 0.1 + 0.03 * w}) for w in (1, 2)]
    split = {"seeds": [0, 1, 2], "cuts": ["2020-01-01", "2020-01-03"]}
    result = {"question": "What?", "k": 10, "methods": ["ALS", "longtail"], "split": split, "sections": sections}
    document = {"commit": "abc1234", "results": {"windows-seeds": result}}
    (tmp_path / "fashion.json").write_text(json.dumps(document), encoding="utf-8")
    lines = TABLE["page"](tmp_path).splitlines()
    (line,) = [line for line in lines if "mean over 3 trainings" in line]
    (last,) = [line for line in lines if "last stretch of these alone" in line]
    assert "tail: longtail 0.1600, ALS 0.1000, 1.60 times it" in last
    assert "each stretch, tail: longtail 0.1400, ALS 0.1000, 1.40 times it" in line
    assert line.endswith("seeds 0, 1, 2: 1.00, 1.40, 1.80 times.")


def test_below_what_was_asked_stands_the_mean_of_several_seeds(tmp_path: Path) -> None:
    def result(found, seeds=()):
        names = dict.fromkeys(found, 0.0) | {f"{name}, seed {seed}": 0.1 * seed for name in found for seed in seeds}
        sections = [
            _section(name, {"ALS": 0.1, "longtail": found[name.partition(",")[0]] + more})
            for name, more in names.items()
        ]
        split = {"seeds": list(seeds)} if seeds else {}
        return {"question": "?", "k": 10, "methods": ["ALS", "longtail"], "split": split, "sections": sections}

    document = {
        "commit": "abc1234",
        "results": {
            "random": result({"tail": 0.12, "whole catalog": 0.1}),
            "random-seeds": result({"tail": 0.15, "whole catalog": 0.09}, (0, 1)),
        },
    }
    (tmp_path / "fashion.json").write_text(json.dumps(document), encoding="utf-8")
    lines = TABLE["page"](tmp_path).splitlines()
    rows = [line for line in lines if line.startswith("| fashion | random") and "| ALS |" in line]
    assert [(row.split(" | ")[1:3], row.split(" | ")[-1]) for row in rows] == [
        (["random", "tail"], "**no** |"),
        (["random-seeds", "tail"], "yes |"),
        (["random", "whole catalog"], "yes |"),
        (["random-seeds", "whole catalog"], "**no** |"),
    ]
    assert not any("random-seeds" in line and "irspack" in line for line in lines)  # other libraries are trained once
    assert [line for line in lines if line.startswith("- fashion, random")] == [
        "- fashion, random, tail by ALS, seeds 0, 1: 1.50, 2.50 times.",
        "- fashion, random, whole catalog by ALS, seeds 0, 1: 0.90, 1.90 times.",
    ]
