from __future__ import annotations

import sys

import numpy as np
import pytest

from longtail.core.errors import DataError, MissingExtraError
from longtail.report.layout import lay_out

pytest.importorskip("openTSNE")


def spaces(n: int = 90) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three groups; ALS has no vector for the last tenth, and knows the groups of the others less well."""
    rng = np.random.default_rng(1)
    group = np.arange(n) % 3
    centres = np.eye(3, 6)
    after = (centres[group] + rng.normal(0, 0.05, (n, 6))).astype(np.float32)
    before = (centres[group] + rng.normal(0, 0.6, (n, 6))).astype(np.float32)
    before[-n // 10 :] = 0
    return before, after, group


def apart(places: np.ndarray, group: np.ndarray) -> float:
    """Share of items whose nearest neighbour is of their group."""
    away = ((places[:, None] - places[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(away, np.inf)
    return float((group[away.argmin(axis=1)] == group).mean())


def test_neighbours_stay_neighbours_and_items_without_a_vector_have_no_place() -> None:
    before, after, group = spaces()
    layout = lay_out(before, after, np.arange(90), seed=0, anchors=60)
    assert sorted(layout.rows.tolist()) == list(range(90))
    assert layout.anchors == 60
    there = ~np.isnan(layout.before[:, 0])
    np.testing.assert_array_equal(there, before[layout.rows].any(axis=1))
    assert apart(layout.after, group[layout.rows]) > 0.95
    for places in (layout.after, layout.before[there]):
        assert places.min() >= 0
        assert places.max() <= 1


def test_same_seed_same_places_another_seed_another_order() -> None:
    before, after, _ = spaces()
    one, same, other = (lay_out(before, after, np.arange(90), seed=seed, anchors=50) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.after, same.after)
    np.testing.assert_array_equal(one.before, same.before)
    assert one.rows.tolist() != other.rows.tolist()


def test_only_so_many_items_are_drawn() -> None:
    before, after, _ = spaces()
    assert len(lay_out(before, after, np.arange(90), most=40).rows) == 40


def test_too_few_items_in_both_spaces() -> None:
    before, after, _ = spaces()
    with pytest.raises(DataError, match="Only 5 items"):
        lay_out(before, after, np.arange(5))


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    before, after, _ = spaces()
    with pytest.raises((MissingExtraError, ModuleNotFoundError)):
        lay_out(before, after, np.arange(90))
