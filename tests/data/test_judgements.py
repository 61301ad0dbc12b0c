"""Judgements are read as people write them, kept whole, and never lost."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from longtail.core.errors import DataError
from longtail.core.vocabulary import Vocabulary
from longtail.data.judgements import Judgements

ROWS = [("007", "a", True, "anna"), ("007", "b", False, "anna"), ("007", "a", False, "ben")]


@pytest.mark.parametrize("name", ["j.parquet", "j.csv"])
def test_what_was_written_is_read_with_ids_as_they_are(tmp_path, name):
    Judgements.none().with_rows(ROWS).write(tmp_path / name)
    again = Judgements.read(tmp_path / name)
    assert [tuple(row.values()) for row in again.table.to_pylist()] == ROWS
    assert again.judges == ["anna", "ben"]
    assert len(again.of("anna")) == 2
    assert [path.name for path in tmp_path.iterdir()] == [name], "nothing is left beside it"


def test_the_last_word_of_a_judge_counts(tmp_path):
    first = Judgements.none().with_rows(ROWS)
    again = first.with_rows([("007", "b", True, "anna")])
    assert len(again) == 3
    assert again.by_judge()["anna"] == {("007", "a"): True, ("007", "b"): True}


def test_files_of_several_judges_and_other_names_of_columns(tmp_path):
    (tmp_path / "carl.csv").write_text("item_id,neighbor_id,relevant,comment\n007,a,yes,x\n007,b, No ,\n")
    pq.write_table(pa.table({"item": [1], "neighbour": [2], "relevant": [1]}), tmp_path / "dora.parquet")
    found = Judgements.read([tmp_path / "carl.csv", tmp_path / "dora.parquet"])
    assert found.by_judge() == {"carl": {("007", "a"): True, ("007", "b"): False}, "dora": {("1", "2"): True}}


def test_votes_are_shares_over_rows():
    votes = Judgements.none().with_rows([*ROWS, ("gone", "a", True, "ben")]).votes(Vocabulary(["a", "b", "007"]))
    said = votes.of(np.array([2, 0]), np.array([[0, 1, -1], [1, 2, 0]]))
    np.testing.assert_array_equal(said, [[0.5, 0.0, np.nan], [np.nan] * 3])
    assert votes.items.tolist() == [2]
    assert votes.neighbours.tolist() == [0, 1]
    nothing = Judgements.none().votes(Vocabulary(["a"]))
    assert np.isnan(nothing.of(np.array([0]), np.array([[0]]))).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("item,relevant\na,1\n", "lacks the columns"),
        ("item,neighbour,relevant\na,b,perhaps\n", "row 1: relevant is 'perhaps'"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, text, said):
    (tmp_path / "j.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        Judgements.read(tmp_path / "j.csv")
    with pytest.raises(DataError, match="no file"):
        Judgements.read(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"\.parquet or \.csv"):
        Judgements.none().write(tmp_path / "j.txt")
    with pytest.raises(DataError, match="cannot be written"):
        Judgements.none().write(tmp_path / "nowhere" / "j.csv")
