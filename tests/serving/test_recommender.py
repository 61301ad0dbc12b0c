from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from longtail.bundle import Bundle
from longtail.calibrate.model import Fusion
from longtail.core.errors import DataError, FilterError, UnknownIdError
from longtail.core.ranking import SOURCES, Ranking
from longtail.recommender import Recommender, with_index

K = st.integers(1, 40)
WHERE = st.sampled_from([None, "price < 6", "department = 'DELI'", "price < -1", "n_interactions < 3", "brand is null"])
ONE_PER = st.sampled_from([None, "department", "brand", "sku", "price"])


@pytest.fixture(scope="module")
def shop(bundle: Bundle) -> Recommender:
    return Recommender(bundle)


def row_of(bundle: Bundle, row: int) -> dict[str, Any]:
    facts = {"n_interactions": int(bundle.n_interactions[row])}
    return dict(bundle.catalog.slice(row, 1).to_pylist()[0]) | facts


PASSES: dict[str | None, Callable[[dict[str, Any]], bool]] = {
    None: lambda row: True,
    "price < 6": lambda row: row["price"] is not None and row["price"] < 6,
    "department = 'DELI'": lambda row: row["department"] == "DELI",
    "price < -1": lambda row: False,
    "n_interactions < 3": lambda row: row["n_interactions"] < 3,
    "brand is null": lambda row: row["brand"] is None,
}


def by_hand(
    bundle: Bundle, scores: np.ndarray, out: set[int], k: int, where: str | None, one_per: str | None
) -> list[str]:
    """The plainest way to rank: sort everything, walk down."""
    speaks = bundle.item_vectors.any(axis=1) | bundle.content.any(axis=1)
    order = sorted(range(len(scores)), key=lambda row: (-np.float32(scores[row]), row))
    answer: list[str] = []
    values: set[Any] = set()
    for row in order:
        facts = row_of(bundle, row)
        if row in out or not bundle.sellable[row] or not speaks[row] or not PASSES[where](facts):
            continue
        value = facts[one_per] if one_per else None
        if value is not None and value in values:
            continue
        values.add(value)
        answer.append(bundle.items.id(row))
    return answer[:k]


def user_scores(bundle: Bundle, weights: dict[int, float]) -> np.ndarray:
    """Of somebody with a history: solved against [v; g z], and the average user beside."""
    gain = bundle.fusion.weight * bundle.fusion.half_at / (bundle.fusion.half_at + bundle.n_interactions)
    stored = np.hstack([bundle.item_vectors, gain[:, None] * bundle.content]).astype(np.float64)
    asked = half_step(bundle, stored, weights)
    if bundle.average_user is not None and weights:
        average = bundle.fusion.average_weight * 3.0 / (3.0 + len(weights)) * bundle.average_user
        asked[: len(average)] += average
    return np.asarray((1 + bundle.fusion.freshness / (1.0 + (bundle.n_interactions / 20) ** 2)) * (stored @ asked))


def history_of(bundle: Bundle, user: int) -> dict[int, float]:
    row = bundle.history[[user]]
    return dict(zip(row.indices.tolist(), row.data.tolist(), strict=True))


def item_scores(bundle: Bundle, row: int) -> np.ndarray:
    def unit(matrix: np.ndarray) -> np.ndarray:
        return matrix / np.maximum(np.linalg.norm(matrix, axis=-1, keepdims=True), 1e-30)

    vectors, z = unit(bundle.item_vectors.astype(np.float64)), bundle.content.astype(np.float64)
    gate = bundle.fusion.similar_weight * bundle.fusion.similar_half_at
    gate /= bundle.fusion.similar_half_at + bundle.n_interactions[row]
    gate = gate if z[row].any() else 0.0
    return (1 - gate) * vectors @ vectors[row] + gate * z @ z[row]


def check_form(bundle: Bundle, ranking: Ranking, k: int) -> None:
    assert len(ranking) <= k
    assert [row.rank for row in ranking] == list(range(1, len(ranking) + 1))
    assert len(set(ranking.item_ids)) == len(ranking)
    scores = [row.score for row in ranking]
    assert scores == sorted(scores, reverse=True)
    for row in ranking:
        number = bundle.items.row(row.item_id)
        assert bundle.sellable[number]
        assert row.n_interactions == bundle.n_interactions[number]


