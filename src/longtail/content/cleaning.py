"""Text as shops have it, made fit for an encoder: HTML, entities, control characters and odd spaces removed."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence

import pyarrow as pa

#: Script and style bring text that nobody sees; comments likewise.
_HIDDEN = re.compile(r"<(script|style)\b[^>]*>.*?</\1\s*>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
#: A tag begins with a letter or a slash, so that "size < 40 > 30" stays.
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
#: Control and format characters, but for the joiners that some scripts need (ZWNJ, ZWJ).
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ufffd]")
_SPACES = re.compile(r"\s+")
_SUSPECT = re.compile(r"[<&]|[^\x20-\x7e]|  ")


def clean(text: str) -> str:
    """Plain text of a value: no tags, entities decoded, no control characters, single spaces, Unicode NFC.

    Lone surrogates, which no tokenizer accepts, are dropped. Returns the empty text where nothing is left.
    """
    if not _SUSPECT.search(text):  # nearly every text of nearly every shop
        return text.strip()
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = _TAG.sub(" ", _HIDDEN.sub(" ", text))
    text = text.encode("utf-8", "ignore").decode("utf-8")
    return _SPACES.sub(" ", _CONTROL.sub(" ", unicodedata.normalize("NFC", text))).strip()


def clean_column(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column of text with every distinct value cleaned once; what is empty afterwards is null.

    Args:
        column: text, or a type that casts to text (a template may name numbers).
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.large_string()).dictionary_encode()
    values: Sequence[str | None] = column.dictionary.to_pylist()
    cleaned = pa.array([(clean(value) or None) if value is not None else None for value in values], pa.large_string())
    return cleaned.take(column.indices)
