import numpy as np
import pytest

from longtail.core.buckets import LABELS, bucket_of
from longtail.core.errors import LongtailError, MissingExtraError
from longtail.core.extras import require


def test_buckets_begin_where_their_labels_say():
    counts = np.array([0, 1, 4, 5, 19, 20, 99, 100, 299, 300, 10**9])
    assert [LABELS[bucket] for bucket in bucket_of(counts)] == [
        "0", "1-4", "1-4", "5-19", "5-19", "20-99", "20-99", "100-299", "100-299", "300+", "300+",
    ]  # fmt: skip
    assert bucket_of(np.array([], dtype=np.int64)).shape == (0,)


def test_negative_counts_are_refused():
    with pytest.raises(ValueError, match="-1"):
        bucket_of(np.array([-1]))


def test_a_missing_package_names_its_extra():
    with pytest.raises(MissingExtraError, match=r"longtail\[sql\]") as caught:
        require("no_such_package_here.part", extra="sql", purpose="Reading from a database")
    assert isinstance(caught.value, ImportError)
    assert isinstance(caught.value, LongtailError)


def test_a_broken_installation_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "broken_package_here.py").write_text("import absent_dependency_here\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="absent_dependency_here") as caught:
        require("broken_package_here", extra="sql", purpose="Reading")
    assert not isinstance(caught.value, MissingExtraError)


def test_an_installed_module_is_given():
    assert require("json", extra="none", purpose="Testing").dumps([1]) == "[1]"
