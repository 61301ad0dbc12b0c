"""What counts beside the vectors: content for users, and how far new items are brought up."""

from __future__ import annotations

import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

import longtail.calibrate.fusion
import longtail.calibrate.scoring
from longtail.calibrate.fusion import SPENT_ON_NEW, TRADED, Asking, choose_freshness, choose_fusion
from longtail.calibrate.model import Fusion
from longtail.calibrate.quality import Quality
from longtail.calibrate.scoring import Judge, only_columns
from longtail.cf.als import AlsSettings, fit_als

KINDS, EACH, N_USERS = 8, 30, 600
ALS = AlsSettings(factors=4, iterations=6, regularization=0.05, unobserved_weight=0.05)


def test_it_fades():
    fusion = Fusion(0.4, 5.0, 0.8, 20.0)
    np.testing.assert_allclose(fusion.gain(np.array([0, 5, 10**9])), [0.4, 0.2, 0], atol=1e-6)
    vectors, content = np.array([[1], [1], [0], [1], [0]], np.float32), np.array([[1], [1], [1], [0], [0]], np.float32)
    gates = fusion.query_gate(vectors, content, np.array([0, 20, 20, 20, 20]))
    np.testing.assert_allclose(gates, [0.8, 0.4, 1.0, 0.0, 0.0], atol=1e-6)  # what is missing does not speak
    assert Fusion(**fusion.to_dict()) == fusion


def test_items_as_users_are_solved_against_them_and_ask_for_them():
    vectors, content, n = np.array([[1, 2], [3, 4]], np.float32), np.array([[1], [-1]], np.float32), np.array([0, 1])
    fusion = Fusion(weight=0.5, half_at=1.0, freshness=0.2, fresh_half_at=1.0)
    np.testing.assert_allclose(fusion.solved_against(vectors, content, n), [[1, 2, 0.5], [3, 4, -0.25]], rtol=1e-6)
    np.testing.assert_allclose(fusion.asked_for(vectors, content, n), [[1.2, 2.4, 0.6], [3.3, 4.4, -0.275]], rtol=1e-6)
    np.testing.assert_array_equal(Fusion().asked_for(vectors, content, n), [[1, 2, 0], [3, 4, 0]])


def test_freshness_hardly_changes_the_order_within_the_tail():
    fresh = Fusion(freshness=0.4, fresh_half_at=20.0).fresh(np.array([0, 5, 20, 200, 10**9]))
    np.testing.assert_allclose(fresh, [1.4, 1 + 0.4 / 1.0625, 1.2, 1 + 0.4 / 101, 1], rtol=1e-6)


@pytest.fixture(scope="module")
def asking() -> Asking:
    """Everybody keeps to two of eight kinds of items; vectors of four dimensions cannot tell so many apart.

    Half of what users take is hidden, and of a sixth of the items all.
    """
    rng = np.random.default_rng(1)
    kind = np.repeat(np.arange(KINDS), EACH)
    home = rng.integers(0, KINDS, (N_USERS, 2))
    taken = rng.random((N_USERS, len(kind))) < np.where((kind == home[:, :1]) | (kind == home[:, 1:]), 0.25, 0.002)
    hidden = rng.random(taken.shape) < 0.5
    new = rng.random(len(kind)) < 1 / 6
    hidden |= new
    train, held = (sparse.csr_array((taken & part).astype(np.float32)) for part in (~hidden, hidden))
    judge = Judge(train, held, new=new, new_share=0.5, tail_below=40)
    assert judge.knows_new
    n = np.bincount(train.indices, minlength=len(kind))
    fitted = fit_als(train, ALS)
    content = (np.eye(KINDS)[kind] + rng.normal(0, 0.05, (len(kind), KINDS))).astype(np.float32)
    content /= np.linalg.norm(content, axis=1, keepdims=True)
    average = fitted.user_factors.mean(axis=0)
    typical = float(np.median(np.linalg.norm(fitted.item_factors[n > 0], axis=1)))
    # A prediction that knows the kind, as long as half of what is learned.
    items = fitted.item_factors.copy()
    for one in range(KINDS):
        items[new & (kind == one)] = 0.5 * items[~new & (kind == one)].mean(axis=0)
    return Asking(judge, items, content, n, ALS, (n > 0).astype(np.float32), average, typical)


def test_content_counts_where_vectors_cannot_tell_kinds_apart(asking):
    base = asking.quality(Fusion())
    fusion, curve = choose_fusion(
        asking, Fusion(average_weight=0.1), base, weights=(0.5, 1.0), half_lives=(5.0, 50.0), floor=base.overall
    )
    assert fusion.weight / asking.typical in (0.5, 1.0)
    assert fusion.average_weight == 0.1
    chosen = asking.quality(fusion)
    assert chosen.overall > 1.1 * base.overall
    assert chosen.tail > 1.1 * base.tail
    assert [point["weight"] for point in curve] == pytest.approx([0.0, 0.5, 1.0, fusion.weight / asking.typical])


