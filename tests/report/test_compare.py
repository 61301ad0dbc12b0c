from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from longtail.evaluate.result import ProtocolResult
from longtail.report.compare import compare_bundles
from longtail.report.evaluation import Evaluation

FIRST: dict[str, Any] = {
    "recipe": "seed = 0\n[als]\nfactors = 32\n",
    "fingerprint": {"events": 10, "users": 4},
    "choices": {"rounds": 2, "pull": {"precision": 1.0}, "curves": {"x": 1}, "bridge": {"kept": "kernel", "r2": 0.1}},
    "training": {"seconds": 5.0, "data": {"events": {"read": 11, "accepted": 10, "filtered": 0, "refused": 1}}},
    "versions": {"python": "3.11"},
    "created": "2026-01-01",
    "shape": {"items": 5, "sources": {"learned": 2}},
}
SECOND: dict[str, Any] = {
    **FIRST,
    "recipe": "# a comment\nseed = 0\n[als]\nfactors = 64\n[model]\nrounds = 1\n",
    "fingerprint": {"events": 12, "users": 4},
    "choices": {"rounds": 2, "pull": {"precision": 3.0}, "curves": {"x": 2}, "bridge": {"kept": "mean", "r2": 0.2}},
    "training": {},
}


def test_differences_alone_are_told() -> None:
    found = compare_bundles(FIRST, SECOND, (Evaluation(), Evaluation()))
    assert [(one.what, one.first, one.second) for one in found.recipe] == [
        ("als.factors", "32", "64"),
        ("model.rounds", None, "1"),
    ]
    assert {one.what: (one.first, one.second) for one in found.data}["events"] == ("10", "12")
    assert {one.what for one in found.data} >= {"events", "rows.events.refused"}
    assert "users" not in {one.what for one in found.data}
    assert [(one.what, one.first, one.second) for one in found.choices] == [
        ("pull.precision", "1", "3"),
        ("bridge", "kernel", "mean"),
    ]
    assert [one.what for one in found.made] == ["seconds"]
    assert found.metrics == ()


def test_a_bundle_does_not_differ_from_itself() -> None:
    found = compare_bundles(FIRST, FIRST, (Evaluation(), Evaluation()))
    assert not any((found.recipe, found.data, found.choices, found.made, found.metrics, found.notes))


def test_metrics_stand_side_by_side(tail_of: Callable[..., ProtocolResult]) -> None:
    one, other = tail_of({"whole catalog": 0.0, "tail": 0.0}), tail_of({"whole catalog": 0.0, "tail": 0.2})
    found = compare_bundles(FIRST, SECOND, (Evaluation((one,)), Evaluation((other,))))
    rows = {(row.section, row.metric, row.method): row for row in found.metrics}
    gained = rows["tail", "ndcg@10", "longtail"]
    assert gained.difference == pytest.approx(0.2, abs=0.01)
    assert gained.apart
    same = rows["tail", "ndcg@10", "ALS"]
    assert same.difference == 0
    assert not same.apart
    assert found.notes == ()


def test_other_tests_are_not_passed_off_as_the_same(tail_of: Callable[..., ProtocolResult]) -> None:
    one = tail_of({"tail": 0.0})
    other = replace(one, split={**one.split, "cut": "2026-03-01"}, counts={**one.counts, "tested users": 7})
    lone = replace(one, protocol="cold")
    found = compare_bundles(FIRST, SECOND, (Evaluation((one, lone)), Evaluation((other,))))
    assert found.notes == (
        "tail: not the same test (split.cut, tested users differ), so its differences are of the tests as well as of "
        "the bundles.",
        "cold: measured of the first alone.",
    )


def test_the_command(run: Callable[..., str], evaluation: Evaluation, tmp_path: Path) -> None:
    golden = Path(__file__).parent.parent / "golden" / "format-1"
    file = tmp_path / "results.json"
    file.write_text(json.dumps({"results": [one.to_dict() for one in evaluation.results]}), encoding="utf-8")
    said = run("compare", golden, golden, "--evaluation", file, file)
    assert "no difference" in said
    assert "NDCG@10" in said
    written = json.loads(run("compare", golden, golden, "--evaluation", file, file, "--json", "-"))
    assert {row["difference"] for row in written["metrics"]} == {0.0}
    assert not any(row["apart"] for row in written["metrics"])
    assert written["recipe"] == []
