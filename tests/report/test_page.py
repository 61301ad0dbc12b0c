"""What the page says, in numbers and in words, and what it says where there is nothing to show."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from longtail.bundle import Bundle
from longtail.evaluate.compare import Comparison, compare_each
from longtail.evaluate.levels import by_level
from longtail.evaluate.result import ProtocolResult
from longtail.evaluate.words import counted, number
from longtail.report.evaluation import Evaluation
from longtail.report.page import report
from longtail.report.section import Material
from longtail.report.sections.fields import without
from longtail.report.sections.first_events import first_events
from longtail.report.sections.headline import headline
from longtail.report.sections.quality import quality
from longtail.report.sections.threshold import threshold

ANCHORS = [
    "short", "demand", "buckets", "first-events", "threshold", "relevance", "space", "similar", "exposure", "fields",
    "bridge", "data", "provenance",
]  # fmt: skip


class Text(HTMLParser):
    """The words of each section."""

    def __init__(self) -> None:
        super().__init__()
        self.sections: dict[str, str] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._now = ""
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self._now = str(dict(attrs)["id"])
        self._hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.sections[self._now] = self.sections.get(self._now, "") + data + " "


def read(page: str) -> Text:
    found = Text()
    found.feed(page)
    return found


@pytest.fixture(scope="module")
def page(shop: Bundle, evaluation: Evaluation) -> str:
    pytest.importorskip("openTSNE")
    return report(shop, "my shop.bundle", evaluation)


@pytest.fixture(scope="module")
def text(page: str) -> Text:
    return read(page)


def test_all_parts_are_there_in_order(text: Text) -> None:
    assert [name for name in text.sections if name] == ANCHORS
    assert "my shop.bundle" in text.sections[""]
    assert "Measured: results.json" in text.sections[""]


def test_nothing_in_it_points_outside(page: str, text: Text) -> None:
    for tag, attributes in text.tags:
        for name in ("src", "href", "action", "data", "srcset", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/jpeg;base64,")), (tag, value)
    (policy,) = [str(attributes["content"]) for _, attributes in text.tags if "http-equiv" in attributes]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "@import" not in page
    assert "url(" not in page


def test_a_title_cannot_break_the_page(page: str, text: Text) -> None:
    assert '<img src="https://example.com' not in page
    assert "</script><img" not in page.replace("&lt;", "")
    assert "<b>a recipe</b>" not in page
    assert "<b>a recipe</b>" in text.sections["provenance"]


def test_the_headline_tells_gains_losses_and_draws(text: Text) -> None:
    said = text.sections["short"]
    assert re.search(r"Better:\s+0, 1-4\s", said)
    assert re.search(r"No difference that can be told:\s+5-19\s", said)
    assert re.search(r"Worse:\s+20-99\s", said)
    assert "A gain beyond chance." in said
    assert "This may be chance: no difference can be told." in said
    assert re.search(r"20-99: ALS|20-99: popularity \.\d{4}, longtail \.\d{4}", said)
    assert "Of 1,000 people" in said
    assert "Brand-new items" in said


def test_a_loss_comes_as_plainly(shop: Bundle, tail_of: Callable[..., ProtocolResult]) -> None:
    result = tail_of({"whole catalog": -0.05, "tail": -0.05})
    said = headline(Material(shop, "b", Evaluation((result,), {}, "x"))).body
    assert said.count("A loss beyond chance: longtail does not help here.") == 2
    assert said.count('class="card loss"') == 2
    assert "fewer, beyond chance" in said
    assert "Another method is better than longtail" in said


def test_the_time_that_was_tested_is_told(shop: Bundle, tail_of: Callable[..., ProtocolResult]) -> None:
    result = tail_of({"whole catalog": 0.05, "tail": 0.05})
    one = replace(result, split={"cut": "2020-09-20T00:00:00"})
    two = replace(result, split={"cut": "2020-09-18T00:00:00", "cuts": ["2020-09-18T00:00:00", "2020-09-20T00:00:00"]})
    said, both = (headline(Material(shop, "b", Evaluation((found,), {}, "x"))).body for found in (one, two))
    assert "from 2020-09-20 on" in said
    assert "stretches" not in said
    assert "from 2020-09-18 on, in 2 stretches of time with a training before each" in both
    assert counted(one).startswith("Tested from 2020-09-20 on. Counts: ")
    assert counted(two).startswith("Tested from 2020-09-18, from 2020-09-20 on. Counts: ")
    assert counted(replace(result, split={})).startswith("Counts: ")


@pytest.mark.parametrize(
    ("gains", "said"),
    [
        ({"whole catalog": 0.05, "tail": 0.05}, "rarely taken items, and the whole catalog gains."),
        ({"whole catalog": 0.0, "tail": 0.05}, "rarely taken items, and costs nothing that can be told overall."),
        ({"whole catalog": -0.05, "tail": 0.05}, "and costs the whole catalog more than chance explains."),
        ({"whole catalog": 0.05, "tail": -0.05}, "does not help this shop's rarely taken items"),
        ({"whole catalog": 0.05, "tail": 0.0}, "helps this shop overall; for rarely taken items together no gain"),
        ({"whole catalog": -0.05, "tail": 0.0}, "does not help this shop: it costs the whole catalog"),
        ({"whole catalog": 0.0, "tail": 0.0, "0": 0.05}, "some groups of items do."),
        ({"whole catalog": 0.0, "tail": 0.0, "0": 0.05, "1-4": -0.05}, "and some groups of items lose."),
        ({"whole catalog": 0.0, "tail": 0.0, "0": 0.0}, "Nothing measured here shows that longtail helps"),
    ],
)
def test_one_sentence_says_whether_it_helps(
    shop: Bundle, tail_of: Callable[..., ProtocolResult], gains: dict[str, float], said: str
) -> None:
    body = headline(Material(shop, "b", Evaluation((tail_of(gains),), {}, "x"))).body
    (lead,) = re.findall(r'<p class="lead">(.*?)</p>', body)
    assert said in unescape(lead)


def test_losses_in_other_protocols_are_told(
    shop: Bundle, evaluation: Evaluation, tail_of: Callable[..., ProtocolResult]
) -> None:
    cold = replace(tail_of({"cold items": 0.05, "warm tail": -0.05, "warm items": 0.0}), protocol="cold")
    body = headline(Material(shop, "b", Evaluation((cold,), {}, "x"))).body
    lost, rest = body.split("Worse than ALS alone, beyond chance, in other protocols:")[1].split("</ul>", 1)
    assert re.findall(r"<li>cold, ([a-z ]+):", lost) == ["warm tail"]
    assert "Better than ALS alone in: cold, cold items: longtail" in rest
    assert "No difference to ALS alone that can be told in: cold, warm items" in rest
    parts = ("cold items", "warm tail", "warm tail, seed 0", "warm tail, seed 100")
    seeds = tail_of(dict.fromkeys(parts, -0.05))
    seeds = replace(seeds, protocol="cold", split={**seeds.split, "seeds": [0, 100]})
    body = headline(Material(shop, "b", Evaluation((seeds,), {}, "x"))).body
    assert re.findall(r"<li>cold, ([a-z0-9, ]+):", body) == ["cold items", "warm tail"]  # the mean, not each seed
    assert "users, as the mean over 2 trainings that draw otherwise: longtail NDCG" in body
    told_apart = headline(Material(shop, "b", Evaluation(evaluation.results[:3], {}, "x"))).body
    assert "In the other protocols" not in told_apart


def test_who_is_better_than_both_is_told_in_other_protocols_too(
    shop: Bundle, tail_of: Callable[..., ProtocolResult]
) -> None:
    result = tail_of({"whole catalog": 0.05})
    part = result.section("whole catalog")
    found = part.comparisons["ndcg@10"].to_dict()
    best = found["estimates"]["longtail"]["mean"] + 0.1
    found["estimates"]["content kNN"] = {"mean": best, "low": best, "high": best}
    for difference in found["differences"]:
        if {difference["method"], difference["against"]} == {"content kNN", "longtail"}:
            sign = 1 if difference["method"] == "content kNN" else -1
            difference |= {"mean": sign * 0.1, "low": sign * 0.1 - 0.01, "high": sign * 0.1 + 0.01}
    changed = replace(part, comparisons={**part.comparisons, "ndcg@10": Comparison.from_dict(found)})
    few = replace(result, protocol="few-shot", sections=(changed,))
    body = headline(Material(shop, "b", Evaluation((few,), {}, "x"))).body
    assert f", but content kNN {number(best)}" in body.split("Better than ALS alone in: few-shot")[1]


def test_training_that_found_content_useless_says_so_first(shop: Bundle) -> None:
    note = "Content says nothing about behaviour (R² 0.001 on unseen items): plain ALS."
    manifest = replace(shop.manifest, choices={"note": note})
    body = headline(Material(replace(shop, manifest=manifest), "b")).body
    assert body.startswith('<div class="warning"><p>Content says nothing')


def test_numbers_of_the_panels_are_those_of_the_result(text: Text, evaluation: Evaluation) -> None:
    result = evaluation.result("tail")
    assert result is not None
    for part in result.sections:
        for estimate in part.comparisons["ndcg@10"].estimates.values():
            assert f"{estimate.mean:.4f}".removeprefix("0") in text.sections["buckets"]
    assert "already in the user's history 12" in text.sections["buckets"]


def test_the_threshold_is_measured_and_the_articles_stands_beside_it(text: Text) -> None:
    said = text.sections["threshold"]
    assert "the article's 300" in said
    found = re.search(r"overtakes the prediction from content at about ([\d,]+) interactions", said)
    assert found is not None
    assert 3 < float(found[1]) < 30
    assert f"measured: {found[1]}" in said
    themselves = re.findall(r"overtakes the prediction from content at about ([\d,]+) interactions", said)
    assert len(themselves) == 1, "among themselves ALS stays below at every level"
    assert "Up to 100 interactions ALS alone does not overtake" in said


def test_first_events_are_drawn_among_themselves_and_among_all(text: Text, evaluation: Evaluation) -> None:
    said = text.sections["first-events"]
    result = evaluation.result("few-shot")
    assert result is not None
    for part in result.sections:
        for estimate in part.comparisons["ndcg@10"].estimates.values():
            assert number(estimate.mean) in said
    above = re.findall(r"above its own prediction from content, beyond chance, at: ([^.]*)\.", said)
    assert above == ["0, 1, 3, 10, 30, 100", "0, 1, 3, 10"]
    below = re.findall(r"below one of the two, beyond chance, at: ([^.]*)\.", said)
    assert below == ["no level", "30, 100"]


def test_older_results_have_nothing_among_themselves(shop: Bundle, evaluation: Evaluation) -> None:
    for name, part in (("few-shot", first_events), ("truncated-heads", threshold)):
        result = evaluation.result(name)
        assert result is not None
        older = replace(result, sections=tuple(by_level(result).values()), notes=("A note of it.",))
        body = part(Material(shop, "b", Evaluation((older,), {}, "x"))).body
        assert body.count("<figure") == 1
        assert "A note of it." in body


def test_levels_at_which_nobody_was_tested_are_not_drawn(shop: Bundle, evaluation: Evaluation) -> None:
    empty = compare_each({"ndcg@10": {method: np.zeros(0) for method in ("ALS", "bridge", "longtail")}})
    for name, part in (("few-shot", first_events), ("truncated-heads", threshold)):
        result = evaluation.result(name)
        assert result is not None
        nobody = tuple(replace(section, n_users=0, comparisons=empty) for section in result.sections)
        for sections, figures in ((nobody, 0), ((*nobody[:1], *result.sections[1:]), 2)):
            given = Evaluation((replace(result, sections=sections),), {}, "x")
            assert part(Material(shop, "b", given)).body.count("<figure") == figures


def test_without_a_bridge_nothing_is_said_of_it(shop: Bundle, evaluation: Evaluation) -> None:
    result = evaluation.result("truncated-heads")
    assert result is not None
    methods = ("popularity", "ALS", "longtail")
    bare = compare_each({"ndcg@10": {method: np.linspace(0, 1, 50) for method in methods}}, resamples=50)
    sections = tuple(replace(section, comparisons=bare) for section in result.sections)
    given = Evaluation((replace(result, methods=methods, sections=sections, notes=()),), {}, "x")
    body = threshold(Material(shop, "b", given)).body
    assert body.count("<figure") == 2
    assert "overtake" not in body
    assert "beyond chance" not in body


def test_windows_by_themselves_do_not_count_twice(shop: Bundle, tail_of: Callable[..., ProtocolResult]) -> None:
    result = tail_of({"whole catalog": 0.0, "tail": 0.05, "tail, window 1": 0.05})
    noise = np.random.default_rng(0).normal(0, 0.01, (3, 60))
    means = {"ALS": 0.1, "longtail": 0.2, "content kNN": 0.3}
    values = {name: mean + noise[at] for at, (name, mean) in enumerate(means.items())}
    worse = compare_each({"ndcg@10": values}, resamples=50)
    lost = replace(result, sections=tuple(replace(section, comparisons=worse) for section in result.sections))
    body = headline(Material(shop, "b", Evaluation((lost,), {}, "x"))).body
    assert body.count("<li>tail: content kNN") == 1
    assert "window 1" not in body


def test_irrelevant_neighbours_by_interactions(text: Text) -> None:
    said = text.sections["relevance"]
    assert "fewer irrelevant" in said
    assert "more irrelevant" in said
    assert "kappa of 0.71 over 40" in said


def test_the_map_holds_every_item_for_sale(page: str, shop: Bundle) -> None:
    packed = re.search(r'<script type="application/gzip" id="map-data">([^<]*)</script>', page)
    assert packed is not None
    data: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(packed[1])))
    assert sorted(data["id"]) == sorted(shop.items.take(shop.sellable.nonzero()[0]))
    assert len(data["before"]) == len(data["after"]) == 2 * len(data["id"])
    at = data["id"].index(shop.items.id(43))  # nobody took it
    assert data["n"][at] == 0
    assert data["before"][2 * at] == -1
    assert 0 <= data["after"][2 * at] <= data["grid"]
    assert data["names"]["bucket"][data["bucket"][at]] == "0 interactions"
    assert data["names"]["category"][data["category"][at]] == data["kind"][at]


def test_pictures_are_within_the_page(text: Text) -> None:
    pictures = [attributes["src"] for tag, attributes in text.tags if tag == "img"]
    assert pictures
    for source in pictures:
        assert base64.b64decode(str(source).partition(",")[2]).startswith(b"\xff\xd8")


def test_what_a_field_adds_is_the_difference_to_the_same_weights_without_it(text: Text) -> None:
    assert "0.200 (+0.150)" in text.sections["fields"]
    assert ".1000 (+.0600)" in text.sections["fields"]
    assert "0.200 (-0.010)" in text.sections["fields"]


def test_the_page_says_whose_ranking_judged_a_choice(shop: Bundle, page: str) -> None:
    # As told by a bundle of before it was written down.
    assert "NDCG among new items" in read(page).sections["fields"]
    assert "NDCG of new items by who teaches" in page
    choices = shop.manifest.choices
    curves = dict(choices["curves"])
    for name in ("field_weights", "teaching"):
        curves[name] = [{**point, "group": "tail"} for point in curves[name]]
    judged = replace(shop, manifest=replace(shop.manifest, choices={**choices, "curves": curves}))
    told = report(judged, "b", Evaluation())
    assert "NDCG among rarely taken and new items" in read(told).sections["fields"]
    assert "NDCG of rarely taken and new items by who teaches" in told


def test_the_nearest_pair_of_tries_is_taken() -> None:
    def tried(a: float, b: float, r2: float) -> dict[str, Any]:
        return {"weights": {"a": a, "b": b}, "r2": r2, "ndcg": None}

    curve = [tried(1, 1, 0.3), tried(0, 1, 0.1), tried(1, 0.5, 0.4), tried(0, 0.5, 0.2)]
    pair = without(curve, "a", {"a": 1.0, "b": 0.5})
    assert pair is not None
    assert (pair[0]["r2"], pair[1]["r2"]) == (0.4, 0.2)
    assert without(curve, "b", {"a": 1.0, "b": 0.5}) is None


def test_the_bridge_tells_its_curves(text: Text) -> None:
    said = text.sections["bridge"]
    assert "Kept: kernel" in said
    assert "fold 2" in said
    assert "ridge (logarithmic)" in said


def test_data_quality_and_provenance(text: Text) -> None:
    assert re.search(r"7 refused \(0\.7%\)\s+: null user id 7", text.sections["data"])
    assert "25% of the files missing" in text.sections["data"]
    said = text.sections["provenance"]
    assert "learning took 1 min 15 s" in said
    assert "990-abc" in said
    assert "3.12.1" in said


def test_without_numbers_every_part_says_which_command_makes_them(plain: Bundle) -> None:
    text = read(report(plain, "golden/format-1", Evaluation(), with_map=False))
    assert [name for name in text.sections if name] == ANCHORS
    assert "Nothing was measured yet" in text.sections[""]
    for name, command in {
        "short": "longtail evaluate RECIPE --protocol tail --json results.json",
        "buckets": "longtail evaluate RECIPE --protocol tail --json results.json",
        "first-events": "longtail evaluate RECIPE --protocol few-shot --json results.json",
        "threshold": "longtail evaluate RECIPE --protocol truncated-heads --json results.json",
        "relevance": "longtail evaluate RECIPE --protocol relevance --json results.json",
        "exposure": "longtail report golden/format-1 --evaluation results.json",
        "space": "longtail report golden/format-1",
        "bridge": "longtail check RECIPE",
        "data": "longtail check RECIPE",
    }.items():
        assert command in text.sections[name], name
    assert not [attributes for tag, attributes in text.tags if tag == "canvas"]


def test_a_protocol_that_was_skipped_gives_its_reason(shop: Bundle) -> None:
    material = Material(shop, "b", Evaluation((), {"tail": "no times."}, "x"))
    body = headline(material).body
    assert "does not allow it: no times." in body
    assert "longtail evaluate" not in body


def test_an_evaluation_of_another_shop_is_doubted(plain: Bundle, tail_of: Callable[..., ProtocolResult]) -> None:
    result = tail_of({"whole catalog": 0.0})
    other = replace(result, counts={**result.counts, "catalog items": 92_331})
    page = report(plain, "b", Evaluation((other,), {}, "x"), with_map=False)
    assert "a catalog of 92,331 items, this bundle has 44 for sale" in page
    assert "Is it of the same shop?" not in report(plain, "b", Evaluation((result,), {}, "x"), with_map=False)


def test_a_shop_without_refusals_or_fields(shop: Bundle) -> None:
    data = shop.manifest.training["data"]
    events = {**data["events"], "refused": 0, "reasons": {}}
    training = {**shop.manifest.training, "data": {**data, "events": events, "fields": []}}
    body = quality(Material(replace(shop, manifest=replace(shop.manifest, training=training)), "b")).body
    assert "none was refused" in body
    assert "declares no fields" in body


def test_a_shop_without_any_event(plain: Bundle) -> None:
    nothing = replace(
        plain,
        n_interactions=np.zeros_like(plain.n_interactions),
        item_events=np.zeros_like(plain.item_events),
        item_vectors=np.zeros_like(plain.item_vectors),
        als_item_factors=np.zeros_like(plain.als_item_factors),
        content=np.zeros_like(plain.content),
    )
    text = read(report(nothing, "b", Evaluation()))
    assert [name for name in text.sections if name] == ANCHORS
    assert "None of 44 items has an event" in text.sections["demand"]
    assert "The map was not drawn" in text.sections["space"]


def test_the_same_bundle_gives_the_same_page(shop: Bundle, evaluation: Evaluation, page: str) -> None:
    assert report(shop, "my shop.bundle", evaluation) == page
