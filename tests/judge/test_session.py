"""Questions are blind and the same for every judge; answers are kept at once, and a session goes on."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from longtail.core.buckets import bucket_of
from longtail.core.errors import DataError
from longtail.data.judgements import Judgements
from longtail.judge.questions import Neighbours, ask, drawn_items
from longtail.judge.session import Session
from longtail.judge.summary import summarise


def test_items_come_from_every_bucket_in_turns_and_are_the_same_for_everybody(bundle):
    items = drawn_items(bundle, 8)
    buckets = bucket_of(bundle.n_interactions)[bundle.items.rows(items)]
    assert buckets.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert items == drawn_items(bundle, 8)
    assert items[:4] == drawn_items(bundle, 4)
    assert sorted(drawn_items(bundle, 100)) == sorted(bundle.items)


def test_columns_are_the_two_methods_in_an_order_that_chance_decides(neighbours):
    lefts = 0
    for judge in map(str, range(40)):
        question = ask(neighbours, "i10", judge=judge)
        both = {question.left, question.right}
        assert both == {neighbours.als("i10"), neighbours.longtail("i10")}
        assert question == ask(neighbours, "i10", judge=judge)
        lefts += question.left == neighbours.als("i10")
    assert 8 < lefts < 32
    assert "i10" not in question.neighbours


def test_an_item_without_events_gets_drawn_items_from_als(neighbours, bundle):
    shown = neighbours.als("i00")
    assert len(set(shown)) == 4
    assert shown == neighbours.als("i00")
    assert shown != Neighbours(neighbours.shop, 4, seed=1).als("i00")
    with pytest.raises(DataError, match="1 to 10"):
        Neighbours(neighbours.shop, 11)


def test_answers_are_on_disk_before_the_next_question_and_a_session_goes_on(neighbours, tmp_path):
    path = tmp_path / "j.csv"
    session = Session(neighbours, ["i10", "i11", "i02"], "anna", path)
    question = session.question
    session.answer([question.left[0]])
    assert Judgements.read(path).by_judge()["anna"] == {
        ("i10", one): one != question.left[0] for one in question.neighbours
    }
    again = Session(neighbours, ["i10", "i11", "i02"], "anna", path)
    assert (again.place, again.question.item) == (1, "i11")
    assert Session(neighbours, ["i10", "i11", "i02"], "ben", path).place == 0, "everybody has answers of their own"
    again.back()
    assert again.marked == {question.left[0]}
    again.answer([])
    assert Judgements.read(path).by_judge()["anna"]["i10", question.left[0]] is True
    for _ in range(2):
        again.answer([])
    assert again.question is None
    assert again.marked == frozenset()
    with pytest.raises(DataError, match="has been answered"):
        again.answer([])


def test_two_judges_who_write_to_one_file_at_the_same_time_lose_nothing(neighbours, tmp_path):
    path = tmp_path / "j.parquet"
    items = ["i10", "i11", "i02", "i03"]
    sessions = [Session(neighbours, items, judge, path) for judge in ("anna", "ben", "carl")]

    def judge(session):
        while session.question is not None:
            session.answer([])

    threads = [threading.Thread(target=judge, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = Judgements.read(path).by_judge()
    assert sorted(said) == ["anna", "ben", "carl"]
    for pairs in said.values():
        assert {item for item, _ in pairs} == set(items)
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["j.parquet"]


def test_what_was_not_asked_is_refused_and_nothing_is_written(neighbours, tmp_path):
    session = Session(neighbours, ["i10"], "anna", tmp_path / "j.csv")
    with pytest.raises(DataError, match="no neighbour"):
        session.answer(["i10"])
    assert not (tmp_path / "j.csv").exists()


def test_the_summary_tells_the_methods_apart_again(neighbours, bundle, tmp_path):
    path = tmp_path / "j.parquet"
    for judge in ("anna", "ben"):
        session = Session(neighbours, drawn_items(bundle, 12), judge, path)
        while (question := session.question) is not None:
            kind = bundle.items.row(question.item) % 2
            session.answer([one for one in question.neighbours if bundle.items.row(one) % 2 != kind])
    result = summarise(neighbours, Judgements.read(path))
    estimates = result.section("all items").comparisons["irrelevant@4"].estimates
    assert estimates["longtail"].mean == 0.0
    shown = [
        [bundle.items.row(one) % 2 != bundle.items.row(item) % 2 for one in neighbours.als(item)]
        for item in bundle.items
    ]
    assert estimates["ALS"].mean == pytest.approx(np.mean(shown))
    assert [section.name for section in result.sections] == ["all items", "0", "1-4", "5-19", "20-99"]
    assert result.section("0").n_users == 2
    assert "kappa 1.00" in result.notes[-1]
    assert [result.counts[f"unjudged neighbours of {name}"] for name in ("ALS", "longtail")] == [0, 0]
    with pytest.raises(DataError, match="another bundle"):
        summarise(neighbours, Judgements.none().with_rows([("i10", "nothing", True, "anna")]))
