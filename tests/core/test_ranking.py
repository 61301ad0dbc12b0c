import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from longtail.core.errors import DataError
from longtail.core.ranking import Ranked, Ranking, top_k

scores = hnp.arrays(np.float32, st.integers(0, 40), elements=st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0, np.nan]))


@given(scores, st.integers(1, 50), st.randoms())
def test_top_k_is_the_head_of_a_full_sort(values, k, random):
    allowed = np.array([random.random() < 0.7 for _ in values], dtype=bool)
    usable = [row for row in range(len(values)) if allowed[row] and values[row] > -np.inf]
    expected = sorted(usable, key=lambda row: (-values[row], row))[:k]
    assert top_k(values, k, allowed).tolist() == expected


def test_k_must_be_positive():
    with pytest.raises(DataError, match="found 0"):
        top_k(np.zeros(3, np.float32), 0)


def test_a_ranking_speaks_arrow_and_dictionaries_and_is_never_padded():
    ranking = Ranking((Ranked("a", 0.5, 1, "learned", 12), Ranked("b", 0.25, 2, "predicted", 0)))
    table = ranking.to_arrow()
    assert table.column_names == ["item_id", "score", "rank", "source", "n_interactions"]
    assert table.to_pylist() == ranking.to_dicts()
    assert [row.rank for row in ranking] == [1, 2]
    empty = Ranking(())
    assert len(empty) == 0
    assert empty.to_arrow().num_rows == 0
    assert empty.to_arrow().schema == table.schema
