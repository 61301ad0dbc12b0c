"""Rivals of the benchmark: what they are tuned by, when they are trained again, and what happens where one fails."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from longtail.core.vocabulary import Vocabulary

QUALITY = Path(__file__).parents[1] / "benchmarks" / "quality"
WORKER = runpy.run_path(str(QUALITY / "rival_worker.py"))


@pytest.fixture
def rivals(monkeypatch):
    monkeypatch.delitem(sys.modules, "rivals", raising=False)
    monkeypatch.setattr(sys, "path", [str(QUALITY), *sys.path])
    import rivals

    return rivals


def test_the_walk_finds_the_best_place_of_a_smooth_grid_and_keeps_every_result(monkeypatch) -> None:
    monkeypatch.setitem(WORKER["search"].__globals__, "BUDGET", float("inf"))  # of this whole process
    kept = []

    def fit(a: float, b: float):
        yield {"half": 1}, np.array([a]), np.array([b])
        yield {"half": 2}, np.array([a]), np.array([b + 20])

    grid = {"a": (1.0, (1.0, 2.0, 3.0, 4.0, 5.0)), "b": (9.0, (1.0, 3.0, 5.0, 7.0, 9.0))}
    WORKER["search"](
        fit, grid, lambda a, b: float(1000 - (a[0] - 4) ** 2 - (b[0] - 3) ** 2), lambda *one: kept.append(one[-2:])
    )
    setting, value = max(kept, key=lambda one: one[1])
    assert (setting, value) == ({"a": 4.0, "b": 3.0, "half": 1}, 1000.0)
    assert len(kept) == len({str(one[0]) for one in kept}) < 50


def test_a_setting_is_judged_by_all_items_and_by_new_ones_among_themselves() -> None:
    """Four users, four items of which the last two are new; everyone takes one known item and one new item next."""
    train = sparse.csr_matrix(np.array([[1, 0, 0, 0]] * 2 + [[0, 1, 0, 0]] * 2, np.float32))
    scored = sparse.csr_matrix(np.array([[0, 1, 1, 0]] * 2 + [[1, 0, 0, 1]] * 2, np.float32))
    new = np.array([False, False, True, True])
    score = WORKER["judge"](train, scored, new, 1.0)
    users = np.eye(4, dtype=np.float32)
    right = (scored.toarray().T).astype(np.float32)
    assert score(users, right) == pytest.approx(1.0)
    swapped = right[[0, 1, 3, 2]]
    # All: both found, one at the third place in place of the second; new ones: the right one is at the second place.
    gain = 1 / np.log2(np.arange(2, 5))
    overall = (gain[0] + gain[2]) / (gain[0] + gain[1])
    assert score(users, swapped) == pytest.approx(np.sqrt(overall * gain[1]))


def _problem() -> dict[str, np.ndarray]:
    return {"shape": np.array([2, 3]), "content": np.arange(6, dtype=np.float32)}


FAKE = """
import sys
import numpy as np
name, problem, out = sys.argv[1:]
with np.load(problem) as file:
    users, items = file["shape"]
told = dict(setting="a 1", value=0.5, tried=3, stopped=True)
np.savez(out, users=np.ones((users, 1)), items=np.full((items, 1), {value}), **told)
"""


def test_a_rival_is_trained_once_a_problem(rivals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(FAKE.format(value=2))
    monkeypatch.setattr(rivals, "WORKER", worker)
    monkeypatch.setattr(rivals, "environment", lambda name, work: (Path(sys.executable), ""))
    trained = rivals.Rivals(None, tmp_path, ["irspack"])
    trained._train("irspack", _problem())
    (rival,) = trained.ready
    bound = rival.bind(Vocabulary(["a", "b"]), Vocabulary(["x", "y", "z"]))
    assert bound.score_block(np.array([0, 1])).tolist() == [[2.0] * 3] * 2
    assert trained.settings == {"irspack": {"setting": "a 1", "value": 0.5, "tried": 3, "stopped": True}}
    assert not list(tmp_path.glob("trained/*problem*"))

    # The same again is not trained: no interpreter is needed.
    monkeypatch.setattr(rivals, "environment", lambda name, work: (None, "none here"))
    again = rivals.Rivals(None, tmp_path, ["irspack"])
    again._train("irspack", _problem())
    assert [one.name for one in again.ready] == ["irspack"]
    # Another problem, or another way of tuning, is.
    again._train("irspack", {**_problem(), "content": np.zeros(6, np.float32)})
    assert again.failed == {"irspack": "none here"}
    worker.write_text(FAKE.format(value=3))
    assert rivals.fingerprint("irspack", _problem()) not in {path.stem.split("-")[1] for path in tmp_path.glob("*/*")}


def test_a_rival_that_fails_is_left_out_and_its_last_words_kept(rivals, tmp_path: Path, monkeypatch) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text("raise SystemExit('no luck')")
    monkeypatch.setattr(rivals, "WORKER", worker)
    monkeypatch.setattr(rivals, "environment", lambda name, work: (Path(sys.executable), ""))
    trained = rivals.Rivals(None, tmp_path, ["irspack"])
    trained._train("irspack", _problem())
    assert (trained.ready, trained.failed) == ([], {"irspack": "no luck"})
    assert not list(tmp_path.glob("trained/*.npz"))