@given(item=st.integers(1, 29), k=K, where=WHERE, one_per=ONE_PER)
@settings(max_examples=80, deadline=None)
def test_similar_items_are_what_sorting_by_hand_gives(
    shop: Recommender, item: int, k: int, where: str | None, one_per: str | None
) -> None:
    bundle = shop.bundle
    ranking = shop.similar_items(bundle.items.id(item), k, where=where, one_per=one_per)
    scores = item_scores(bundle, item)
    assert ranking.item_ids == by_hand(bundle, scores, {item}, k, where, one_per)
    check_form(bundle, ranking, k)
    for row in ranking:
        number = bundle.items.row(row.item_id)
        assert row.score == pytest.approx(scores[number], abs=1e-5)
        assert row.source == SOURCES[bundle.source_codes[number]]


@given(user=st.integers(0, 11), k=K, where=WHERE, one_per=ONE_PER, exclude_seen=st.sampled_from([None, True, False]))
@settings(max_examples=80, deadline=None)
def test_recommendations_are_what_sorting_by_hand_gives(
    shop: Recommender, user: int, k: int, where: str | None, one_per: str | None, exclude_seen: bool | None
) -> None:
    bundle = shop.bundle
    ranking = shop.recommend(f"u{user}", k, where=where, one_per=one_per, exclude_seen=exclude_seen)
    rows = bundle.history[[user]].indices
    out = set() if exclude_seen is False else set(rows.tolist())
    scores = user_scores(bundle, history_of(bundle, user))
    assert ranking.item_ids == by_hand(bundle, scores, out, k, where, one_per)
    check_form(bundle, ranking, k)


@given(k=K, levels=st.integers(1, 2), one_per=ONE_PER)
@settings(max_examples=30, deadline=None)
def test_ties_are_in_the_order_of_the_catalog(bundle: Bundle, k: int, levels: int, one_per: str | None) -> None:
    # Few distinct vectors and no content: many items score the very same.
    vectors = np.zeros_like(bundle.item_vectors)
    vectors[np.arange(30), np.arange(30) % levels] = 0.1
    tied = replace(bundle, item_vectors=vectors, content=np.zeros_like(bundle.content))
    scores = user_scores(tied, history_of(tied, 3)).round(9)
    ranking = Recommender(tied).recommend("u3", k, exclude_seen=False, one_per=one_per)
    assert ranking.item_ids == by_hand(tied, scores, set(), k, None, one_per)


def test_recipe_says_whether_seen_items_come_back(bundle: Bundle) -> None:
    seen = set(bundle.items.take(bundle.history[[0]].indices)) - {"004"}
    assert seen & set(Recommender(replace(bundle, exclude_seen=False)).recommend("u0", 40).item_ids) == seen
    assert not seen & set(Recommender(bundle).recommend("u0", 40).item_ids)


def test_short_answers_say_why(shop: Recommender) -> None:
    assert shop.similar_items("007", 3).note == ""
    few = shop.similar_items("007", 10, where="price < 2")
    assert "of 10" in few.note
    assert len(few) == 3  # items 1 to 3; item 0 has nothing to be compared by
    grouped = shop.similar_items("007", 10, one_per="department")
    assert len(grouped) == 3
    assert "repeat a value" in grouped.note


def test_nothing_passes_gives_an_empty_answer(shop: Recommender) -> None:
    for ranking in (shop.similar_items("007", where="false"), shop.recommend("u1", where="false")):
        assert len(ranking) == 0
        assert ranking.to_arrow().num_rows == 0


def test_item_without_anything_gets_its_categorys_favourites(shop: Recommender) -> None:
    bundle = shop.bundle
    ranking = shop.similar_items("000", 4)
    alike = [row for row in range(1, 30) if row % 3 == 0 and bundle.n_interactions[row] > 0]
    alike.sort(key=lambda row: (-bundle.n_interactions[row], row))
    assert ranking.item_ids == bundle.items.take(alike[:4])
    assert {row.source for row in ranking} == {"fallback"}
    assert "department 'DELI'" in ranking.note
    none = Recommender(replace(bundle, catalog_schema=None)).similar_items("000", 4)
    assert none.item_ids == popular(bundle, 4)
    assert "most popular" in none.note


def popular(bundle: Bundle, k: int, out: tuple[int, ...] = ()) -> list[str]:
    rows = [row for row in range(30) if bundle.sellable[row] and bundle.n_interactions[row] > 0 and row not in out]
    return list(bundle.items.take(sorted(rows, key=lambda row: (-bundle.n_interactions[row], row))[:k]))


