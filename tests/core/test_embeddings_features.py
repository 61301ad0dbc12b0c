import numpy as np
import pytest

from longtail.core.embeddings import Embeddings
from longtail.core.errors import DataError, NumericalError, UnknownIdError
from longtail.core.features import Features, Field
from longtail.core.vocabulary import Vocabulary

items = Vocabulary(["a", "b", "c"])


def field(name="text", n=3):
    return Field(name, np.ones((n, 2), np.float32), np.array([True] * (n - 1) + [False]))


def test_embeddings_give_a_vector_by_id():
    embeddings = Embeddings(items, np.arange(6, dtype=np.float32).reshape(3, 2), "blended")
    assert embeddings.vector("b").tolist() == [2.0, 3.0]
    with pytest.raises(UnknownIdError):
        embeddings.vector("d")


def test_embeddings_refuse_other_shapes_and_name_the_row_that_is_not_finite():
    with pytest.raises(DataError, match="3 rows"):
        Embeddings(items, np.zeros((2, 2), np.float32), "behaviour")
    with pytest.raises(DataError, match="float64"):
        Embeddings(items, np.zeros((3, 2)), "behaviour")
    matrix = np.zeros((3, 2), np.float32)
    matrix[1, 0] = np.nan
    with pytest.raises(NumericalError, match="'b'"):
        Embeddings(items, matrix, "behaviour")


def test_features_keep_masks_with_rows():
    features = Features(items, (field("text"), field("price")))
    assert features.names == ("text", "price")
    assert features.present.tolist() == [[True, True], [True, True], [False, False]]
    taken = features.take(np.array([2, 0]))
    assert list(taken.items) == ["c", "a"]
    assert taken["text"].present.tolist() == [False, True]
    with pytest.raises(KeyError):
        features["picture"]


def test_features_refuse_fields_that_do_not_fit():
    with pytest.raises(DataError, match="2 rows for 3 items"):
        Features(items, (field(n=2),))
    with pytest.raises(DataError, match="must differ"):
        Features(items, (field("x"), field("x")))
    with pytest.raises(DataError, match="NaN"):
        Field("x", np.full((3, 1), np.nan, np.float32), np.ones(3, bool))
    with pytest.raises(DataError, match="do not fit together"):
        Field("x", np.zeros((3, 1), np.float32), np.ones(2, bool))


def test_no_fields_is_an_empty_mask():
    assert Features(items, ()).present.shape == (3, 0)
