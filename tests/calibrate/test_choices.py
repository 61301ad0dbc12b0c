from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

from longtail.calibrate import als_search, lengths
from longtail.calibrate.alternation import Pull
from longtail.calibrate.guard import middle, pick
from longtail.calibrate.lengths import choose_length_beside, choose_rounds
from longtail.calibrate.model import Length, sources
from longtail.calibrate.quality import Quality
from longtail.calibrate.scoring import Judge
from longtail.cf.als import AlsSettings
from longtail.core.ranking import SOURCES


class TestGuard:
    base = Quality(0.1, 0.1, 0.1)

    def test_the_largest_gain_that_costs_nothing_overall(self):
        candidates = [Quality(0.1, 0.1, 0.1), Quality(0.101, 0.1, 0.12), Quality(0.09, 0.3, 0.3)]
        assert pick(candidates, self.base, floor=0.1) == 1

    def test_tolerance_lets_it_through(self):
        candidates = [Quality(0.1, 0.1, 0.1), Quality(0.099, 0.3, 0.3)]
        assert pick(candidates, self.base, floor=0.098) == 1

    def test_nothing_may_cost_the_tail(self):
        candidates = [Quality(0.1, 0.1, 0.1), Quality(0.12, 0.4, 0.09)]
        assert pick(candidates, self.base, floor=0.1) == 0

    def test_a_gain_for_new_items_does_not_hide_a_loss_for_rare_ones(self):
        base = Quality(0.1, 0.1, 0.1, rare=0.2)
        candidates = [Quality(0.1, 0.1, 0.1, rare=0.2), Quality(0.12, 0.4, 0.5, rare=0.19)]
        assert pick(candidates, base, floor=0.1) == 0

    def test_users_of_whom_little_is_known_are_not_what_pays(self):
        base = Quality(0.1, 0.1, 0.1, short=0.05)
        candidates = [Quality(0.1, 0.1, 0.1, short=0.05), Quality(0.12, 0.4, 0.5, short=0.049)]
        assert pick(candidates, base, floor=0.1) == 0
        assert pick(candidates[1:], base, floor=0.1) == 0

    def test_a_loss_that_may_be_chance_is_allowed(self):
        candidates = [Quality(0.1, 0.1, 0.1), Quality(0.099, 0.2, 0.2, noise=0.002)]
        assert pick(candidates, self.base, floor=0.1) == 1

    def test_a_loss_for_users_of_whom_little_is_known_may_be_chance_too(self):
        base = Quality(0.1, 0.1, 0.1, short=0.05)
        candidates = [base, Quality(0.1, 0.1, 0.2, short=0.049, short_noise=0.002)]
        assert pick(candidates, base, floor=0.1) == 1
        assert pick([base, replace(candidates[1], short_noise=0.0005)], base, floor=0.1) == 0

    def test_nothing_passes_then_the_best_overall(self):
        assert pick([Quality(0.05, 1, 1), Quality(0.09, 0, 0)], self.base, floor=0.1) == 1

    def test_the_simplest_of_equals(self):
        assert pick([self.base, self.base], self.base, floor=0.1) == 0

    @staticmethod
    def ahead(by, noise):
        """A candidate whose mean is the usual one's times 1 + ``by``, and whose users differ by chance."""
        values = 0.5 + noise * np.random.default_rng(0).standard_normal(400)
        values *= (1 + by) * 0.5 / values.mean()
        return Quality(values.mean(), np.nan, np.nan, by_user={"overall": values})

    @pytest.mark.parametrize("position", [0, 1])
    def test_the_usual_stays_unless_another_gains_beyond_chance(self, position):
        usual, other = self.ahead(0, 0), self.ahead(0.04, 0.2)
        _, error = other.lead_over(usual, usual)
        errors = np.log(1.04) / error
        assert 1 < errors < 3
        found = [other, other]
        found[position] = usual
        for margin, won in ((0.0, 1), (0.99 * errors, 1), (1.01 * errors, 0)):
            chosen = pick(found, usual, floor=0.0, usual=position, margin=margin)
            assert found[chosen] is (other if won else usual)
        assert found[pick(found, usual, floor=0.0)] is other

    def test_a_lucky_one_does_not_hide_one_that_is_surely_better(self):
        usual, surely, lucky = self.ahead(0, 0), self.ahead(0.03, 0.02), self.ahead(0.04, 0.4)
        assert pick([usual, lucky], usual, floor=0.0, usual=0, margin=2.0) == 0
        assert pick([usual, surely, lucky], usual, floor=0.0, usual=0, margin=2.0) == 1

    def test_the_usual_is_not_kept_where_it_costs_overall_quality(self):
        candidates = [Quality(0.09, 0.3, 0.3), Quality(0.1, 0.1, 0.1), Quality(0.1, 0.2, 0.1)]
        assert pick(candidates, self.base, floor=0.1, usual=0, margin=9.0) == 2

    def test_of_equals_the_usual(self):
        assert pick([self.base, self.base], self.base, floor=0.1, usual=1) == 1

    @pytest.mark.parametrize(("values", "usual"), [((3.0, 0.3, 10.0, 1.0), 1.0), ((0.0, 1.0), 0.0), ((5,), 5)])
    def test_the_middle_of_a_grid_in_any_order(self, values, usual):
        assert middle(values) == usual

    def test_what_cannot_be_measured_does_not_count(self):
        assert Quality(0.2, np.nan, np.nan).gain_over(Quality(0.1, 0.5, np.nan)) == pytest.approx(np.log(2))


