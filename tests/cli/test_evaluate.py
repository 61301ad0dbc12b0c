"""`longtail evaluate` from files to numbers, through the real pipeline, on a small generated shop."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from longtail.cli.main import app
from longtail.core.errors import DataError

RECIPE = """
tail_below = 8
[events]
source = { files = "events.parquet" }
[catalog]
source = { files = "items.parquet" }
title = "kind"
[catalog.fields.kind]
kind = "category"
[catalog.fields.maker]
kind = "category"
[als]
factors = 8
iterations = 5
"""


@pytest.fixture
def shop(taste_shop, tmp_path):
    """A folder with the recipe; the data is where it is."""
    (tmp_path / "recipe.toml").write_text(f'data_dir = "{taste_shop}"\n' + RECIPE, encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(shop, tmp_path, monkeypatch):
    monkeypatch.setenv("LONGTAIL_CACHE", str(tmp_path / "cache"))

    def call(*arguments):
        return CliRunner().invoke(app, ["evaluate", str(shop / "recipe.toml"), "--resamples", "100", *arguments])

    return call


@pytest.mark.slow  # trains several times
def test_cold_and_tail_run_through_the_real_pipeline(run, tmp_path):
    path = tmp_path / "results.json"
    done = run("-p", "cold", "-p", "tail", "-p", "new-users", "-p", "relevance", "--json", str(path))
    assert done.exit_code == 0, done.output
    assert "cold items" in done.stdout
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["skipped"] == {}
    tail, relevance, cold, new = document["results"]
    for result in document["results"]:
        assert result["methods"] == ["popularity", "content kNN", "ALS", "article", "longtail"]
    estimates = {section["name"]: section["comparisons"]["ndcg@10"]["estimates"] for section in cold["sections"]}
    # an item's kind decides who takes it, and ALS knows nothing of a cold item
    assert estimates["cold items"]["longtail"]["mean"] > estimates["cold items"]["ALS"]["mean"]
    assert estimates["cold items"]["content kNN"]["mean"] > estimates["cold items"]["popularity"]["mean"]
    assert relevance["split"]["relevance"]["field"] == "kind"
    assert relevance["split"]["cut"] == tail["split"]["cut"]
    assert new["sections"]


@pytest.mark.slow  # trains twice
def test_windows_are_tested_one_after_the_other(run):
    done = run("--windows", "2", "--json", "-")
    assert done.exit_code == 0, done.output
    (result,) = json.loads(done.stdout)["results"]
    first, second = result["split"]["cuts"]
    assert first < second
    assert result["sections"][0]["n_users"] == result["counts"]["tested users"] > 0
    assert run("--windows", "0").exit_code == 2


@pytest.mark.slow  # trains twice
def test_seeds_are_trained_one_after_the_other(run):
    done = run("--seeds", "2", "--json", "-")
    assert done.exit_code == 0, done.output
    (result,) = json.loads(done.stdout)["results"]
    assert result["split"]["seeds"] == [0, 100]
    means = {s["name"]: s["comparisons"]["ndcg@10"]["estimates"]["ALS"]["mean"] for s in result["sections"]}
    assert means["whole catalog"] == pytest.approx(
        (means["whole catalog, seed 0"] + means["whole catalog, seed 100"]) / 2
    )
    assert means["whole catalog, seed 0"] != means["whole catalog, seed 100"]


@pytest.mark.slow
def test_another_system_is_measured_beside_the_others(run, taste_shop, tmp_path):
    rankings = tmp_path / "theirs.parquet"
    events = pq.read_table(taste_shop / "events.parquet")
    pq.write_table(
        events.select(["user_id", "item_id"]).append_column("score", pa.array(np.ones(len(events)))), rankings
    )
    done = run("-p", "random", "-k", "30", "--rankings", f"theirs={rankings}", "--json", "-")
    assert done.exit_code == 0, done.output
    (result,) = json.loads(done.stdout)["results"]
    estimates = result["sections"][0]["comparisons"]["ndcg@30"]["estimates"]
    # It knows what is hidden, and as much that was set aside for choices, which takes places and is not counted.
    theirs = estimates.pop("theirs")["mean"]
    assert theirs > 0.7 > max(other["mean"] for other in estimates.values())


@pytest.mark.parametrize(
    ("option", "protocol", "able"),
    [
        ("--windows", "random", "tail"),
        ("--windows", "tail", None),
        ("--windows", "all", None),
        ("--seeds", "similar", "tail, cold, random"),
        ("--seeds", "tail", None),
        ("--seeds", "cold", None),
        ("--seeds", "random", None),
        ("--seeds", "all", None),
    ],
)
def test_windows_and_seeds_of_a_protocol_without_any_are_refused(run, monkeypatch, option, protocol, able):
    def stop(*args, **kwargs):
        raise DataError("read")

    monkeypatch.setattr("longtail.pipeline.read", stop)
    done = run("--protocol", protocol, option, "3")
    assert done.exit_code != 0
    refused = f"{option} is only of {able}; asked for was {protocol}. Leave it out, or add --protocol tail."
    assert str(done.exception) == (refused if able else "read")


def test_options_that_cannot_be_understood_are_refused(run):
    done = run("--rankings", "no-name")
    assert done.exit_code != 0
    assert "NAME=FILE" in str(done.exception) + done.output
    assert run("-p", "nothing").exit_code == 2


def test_what_could_only_fail_after_training_fails_before(run, tmp_path):
    for options, said in (
        (("--json", tmp_path / "nowhere" / "results.json"), "no folder"),
        (("--json", tmp_path), "is a folder"),
        (("--rankings", f"ours={tmp_path / 'none.parquet'}"), "no file"),
        (("--embeddings", f"ours={tmp_path / 'u'},{tmp_path / 'i'}"), "no file"),
    ):
        done = run(*map(str, options))
        assert isinstance(done.exception, DataError)
        assert said in str(done.exception)
        assert "Reading" not in done.output
