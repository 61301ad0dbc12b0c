"""The tail diagnosis: Pareto share, Gini, buckets and items with nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from longtail.core.buckets import LABELS
from longtail.evaluate.diagnose import (
    diagnose,
    events_per_bucket,
    gini,
    in_words,
    items_per_bucket,
    items_without_any,
    pareto_share,
)

COUNTS = hnp.arrays(np.int64, st.integers(1, 40), elements=st.integers(0, 1000))


def test_pareto_share_counts_items_from_the_top() -> None:
    assert pareto_share(np.array([8, 1, 1])) == pytest.approx(1 / 3)
    assert pareto_share(np.array([1, 7, 2])) == pytest.approx(2 / 3)
    assert pareto_share(np.array([1, 1, 1, 1, 1])) == pytest.approx(4 / 5)
    assert pareto_share(np.array([10, 0, 0, 0])) == pytest.approx(1 / 4)
    assert pareto_share(np.array([3, 2, 1]), 1.0) == 1.0


def test_eighty_percent_of_ten_is_eight_despite_floating_point() -> None:
    assert pareto_share(np.array([8, 2])) == 0.5
    assert pareto_share(np.array([7, 3]), 0.7) == 0.5


@given(COUNTS, st.floats(0.01, 1.0))
def test_pareto_share_is_the_smallest_that_suffices(counts: np.ndarray, share: float) -> None:
    found = round(pareto_share(counts, share) * len(counts))
    ordered, total = np.sort(counts)[::-1], counts.sum()
    if total == 0:
        assert found == 0
        return
    assert ordered[:found].sum() >= share * total - 1e-6
    assert found == 1 or ordered[: found - 1].sum() < share * total


@given(COUNTS)
def test_gini_is_the_mean_difference_over_twice_the_mean(counts: np.ndarray) -> None:
    differences = np.abs(counts[:, None] - counts[None, :]).mean()
    expected = 0.0 if counts.sum() == 0 else differences / (2 * counts.mean())
    assert gini(counts) == pytest.approx(expected, abs=1e-9)


def test_gini_of_equal_and_of_one() -> None:
    assert gini(np.full(7, 3)) == pytest.approx(0.0)
    assert gini(np.array([0, 0, 0, 9])) == pytest.approx(0.75)


def test_buckets_begin_where_they_say() -> None:
    interactions = np.array([0, 1, 4, 5, 19, 20, 99, 100, 299, 300, 5000])
    assert items_per_bucket(interactions).tolist() == [1, 2, 2, 2, 2, 2]
    events = np.arange(11) * 10
    assert events_per_bucket(interactions, events).tolist() == [0, 30, 70, 110, 150, 190]
    assert items_without_any(interactions) == 1


def test_diagnosis_of_a_small_shop() -> None:
    found = diagnose(np.array([30, 5, 1, 0]), np.array([80, 15, 5, 0]), tail_below=20)
    assert (found.items, found.events, found.tail_items, found.tail_events, found.without_any) == (4, 100, 3, 20, 1)
    assert found.pareto_80 == 0.25
    assert dict(zip(LABELS, found.bucket_items, strict=True))["0"] == 1
    assert sum(found.bucket_items) == 4
    assert sum(found.bucket_events) == 100
    words = in_words(found)
    assert words[0].startswith("25% of the items have 80% of the events")
    assert "75% of the items are tail (fewer than 20 interactions)" in words[1]
    assert "20% of the events" in words[1]
    assert words[2] == "1 item (25%) without any interaction."


def test_nothing_at_all() -> None:
    none = np.zeros(0, dtype=np.int64)
    assert pareto_share(none) == 0.0
    assert gini(none) == 0.0
    assert in_words(diagnose(none, none, 20)) == ["There are no items."]
    zeros = np.zeros(3, dtype=np.int64)
    assert in_words(diagnose(zeros, zeros, 20))[0].startswith("None of 3 items has an event")


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(0, 1\]"):
        pareto_share(np.array([1]), 0.0)
    with pytest.raises(ValueError, match="cannot be negative"):
        gini(np.array([-1, 2]))
    with pytest.raises(ValueError, match="2 interaction counts for 1 event counts"):
        diagnose(np.array([1, 2]), np.array([1]), 20)
    with pytest.raises(ValueError, match="at least 1"):
        diagnose(np.array([1]), np.array([1]), 0)
