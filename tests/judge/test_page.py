"""Judging in a browser: the page answers for itself alone, is blind, and keeps every answer."""

from __future__ import annotations

import http.client
import json
import re
import threading

import pytest

from longtail.core.errors import DataError
from longtail.data.judgements import Judgements
from longtail.judge.page import JudgePage
from longtail.judge.session import Session


@pytest.fixture
def page(neighbours, cards, tmp_path):
    with JudgePage(Session(neighbours, ["i10", "i11"], "anna", tmp_path / "j.csv"), cards) as page:
        yield page


def _ask(page, path, body=None, host=None, kind="application/json"):
    connection = http.client.HTTPConnection(page.host, timeout=10)
    headers = {"Host": host or page.host, **({"Content-Type": kind} if body is not None else {})}
    method = "GET" if body is None else "POST"
    connection.request(method, path, body if body is None or isinstance(body, str) else json.dumps(body), headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def _state(page):
    answer, content = _ask(page, f"/{page.secret}/state")
    assert answer.status == 200
    return json.loads(content)


def test_a_session_through_the_page(page, tmp_path):
    state = _state(page)
    assert (state["place"], state["total"], state["item"]["title"]) == (0, 2, "thing 10")
    assert len(state["left"]) == len(state["right"]) == 4
    wrong = state["right"][1]["id"]
    _, content = _ask(page, f"/{page.secret}/answer", {"item": "i10", "irrelevant": [wrong]})
    assert json.loads(content)["item"]["id"] == "i11"
    assert Judgements.read(tmp_path / "j.csv").by_judge()["anna"]["i10", wrong] is False
    _ask(page, f"/{page.secret}/answer", {"item": "i10", "irrelevant": []})  # pressed twice: nothing happens
    assert Judgements.read(tmp_path / "j.csv").by_judge()["anna"]["i10", wrong] is False
    _, content = _ask(page, f"/{page.secret}/answer", {"back": True})
    assert json.loads(content)["marked"] == [wrong]
    _ask(page, f"/{page.secret}/answer", {"item": "i10", "irrelevant": []})
    assert not page.finished.is_set()
    _, content = _ask(page, f"/{page.secret}/answer", {"item": "i11", "irrelevant": []})
    assert json.loads(content) == {"place": 2, "total": 2, "judge": "anna"}
    assert page.finished.is_set()


def test_nothing_that_is_sent_says_which_method_is_which(page):
    told = json.dumps(_state(page))
    _, html = _ask(page, f"/{page.secret}/")
    for text in (told, re.sub("longtail judge", "", html.decode())):
        assert not any(word in text for word in ("ALS", "longtail", "learned", "predicted", "interactions"))


def test_only_this_page_is_answered(page):
    assert _ask(page, "/")[0].status == 404
    assert _ask(page, "/state")[0].status == 404
    assert _ask(page, f"/{page.secret}/state", host="elsewhere.example")[0].status == 404
    assert _ask(page, f"/{page.secret}/nothing")[0].status == 404
    assert _ask(page, "/wrong/answer", {"item": "i10", "irrelevant": []})[0].status == 404
    answer = f"/{page.secret}/answer"
    for body, kind in (("{}", "text/plain"), ("no json", "application/json"), ('{"item": "i10"}', "application/json")):
        assert _ask(page, answer, body, kind=kind)[0].status == 400
    assert b"no neighbour" in _ask(page, answer, {"item": "i10", "irrelevant": ["i10"]})[1]
    assert page.session.place == 0
    served, _ = _ask(page, f"/{page.secret}/")
    assert "default-src 'none'" in served.headers["Content-Security-Policy"]


def test_pictures_come_from_the_folder_and_the_web_is_left_alone(page, cards):
    def picture(item):
        return _ask(page, f"/{page.secret}/picture?item={item}")

    answer, content = picture("i00")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png")
    assert content.startswith(b"\x89PNG")
    for item in ("i01", "i02", "i03", "nobody"):  # not there, none, on the web, unknown
        assert picture(item)[0].status == 404
    assert [cards.of(item).picture for item in ("i00", "i02", "i03")] == [True, False, False]


def test_answers_at_the_same_time_do_not_lose_each_other(page, tmp_path):
    body = {"item": "i10", "irrelevant": []}
    threads = [threading.Thread(target=_ask, args=(page, f"/{page.secret}/answer", body)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert page.session.place == 1


def test_a_port_that_is_taken_is_said(page, neighbours, cards, tmp_path):
    port = int(page.host.partition(":")[2])
    with pytest.raises(DataError, match=str(port)):
        JudgePage(Session(neighbours, ["i10"], "ben", tmp_path / "k.csv"), cards, port=port)