class TestJudge:
    train = sparse.csr_array(np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]], np.float32))

    def judge(self, later, **kwargs):
        return Judge(self.train, sparse.csr_array(np.array(later, np.float32)), **kwargs)

    def test_known_pairs_and_unknown_users_do_not_count(self):
        judge = self.judge([[1, 1, 0, 0], [0, 0, 0, 1], [1, 1, 1, 1]])
        assert judge.users.tolist() == [0, 1]
        assert judge.relevant["overall"].nnz == 2

    def test_all_new_items_are_the_cold_candidates_of_a_later_period(self):
        judge = self.judge([[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 1, 0]])
        assert judge.masks["cold"].tolist() == [False, False, True, True]

    def test_of_items_held_out_whole_only_those_that_sold_are_cold_candidates(self):
        new = np.array([False, False, True, True])
        judge = self.judge([[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 1, 0]], new=new)
        assert judge.masks["cold"].tolist() == [False, False, False, True]
        assert judge.masks["overall"].tolist() == [True, True, False, True]
        assert judge.masks["rare"].tolist() == [True, True, False, False]

    @pytest.mark.parametrize("chance", [1.0, 2.5])
    def test_a_loss_within_so_many_standard_errors_of_the_reference_is_no_loss(self, chance):
        rng = np.random.default_rng(2)
        train = sparse.csr_array((rng.random((80, 12)) < 0.2).astype(np.float32))
        later = sparse.csr_array((rng.random((80, 12)) < 0.2).astype(np.float32))
        judge = Judge(train, later, k=3, chance=chance)
        users, short = rng.standard_normal((2, len(judge.users), 4)).astype(np.float32)
        items = rng.standard_normal((12, 4)).astype(np.float32)
        alone = judge.refer_to(users, items, short)
        assert (alone.noise, alone.short_noise) == (0, 0)
        assert alone.short == judge.measure(short, items).overall == judge.measure_short(short, items)
        moved = items + rng.standard_normal((12, 4)).astype(np.float32)
        other = judge.measure(users, moved, short=short)

        def each(who, what):
            return judge._values(lambda rows: who[rows] @ what.T, ["overall"])["overall"]

        for who, noise in ((users, other.noise), (short, other.short_noise)):
            differences = each(who, moved) - each(who, items)
            assert noise == pytest.approx(chance * differences.std(ddof=1) / np.sqrt(len(differences)))
        assert other.keeps_short(other.short + 0.9 * other.short_noise)
        assert not other.keeps_short(other.short + 1.1 * other.short_noise)
        assert judge.measure(users, moved).keeps_short(1.0)  # what was not measured costs nothing
        assert other.keeps(other.overall + 0.9 * other.noise)
        assert not other.keeps(other.overall + 1.1 * other.noise)

    def test_the_error_of_a_gain_is_that_of_users_drawn_anew(self):
        """Against the bootstrap: users drawn with replacement, the difference of gains worked out for each draw."""
        rng = np.random.default_rng(4)
        train = sparse.csr_array((rng.random((600, 40)) < 0.15).astype(np.float32))
        later = sparse.csr_array((rng.random((600, 40)) < 0.03).astype(np.float32))
        judge = Judge(train, later, k=5, tail_below=86)
        users = rng.standard_normal((len(judge.users), 4)).astype(np.float32)
        items = rng.standard_normal((40, 4)).astype(np.float32)
        one, other = judge.measure(users, items), judge.measure(users, items + 0.3 * items[::-1])
        base = Quality(0.1, 0.1, 0.1, rare=np.nan)
        assert np.isnan(one.by_user["tail"]).mean() > 0.3  # who has nothing in the tail adds nothing there
        for name, values in one.by_user.items():
            assert values.shape == (len(judge.users),)
            assert np.nanmean(values) == pytest.approx(getattr(one, name))
        assert one.lead_over(one, base) == (0, 0)
        differences = []
        for _ in range(4000):
            drawn = rng.integers(0, len(judge.users), len(judge.users))
            again = [
                replace(quality, **{name: float(np.nanmean(values[drawn])) for name, values in quality.by_user.items()})
                for quality in (one, other)
            ]
            differences.append(again[0].gain_over(base) - again[1].gain_over(base))
        difference, error = one.lead_over(other, base)
        assert difference == pytest.approx(one.gain_over(base) - other.gain_over(base))
        assert error == pytest.approx(np.std(differences), rel=0.02)
        assert other.lead_over(one, base) == pytest.approx((-difference, error))
        assert "by_user" not in one.to_dict()

    def test_the_error_of_a_gain_by_hand(self):
        base = Quality(0.25, np.nan, 0.25)
        one = Quality(
            0.5, np.nan, 0.5, by_user={"overall": np.array([1.0, 0, 0.5]), "tail": np.array([1.0, np.nan, 0])}
        )
        other = Quality(0.5, np.nan, 0.25, by_user={"overall": np.full(3, 0.5), "tail": np.array([0.5, np.nan, 0])})
        difference, error = one.lead_over(other, base)
        assert difference == pytest.approx(np.log(2) / 3)
        assert error == pytest.approx(2 / 3 * np.sqrt(2 / 6))  # the tail's values are in proportion: no error of theirs

    def test_what_a_user_has_in_several_measures_counts_together(self):
        mine, theirs = np.array([1.0, 0, 0.5]), np.full(3, 0.5)
        one = Quality(0.5, np.nan, 0.5, by_user={"overall": mine, "tail": mine})
        other = Quality(0.5, np.nan, 0.5, by_user={"overall": theirs, "tail": theirs})
        assert one.lead_over(other, Quality(0.25, np.nan, 0.25)) == (0, pytest.approx(np.sqrt(2 / 6)))

    @pytest.mark.parametrize(
        ("mine", "theirs"),
        [([0.3, 0, 0], None), ([0.3, 0, 0], [0, 0, 0]), ([np.nan, 0.1, np.nan], [np.nan, 0.05, np.nan])],
        ids=["not kept", "nothing but zeros", "one user"],
    )
    def test_where_chance_cannot_be_told_it_may_be_all_of_it(self, mine, theirs):
        one = Quality(np.nan, 0.1, np.nan, by_user={"cold": np.array(mine)})
        other = Quality(np.nan, 0.05, np.nan, by_user={} if theirs is None else {"cold": np.array(theirs)})
        difference, error = one.lead_over(other, Quality(0.1, 0.1, 0.1))
        assert difference == pytest.approx(np.log(2))
        assert error == pytest.approx(difference)

    def test_beyond_the_cut_nothing_is_ahead_and_nothing_is_chance(self):
        rng = np.random.default_rng(0)
        one, other = (Quality(np.nan, np.nan, v.mean(), by_user={"tail": v}) for v in rng.random((2, 30)))
        assert one.lead_over(other, Quality(np.nan, np.nan, 0.0)) == (0, 0)
        assert one.lead_over(other, Quality(np.nan, np.nan, 0.1))[1] > 0

    def test_a_perfect_order_scores_one(self):
        judge = self.judge([[0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]])
        users = np.eye(2, dtype=np.float32)
        items = np.array([[0, 0], [0, 0], [0, 1], [1, 0]], np.float32)
        assert judge.measure(users, items).overall == pytest.approx(1.0)
        assert judge.measure(users, -items).overall < 1.0

    def test_next_to_nothing_is_not_usable(self):
        assert not self.judge([[0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]).usable
        assert not self.judge([[0, 0, 0, 0]] * 3).usable

    def test_new_items_can_be_thinned_where_all_compete(self):
        rng = np.random.default_rng(0)
        train = sparse.csr_array(np.hstack([np.ones((200, 1)), np.zeros((200, 10))]).astype(np.float32))
        later = sparse.csr_array(np.hstack([np.zeros((200, 1)), rng.random((200, 10)) < 0.5]).astype(np.float32))
        judge = Judge(train, later, new=np.arange(11) > 0, new_share=0.1)
        assert judge.relevant["cold"].nnz == later.nnz
        assert 0.05 * later.nnz < judge.relevant["overall"].nnz < 0.2 * later.nnz

    def test_what_a_user_has_is_nowhere_in_the_ranking_of_a_group(self):
        rng = np.random.default_rng(1)
        train = sparse.csr_array((rng.random((80, 12)) < 0.3).astype(np.float32))
        later = sparse.csr_array((rng.random((80, 12)) < 0.3).astype(np.float32))
        judge = Judge(train, later, k=3, tail_below=25)
        assert 2 < judge.masks["tail"].sum() < 12
        users = rng.standard_normal((len(judge.users), 4)).astype(np.float32)
        items = rng.standard_normal((12, 4)).astype(np.float32)
        scores = judge.ndcg_among("tail", users, items[judge.masks["tail"]])
        assert scores.mean() == pytest.approx(judge.measure(users, items, only=("tail",)).tail)

    def test_users_of_a_group_ranked_among_itself(self):
        rng = np.random.default_rng(1)
        train = sparse.csr_array(np.hstack([np.ones((60, 2)), np.zeros((60, 8))]).astype(np.float32))
        later = np.hstack([np.zeros((60, 2)), rng.random((60, 8)) < 0.3]).astype(np.float32)
        judge = Judge(train, sparse.csr_array(later), k=3)
        users = rng.standard_normal((len(judge.users), 4)).astype(np.float32)
        items = rng.standard_normal((10, 4)).astype(np.float32)
        scores = judge.ndcg_among("cold", users, items[judge.masks["cold"]])
        assert len(scores) == (later.sum(axis=1) > 0).sum()
        assert scores.mean() == pytest.approx(judge.measure(users, items, only=("cold",)).cold)

    def test_new_items_are_found_where_it_is_more_than_luck(self):
        rng = np.random.default_rng(1)
        home = np.arange(60) % 4
        train = sparse.csr_array((np.arange(8)[None, :] == home[:, None]).astype(np.float32))
        train = sparse.csr_array(sparse.hstack([train, sparse.csr_array((60, 40), dtype=np.float32)]))
        liked = (np.arange(40) % 4 == home[:, None]) & (rng.random((60, 40)) < 0.3)
        later = sparse.csr_array(np.hstack([np.zeros((60, 8)), liked]).astype(np.float32))
        judge = Judge(train, later, k=3)
        items = np.vstack([np.zeros((8, 4)), np.eye(4)[np.arange(40) % 4]]).astype(np.float32)
        users = np.eye(4, dtype=np.float32)[home[judge.users]]
        assert judge.finds_new(users, items)
        assert not judge.finds_new(1 - users, items)
        assert not Judge(train, train, k=3).finds_new(users[:0], items)  # no pairs with new items


def test_als_is_searched_along_the_ridge_of_its_two_settings(monkeypatch):
    """Only steps that keep the product gain anything here; a search along the axes alone would stay where it began."""

    class Ridge:
        users = np.zeros(1, dtype=np.int64)
        value = 0.0

        def measure(self, users, items, only):
            return Quality(self.value, np.nan, np.nan)

    ridge = Ridge()
    start = AlsSettings(factors=2, iterations=1, unobserved_weight=0.1, regularization=0.01)

    def value(settings):
        product = settings.unobserved_weight * settings.regularization
        off = abs(np.log(product / 1e-3))
        return 1.0 - off + 0.1 * np.log(settings.regularization / 0.01) - 0.2 * (settings.regularization > 0.1)

    matrix = sparse.csr_array(np.ones((3, 3), np.float32))
    original = als_search.fit_als

    def fit(matrix, settings, **kwargs):
        ridge.value = value(settings)
        return original(matrix, settings, **kwargs)

    monkeypatch.setattr(als_search, "fit_als", fit)
    found, curve = als_search.choose_als(ridge, matrix, start)
    assert found.regularization == pytest.approx(0.09)
    assert found.unobserved_weight == pytest.approx(0.1 / 9)
    assert max(point["overall"] for point in curve) == pytest.approx(value(found))


class TestLength:
    def test_exponent_zero_makes_all_equally_long(self):
        f = np.array([[3, 4], [0, 0.1], [0, 0]], np.float32)
        np.testing.assert_allclose(np.linalg.norm(Length(0.0, 2.0).apply(f), axis=1), [2, 2, 0], atol=1e-6)

    def test_exponent_one_only_scales(self):
        f = np.array([[3, 4], [0, 0.1]], np.float32)
        np.testing.assert_allclose(Length(1.0, 2.0).apply(f), 2 * f, atol=1e-6)

    @pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
    def test_pull_sets_the_median_length(self, exponent):
        f = np.random.default_rng(0).standard_normal((99, 3)).astype(np.float32)
        calibrated = Pull(1.0, exponent, 0.5).length(f, typical=4.0).apply(f)
        assert np.median(np.linalg.norm(calibrated, axis=1)) == pytest.approx(2.0, rel=1e-4)


def test_exposure_by_the_first_event_or_all_the_time():
    matrix = sparse.csr_array(np.array([[1, 1, 0, 0]], np.float32))
    given = np.array([0.25, 1, 0, 0], np.float32)
    new = np.array([False, False, False, True])
    by_first = Pull(silent_exposure=0.5).exposure(matrix, given, new)
    always = Pull(silent_exposure=0.5, since_first=False).exposure(matrix, given, new)
    np.testing.assert_allclose(by_first, [0.25, 1, 0.5, 0])
    np.testing.assert_allclose(always, [1, 1, 0.5, 0])


class TestPull:
    """One solve an attempt, whose quality is known beforehand by its precision, its length and its exposures."""

    matrix = sparse.csr_array(np.array([[1, 0, 1, 0], [1, 1, 0, 0], [0, 1, 0, 0]], np.float32))
    raw = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.float32)

    def chosen(self, monkeypatch, gains, **kwargs):
        """``gains``: what a quality is multiplied with where a value is taken; without ``noise`` nothing is chance."""
        monkeypatch.setattr(
            lengths,
            "blend",
            lambda matrix, users, prior, has, tau, als, exposure, start: SimpleNamespace(
                vectors=(round(tau / kwargs["unit"], 4), round(float(prior[0, 0]), 4), exposure[3], exposure[0])
            ),
        )
        monkeypatch.setattr(lengths, "solve_users", lambda *args, **_: SimpleNamespace(factors=None))
        als = AlsSettings(factors=2)
        kwargs["unit"] = Pull(precision=1.0).tau(als, 3)
        rng = np.random.default_rng(0)
        draws = {}

        def measure(people, items, short):
            quality, noise = 0.1, kwargs.get("noise", 0.0)
            for value, gain in zip(items, gains, strict=True):
                quality *= gain.get(round(float(value), 4), 1.0)
            each = draws.setdefault(items, 1 + noise * rng.standard_normal(400))
            each = quality * each / each.mean()
            return Quality(quality, np.nan, np.nan, by_user={"overall": each})

        judge = SimpleNamespace(
            train=self.matrix, users=np.arange(3), short=self.matrix, relevant={"overall", "cold"}, measure=measure
        )
        pull, _ = lengths.choose_pull(
            judge, self.matrix, np.zeros((3, 2), np.float32), self.raw, np.ones(4, bool), 1.0, als,
            Quality(0.1, np.nan, np.nan), exponent=0.0, target_exponent=0.5, scales=(2.0, 0.5, 4.0, 1.0),
            precisions=(3.0, 1.0), silent_exposures=(1.0, 0.0), floor=0.0, margin=kwargs.get("margin", 2.0),
            exposure=np.array([0.5, 1, 1, 0], np.float32), new=None, start=np.zeros((4, 2), np.float32),
        )  # fmt: skip
        return pull

    usual = Pull(precision=1.0, exponent=0.0, scale=1.0, target_exponent=0.5, silent_exposure=0.0, since_first=True)

    def test_the_middle_of_each_grid_is_usual(self, monkeypatch):
        assert self.chosen(monkeypatch, ({}, {}, {}, {})) == self.usual

    def test_what_gains_beyond_chance_is_taken_and_what_may_be_chance_is_not(self, monkeypatch):
        gains = ({3.0: 1.01}, {4.0: 1.02}, {1.0: 1.01}, {1.0: 1.01})
        other = Pull(3.0, 0.0, 4.0, 0.5, 1.0, since_first=False)
        assert self.chosen(monkeypatch, gains) == other
        assert self.chosen(monkeypatch, gains, noise=0.5) == self.usual
        assert self.chosen(monkeypatch, gains, noise=0.5, margin=0.0) == other


