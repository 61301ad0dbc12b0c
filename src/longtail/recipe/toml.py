"""Texts as TOML writes them."""

from __future__ import annotations

import json
import re


def toml_text(text: str) -> str:
    """A text as a TOML string; JSON's escapes are TOML's, but for one control character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_key(text: str) -> str:
    """A name as a TOML key, in quotes where it needs them."""
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else toml_text(text)
