"""Judging with keys."""

from __future__ import annotations

import io

from rich.console import Console

from longtail.data.judgements import Judgements
from longtail.judge.session import Session
from longtail.judge.terminal import judge_in_terminal, screen


def _judge(session, cards, keys):
    console = Console(file=io.StringIO(), width=100)
    pressed = iter(keys)
    return judge_in_terminal(session, cards, console, lambda: next(pressed)), console.file.getvalue()


def test_keys_mark_take_back_save_go_back_and_stop(neighbours, cards, tmp_path):
    path = tmp_path / "j.csv"
    session = Session(neighbours, ["i10", "i11"], "anna", path)
    first = session.question
    done, shown = _judge(session, cards, ["1", "q", "q", "2", "2", "?", "\r", "-", "\r", "x"])
    assert not done
    assert session.place == 1
    said = Judgements.read(path).by_judge()["anna"]
    wrong = {neighbour for (_, neighbour), relevant in said.items() if not relevant}
    assert wrong == {first.left[0]}
    assert "thing 10" in shown
    assert "✗" in shown
    done, _ = _judge(session, cards, ["\r"])
    assert done


def test_nothing_on_the_screen_says_which_method_is_which(neighbours, cards, tmp_path):
    session = Session(neighbours, ["i10"], "anna", tmp_path / "j.csv")
    console = Console(file=io.StringIO(), width=100)
    console.print(screen(session, cards, set()))
    text = console.file.getvalue()
    assert not any(word in text for word in ("ALS", "longtail", "learned", "predicted", "interactions"))
    assert "kind 0" in text
