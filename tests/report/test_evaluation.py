from __future__ import annotations

import json
from pathlib import Path

import pytest

from longtail.core.errors import DataError
from longtail.report.evaluation import Evaluation, read_evaluation, within_bundle


def test_reads_what_evaluate_wrote(evaluation: Evaluation, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    document = {"results": [one.to_dict() for one in evaluation.results], "skipped": evaluation.skipped}
    file.write_text(json.dumps(document), encoding="utf-8")
    found = read_evaluation(file)
    assert [one.to_dict() for one in found.results] == document["results"]
    assert found.skipped == {"similar": "no times"}
    assert found.origin == "results.json"
    assert found.result("tail") is not None
    assert found.result("similar") is None


def test_reads_one_result_alone_as_the_demo_writes_it(evaluation: Evaluation, tmp_path: Path) -> None:
    file = tmp_path / "demo.json"
    file.write_text(json.dumps(evaluation.results[0].to_dict()), encoding="utf-8")
    assert read_evaluation(file).results[0].protocol == "tail"


def test_results_that_a_bundle_carries(evaluation: Evaluation) -> None:
    found = within_bundle({"ndcg@10": 0.5, "tail": evaluation.results[0].to_dict()})
    assert [one.protocol for one in found.results] == ["tail"]
    assert within_bundle({}).results == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"),
        ("[1]", "is no evaluation"),
        ('{"results": [{"format": 99}]}', "format 99"),
        ('{"results": [{"format": 1, "sections": [], "methods": [], "notes": [], "colour": 1}]}', "damaged"),
    ],
)
def test_what_is_no_evaluation_is_refused_with_the_command_that_writes_one(
    text: str, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "x.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        read_evaluation(file)
    with pytest.raises(DataError, match="longtail evaluate RECIPE"):
        read_evaluation(tmp_path / "none.json")
