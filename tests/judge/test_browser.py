"""The judging page in a real browser: keys and clicks answer, nothing complains, and nobody else is asked."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from longtail.data.judgements import Judgements
from longtail.judge.page import JudgePage
from longtail.judge.session import Session


def until(driver: Any, script: str, wanted: Any) -> None:
    for _ in range(200):
        if driver.execute_script(f"return {script}") == wanted:
            return
        time.sleep(0.05)
    raise AssertionError(f"{script} is {driver.execute_script(f'return {script}')!r}, expected {wanted!r}")


def press(driver: Any, key: str) -> None:
    for kind in ("keyDown", "keyUp"):
        driver.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": kind, "key": key})


TITLE = "document.getElementById('title').textContent"


@pytest.mark.parametrize("phone", [False, True])
def test_a_session_by_keys_and_clicks(
    open_page: Callable[..., Any], neighbours: Any, cards: Any, tmp_path: Any, phone: bool
) -> None:
    answers = tmp_path / "j.csv"
    with JudgePage(Session(neighbours, ["i10", "i11"], "anna", answers), cards) as page:
        driver = open_page(page.url, width=390 if phone else 1200, phone=phone)
        until(driver, TITLE, "thing 10")
        assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        titles = driver.execute_script("return [...document.querySelectorAll('#left .title')].map(t => t.textContent)")
        assert len(titles) == 4
        press(driver, "2")  # the second of the left column does not belong
        until(driver, "document.querySelectorAll('#left li button')[1].ariaPressed", "true")
        press(driver, "Enter")
        until(driver, TITLE, "thing 11")
        press(driver, "-")
        until(driver, TITLE, "thing 10")
        until(driver, "document.querySelectorAll('#left li button')[1].ariaPressed", "true")  # what was said is there
        press(driver, "Enter")
        until(driver, TITLE, "thing 11")
        driver.execute_script("document.querySelectorAll('#right li button')[0].click()")
        driver.execute_script("document.getElementById('done').click()")
        until(driver, TITLE, "All 2 are judged. Thank you; you can close this page.")
        assert page.finished.is_set()
        assert [entry["message"] for entry in driver.get_log("browser")] == []
        messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
        asked = {one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"}
        assert all(url.startswith((page.url, "data:")) for url in asked)
    said = Judgements.read(answers).by_judge()["anna"]
    wrong = {pair for pair, relevant in said.items() if not relevant}
    assert len(wrong) == 2
    assert {item for item, _ in wrong} == {"i10", "i11"}
