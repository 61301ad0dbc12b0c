import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longtail.core.errors import DataError, LongtailError, UnknownIdError
from longtail.core.vocabulary import Vocabulary

ids = st.lists(st.text(max_size=8), unique=True, max_size=30)


@given(ids)
def test_rows_and_ids_are_inverse_and_ids_survive(values):
    vocabulary = Vocabulary(values)
    assert list(vocabulary) == values
    assert [vocabulary.row(id) for id in values] == list(range(len(values)))
    assert vocabulary.take(list(range(len(values)))) == values


def test_leading_zeros_spaces_and_unicode_are_kept_apart():
    values = ["007", "7", " 7", "７", "Ö", "ö"]
    vocabulary = Vocabulary(values)
    assert vocabulary.rows(values).tolist() == [0, 1, 2, 3, 4, 5]
    assert vocabulary.rows(["8"]).tolist() == [-1]


@pytest.mark.parametrize(
    ("values", "found"),
    [(["a", "b", "a"], "'a'"), (["a", None], "strings"), ([1, 2], "int"), (pa.array([1, 2]), "int64")],
)
def test_what_is_no_vocabulary_is_refused_and_named(values, found):
    with pytest.raises(DataError, match=found):
        Vocabulary(values)


def test_an_arrow_array_with_nulls_is_refused_with_their_number():
    with pytest.raises(DataError, match="1 item ids are null"):
        Vocabulary(pa.array(["a", None]))


def test_an_unknown_id_names_the_nearest():
    vocabulary = Vocabulary(["0108775015", "0108775044", "shoes"], kind="item")
    with pytest.raises(UnknownIdError) as caught:
        vocabulary.row("108775015")
    assert caught.value.nearest[0] == "0108775015"
    assert "0108775015" in str(caught.value)
    assert isinstance(caught.value, KeyError)
    assert isinstance(caught.value, LongtailError)


def test_nearest_finds_other_case_first_and_nothing_for_nothing_alike():
    assert Vocabulary(["ABC", "abd"]).nearest("abc")[0] == "ABC"
    assert Vocabulary([]).nearest("abc") == []
    assert Vocabulary(["zzzzzz"]).nearest("abc") == []


def test_nearest_stays_quick_on_a_large_vocabulary():
    vocabulary = Vocabulary([f"{number:08d}" for number in range(300_000)])
    assert "00001234" in vocabulary.nearest("1234")


def test_equality_is_by_ids_in_order():
    assert Vocabulary(["a", "b"]) == Vocabulary(pa.array(["a", "b"], pa.string()))
    assert Vocabulary(["a", "b"]) != Vocabulary(["b", "a"])
