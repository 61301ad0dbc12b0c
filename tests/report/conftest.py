"""A small shop with pictures, titles that would break a careless page, and results of every protocol the page reads."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from longtail.bundle import Bundle, load
from longtail.core.buckets import LABELS
from longtail.core.extras import require
from longtail.data.datasets.garments import Garment, draw
from longtail.data.schema import FieldSchema
from longtail.evaluate.compare import compare_each
from longtail.evaluate.levels import level_name
from longtail.evaluate.result import ProtocolResult, Section
from longtail.report.evaluation import Evaluation

GOLDEN = Path(__file__).parent.parent / "golden" / "format-1"
METHODS = ("popularity", "content kNN", "ALS", "article", "longtail")
HOSTILE = '</script><img src="https://example.com/x.png" onerror="alert(1)"> & "Ö"'

TRAINING = {
    "seconds": 75.2,
    "tail_below": 20,
    "seed": 3,
    "data": {
        "events": {"read": 1000, "accepted": 990, "filtered": 3, "refused": 7, "missing_values": 0,
                   "reasons": {"null user id": 7}},
        "catalog": {"read": 44, "accepted": 44, "filtered": 0, "refused": 0, "missing_values": 0, "reasons": {}},
        "join": {"events": 990, "unknown_events": 9, "event_items": 44, "unknown_items": 1, "catalog_items": 44,
                 "silent_items": 1},
        "users": {"users": 40, "users_with_one": 2, "zero_pairs": 0},
        "fields": [
            {"name": "department", "kind": "category", "share": 1.0, "distinct": 4, "unparsable": 0,
             "files_missing": None},
            {"name": "picture", "kind": "image", "share": 0.5, "distinct": 22, "unparsable": 0, "files_missing": 0.25},
        ],
    },
}  # fmt: skip

CHOICES = {
    "rounds": 2,
    "field_weights": {"attributes": 1.0, "numbers": 0.3},
    "bridge": {
        "kept": "kernel", "r2": 0.31, "scores": {"kernel": 0.31, "network": 0.28}, "items": 43, "ridge": 1.0,
        "ridge_curve": {"0.1": 0.2, "1.0": 0.31, "10.0": 0.25}, "network_epochs": [1, 2],
        "network_errors": [[1.0, 0.8, 0.9], [1.0, 0.9, 0.7]],
    },
    "curves": {
        "field_weights": [
            {"weights": {"attributes": 1.0, "numbers": 1.0}, "r2": 0.2, "ndcg": 0.10},
            {"weights": {"attributes": 0.0, "numbers": 1.0}, "r2": 0.05, "ndcg": 0.04},
            {"weights": {"attributes": 1.0, "numbers": 0.0}, "r2": 0.21, "ndcg": 0.11},
        ],
        "teaching": [
            {"min_interactions": 5, "target_exponent": 0.0, "r2": 0.1, "exponent": 0.0, "ndcg": 0.05},
            {"min_interactions": 20, "target_exponent": 0.0, "r2": 0.1, "exponent": 0.0, "ndcg": 0.04},
        ],
    },
}  # fmt: skip


@pytest.fixture(scope="session")
def plain() -> Bundle:
    """The golden bundle as it is: no pictures, nothing recorded of its training."""
    return load(GOLDEN)


@pytest.fixture(scope="session")
def shop(plain: Bundle) -> Bundle:
    """The same with pictures, a hostile title, and a manifest as the pipeline writes it."""
    pytest.importorskip("PIL")
    titles = plain.titles.to_pylist()
    titles[0] = HOSTILE
    assert plain.catalog_schema is not None
    fields = {**plain.catalog_schema.fields, "picture": FieldSchema(kind="image")}
    pictures = pa.array([_picture(number) if number % 2 else None for number in range(len(plain.items))], pa.binary())
    return replace(
        plain,
        titles=pa.array(titles, plain.titles.type),
        catalog=plain.catalog.append_column("picture", pictures),
        catalog_schema=plain.catalog_schema.model_copy(update={"fields": fields}),
        manifest=replace(
            plain.manifest,
            recipe='# <b>a recipe</b>\n[events]\nsource = { files = "events.csv" }\n',
            training=TRAINING,
            choices=CHOICES,
            fingerprint={"events": 990, "events_hash": "990-abc", "users": 40, "catalog_items": 44},
            versions={"python": "3.12.1", "longtail": "0.1.0"},
        ),
    )


def _picture(number: int) -> bytes:
    require("PIL.Image", extra="images", purpose="Tests of pictures")
    buffer = io.BytesIO()
    garment = Garment("coat", ("red", "blue", "green")[number % 3], "striped", "long")
    draw(garment, np.random.default_rng(number)).save(buffer, "JPEG")
    return buffer.getvalue()


def section(
    name: str, gain: float, *, users: int = 200, metrics: tuple[str, ...] = ("ndcg@10", "hit_rate@10"),
    methods: tuple[str, ...] = METHODS, seed: int = 0,
) -> Section:  # fmt: skip
    """Methods about .2 but longtail, which is better by ``gain`` for each user: beyond chance where it is not 0."""
    rng = np.random.default_rng(seed)
    level = rng.uniform(0.1, 0.3, users)
    noise = {method: rng.normal(0, 0.02, users) for method in methods}
    values = {
        metric: {m: np.clip(level + noise[m] + (gain if m == "longtail" else 0.0), 0, 1) for m in methods}
        for metric in metrics
    }
    spread = {method: {"coverage": 0.5, "gini": 0.4, "novelty": 3.0} for method in methods}
    return Section(name, 44, 20, users, 3, 2 * users, compare_each(values, resamples=200, seed=seed), spread)


def tail_result(gains: dict[str, float]) -> ProtocolResult:
    """A result of the tail protocol with these gains of longtail by set of candidates."""
    shares = [1 / len(LABELS)] * len(LABELS)
    return ProtocolResult(
        protocol="tail",
        question="What next?",
        k=10,
        methods=METHODS,
        split={"by": "time", "cut": "2026-02-01T00:00:00", "tail_below": 20, "exclude_seen": True, "seed": 0},
        counts={"catalog items": 44, "tested pairs": 400, "tested users": 200},
        excluded={"already in the user's history": 12},
        sections=tuple(section(name, gain, seed=at) for at, (name, gain) in enumerate(gains.items())),
        exposure={method: dict(zip(LABELS, shares, strict=True)) for method in METHODS},
        taken=dict(zip(LABELS, shares, strict=True)),
        notes=("A note of the protocol.",),
    )


GAINS = {"whole catalog": 0.0, "tail": 0.05, "0": 0.1, "1-4": 0.05, "5-19": 0.0, "20-99": -0.05}


@pytest.fixture(scope="session")
def tail_of() -> Callable[[dict[str, float]], ProtocolResult]:
    return tail_result


@pytest.fixture(scope="session")
def evaluation() -> Evaluation:
    """Every result the page reads; longtail gains in the tail, loses from 20 interactions on."""
    levels = [0, 1, 3, 10, 30, 100]
    heads_methods = (*METHODS, "bridge")
    heads = ProtocolResult(
        protocol="truncated-heads", question="From where?", k=10, methods=heads_methods,
        split={"by": "events of items", "levels": levels, "test_share": 0.2, "seed": 0},
        counts={"chosen items": 12, "tested pairs": 100}, excluded={},
        sections=(
            *(_heads(level, at) for at, level in enumerate(levels)),
            *(_heads(level, at / 2, themselves=True) for at, level in enumerate(levels)),
        ),
        notes=("ALS alone overtakes the bridge at about 17 interactions.",),
    )  # fmt: skip
    few = replace(heads, protocol="few-shot", question="How fast?", notes=())
    relevance = ProtocolResult(
        protocol="relevance", question="What does not belong?", k=10, methods=METHODS,
        split={"by": "time", "relevance": {"from": "judgements", "kappa": 0.71, "judged by two": 40}},
        counts={"catalog items": 44}, excluded={},
        sections=tuple(
            section(name, gain, metrics=("irrelevant@10",), seed=at)
            for at, (name, gain) in enumerate([("all items", -0.03), ("0", -0.05), ("1-4", 0.0), ("5-19", 0.05)])
        ),
        notes=("Lower is better.",),
    )  # fmt: skip
    cold = ProtocolResult(
        protocol="cold", question="New?", k=10, methods=METHODS, split={}, counts={"catalog items": 44}, excluded={},
        sections=(section("cold items", 0.05),),
    )  # fmt: skip
    return Evaluation((tail_result(GAINS), heads, relevance, cold, few), {"similar": "no times"}, "results.json")


def _heads(level: int, at: float, *, themselves: bool = False) -> Section:
    """ALS rises by so much at every level; longtail is above the bridge, which stays."""
    rng = np.random.default_rng(level)
    means = {"ALS": 0.02 + 0.04 * at, "bridge": 0.13, "longtail": 0.15}
    values = {m: np.clip(means.get(m, 0.05) + rng.normal(0, 0.02, 100), 0, 1) for m in (*METHODS, "bridge")}
    comparisons = compare_each({"ndcg@10": values}, resamples=200)
    return Section(level_name(level, themselves=themselves), 12 if themselves else 44, 12, 100, 0, 100, comparisons)