def test_fallback_obeys_filters_and_groups(shop: Recommender) -> None:
    ranking = shop.similar_items("nope", 10, unknown="fallback", where="price > 5", one_per="department")
    assert len(ranking) == 3
    assert {row_of(shop.bundle, shop.bundle.items.row(id))["department"] for id in ranking.item_ids} == {
        "DELI",
        "MEAT",
        "WINE",
    }
    assert all(row_of(shop.bundle, shop.bundle.items.row(id))["price"] > 5 for id in ranking.item_ids)


def test_unknown_ids(shop: Recommender) -> None:
    with pytest.raises(UnknownIdError, match="'007'"):
        shop.similar_items("7")
    with pytest.raises(UnknownIdError, match="user 'u99'"):
        shop.recommend("u99")
    with pytest.raises(UnknownIdError, match="item 'x'"):
        shop.recommend_for(["007", "x"])
    for ranking in (
        shop.similar_items("zzz", 5, unknown="fallback"),
        shop.recommend("zzz", 5, unknown="fallback"),
        shop.recommend_for(["zzz"], 5, unknown="fallback"),
        shop.recommend_for([], 5),
    ):
        assert ranking.item_ids == popular(shop.bundle, 5)
        assert {row.source for row in ranking} == {"fallback"}
        assert "most popular" in ranking.note
    partly = shop.recommend_for(["007", "zzz"], 5, unknown="fallback")
    assert "'zzz'" in partly.note
    assert partly.item_ids == shop.recommend_for(["007"], 5).item_ids


def test_what_cannot_be_asked_is_refused(shop: Recommender) -> None:
    with pytest.raises(DataError, match="Ids are text"):
        shop.similar_items(7)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="a list of item ids"):
        shop.recommend_for("007")
    for weight in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(DataError, match="'007'"):
            shop.recommend_for({"007": weight})
    for k in (0, -3):
        for ask in (shop.similar_items, lambda id, k: shop.similar_items(id, k, unknown="fallback")):
            with pytest.raises(DataError, match="at least 1"):
                ask("007", k)
    with pytest.raises(DataError, match="at least 1"):
        shop.recommend("zzz", 0, unknown="fallback")
    with pytest.raises(FilterError, match="Nearest: price"):
        shop.recommend("u1", where="prize < 3")
    with pytest.raises(FilterError, match="Nearest: brand"):
        shop.recommend("u1", one_per="brnd")


def half_step(bundle: Bundle, vectors: np.ndarray, weights: dict[int, float]) -> np.ndarray:
    """The user's normal equations, dense and in float64 (Rendle's objective)."""
    als = bundle.als_settings
    rows = list(weights)
    confidence = als.alpha * np.array([weights[row] for row in rows])
    penalty = als.regularization * (len(rows) + als.unobserved_weight * len(vectors)) ** als.frequency_scaling
    matrix = als.unobserved_weight * (vectors.T * bundle.exposure) @ vectors + penalty * np.eye(vectors.shape[1])
    matrix += (vectors[rows].T * confidence) @ vectors[rows]
    return np.asarray(np.linalg.solve(matrix, vectors[rows].T @ confidence))


@given(weights=st.dictionaries(st.integers(1, 29), st.floats(0.1, 9), min_size=1, max_size=9))
@settings(max_examples=20, deadline=None)
def test_anonymous_history_is_folded_in_by_the_training_half_step(shop: Recommender, weights: dict[int, float]) -> None:
    bundle = shop.bundle
    ranking = shop.recommend_for({bundle.items.id(row): weight for row, weight in weights.items()}, 40)
    scores = user_scores(bundle, weights)
    for row in ranking:
        assert row.score == pytest.approx(scores[bundle.items.row(row.item_id)], rel=1e-3, abs=1e-4)
    assert not {bundle.items.row(id) for id in ranking.item_ids} & set(weights)


def test_known_user_and_the_same_history_get_the_same_answer(bundle: Bundle) -> None:
    from longtail.cf.als import solve_users

    solved = solve_users(bundle.history, bundle.item_vectors, bundle.als_settings, exposure=bundle.exposure)
    shop = Recommender(replace(bundle, user_factors=np.ascontiguousarray(solved.factors)))
    row = bundle.history[[2]]
    history = dict(zip(bundle.items.take(row.indices), row.data.tolist(), strict=True))
    known, anonymous = shop.recommend("u2", 20), shop.recommend_for(history, 20)
    assert known.item_ids == anonymous.item_ids
    assert [one.score for one in known] == pytest.approx([other.score for other in anonymous], rel=1e-4)


