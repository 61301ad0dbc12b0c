"""What every kind of index promises."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longtail.core.errors import DataError, NumericalError
from longtail.index import INDEXES, Index, build_index, restore_index

KINDS = pytest.mark.parametrize("kind", list(INDEXES))


def vectors(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


MIXING = vectors(4, 16, 20)
#: Enough rows that an approximate index does not look at all of them; of few directions, as learned vectors are.
LARGE = vectors(6000, 4, 7) @ MIXING + np.float32(0.1) * vectors(6000, 16, 21)


@functools.cache
def large(kind: str) -> Index:
    return build_index(kind, LARGE)


def expected(
    matrix: np.ndarray, query: np.ndarray, k: int, allowed: np.ndarray | None
) -> tuple[list[int], list[float]]:
    scores = (matrix.astype(np.float64) * query).sum(axis=1).astype(np.float32)
    rows = [row for row in range(len(matrix)) if allowed is None or allowed[row]]
    rows.sort(key=lambda row: (-scores[row], row))
    return rows[:k], [float(scores[row]) for row in rows[:k]]


@KINDS
@given(
    n=st.integers(0, 60),
    d=st.integers(1, 9),
    k=st.integers(1, 80),
    seed=st.integers(0, 999),
    share=st.sampled_from([None, 0.0, 0.05, 0.5, 1.0]),
    levels=st.sampled_from([None, 2]),
)
@settings(max_examples=60, deadline=None)
def test_agrees_with_sorting_all_rows(
    kind: str, n: int, d: int, k: int, seed: int, share: float | None, levels: int | None
) -> None:
    rng = np.random.default_rng(seed)
    matrix, queries = vectors(n, d, seed), vectors(2, d, seed + 1)
    if levels:  # few distinct values: many ties
        matrix, queries = np.round(matrix * levels) / levels, np.round(queries * levels) / levels
    allowed = None if share is None else rng.random(n) < share
    hits = build_index(kind, matrix).search(queries, k, allowed=allowed)
    for query, hit in zip(queries, hits, strict=True):
        rows, scores = expected(matrix, query, k, allowed)
        assert hit.rows.tolist() == rows
        assert hit.scores.tolist() == scores
        assert hit.rows.dtype == np.int64
        assert hit.scores.dtype == np.float32


@KINDS
def test_equal_vectors_have_equal_scores_in_row_order(kind: str) -> None:
    matrix = vectors(701, 37, 3)
    twins = [5, 64, 333, 700]
    matrix[twins] = 3 * matrix[5]
    hit = build_index(kind, matrix).search(matrix[5][None], 4)[0]
    assert hit.rows.tolist() == twins
    assert len(set(hit.scores.tolist())) == 1


@KINDS
def test_answers_of_a_batch_are_those_of_single_queries(kind: str) -> None:
    index, queries = large(kind), vectors(7, 16, 6)
    for query, hit in zip(queries, index.search(queries, 10), strict=True):
        alone = index.search(query[None], 10)[0]
        assert alone.rows.tolist() == hit.rows.tolist()
        assert alone.scores.tolist() == hit.scores.tolist()


@KINDS
def test_large_index_finds_what_matters_and_is_never_short(kind: str) -> None:
    matrix, queries = LARGE, vectors(20, 4, 8) @ MIXING
    index = large(kind)
    rng = np.random.default_rng(9)
    for allowed in (None, rng.random(len(matrix)) < 0.5, rng.random(len(matrix)) < 0.002):
        found = 0
        for query, hit in zip(queries, index.search(queries, 10, allowed=allowed), strict=True):
            rows, _ = expected(matrix, query, 10, allowed)
            assert len(hit.rows) == len(rows)
            assert allowed is None or allowed[hit.rows].all()
            assert (np.diff(hit.scores) <= 0).all()
            found += len(set(rows) & set(hit.rows.tolist()))
        assert found >= 0.95 * sum(len(expected(matrix, query, 10, allowed)[0]) for query in queries)


@KINDS
def test_added_rows_are_found_and_the_old_index_stays(kind: str) -> None:
    new = 1000 * np.eye(16, dtype=np.float32)[:3]
    old = large(kind)
    grown = old.add(new)
    assert (len(old), len(grown)) == (len(LARGE), len(LARGE) + 3)
    for number, query in enumerate(new):
        assert grown.search(query[None], 1)[0].rows.tolist() == [len(LARGE) + number]
        assert old.search(query[None], 1)[0].rows[0] < len(LARGE)


@KINDS
@pytest.mark.parametrize("many", [2, 1500])
def test_replaced_rows_answer_by_what_they_are_now_and_the_old_index_stays(kind: str, many: int) -> None:
    old = large(kind).add(vectors(3, 16, 4))
    rows = np.random.default_rng(5).permutation(len(LARGE) + 3)[:many].astype(np.int64)
    fresh = 5 * vectors(many, 16, 6)
    now = np.concatenate([LARGE, vectors(3, 16, 4)])
    now[rows] = fresh
    changed = old.replace(rows, 2 * fresh).replace(rows, fresh)
    queries = np.concatenate([fresh[:3], LARGE[:2]])
    before = [hit.rows.tolist() for hit in old.search(queries, 10)]
    for allowed in (None, np.isin(np.arange(len(now)), rows)):
        hits = changed.search(queries, 10, allowed=allowed)
        restored = restore_index(changed.state(), now).search(queries, 10, allowed=allowed)
        for query, hit, again in zip(queries, hits, restored, strict=True):
            best, scores = expected(now, query, 10, allowed)
            assert hit.rows[0] == best[0]
            assert hit.scores[0] == scores[0]
            assert len(set(hit.rows.tolist()) & set(best)) >= 0.8 * len(best)
            assert again.rows.tolist() == hit.rows.tolist()
    assert [hit.rows.tolist() for hit in old.search(queries, 10)] == before


@KINDS
def test_restored_index_gives_the_same_answers(kind: str) -> None:
    queries, new = vectors(5, 16, 12), vectors(2, 16, 13)
    index = large(kind).add(new)
    restored = restore_index(index.state(), np.concatenate([LARGE, new]))
    for before, after in zip(index.search(queries, 10), restored.search(queries, 10), strict=True):
        assert before.rows.tolist() == after.rows.tolist()
        assert before.scores.tolist() == after.scores.tolist()


@KINDS
def test_same_seed_same_index(kind: str) -> None:
    matrix = vectors(800, 8, 14)
    one, other = (build_index(kind, matrix, seed=1).state() for _ in range(2))
    assert one[0] == other[0]
    assert {name: array.tobytes() for name, array in one[1].items()} == {
        name: array.tobytes() for name, array in other[1].items()
    }


@KINDS
def test_refuses_what_does_not_fit(kind: str) -> None:
    matrix = vectors(10, 4, 0)
    index = build_index(kind, matrix)
    with pytest.raises(DataError, match="k must be at least 1"):
        index.search(matrix[:1], 0)
    with pytest.raises(DataError, match=r"\(b, 4\)"):
        index.search(vectors(1, 5, 0), 3)
    with pytest.raises(DataError, match="mask"):
        index.search(matrix[:1], 3, allowed=np.ones(9, dtype=bool))
    with pytest.raises(NumericalError):
        index.search(np.full((1, 4), np.nan, dtype=np.float32), 3)
    matrix[3, 2] = np.inf
    with pytest.raises(NumericalError, match="Row 3"):
        build_index(kind, matrix)
    with pytest.raises(DataError, match="float32"):
        build_index(kind, np.zeros((3, 2)))  # type: ignore[arg-type]


def test_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(DataError, match="exact, hnsw"):
        build_index("faiss", vectors(3, 2, 0))
