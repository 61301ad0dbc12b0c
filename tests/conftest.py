"""A small shop that tests share: written as CSV and trained once a test process, by the commands a user types."""

import csv
import json
import os
import shutil
import tempfile
import threading
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from longtail.cli.console import console, messages
from longtail.cli.main import app

KINDS = ("rope", "lamp", "tent", "boot", "mug", "map")
COLOURS = ("red", "blue", "green")


def write_shop(folder):
    """150 users who each like two kinds of things; 120 items, the last 12 with no events at all."""
    rng = np.random.default_rng(7)
    items = [
        {
            "sku": f"{number:05d}",
            "name": f"{COLOURS[number % 3]} {KINDS[number % 6]} no {number}",
            "kind": KINDS[number % 6],
            "colour": COLOURS[number % 3],
            "price": f"{5 + number % 6 * 10 + number % 7}",
        }
        for number in range(120)
    ]
    events = []
    for user in range(150):
        liked = rng.choice(6, 2, replace=False)
        for _ in range(int(rng.integers(8, 25))):
            kind = rng.choice(liked) if rng.random() < 0.9 else rng.integers(6)
            number = int(kind + 6 * min(17, int(rng.exponential(5))))
            day = int(rng.integers(60))
            events.append(
                {
                    "customer": f"c{user:03d}",
                    "sku": f"{number:05d}",
                    "time": f"2026-0{1 + day // 30}-{1 + day % 28:02d} 10:00:00",
                    "what": str(rng.choice(["view", "purchase"], p=[0.7, 0.3])),
                }
            )
    events.append({"customer": "", "sku": "00001", "time": "2026-01-05 10:00:00", "what": "view"})
    for name, rows in (("products.csv", items), ("events.csv", events)):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)


def run_longtail(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="session", autouse=True)
def wide_terminal():
    """Tests read what is printed; where lines break depends on the runner's terminal and is not what they test."""
    console.width = messages.width = 200


@pytest.fixture(scope="session")
def run():
    """Run `longtail` with these arguments and give what it printed."""
    return run_longtail


@pytest.fixture(scope="session")
def trained_shop(tmp_path_factory):
    """A folder with events.csv, products.csv, shop.toml and shop.bundle; tests must not change what is in it."""
    folder = tmp_path_factory.mktemp("shop")
    write_shop(folder)
    run_longtail("init", folder / "events.csv", folder / "products.csv", "-o", folder / "shop.toml")
    text = (folder / "shop.toml").read_text()
    (folder / "shop.toml").write_text(text + "\n[als]\nfactors = 12\n")
    run_longtail("train", folder / "shop.toml", "-o", folder / "shop.bundle", "--cache", folder / "cache")
    return folder


@pytest.fixture(scope="session")
def taste_shop(tmp_path_factory):
    """A folder with events.parquet and items.parquet; tests must not change what is in it.

    240 users of four tastes, 160 items of four kinds and twelve makers, 60 days; an item's kind says who takes it, and
    prices rise with every sale.
    """
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("tastes")
    kinds = rng.integers(0, 4, 160)
    popularity = 1.0 / (np.arange(160) + 3.0)
    rows = []
    for user in range(240):
        weight = popularity * np.where(kinds == user % 4, 1.0, 0.03)
        for item in rng.choice(160, size=int(rng.integers(12, 25)), p=weight / weight.sum(), replace=False):
            when = datetime(2024, 1, 1) + timedelta(minutes=int(rng.integers(0, 60 * 1440)))
            rows.append({"user_id": f"u{user:03d}", "item_id": f"{item:04d}", "timestamp": when})
    rows.sort(key=lambda row: row["timestamp"])
    events = pa.Table.from_pylist(rows).append_column("price", pa.array(np.arange(len(rows)) / 100 + 1.0))
    pq.write_table(events, folder / "events.parquet")
    items = {
        "item_id": [f"{item:04d}" for item in range(160)],
        "kind": [f"kind {kind}" for kind in kinds],
        "maker": [f"maker {maker}" for maker in rng.integers(0, 12, 160)],
        "photo": [f"{item}.jpg" for item in range(160)],
    }
    pq.write_table(pa.table(items), folder / "items.parquet")
    return folder


@pytest.fixture
def judge_in_browser(monkeypatch):
    """Whoever opens a page of `longtail judge` finds everything in its left column irrelevant, until it is over."""

    def answer(url):
        state = json.load(urllib.request.urlopen(f"{url}state"))
        while "item" in state:
            body = {"item": state["item"]["id"], "irrelevant": [card["id"] for card in state["left"]]}
            kind = {"Content-Type": "application/json"}
            request = urllib.request.Request(f"{url}answer", json.dumps(body).encode(), kind)
            state = json.load(urllib.request.urlopen(request))

    monkeypatch.setattr(webbrowser, "open", lambda url: threading.Thread(target=answer, args=(url,)).start())


@pytest.fixture(scope="session")
def open_page() -> Iterator[Callable[..., Any]]:
    """Open a file or an address in headless chromium, of a desktop's or a phone's width, and give the driver.

    Without chromium the test is skipped; where ``LONGTAIL_BROWSER=required`` is set, it fails.
    """
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    chromedriver = shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        said = "chromium and chromedriver are not installed (Debian: apt-get install chromium chromium-driver)"
        if os.environ.get("LONGTAIL_BROWSER") == "required":
            pytest.fail(f"{said}, and LONGTAIL_BROWSER=required")
        pytest.skip(said)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (
            "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
            "disable-component-update", "disable-sync", "disable-dev-shm-usage", f"user-data-dir={profile}",
        ):  # fmt: skip
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(chromedriver))

        def opened(page: Path | str, *, width: int = 1200, height: int = 900, phone: bool = False) -> Any:
            metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            driver.get_log("browser"), driver.get_log("performance")  # of the page before
            driver.get(page if isinstance(page, str) else page.resolve().as_uri())
            return driver

        try:
            yield opened
        finally:
            driver.quit()