def test_an_id_twice_weighs_twice_a_typical_event(shop: Recommender) -> None:
    typical = float(np.median(shop.bundle.history.data))
    listed = shop.recommend_for(["007", "009", "007"], 8)
    assert listed == shop.recommend_for({"007": 2 * typical, "009": typical}, 8)


def test_user_with_nothing_to_go_by_gets_a_labelled_fallback(bundle: Bundle) -> None:
    factors = bundle.user_factors.copy()
    factors[1] = 0
    history = bundle.history.toarray()
    history[1] = 0
    blank = replace(bundle, user_factors=factors, history=csr_array(history))
    ranking = Recommender(blank).recommend("u1", 3)
    assert {row.source for row in ranking} == {"fallback"}
    assert ranking.item_ids == popular(bundle, 3)


def test_content_that_counts_for_nothing_is_no_reason(bundle: Bundle) -> None:
    factors = np.zeros_like(bundle.user_factors)
    silent = replace(bundle, user_factors=factors, fusion=Fusion(weight=0.0))
    assert {row.source for row in Recommender(silent).recommend("u0", 3)} == {"fallback"}


def test_items_that_lack_what_is_asked_by_are_no_answer(bundle: Bundle) -> None:
    vectors = bundle.item_vectors.copy()
    vectors[1:4] = 0  # content alone, and content counts for nothing
    shop = Recommender(replace(bundle, item_vectors=vectors, fusion=Fusion()))
    for ranking in (shop.recommend("u3", 40, exclude_seen=False), shop.similar_items("007", 40)):
        assert not {"001", "002", "003"} & set(ranking.item_ids)
        assert len(ranking) >= 24
    assert len(shop.similar_items("001", 40)) == 27  # where only content is known, it speaks


def test_hnsw_answers_like_exact(bundle_with: Callable[..., Bundle]) -> None:
    large = bundle_with(n_items=6000)
    exact, graph = Recommender(large), Recommender(replace(large, index="hnsw"))
    same = sum(
        len(set(exact.similar_items(id, 10).item_ids) & set(graph.similar_items(id, 10).item_ids))
        for id in large.items.take(range(100, 120))
    )
    assert same >= 0.95 * 200


def test_built_indexes_are_kept_in_the_bundle(
    bundle_with: Callable[..., Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = with_index(bundle_with(n_items=6000), "hnsw")
    expected = Recommender(large).similar_items("00100", 10), Recommender(large).recommend("u1", 10)
    Recommender(large).save(tmp_path / "shop.bundle")

    def never(*arguments: object, **named: object) -> None:
        raise AssertionError("the index was built again")

    monkeypatch.setattr("longtail.recommender.snapshot.build_index", never)
    again = Recommender.load(tmp_path / "shop.bundle")
    assert (again.similar_items("00100", 10), again.recommend("u1", 10)) == expected
    new = 50 * again.bundle.item_vectors[100:101]
    grown = again.bundle.with_items(
        ["new"], again.bundle.catalog.slice(100, 1), pa.array(["New"]), new, again.bundle.content[100:101]
    )
    assert Recommender(grown).similar_items("00100", 1).item_ids == ["new"]
    monkeypatch.undo()
    assert with_index(large, "exact").indexes == {}


def test_titles(shop: Recommender) -> None:
    assert shop.titles(["003", "000"]) == ["Thing 3", "Thing 0"]
    with pytest.raises(UnknownIdError):
        shop.titles(["x"])


def test_save_and_load_answer_the_same(shop: Recommender, tmp_path: Path) -> None:
    shop.save(tmp_path / "shop.bundle")
    again = Recommender.load(tmp_path / "shop.bundle")
    assert again.similar_items("007", 9) == shop.similar_items("007", 9)
    assert again.recommend("u3", 9, where="price < 9") == shop.recommend("u3", 9, where="price < 9")


def test_many_threads_read_at_once(bundle: Bundle) -> None:
    shop = Recommender(bundle)
    expected = {f"u{user}": Recommender(bundle).recommend(f"u{user}", 7, where="price > 1") for user in range(12)}
    wrong: list[str] = []

    def ask(offset: int) -> None:
        for step in range(40):
            user = f"u{(offset + step) % 12}"
            if shop.recommend(user, 7, where="price > 1") != expected[user]:
                wrong.append(user)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_there_are_two_ways_with_unknown_ids_and_no_others(shop: Recommender) -> None:
    with pytest.raises(DataError, match="'error' or 'fallback'; found 'popular'"):
        shop.recommend("zzz", 5, unknown="popular")  # type: ignore[arg-type]