class TestRounds:
    """Whole alternations that come to an overall quality, a tail and short histories' quality known beforehand."""

    base = Quality(0.1, np.nan, 0.1, short=0.05)

    def chosen(self, results):
        judge = SimpleNamespace(
            users=np.arange(1),
            measure=lambda users, items, short: replace(Quality(*items[:3]), short=short),
        )

        def short_of(state):
            return state.item_vectors[3] if len(state.item_vectors) > 3 else 0.05

        ran = []

        def run(pull):
            ran.append((pull.precision, pull.scale))
            for values in results.get(ran[-1], [(0.1, np.nan, 0.1)]):
                yield SimpleNamespace(user_factors=np.zeros((1, 2)), item_vectors=values)

        start = Pull(precision=1.0, scale=1.0)
        found = choose_rounds(
            judge, run, short_of, start, self.base, scales=(0.5, 1.0, 2.0), precisions=(0.3, 1.0, 3.0), floor=0.1,
            margin=0.0,
        )  # fmt: skip
        return found, ran

    def test_a_weaker_prior_where_the_second_round_is_better_for_it(self):
        results = {
            (1.0, 1.0): [(0.11, np.nan, 0.12), (0.11, np.nan, 0.11)],
            (0.3, 1.0): [(0.11, np.nan, 0.11), (0.12, np.nan, 0.14)],
        }
        (pull, rounds, state, quality, curve), ran = self.chosen(results)
        assert (pull.precision, pull.scale, rounds) == (0.3, 1.0, 2)
        assert state.item_vectors == (0.12, np.nan, 0.14)
        assert quality.tail == 0.14
        assert ran == [(1.0, 1.0), (0.3, 1.0), (3.0, 1.0), (0.3, 0.5), (0.3, 2.0)]
        assert [point["round"] for point in curve[:4]] == [1, 2, 1, 2]

    @pytest.mark.parametrize(("margin", "found"), [(2.0, (1.0, 2)), (0.0, (0.3, 1))])
    def test_two_rounds_and_what_was_chosen_before_stay_unless_others_gain_beyond_chance(self, margin, found):
        rng = np.random.default_rng(0)
        values = [
            by * draws / draws.mean() for by, draws in zip((0.5, 0.51, 0.52, 0.53), rng.random((4, 200)), strict=True)
        ]

        def measure(users, items, short):
            return Quality(values[items].mean(), np.nan, np.nan, by_user={"overall": values[items]})

        judge = SimpleNamespace(users=np.arange(1), measure=measure)
        rounds = {(1.0, 1.0): [1, 0, 0], (0.3, 1.0): [3, 2, 2]}

        def run(pull):
            for quality in rounds.get((pull.precision, pull.scale), [0]):
                yield SimpleNamespace(user_factors=np.zeros((1, 2)), item_vectors=quality)

        pull, number, *_ = choose_rounds(
            judge, run, lambda state: 0.05, Pull(precision=1.0, scale=1.0), self.base, scales=(1.0,),
            precisions=(0.3, 1.0), floor=0.1, margin=margin,
        )  # fmt: skip
        assert (pull.precision, number) == found

    def test_what_costs_overall_quality_is_not_chosen(self):
        (pull, rounds, *_), _ = self.chosen({(0.3, 1.0): [(0.09, np.nan, 0.3)]})
        assert (pull.precision, pull.scale, rounds) == (1.0, 1.0, 1)

    def test_what_costs_users_of_whom_little_is_known_is_not_chosen(self):
        (pull, rounds, _, quality, curve), _ = self.chosen({(0.3, 1.0): [(0.1, np.nan, 0.3, 0.04)]})
        assert (pull.precision, pull.scale, rounds) == (1.0, 1.0, 1)
        assert quality.short == 0.05
        assert {point["short"] for point in curve} == {0.05, 0.04}


