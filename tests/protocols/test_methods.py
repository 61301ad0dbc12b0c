"""What the methods score, and methods brought from outside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from longtail.calibrate.model import Fusion
from longtail.core.errors import DataError
from longtail.core.vocabulary import Vocabulary
from longtail.protocols.foreign import ForeignEmbeddings, ForeignRankings
from longtail.protocols.methods import fused, standard_methods
from longtail.protocols.run import Options
from longtail.protocols.tail import tail

USERS, ITEMS = Vocabulary(["u", "01"], "user"), Vocabulary(["a", "007", "c"])


def test_fused_scores_are_the_formula(shop, honest):
    parts = honest(*shop)
    seen, model = parts.interactions, parts.model
    average = model.user_factors.mean(axis=0)
    fusion = Fusion(weight=0.7, half_at=3.0, average_weight=0.4, average_half_at=6.0, freshness=0.5)
    n = seen.n_interactions
    stored = np.hstack([model.item_vectors, (0.7 * 3.0 / (3.0 + n))[:, None] * model.content])
    exposure = (n > 0).astype(np.float64)
    users = np.array([4, 2])
    for history in (None, seen.matrix[:5]):
        method = fused(replace(parts, model=replace(model, fusion=fusion, average_user=average)), history)
        scores = method.score_block(users)
        for row, user in enumerate(users):
            taken = seen.matrix.toarray()[user].astype(np.float64)
            als = parts.als
            A = als.unobserved_weight * (stored.T * exposure) @ stored + als.alpha * (stored.T * taken) @ stored
            count = np.count_nonzero(taken) + als.unobserved_weight * len(stored)
            A += als.regularization * count**als.frequency_scaling * np.eye(len(A))
            asked = np.linalg.solve(A, als.alpha * stored.T @ taken)
            asked[: len(average)] += 0.4 * 6.0 / (6.0 + np.count_nonzero(taken)) * average
            np.testing.assert_allclose(
                scores[row], (1 + 0.5 / (1 + (n / 20) ** 2)) * (stored @ asked), rtol=1e-3, atol=1e-4
            )


def test_without_content_there_is_no_content_method(shop, honest):
    parts = honest(*shop)
    bare = replace(parts, model=replace(parts.model, content=np.zeros((len(parts.interactions.items), 0), np.float32)))
    assert [method.name for method in standard_methods(replace(bare, article=None))] == [
        "popularity",
        "ALS",
        "longtail",
    ]
    rest = standard_methods(bare)[-1]
    np.testing.assert_array_equal(rest.item_vectors, parts.model.item_vectors)


def _write(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def test_foreign_embeddings_are_aligned_by_id(tmp_path):
    users = _write(tmp_path / "u.parquet", user_id=["01", "stranger"], embedding=[[1.0, 2.0], [9.0, 9.0]])
    items = _write(tmp_path / "i.parquet", item_id=["c", "a"], embedding=[[1.0, 0.0], [0.0, 1.0]])
    scores = ForeignEmbeddings("ours", users, items).bind(USERS, ITEMS).score_block(np.array([1, 0]))
    np.testing.assert_array_equal(scores, [[2, -np.inf, 1], [-np.inf] * 3])


def test_foreign_rankings_keep_scores_of_zero_and_turn_ranks_round(tmp_path):
    scored = _write(
        tmp_path / "s.parquet", user_id=["u", "u", "01"], item_id=["a", "007", "zzz"], score=[0.0, -1.0, 5.0]
    )
    scores = ForeignRankings("theirs", scored).bind(USERS, ITEMS).score_block(np.array([0, 1]))
    np.testing.assert_array_equal(scores, [[0, -1, -np.inf], [-np.inf] * 3])
    ranks = _write(tmp_path / "r.parquet", user_id=["u", "u"], item_id=["c", "a"], rank=[1, 2])
    found = ForeignRankings("theirs", ranks).bind(USERS, ITEMS).score_block(np.array([0]))
    assert found[0, 2] > found[0, 0] > found[0, 1] == -np.inf


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user_id": ["u"], "item_id": ["a"]}, "`score` or `rank`"),
        ({"user_id": ["u"], "score": [1.0]}, "lacks the columns"),
        ({"user_id": ["u", "u"], "item_id": ["a", "a"], "rank": [1, 2]}, "more than once"),
        ({"user_id": ["x"], "item_id": ["a"], "rank": [1]}, "no pair of a known user"),
        ({"user_id": ["u"], "item_id": ["a"], "score": [float("nan")]}, "not finite"),
    ],
)
def test_rankings_that_cannot_be_used_are_refused(tmp_path, columns, message):
    with pytest.raises(DataError, match=message):
        ForeignRankings("theirs", _write(tmp_path / "r.parquet", **columns)).bind(USERS, ITEMS)


@pytest.mark.parametrize(
    ("ids", "vectors", "message"),
    [
        (["u", "01"], [[1.0], [1.0, 2.0]], "one length"),
        (["u", "u"], [[1.0], [1.0]], "more than once"),
        (["x"], [[1.0]], "no id that is known as user"),
        (["u"], [[float("inf")]], "not finite"),
        (["u"], [[1.0]], "equal lengths"),
    ],
)
def test_embeddings_that_cannot_be_used_are_refused(tmp_path, ids, vectors, message):
    users = _write(tmp_path / "u.parquet", user_id=ids, embedding=vectors)
    items = _write(tmp_path / "i.parquet", item_id=["a"], embedding=[[1.0, 2.0]])
    with pytest.raises(DataError, match=message):
        ForeignEmbeddings("ours", users, items).bind(USERS, ITEMS)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.parquet does not exist"):
        ForeignRankings("theirs", tmp_path / "nothing.parquet").bind(USERS, ITEMS)


def test_a_system_that_knows_the_future_wins(shop, honest, tmp_path):
    events, catalog = shop
    later = events.to_arrow().group_by(["user_id", "item_id"]).aggregate([])
    path = tmp_path / "oracle.parquet"
    pq.write_table(later.append_column("score", pa.array([1.0] * len(later))), path)
    options = Options(k=40, resamples=50, foreign=[ForeignRankings("oracle", path)])
    result = tail(events, catalog, honest, options=options)
    assert result.methods[-1] == "oracle"
    assert result.section("whole catalog").comparisons["ndcg@40"].estimates["oracle"].mean == pytest.approx(1.0)
