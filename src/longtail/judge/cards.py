"""What a judge sees of an item: its title, a few attributes, its picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longtail.content.downloads import is_url
from longtail.content.pictures import Unreadable, read_file
from longtail.recommender import Recommender

#: Kinds of fields whose values are short enough to stand below a title, and how many of them do.
_SHORT, _MOST = ("category", "tags", "measure", "price"), 4


@dataclass(frozen=True)
class Card:
    """An item for people: nothing on it says how often it was taken or what made it a neighbour.

    Attributes:
        id: of the item.
        title: or the id, where it has none.
        details: values of short fields.
        picture: whether there is one to ask `Cards.picture` for.
    """

    id: str
    title: str
    details: tuple[str, ...]
    picture: bool


@dataclass(frozen=True)
class Cards:
    """The cards of a bundle's items.

    Attributes:
        shop: the bundle.
        pictures: the folder that relative paths of pictures start from. Addresses on the web are not fetched.
    """

    shop: Recommender
    pictures: Path = Path()

    def of(self, item: str) -> Card:
        """An item's card. Raises UnknownIdError."""
        bundle = self.shop.bundle
        row = bundle.items.row(item)
        fields = bundle.catalog_schema.fields if bundle.catalog_schema else {}
        short = [name for name, field in fields.items() if field.kind in _SHORT and name in bundle.catalog.column_names]
        values = [_written(bundle.catalog[name][row].as_py()) for name in short]
        title = bundle.titles[row].as_py() or item
        details = tuple(value for value in dict.fromkeys(values) if value and value != title)[:_MOST]
        return Card(item, title, details, self._source(row) is not None)

    def picture(self, item: str) -> bytes | None:
        """The bytes of an item's picture; None where there is none, or none that can be read. Raises UnknownIdError."""
        source = self._source(self.shop.bundle.items.row(item))
        if source is None or isinstance(source, bytes):
            return source
        try:
            return read_file(self.pictures / source)
        except Unreadable:
            return None

    def _source(self, row: int) -> bytes | str | None:
        bundle = self.shop.bundle
        fields = bundle.catalog_schema.fields.items() if bundle.catalog_schema else ()
        for name, field in fields:
            if field.kind == "image" and name in bundle.catalog.column_names:
                value = bundle.catalog[name][row].as_py()
                if isinstance(value, bytes) and value:
                    return value
                if value and not isinstance(value, bytes) and not is_url(str(value)):
                    return str(value).strip()
        return None


def _written(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
