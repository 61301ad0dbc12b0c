"""The benchmark of what was asked: one protocol that fails does not take the others with it."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]
QUALITY = ROOT / "benchmarks" / "quality"


@pytest.fixture
def run(monkeypatch):
    for name in ("run", "rivals", "protocols", "table"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "path", [str(QUALITY), *sys.path])
    import run

    said: list[str] = []
    progress = SimpleNamespace(note=said.append)
    monkeypatch.setattr(run, "RichProgress", lambda: nullcontext(progress))
    monkeypatch.setattr(run, "read", lambda recipe, progress: (None, None))
    monkeypatch.setattr(run, "Trainer", lambda *args, **kwargs: lambda *a, **k: trained)
    trained = SimpleNamespace(model=SimpleNamespace(choices={"rounds": 2, "curves": {"long": [1]}}))
    run.said = said
    return run


def _works(events, catalog, fit, *, options, progress):
    fit(events, catalog)
    return SimpleNamespace(to_dict=lambda: {"question": "What?", "sections": []})


def _fails(events, catalog, fit, *, options, progress):
    raise ValueError("cannot be measured")


def test_a_failed_protocol_is_told_and_the_others_are_kept(run, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(run, "protocols", lambda name, recipe: {"time": _works, "bad": _fails, "new-users": _works})
    out = tmp_path / "results.json"
    assert run.run("complete-journey", None, [], None, out) == ["bad"]
    results = json.loads(out.read_text())["results"]
    assert list(results) == ["time", "new-users"]
    assert results["time"]["chosen"] == {"rounds": 2}
    assert results["time"]["commit"]
    assert any("bad failed" in line and "cannot be measured" in line for line in run.said)


def test_only_keeps_the_other_results_even_if_it_fails(run, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(run, "protocols", lambda name, recipe: {"time": _works, "bad": _fails})
    out = tmp_path / "results.json"
    out.write_text(json.dumps({"results": {"bad": {"question": "from before"}}}))
    assert run.run("complete-journey", None, ["bad"], None, out) == ["bad"]
    assert json.loads(out.read_text())["results"] == {"bad": {"question": "from before"}}
    assert run.run("complete-journey", None, ["time"], None, out) == []
    assert set(json.loads(out.read_text())["results"]) == {"bad", "time"}


def test_only_what_asks_for_seeds_is_trained_by_several(run, tmp_path: Path, monkeypatch) -> None:
    asked = {}

    def keeps(label):
        def protocol(events, catalog, fit, *, options, progress):
            asked[label] = options.seeds
            return _works(events, catalog, fit, options=options, progress=progress)

        return protocol

    monkeypatch.setattr(
        run, "protocols", lambda name, recipe: {label: keeps(label) for label in ("windows", "windows-seeds")}
    )
    assert run.run("complete-journey", None, [], None, tmp_path / "results.json") == []
    assert asked == {"windows": 1, "windows-seeds": run.SEEDS}


def test_what_shares_a_training_stands_side_by_side(run) -> None:
    labels = list(run.protocols("fashion", None))
    for seeds in ("cold-seeds", "random-seeds", "windows-seeds"):
        assert labels[labels.index(seeds) + 1] == seeds.removesuffix("-seeds")
    assert labels[labels.index("windows") + 1] == "time"
    assert list(run.protocols("complete-journey", None)) == [
        "cold-seeds", "cold", "random", "time", "similar", "new-users",
    ]  # fmt: skip
