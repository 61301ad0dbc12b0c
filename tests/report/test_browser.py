"""The page in a real browser: it draws, answers the pointer, complains of nothing and asks nobody for anything."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.sparse import csr_array

from longtail.bundle import Bundle
from longtail.core.vocabulary import Vocabulary
from longtail.report.evaluation import Evaluation
from longtail.report.layout import Layout
from longtail.report.page import document, report
from longtail.report.section import Material
from longtail.report.sections.space import space

#: The map is unpacked after the page has loaded; a busy machine takes its time.
PATIENCE = 60


@pytest.fixture(scope="module")
def page(shop: Bundle, evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("openTSNE")
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(report(shop, "shop.bundle", evaluation), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def bare(plain: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("bare") / "report.html"
    file.write_text(report(plain, "shop.bundle", Evaluation(), with_map=False), encoding="utf-8")
    return file


def wait_for_map(driver: Any) -> None:
    for _ in range(10 * PATIENCE):
        if driver.execute_script("return document.documentElement.dataset.map") == "drawn":
            return
        time.sleep(0.1)
    raise AssertionError(driver.execute_script("return document.getElementById('map-item').textContent"))


def complaints(driver: Any) -> list[str]:
    return [entry["message"] for entry in driver.get_log("browser")]


def asked_for(driver: Any) -> set[str]:
    """Addresses of everything the browser asked for since the page was opened."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    return {url for url in sent if not url.startswith(("data:", "blob:"))}


def colours(driver: Any, canvas: str) -> int:
    """How many pixels of a canvas are painted."""
    return int(
        driver.execute_script(
            "const c = document.getElementById(arguments[0]);"
            "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            "return d.filter((value, at) => at % 4 == 3 && value).length",
            canvas,
        )
    )


def point_at(driver: Any, x: float, y: float) -> None:
    driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})
    time.sleep(0.2)


def tip(driver: Any) -> str | None:
    said = driver.execute_script("const t = document.getElementById('tip'); return t.hidden ? null : t.textContent")
    return None if said is None else str(said)


def place_of(driver: Any, script: str) -> tuple[float, float]:
    """The middle of what a script finds, scrolled to."""
    box = driver.execute_script(
        f"const e = {script}; e.scrollIntoView({{block: 'center'}}); const b = e.getBoundingClientRect();"
        "return [b.x + b.width / 2, b.y + b.height / 2]"
    )
    time.sleep(0.2)
    return box[0], box[1]


@pytest.mark.parametrize(("width", "phone"), [(1200, False), (360, True)])
def test_plots_draw_and_nothing_complains_or_leaves(
    open_page: Callable[..., Any], page: Path, width: int, phone: bool
) -> None:
    driver = open_page(page, width=width, phone=phone)
    wait_for_map(driver)
    assert complaints(driver) == []
    assert asked_for(driver) == {page.resolve().as_uri()}
    assert colours(driver, "map-before") > 100
    assert colours(driver, "map-after") > colours(driver, "map-before")
    charts = driver.execute_script(
        "return [...document.querySelectorAll('svg.chart')].map(s => [s.clientWidth, s.getBBox().width])"
    )
    assert len(charts) > 25
    assert all(shown > 50 and drawn > 50 for shown, drawn in charts)
    pictures = driver.execute_script("return [...document.images].map(i => i.complete && i.naturalWidth)")
    assert pictures
    assert all(side == 96 for side in pictures)


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_narrow_page_does_not_scroll_sideways(
    open_page: Callable[..., Any], page: Path, bare: Path, width: int
) -> None:
    for file in (page, bare):
        driver = open_page(file, width=width, height=800, phone=True)
        driver.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true })")
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        letters = driver.execute_script(
            "return [...document.querySelectorAll('figure svg text')].map(t => t.getBoundingClientRect().height)"
        )
        assert all(height > 9 for height in letters)


def test_marks_say_what_they_are(open_page: Callable[..., Any], page: Path, evaluation: Evaluation) -> None:
    driver = open_page(page)
    x, y = place_of(driver, "document.querySelector('#threshold circle.m-als')")
    point_at(driver, x, y)
    result = evaluation.result("truncated-heads")
    assert result is not None
    estimate = result.sections[0].comparisons["ndcg@10"].estimates["ALS"]
    said = tip(driver)
    assert said is not None
    assert said.startswith(f"ALS at 0 interactions: {estimate.mean:.4f}".replace("0.", ".", 1))
    point_at(driver, 5, 5)
    assert tip(driver) is None


