"""The generated shops that kernel and network are compared on."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

QUALITY = Path(__file__).parents[1] / "benchmarks" / "quality"


@pytest.fixture
def large(monkeypatch):
    for name in ("large", "shop", "protocols"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "path", [str(QUALITY), *sys.path])
    import large

    yield large
    for name in ("large", "shop", "protocols"):
        sys.modules.pop(name, None)


def test_the_seed_decides_and_values_are_missing_as_often_as_said(large):
    features, liked = large.shop("mixed", 3000, 1)
    again, same = large.shop("mixed", 3000, 1)
    np.testing.assert_array_equal(liked, same)
    for field, other in zip(features, again, strict=True):
        np.testing.assert_array_equal(field.matrix, other.matrix)
        assert not field.matrix[~field.present].any()
        assert 1 - field.present.mean() == pytest.approx(0.05 if field.name == "text" else large.UNSAID, abs=0.03)
    assert liked.std(axis=0) == pytest.approx(np.ones(large.RANK), abs=0.1)


def test_a_sum_over_fields_explains_the_smooth_shop_better_than_the_mixed_one(large):
    def explained(kind: str) -> float:
        features, liked = large.shop(kind, 3000, 2)
        x = np.hstack([field.matrix for field in features])
        fitted = x @ np.linalg.lstsq(x, liked, rcond=None)[0]
        return 1 - float(((liked - fitted) ** 2).sum() / ((liked - liked.mean(axis=0)) ** 2).sum())

    assert explained("smooth") > explained("mixed") + 0.1
