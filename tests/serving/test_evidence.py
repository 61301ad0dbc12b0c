"""The encoded content that a bundle keeps for explanations."""

from __future__ import annotations

import numpy as np
import pytest

from longtail.bundle import Evidence
from longtail.core.features import Features, Field
from longtail.core.vocabulary import Vocabulary


def features(n: int, seed: int = 0, first: int = 0) -> Features:
    rng = np.random.default_rng(seed)
    few = rng.standard_normal((3, 4)).astype(np.float32)
    there = rng.random(n) < 0.7
    return Features(
        Vocabulary([f"i{first + at}" for at in range(n)]),
        (
            Field("kind", few[rng.integers(0, 3, n)], np.ones(n, bool)),
            Field("text", (rng.standard_normal((n, 5)) * there[:, None]).astype(np.float32), there),
            Field("nothing", np.zeros((n, 0), np.float32), np.zeros(n, bool)),
        ),
    )


def test_gives_every_item_its_features_back_and_keeps_equal_ones_once() -> None:
    whole = features(50)
    evidence = Evidence.of(whole, ({}, {"fold": np.arange(50, dtype=np.int32)}))
    assert evidence.names == whole.names
    assert evidence.widths == {"kind": 4, "text": 5, "nothing": 0}
    assert len(evidence.trained[1]["field.0.rows"]) == 3
    for row in range(50):
        for field in evidence.features(row, "x"):
            assert np.array_equal(field.matrix[0], whole[field.name].matrix[row])
            assert field.present[0] == whole[field.name].present[row]
    unseen = evidence.unseen()
    assert unseen is not None
    assert unseen[1]["fold"].tolist() == list(range(50))
    assert Evidence.of(whole, None).unseen() is None


def test_items_that_came_later_stand_after_the_others_also_when_written() -> None:
    old, one, two = features(20), features(2, 1, 20), features(3, 2, 22)
    grown = Evidence.of(old, ({}, {"fold": np.arange(20, dtype=np.int32)})).with_items(one).with_items(two)
    written = Evidence(grown.state())
    for row, (part, at) in {5: (old, 5), 20: (one, 0), 21: (one, 1), 24: (two, 2)}.items():
        for evidence in (grown, written):
            for field in evidence.features(row, "x"):
                assert np.array_equal(field.matrix[0], part[field.name].matrix[at])
                assert field.present[0] == part[field.name].present[at]
    unseen = written.unseen()
    assert unseen is not None
    assert len(unseen[1]["fold"]) == 20
    with pytest.raises(IndexError, match="25"):
        grown.features(25, "x")


def test_is_checked_once_before_it_is_read() -> None:
    asked: list[int] = []
    evidence = Evidence(Evidence.of(features(4), None).state(), check=lambda: asked.append(1))
    assert asked == []
    evidence.features(1, "x"), evidence.with_items(features(1, 1, 4)).features(4, "x"), evidence.unseen()
    assert asked == [1]