def test_the_map_tells_the_item_under_the_pointer_and_marks_it_in_both(
    open_page: Callable[..., Any], page: Path, shop: Bundle
) -> None:
    driver = open_page(page)
    wait_for_map(driver)
    place_of(driver, "document.getElementById('map-after')")
    # A painted pixel, as a place on the screen.
    x, y = driver.execute_script(
        "const c = document.getElementById('map-after'), b = c.getBoundingClientRect();"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "const at = d.findIndex((v, i) => i % 4 == 3 && v) >> 2;"
        "const ratio = b.width / c.width;"
        "return [b.x + (at % c.width + 1) * ratio, b.y + (Math.floor(at / c.width) + 1) * ratio]"
    )
    before = colours(driver, "map-after")
    point_at(driver, x, y)
    said = tip(driver)
    assert said is not None
    titles = {title: at for at, title in enumerate(shop.titles.to_pylist())}
    title = said.rpartition(" (")[0]
    row = titles[title]
    assert f"({shop.items.id(row)})" in said
    assert f" {int(shop.n_interactions[row]):,} interactions" in said
    assert colours(driver, "map-after") > before  # a ring around it
    assert driver.execute_script("return document.getElementById('map-item').textContent").startswith(title)


def test_the_map_changes_colours_and_zooms(open_page: Callable[..., Any], page: Path) -> None:
    driver = open_page(page)
    wait_for_map(driver)
    picture = "return document.getElementById('map-after').toDataURL()"
    by_bucket = driver.execute_script(picture)
    driver.execute_script("document.querySelector('input[value=category]').click()")
    time.sleep(0.5)
    by_category = driver.execute_script(picture)
    legend = driver.execute_script("return document.getElementById('map-legend').innerText")
    assert by_category != by_bucket
    assert "WINE" in legend
    driver.execute_script("document.querySelector('[data-zoom=in]').click()")
    time.sleep(0.5)
    assert driver.execute_script(picture) != by_category
    driver.execute_script("document.querySelector('[data-zoom=reset]').click()")
    time.sleep(0.5)
    assert driver.execute_script(picture) == by_category
    assert complaints(driver) == []


def test_a_tap_on_a_phone_tells_too(open_page: Callable[..., Any], page: Path) -> None:
    driver = open_page(page, width=390, height=800, phone=True)
    x, y = place_of(driver, "document.querySelector('#exposure rect.m-longtail')")
    touch = {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]}
    driver.execute_cdp_cmd("Input.dispatchTouchEvent", touch)
    driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    time.sleep(0.3)
    said = tip(driver)
    assert said is not None
    assert said.startswith("shown by longtail, 0: ")


def test_it_prints_with_details_open(open_page: Callable[..., Any], page: Path) -> None:
    driver = open_page(page)
    wait_for_map(driver)
    printed = base64.b64decode(driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") + printed.count(b"/Type/Page") >= 3
    assert all(driver.execute_script("return [...document.querySelectorAll('details')].map(d => d.open)"))


def test_without_numbers_it_opens_as_quietly(open_page: Callable[..., Any], bare: Path) -> None:
    driver = open_page(bare)
    assert complaints(driver) == []
    assert asked_for(driver) == {bare.resolve().as_uri()}
    assert driver.execute_script("return document.querySelectorAll('.missing').length") >= 8


@pytest.mark.slow
def test_two_hundred_thousand_points(open_page: Callable[..., Any], plain: Bundle, tmp_path: Path) -> None:
    """The map draws, answers and moves with as many items as it promises."""
    n = 200_000
    rng = np.random.default_rng(0)
    places = rng.normal(0.5, 0.12, (n, 2)).clip(0, 1).astype(np.float32)
    big = replace(
        plain,
        items=Vocabulary([f"item {number:06d}" for number in range(n)], "item"),
        item_vectors=np.zeros((n, 6), np.float32),
        als_item_factors=np.zeros((n, 6), np.float32),
        predictions=np.zeros((n, 6), np.float32),
        content=np.zeros((n, 5), np.float32),
        n_interactions=rng.geometric(0.02, n),
        item_events=np.zeros(n, np.int64),
        behaviour_share=np.zeros(n, np.float32),
        source_codes=np.zeros(n, np.uint8),
        exposure=np.zeros(n, np.float32),
        sellable=np.ones(n, np.bool_),
        history=csr_array((len(plain.users), n), dtype=np.float32),
        catalog=pa.table({"department": pa.array(rng.choice(["DELI", "WINE", "COFFEE"], n))}),
        titles=pa.array([f"A thing of the shop, number {number}" for number in range(n)], pa.large_string()),
    )
    material = Material(big, "big.bundle", layout=Layout(np.arange(n), places, places[::-1], 4000))
    file = tmp_path / "big.html"
    file.write_text(document(material, [space(material)]), encoding="utf-8")
    assert file.stat().st_size < 12_000_000
    driver = open_page(file)
    wait_for_map(driver)
    assert complaints(driver) == []
    x, y = place_of(driver, "document.getElementById('map-before')")
    point_at(driver, x, y)
    time.sleep(0.5)
    said = tip(driver)
    assert said is not None
    assert said.startswith("A thing of the shop, number ")
    took = driver.execute_script(
        "const began = performance.now(); const c = document.getElementById('map-before');"
        "const b = c.getBoundingClientRect();"
        "c.dispatchEvent(new PointerEvent('pointermove', {clientX: b.x + b.width / 2, clientY: b.y + b.height / 2}));"
        "return performance.now() - began"
    )
    assert took < 500  # milliseconds; a few on a quiet machine