def test_content_that_says_nothing_gets_no_weight(asking):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=asking.content.shape).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    blind = replace(asking, content=noise)
    base = blind.quality(Fusion())
    fusion, _ = choose_fusion(blind, Fusion(), base, weights=(1.0, 3.0), half_lives=(20.0,), floor=base.overall)
    assert fusion.weight == 0


#: Known items are taken fifty times here: half as much longer at twenty would be for all of them.
PLAIN = Fusion(fresh_half_at=2.0)


def measured(asking, *values):
    users = asking.users(PLAIN, asking.judge.train)
    return [asking.judge.measure(users, asking.stored(replace(PLAIN, freshness=value))) for value in values]


def test_new_items_are_brought_up_as_far_as_is_enough(asking, monkeypatch):
    monkeypatch.setattr(longtail.calibrate.fusion, "SPENT_ON_NEW", 1.0)
    found = [quality.mixed for quality in measured(asking, 0.0, 1.5, 2.0)]
    assert found[0] < found[1] < found[2]
    wanted = Quality(0.1, 0.1, tail=0.0, rare=0.0, mixed=0.999 * found[1])
    fusion, curve = choose_freshness(asking, PLAIN, wanted, values=(3.0, 2.0, 1.5), floor=0.0)
    assert fusion.freshness == 1.5
    assert [point["freshness"] for point in curve] == [0.0, 1.5]
    fusion, _ = choose_freshness(asking, PLAIN, replace(wanted, mixed=1.0), values=(1.5, 2.0), floor=0.0)
    assert fusion.freshness == 2.0  # never enough: the best


def test_rarely_taken_items_are_brought_up_as_well(asking, monkeypatch):
    monkeypatch.setattr(longtail.calibrate.fusion, "SPENT", 1.0)
    asking = replace(asking, n_interactions=np.where(np.arange(len(asking.items)) % 4, 100, 3))
    judge = copy.copy(asking.judge)
    rare = asking.n_interactions < 20
    judge.relevant = {**judge.relevant, "mixed_rare": only_columns(judge.relevant["overall"], rare)}
    asking = replace(asking, judge=judge)
    found = [quality.mixed_rare for quality in measured(asking, 0.0, 0.5)]
    assert found[0] < found[1]
    wanted = Quality(0.1, 0.1, tail=0.0, rare=0.0, mixed_rare=0.999 * found[1])
    fusion, _ = choose_freshness(asking, PLAIN, wanted, values=(0.5, 5.0), floor=0.0)
    assert fusion.freshness == 0.5
    monkeypatch.setattr(longtail.calibrate.scoring, "ENOUGH_NEW", 10**9)
    assert choose_freshness(asking, PLAIN, wanted, values=(0.0, 0.5), floor=0.0) == (PLAIN, [])


def test_next_to_nothing_of_overall_quality_is_spent(asking):
    wanted = Quality(0.1, 0.1, tail=0.0, rare=0.0, mixed=1.0)
    none, dear = (quality.overall for quality in measured(asking, 0.0, 50.0))
    assert dear < (1 - SPENT_ON_NEW) * none
    fusion, curve = choose_freshness(asking, PLAIN, wanted, values=(50.0, 60.0), floor=0.0)
    assert fusion.freshness == 0
    assert len(curve) == 2  # more would cost more


def test_rare_items_among_themselves_lose_little(asking, monkeypatch):
    """Freshness that puts items without events before those with a few turns the tail's own order round."""
    monkeypatch.setattr(longtail.calibrate.fusion, "SPENT_ON_NEW", 1.0)
    none, dear = measured(asking, 0.0, 8.0)
    assert dear.mixed > none.mixed
    assert dear.tail < (1 - TRADED) * none.tail
    wanted = Quality(0.1, 0.1, tail=0.0, rare=0.0, mixed=1.0)
    fusion, curve = choose_freshness(asking, PLAIN, wanted, values=(8.0, 9.0), floor=0.0)
    assert fusion.freshness == 0
    assert len(curve) == 2


@pytest.mark.parametrize("bound", ["overall", "tail"])
def test_what_the_guard_keeps_is_not_spent(asking, monkeypatch, bound):
    monkeypatch.setattr(longtail.calibrate.fusion, "SPENT_ON_NEW", 1.0)
    monkeypatch.setattr(longtail.calibrate.fusion, "TRADED", 1.0)
    none, dear = measured(asking, 0.0, 50.0)
    assert dear.overall + dear.noise < none.overall
    assert dear.tail < none.tail
    base = Quality(0.1, 0.1, tail=none.tail if bound == "tail" else 0.0, rare=0.0, mixed=1.0)
    floor = none.overall if bound == "overall" else 0.0
    fusion, curve = choose_freshness(asking, PLAIN, base, values=(0.0, 50.0), floor=floor)
    assert fusion.freshness == 0
    assert len(curve) == 2
    fusion, _ = choose_freshness(asking, PLAIN, replace(base, tail=0.0), values=(0.0, 50.0), floor=0.0)
    assert fusion.freshness == 50


