import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longtail.content.cleaning import clean, clean_column


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("  Plain text ", "Plain text"),
        ("<p>Soft <b>cotton</b><br/>shirt</p>", "Soft cotton shirt"),
        ("Tom &amp; Jerry&nbsp;&#39;s", "Tom & Jerry 's"),
        ("a<script>alert('x')</script>b<!-- hidden -->c", "a b c"),
        ("size < 40 and > 30", "size < 40 and > 30"),
        ("tab\there\x00and\x1fthere", "tab here and there"),
        ("zero\u200bwidth \ufeffmark", "zero width mark"),
        ("e\u0301clair", "\u00e9clair"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("क्‍ष", "क्‍ष"),  # the joiner belongs to the word
        ("<br>", ""),
        ("&lt;b&gt;bold&lt;/b&gt;", "bold"),
    ],
)
def test_clean(raw: str, expected: str) -> None:
    assert clean(raw) == expected


@given(st.text())
def test_clean_text_is_encodable_and_has_no_control_characters(raw: str) -> None:
    result = clean(raw)
    result.encode("utf-8")
    assert result == result.strip()
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in result)


def test_column_keeps_rows_and_turns_what_is_empty_into_null() -> None:
    column = pa.chunked_array([["<i>a</i>", None], ["<br/>", "<i>a</i>", "b"]])
    assert clean_column(column).to_pylist() == ["a", None, None, "a", "b"]


def test_column_of_numbers_becomes_text() -> None:
    assert clean_column(pa.array([3, None])).to_pylist() == ["3", None]
