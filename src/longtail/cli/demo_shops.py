"""The shops `longtail demo` knows: where their data is, what they call things, and an item they do not have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from longtail.core.errors import DataError
from longtail.data.datasets import boutique, complete_journey


@dataclass(frozen=True)
class Words:
    """What a shop calls a customer, an event and an item, and what customers did with an item (``took``)."""

    customer: str
    event: str
    item: str
    took: str


@dataclass(frozen=True)
class Shop:
    """A shop to be shown.

    Attributes:
        heading: who it is.
        words: of its sentences.
        bundle: where its bundle goes unless another place is given.
        prepare: puts the data in place beside the bundle where it does not ship, and gives the recipe.
        new_item: the row of an item the shop does not have, by the folder of the recipe.
        described: what that item is known by.
        category: a column to have one answer of each value of.
        where: a condition on its catalog.
        again: a command that trains on this shop, by the recipe.
    """

    heading: str
    words: Words
    bundle: Path
    prepare: Callable[[Path], Path]
    new_item: Callable[[Path], Mapping[str, object]]
    described: str
    category: str
    where: str
    again: Callable[[Path], list[str]]


def boutique_folder(bundle: Path) -> Path:
    """Where the generated shop of a bundle is kept: beside it."""
    return bundle.with_name(bundle.name.removesuffix(".bundle") + "-shop")


def _write_boutique(bundle: Path) -> Path:
    folder = boutique_folder(bundle)
    if folder.exists() and not (folder / "boutique.toml").is_file():
        raise DataError(
            f"The boutique would be written into {str(folder)!r}, which is there and is no boutique. Move it away, or "
            "publish the bundle elsewhere with -o."
        )
    return boutique.write(folder)


def _shipped_journey(bundle: Path) -> Path:
    complete_journey.folder()
    return complete_journey.recipe()


SHOPS = {
    "grocer": Shop(
        heading="Complete Journey, a year of a grocer's purchases",
        words=Words("household", "purchase", "product", "bought"),
        bundle=Path("grocer.bundle"),
        prepare=_shipped_journey,
        # Nothing but what stands on its package.
        new_item=lambda folder: {
            "item_id": "new-cold-brew",
            "department": "GROCERY",
            "brand": "National",
            "product_category": "COFFEE",
            "product_type": "GROUND COFFEE ORGANIC",
            "package_size": "10.5 OZ",
        },
        described="its description",
        category="product_type",
        where="department = 'PRODUCE'",
        again=lambda recipe: [],
    ),
    "boutique": Shop(
        heading="a generated boutique: drawn garments, and customers who choose by what the pictures show",
        words=Words("customer", "event", "garment", "looked at"),
        bundle=Path("boutique.bundle"),
        prepare=_write_boutique,
        new_item=boutique.new_item,
        described="its picture",
        category="type",
        where="colour = 'red'",
        again=lambda recipe: [f"longtail check {recipe}", f"longtail evaluate {recipe} --protocol cold"],
    ),
}