class TestLengthBeside:
    """Whole rounds with content beside the vectors, whose quality is known beforehand by the length."""

    def chosen(self, found, scale=1.0, scales=(0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)):
        ran = []

        def run(pull):
            ran.append(pull.scale)
            return SimpleNamespace(length=pull.scale)

        def measure(state):
            overall, tail = found[state.length]
            return Quality(overall, np.nan, tail)

        start = Pull(precision=3.0, scale=scale)
        pull, state, curve = choose_length_beside(
            run, measure, start, SimpleNamespace(length=scale), Quality(0.1, np.nan, 0.1), scales=scales, floor=0.1
        )
        assert pull == replace(start, scale=state.length)
        assert [point["scale"] for point in curve] == ([scale, *ran] if ran else [])
        return pull.scale, ran

    def test_the_length_that_gains_most_down_to_half(self):
        assert self.chosen({1.0: (0.1, 0.1), 0.75: (0.11, 0.1), 0.5: (0.11, 0.11)}) == (0.5, [0.75, 0.5])
        assert self.chosen({1.0: (0.1, 0.1), 0.75: (0.11, 0.11), 0.5: (0.11, 0.1)}) == (0.75, [0.75, 0.5])
        assert self.chosen({1.0: (0.11, 0.11), 0.75: (0.11, 0.1), 0.5: (0.1, 0.11)}) == (1.0, [0.75, 0.5])

    def test_of_equals_the_longest(self):
        assert self.chosen(dict.fromkeys((1.0, 0.75, 0.5), (0.1, 0.1)))[0] == 1.0

    def test_without_a_shorter_one_nothing_is_run(self):
        assert self.chosen({}, scales=(1.0,)) == (1.0, [])
        assert self.chosen({}, scale=0.3) == (0.3, [])
        assert self.chosen({}, scale=0.5) == (0.5, [])  # half of the usual one

    def test_of_a_long_one_down_to_half_of_it(self):
        assert self.chosen({1.5: (0.1, 0.1), 1.0: (0.1, 0.11), 0.75: (0.1, 0.1)}, scale=1.5) == (1.0, [1.0, 0.75])

    def test_not_one_that_costs_overall_quality(self):
        assert self.chosen({1.0: (0.1, 0.1), 0.75: (0.1, 0.11), 0.5: (0.09, 0.3)})[0] == 0.75


def test_sources_of_every_kind():
    codes = sources(
        np.array([0, 0, 3, 3, 500]),
        np.array([True, False, True, False, True]),
        np.array([0, 0, 0.4, 1, 0.97], np.float32),
    )
    assert [SOURCES[code] for code in codes] == ["predicted", "fallback", "blended", "learned", "learned"]
