"""Cohen's kappa against tables worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from longtail.core.errors import DataError
from longtail.evaluate.agreement import Agreement, agreements, cohens_kappa, mean_kappa


def test_kappa_by_hand():
    # both yes 20, only the first 5, only the second 10, neither 15: p_o = .7, p_e = .5 * .6 + .5 * .4 = .5
    first = np.repeat([True, True, False, False], [20, 5, 10, 15])
    second = np.repeat([True, False, True, False], [20, 5, 10, 15])
    assert cohens_kappa(first, second) == pytest.approx(0.4)
    assert cohens_kappa(first, first) == 1.0
    assert cohens_kappa(first, ~first) == pytest.approx(-1.0)


def test_where_kappa_is_not_defined_it_is_none():
    nothing = np.zeros(0, bool)
    assert cohens_kappa(nothing, nothing) is None
    assert cohens_kappa(np.ones(3, bool), np.ones(3, bool)) is None
    with pytest.raises(DataError, match="same pairs"):
        cohens_kappa(np.ones(3, bool), np.ones(2, bool))


def test_several_judges_are_compared_on_what_both_judged():
    said = {
        "c": {("i", "1"): True},
        "a": {("i", "1"): True, ("i", "2"): False, ("i", "3"): True},
        "b": {("i", "2"): False, ("i", "1"): True, ("j", "9"): True},
    }
    found = agreements(said)
    assert found == [
        Agreement(("a", "b"), 2, 1.0, 1.0),
        Agreement(("a", "c"), 1, 1.0, None),
        Agreement(("b", "c"), 1, 1.0, None),
    ]
    assert mean_kappa(found) == 1.0
    assert mean_kappa([]) is None
    assert mean_kappa([Agreement(("a", "b"), 3, 0, 0.2), Agreement(("a", "c"), 1, 0, 0.6)]) == pytest.approx(0.3)
