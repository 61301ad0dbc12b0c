"""Small pictures of items that go into the page itself."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longtail.bundle import Bundle
from longtail.content.downloads import is_url
from longtail.content.pictures import Unreadable, decode, read_file
from longtail.core.errors import MissingExtraError
from longtail.core.extras import require

_SIDE = 96


@dataclass(frozen=True)
class Pictures:
    """Reads a shop's pictures from its own disk; addresses on the web are never fetched.

    Attributes:
        column: the catalog's column of pictures, paths or bytes; None: the shop has none.
        base: the folder relative paths start from.
    """

    column: str | None = None
    base: Path = Path()

    @classmethod
    def of(cls, bundle: Bundle, base: Path) -> Pictures:
        """The pictures of the first field of that kind."""
        fields = bundle.catalog_schema.fields.items() if bundle.catalog_schema else ()
        named = [name for name, field in fields if field.kind == "image" and name in bundle.catalog.column_names]
        return cls(named[0] if named else None, base)

    def thumbnail(self, bundle: Bundle, row: int) -> str | None:
        """An item's picture as a ``data:`` address; None where there is none that can be shown."""
        if self.column is None:
            return None
        value = bundle.catalog.column(self.column)[row].as_py()
        try:
            return _encoded(self._content(value)) if value else None
        except (Unreadable, MissingExtraError):
            return None

    def _content(self, value: Any) -> bytes:
        if isinstance(value, bytes):
            return value
        if is_url(str(value)):
            raise Unreadable("on the web")
        return read_file(self.base / str(value).strip())


def _encoded(content: bytes) -> str:
    image = require("PIL.Image", extra="images", purpose="Showing pictures")
    buffer = io.BytesIO()
    image.fromarray(decode(content, _SIDE)).save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
