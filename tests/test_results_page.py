"""The page of results says what the numbers say: gains, losses, counts, machine and commit."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from longtail.evaluate.compare import compare
from longtail.evaluate.result import ProtocolResult, Section

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "quality" / "protocols.py"))
README = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "quality" / "readme.py"))


def _result(protocol, metric, als, longtail):
    noise = np.random.default_rng(0).normal(0, 0.01, (2, 200))
    values = {"ALS": als + noise[0], "longtail": longtail + noise[1]}
    section = Section("whole catalog", 1_234, 50, 200, 3, 900, {metric: compare(metric, values, resamples=200)})
    empty = Section("0", 10, 0, 0, 200, 0, {metric: compare(metric, {"ALS": np.zeros(0), "longtail": np.zeros(0)})})
    counts = {"training events": 12_345, "tested users": 200, "tested pairs": 900}
    split = {"cut": "2020-09-20T00:00:00", "first": "2020-09-16T00:00:00", "last": "2020-09-21T00:00:00"}
    return ProtocolResult(
        protocol, "What next?", 10, ("ALS", "longtail"), split, counts, {"unknown": 7}, (section, empty),
        notes=("A note.",),
    ).to_dict()  # fmt: skip


@pytest.fixture
def document():
    about = {
        "shop": "hm-week", "command": "longtail evaluate recipes/hm.toml --protocol all", "seconds": 1_234.5,
        "processor seconds": 2_000.0, "peak MiB": 2_048, "load before": 0.1, "when": "2026-01-02T03:04:05+00:00",
        "commit": "abc1234+", "machine": {"cpu": "Z80", "cores": 2, "memory GiB": 24}, "versions": {"numpy": "2.0"},
    }  # fmt: skip
    results = [
        _result("tail", "ndcg@10", 0.1, 0.2),
        _result("relevance", "irrelevant@10", 0.6, 0.3),
        _result("similar", "ndcg@10", 0.2, 0.1),
    ]
    return {"about": about, "results": results, "skipped": {"few-shot": "Too few."}}


def test_gains_losses_and_what_was_not_run_are_said(document):
    page = SCRIPT["page"]({"hm-week": document})
    assert "Better than ALS alone beyond chance: tail (whole catalog); relevance (whole catalog)." in page
    assert "Worse beyond chance: similar (whole catalog)." in page
    assert "Not run: few-shot. Too few." in page
    for said in (
        "1,234 s (allowed: 600 s",
        "2,000 s of processor time",
        "commit abc1234+",
        "Z80",
        "numpy 2.0",
        "A note.",
    ):
        assert said in page, said
    assert "Left out: unknown 7." in page


def test_the_best_is_bold_and_less_is_better_of_what_is_irrelevant(document):
    tail, relevance, _ = (SCRIPT["table"](result) for result in document["results"])
    assert "| **.19" in tail[2]
    assert "**+** +.09" in tail[2] or "**+** +.10" in tail[2]
    assert "lower is better" in relevance[0]
    assert "| **.30" in relevance[2] or "| **.29" in relevance[2]
    assert "**+** -.30" in relevance[2]
    assert tail[3].endswith("| - | - | - |")


def test_the_readme_has_both_shops(document):
    text = README["placed"]("before\n<!-- results -->stale<!-- /results -->after", {
        "complete-journey": document["results"][0], "hm-week": document
    })  # fmt: skip
    assert text.startswith("before\n<!-- results -->\n| NDCG@10")
    assert text.endswith("after")
    assert "stale" not in text
    assert "200 customers" in text
    assert "`longtail demo` on Complete Journey" in text


def test_the_readme_tells_how_first_events_take_over(document):
    noise = np.random.default_rng(0).normal(0, 0.01, (6, 200))
    means = {"popularity": 0.3, "content kNN": 0.1, "ALS": 0.05, "article": 0.25, "longtail": 0.2, "bridge": 0.15}
    values = {"ndcg@10": compare("ndcg@10", {m: mean + n for (m, mean), n in zip(means.items(), noise, strict=True)})}
    sections = [
        Section(name, size, 50, 200, 0, 900, values)
        for size, ending in ((1_234, ""), (50, ", among themselves"))
        for name in (f"0 events{ending}", f"1 event{ending}")
    ]
    few = ProtocolResult(
        "few-shot", "How fast?", 10, tuple(means), {"levels": [0, 1]},
        {"chosen items": 50, "tested pairs": 900}, {}, tuple(sections),
    ).to_dict()  # fmt: skip
    measured = {"complete-journey": document["results"][0], "hm-week": document}
    without = README["block"](measured)
    assert "buyers known of an item" not in without
    text = README["block"](measured | {"hm-week": document | {"results": [*document["results"], few]}})
    assert text.startswith(without)
    head, _, *rows = text.removeprefix(without).strip().splitlines()
    assert head == (
        "| NDCG@10, buyers known of an item | items | customers | content kNN | ALS | article | bridge | longtail |"
    )
    assert [row.split("|")[1].strip() for row in rows[:2]] == ["0", "1"]
    assert [cell.strip().startswith("**.") for cell in rows[0].split("|")[4:9]] == [False, False, True, False, False]
    assert "of 50 fashion items" in rows[-1]
    assert rows[-1].endswith("from content alone.")
    heads = few | {"protocol": "truncated-heads"}
    behind = README["block"](measured | {"hm-week": document | {"results": [*document["results"], few, heads]}})
    assert behind == text, "ALS is below the bridge at every level, so there is no number to tell"
    turned = json.loads(
        json.dumps(heads).replace('"ALS"', '"x"').replace('"bridge"', '"ALS"').replace('"x"', '"bridge"')
    )
    ahead = README["block"](measured | {"hm-week": document | {"results": [*document["results"], few, turned]}})
    assert (
        ahead == text + " Of popular items, cut the same way, ALS alone knows more than content from about 0 buyers on."
    )
    assert "900 pairs" in rows[-1]


def test_the_readme_tells_how_far_apart_seeds_are(document):
    def section(name, ours):
        estimates = {"longtail": {"mean": ours}, "ALS": {"mean": 0.1}}
        return {"name": name, "comparisons": {"ndcg@10": {"estimates": estimates}}}

    sections = [section("tail", 0.13), section("tail, seed 0", 0.15), section("tail, seed 100", 0.11)]
    sections += [section("tail, window 1", 0.14), section("tail, window 2", 0.12)]
    seeds = {"k": 10, "split": {"seeds": [0, 100], "cuts": ["a", "b"]}, "sections": sections}
    measured = {"complete-journey": document["results"][0], "hm-week": document}
    assert "seeds" not in README["block"](measured | {"asked": {"results": {}}})
    text = README["block"](measured | {"asked": {"results": {"windows-seeds": seeds}}})
    told = "over 2 seeds and 2 stretches of time longtail's tail is 1.30 times ALS's, by the seeds 1.10 to 1.50"
    assert f"{told}, and on the last stretch, which decides nothing, 1.20 (" in text
    assert "hidden at random" not in text
    sections = [section("tail", 0.14), section("tail, seed 0", 0.12), section("tail, seed 100", 0.16)]
    drawn = {"k": 10, "split": {"seeds": [0, 100]}, "sections": sections}
    text = README["block"](measured | {"asked": {"results": {"windows-seeds": seeds, "random-seeds": drawn}}})
    told = "decides nothing, 1.20; over 2 seeds with pairs hidden at random 1.40, by the seeds 1.20 to 1.60 ("
    assert told in text