def test_one_kind_that_is_never_found_does_not_keep_the_other_down(monkeypatch):
    found = {0.0: (0.1, 0.0499, 0.001), 0.1: (0.1, 0.051, 0.004), 0.2: (0.1, 0.0495, 0.01), 0.3: (0.1, 0.05, 0.01)}

    class Stub:
        judge = SimpleNamespace(knows_new=True, knows_rare=True, train=None)

        def __init__(self):
            self.judge.measure = lambda users, stored: Quality(
                found[stored][0], 0.1, tail=found[stored][1], rare=0.1, mixed=0.0, mixed_rare=found[stored][2]
            )

        def users(self, fusion, history):
            return None

        def stored(self, fusion):
            return fusion.freshness

    base = Quality(0.1, 0.1, tail=0.05, rare=0.1, mixed=1e-5, mixed_rare=0.01)
    fusion, _ = choose_freshness(Stub(), PLAIN, base, values=(0.1, 0.3), floor=0.1)
    assert fusion.freshness == 0.3  # although the tail began a little under what ALS has
    fusion, _ = choose_freshness(Stub(), PLAIN, base, values=(0.1, 0.2, 0.3), floor=0.1)
    assert fusion.freshness == 0.1  # and may not fall further


@pytest.mark.parametrize(("at_first", "chosen"), [(0.02, 0.0), (0.005, 0.1)])
def test_what_new_items_may_cost_is_not_spent_on_rare_ones(at_first, chosen):
    """Overall, and how far new and rare items are found; new ones at 0.01 are found well enough."""
    found = {0.0: (0.1, at_first, 0.001), 0.1: (0.099, 0.02, 0.004), 0.2: (0.0987, 0.03, 0.006)}

    class Stub:
        judge = SimpleNamespace(
            knows_new=True, knows_rare=True, train=None,
            measure=lambda _, at: Quality(found[at][0], 0.1, 0.1, found[at][1], rare=0.1, mixed_rare=found[at][2]),
        )  # fmt: skip

        def users(self, fusion, history):
            return None

        def stored(self, fusion):
            return fusion.freshness

    base = Quality(0.09, 0.1, 0.05, rare=0.05, mixed=0.01, mixed_rare=0.01)
    fusion, _ = choose_freshness(Stub(), PLAIN, base, values=(0.1, 0.2), floor=0.09)
    assert fusion.freshness == chosen


def test_what_content_never_finds_is_not_waited_for(asking):
    base = Quality(0.1, 0.1, tail=0.0, rare=0.0, mixed=0.0, mixed_rare=float("nan"))
    assert choose_freshness(asking, PLAIN, base, values=(0.0, 1.0), floor=0.0) == (PLAIN, [])


def test_without_enough_pairs_with_new_items_none_are_brought_up(asking, monkeypatch):
    monkeypatch.setattr(Judge, "knows_new", False)
    base = Quality(0.1, 0.1, 0.1, mixed=0.1)
    assert choose_freshness(asking, PLAIN, base, values=(0.0, 1.0), floor=0.0) == (PLAIN, [])


def test_where_few_pairs_tell_what_new_items_need_content_gets_as_much_as_costs_nothing():
    """The guard is kept all the same: what costs rarely taken items is not chosen for a gain elsewhere."""
    base = Quality(0.1, 0.1, 0.1, rare=0.1)
    found = {
        0.0: base,
        1.0: Quality(0.1, 0.1, 0.1, rare=0.1005),
        2.0: Quality(0.1, 0.2, 0.1, rare=0.1002),  # within a hundredth of the best
        2.5: Quality(0.1, 0.09, 0.1, rare=0.1002),  # new items are found less
        3.0: Quality(0.1, 0.2, 0.2, rare=0.09),
        4.0: Quality(0.09, 0.2, 0.2, rare=0.2),
    }

    class Few:
        judge = SimpleNamespace(knows_new=False)
        typical = 0.5

        def quality(self, fusion):
            return found[fusion.weight / self.typical]

    chosen, _ = choose_fusion(Few(), Fusion(), base, weights=tuple(found), half_lives=(3.0, 20.0), floor=0.1)
    assert (chosen.weight, chosen.half_at) == (1.0, 20.0)
    # Nothing of short histories is spent on it, however large a loss may be chance, though most is gained there.
    known = replace(base, short=0.05)
    found |= {weight: replace(quality, short=0.05) for weight, quality in found.items()}
    found[1.0] = Quality(0.12, 0.1, 0.1, rare=0.12, short=0.049, short_noise=0.01)
    chosen, _ = choose_fusion(Few(), Fusion(), known, weights=tuple(found), half_lives=(3.0, 20.0), floor=0.1)
    assert chosen.weight == 0.5 * 2.0
    Few.judge = SimpleNamespace(knows_new=True)
    chosen, _ = choose_fusion(Few(), Fusion(), base, weights=tuple(found), half_lives=(3.0, 20.0), floor=0.1)
    assert (chosen.weight, chosen.half_at) == (1.0, 3.0)  # new items count, by a gain of their own
