"""Tables and sentences say what the numbers say, losses as plainly as gains."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from longtail.cli.evaluate import Metric, Protocol, foreign_methods
from longtail.cli.evaluate_view import sentences, show
from longtail.core.errors import DataError
from longtail.evaluate.compare import compare
from longtail.evaluate.metrics import ACCURACY
from longtail.evaluate.result import ProtocolResult, Section
from longtail.evaluate.words import number, signed
from longtail.protocols.registry import PROTOCOLS


def _section(name, als, longtail, n=400):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.05, n)
    values = {"ALS": als + noise, "longtail": longtail + noise + rng.normal(0, 0.01, n)} if n else {"ALS": np.zeros(0)}
    return Section(name, 1_234, 50, n, 3, 900, {"ndcg@10": compare("ndcg@10", values)})


def _result(*sections):
    return ProtocolResult(
        protocol="tail",
        question="What next?",
        k=10,
        methods=("ALS", "longtail"),
        split={},
        counts={"training events": 12_345},
        excluded={"user without training history": 7, "item not in the catalog": 0},
        sections=sections,
        exposure={"ALS": {"0": 0.0, "1-4": 1.0}},
        taken={"0": 0.25, "1-4": 0.75},
        notes=("article was not measured.",),
    )


def _shown(result, width=120):
    console = Console(width=width, file=io.StringIO())
    show(console, result)
    return console.file.getvalue()


def test_gain_loss_and_no_difference_are_said_in_words():
    gain, loss = sentences(
        _result(_section("whole catalog", 0.1, 0.2), _section("tail", 0.2, 0.1)), "ndcg@10", "longtail", "ALS"
    )
    assert "a gain beyond chance" in gain
    assert "+" in gain
    assert "a loss beyond chance" in loss
    (level,) = sentences(_result(_section("tail", 0.1, 0.1)), "ndcg@10", "longtail", "ALS")
    assert "may be chance" in level


def test_table_has_every_section_count_and_note():
    text = _shown(_result(_section("whole catalog", 0.1, 0.2), _section("0", 0, 0, n=0)))
    for said in ["What next?", "whole catalog", "1,234", "400", "▲", "taken", "75.0%", "12,345", "article was not"]:
        assert said in text
    assert "user without training history 7" in text
    assert "item not in the catalog" not in text
    assert "* fewer than 30" in text


def test_a_narrow_screen_has_the_intervals_below_the_means():
    result = _result(_section("whole catalog", 0.1, 0.2))
    wide, narrow = _shown(result, 120), _shown(result, 70)
    mean = number(result.sections[0].comparisons["ndcg@10"].estimates["longtail"].mean)
    assert f"{mean} ±" in wide
    assert mean in narrow
    assert f"{mean} ±" not in narrow
    assert narrow.count(" ±") + narrow.count("  ±") >= 2
    assert max(map(len, narrow.splitlines())) <= 70


def test_numbers_have_no_leading_zero():
    assert (number(0.0347), number(1.0)) == (".0347", "1.0000")
    assert (signed(-0.5), signed(0.25)) == ("-.5000", "+.2500")


def test_the_command_knows_every_protocol_and_metric():
    assert {one.value for one in Protocol} == {*PROTOCOLS, "all"}
    assert {one.value for one in Metric} == set(ACCURACY)


def test_foreign_methods_are_read_from_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("r.parquet", "u.parquet", "i.parquet"):
        (tmp_path / name).touch()
    found = foreign_methods(["shop=r.parquet"], ["vectors=u.parquet,i.parquet"])
    assert [method.name for method in found] == ["shop", "vectors"]
    for rankings, embeddings in [(["r.parquet"], []), ([], ["x=u.parquet"]), (["ALS=r.parquet"], []), (["x=none"], [])]:
        with pytest.raises(DataError):
            foreign_methods(rankings, embeddings)


@pytest.mark.parametrize("width", [80, 120, 134, 150])
@pytest.mark.parametrize("name", ["300 events, among themselves", "whole catalog, window 12"])
def test_no_number_is_cut_however_long_a_name_is(width, name):
    rng = np.random.default_rng(0)
    methods = ("popularity", "content kNN", "ALS", "article", "longtail", "bridge")
    values = {method: rng.random(50) for method in methods}
    part = Section(name, 11_718, 50, 50, 3, 90, {"ndcg@10": compare("ndcg@10", values)})
    shown = _shown(replace(_result(part), methods=methods), width=width)
    table = shown.partition("NDCG@10, means")[0]
    assert "…" not in table
    assert all(word in table for word in (*name.replace(",", "").split(), *methods, "11,718"))


def test_of_what_is_irrelevant_less_is_better():
    def section(als, longtail):
        noise = np.random.default_rng(0).normal(0, 0.01, 400)
        values = {"ALS": als + noise, "longtail": longtail - noise}
        return Section("all items", 9, 9, 400, 0, 900, {"irrelevant@10": compare("irrelevant@10", values)})

    fewer, more = _result(section(0.6, 0.3)), _result(section(0.3, 0.6))
    assert "a gain beyond chance" in sentences(fewer, "irrelevant@10", "longtail", "ALS")[0]
    assert "a loss beyond chance" in sentences(more, "irrelevant@10", "longtail", "ALS")[0]
    assert "Lower is better: ▼ is a gain" in _shown(fewer, width=200)
    assert "Lower is better" not in _shown(_result(_section("tail", 0.1, 0.2)), width=200)
    text = _shown(fewer)
    assert "Irrelevant share@10" in text
    assert "▼" in text
