"""Boutique: a generated shop of drawn garments, whose customers choose by what the pictures show.

Everything follows from the seed. Customers like some shapes, colours, patterns and sleeves more than others; what they
look at, put into the cart, buy and how they rate it depends on that, on the garment's popularity and on chance. The
catalog says less than the pictures: a third of the values of each attribute is missing, as in shops. A tenth of the
garments arrived too late to have any event.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from longtail.core.arrays import Float64, Int64
from longtail.core.errors import DataError
from longtail.data.datasets.garments import COLOURS, PATTERNS, SHAPES, SLEEVES, Garment, draw, has_arms

#: The days the shop is watched for, and the first of them.
_DAYS, _FIRST = 120, datetime(2026, 1, 1)
_NEW = 0.1
_UNSAID = 1 / 3
_PRICES = {"top": 25.0, "dress": 60.0, "coat": 120.0, "skirt": 35.0, "trousers": 50.0, "shorts": 30.0}
_NEW_GARMENT = Garment("dress", "red", "dotted", "long")


@dataclass(frozen=True)
class Shop:
    """What was generated.

    Attributes:
        garments: what each item is; ids are their positions, ``g0000`` on.
        catalog: ``item_id, picture, type, colour, pattern, sleeve, price, added``; ``picture`` is a path.
        events: ``user_id, item_id, event_type, timestamp, rating`` (null but for ratings), by time.
    """

    garments: list[Garment]
    catalog: pa.Table
    events: pa.Table


def generate(*, n_items: int = 600, n_users: int = 1500, seed: int = 0) -> Shop:
    """Garments, catalog and events, without the pictures.

    Raises:
        DataError: fewer than 20 items or 10 users.
    """
    if n_items < 20 or n_users < 10:
        raise DataError(
            f"A boutique needs at least 20 garments and 10 customers; found {n_items} garments, {n_users} customers."
        )
    rng = np.random.default_rng(seed)
    garments = [_garment(rng) for _ in range(n_items)]
    ids = [f"g{number:04d}" for number in range(n_items)]
    # A third of the garments arrive on the way; the last have no event yet.
    added = np.where(rng.random(n_items) < 0.35, rng.integers(0, _DAYS - 3, n_items), 0)
    added[rng.permutation(n_items)[: round(_NEW * n_items)]] = _DAYS
    prices = np.array([_PRICES[garment.shape] for garment in garments]) * rng.lognormal(0, 0.25, n_items)

    def said(values: list[str | None]) -> list[str | None]:
        return [None if gone else value for value, gone in zip(values, rng.random(n_items) < _UNSAID, strict=True)]

    catalog = pa.table(
        {
            "item_id": ids,
            "picture": [f"images/{id}.jpg" for id in ids],
            "type": said([garment.shape for garment in garments]),
            "colour": said([garment.colour for garment in garments]),
            "pattern": said([garment.pattern for garment in garments]),
            "sleeve": said([garment.sleeve for garment in garments]),
            "price": np.round(prices, 2),
            "added": [_FIRST + timedelta(days=int(day)) for day in added],
        }
    )
    return Shop(garments, catalog, _events(garments, ids, added, n_users, rng))


def write(folder: Path | str, *, n_items: int = 600, n_users: int = 1500, seed: int = 0) -> Path:
    """Write a boutique into a folder: ``events.parquet``, ``catalog.parquet``, ``images/`` and ``boutique.toml``.

    As in any shop, two pictures are not right: the last but one is not there, the last was cut off on its way.

    Args:
        folder: made if it is not there; files of the same names are replaced.
        n_items, n_users: how large.
        seed: same seed, same files.

    Returns:
        The recipe's path.

    Raises:
        DataError: the folder cannot be written, or the shop would be too small.
        MissingExtraError: Pillow is not installed.
    """
    shop, folder = generate(n_items=n_items, n_users=n_users, seed=seed), Path(folder)
    recipe = folder / "boutique.toml"
    try:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        pq.write_table(shop.events, folder / "events.parquet")
        pq.write_table(shop.catalog, folder / "catalog.parquet")
        for number, garment in enumerate(shop.garments):
            content = _photograph(garment, np.random.default_rng([seed, number]))
            path = folder / "images" / f"g{number:04d}.jpg"
            if number == n_items - 2:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content[: len(content) // 2] if number == n_items - 1 else content)
        recipe.write_text(Path(__file__).with_name("boutique.toml").read_text(encoding="utf-8"), encoding="utf-8")
    except OSError as error:
        raise DataError(f"The boutique cannot be written to {str(folder)!r}: {error}. Give another folder.") from error
    return recipe


def new_item(folder: Path | str, *, seed: int = 0) -> dict[str, Any]:
    """A garment that the shop does not have: a dotted red dress with long sleeves, drawn into ``images/new.jpg``.

    Returns:
        Its row of the catalog: an id and the picture's path in the folder, nothing else.
    """
    path = Path("images") / "new.jpg"
    (Path(folder) / path).write_bytes(_photograph(_NEW_GARMENT, np.random.default_rng([seed, 10**6])))
    return {"item_id": "new", "picture": path.as_posix()}


def _photograph(garment: Garment, rng: np.random.Generator) -> bytes:
    buffer = io.BytesIO()
    draw(garment, rng).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _garment(rng: np.random.Generator) -> Garment:
    shape = SHAPES[int(rng.integers(len(SHAPES)))]
    colour = tuple(COLOURS)[int(rng.integers(len(COLOURS)))]
    pattern = PATTERNS[int(rng.choice(len(PATTERNS), p=[0.4, 0.2, 0.2, 0.2]))]
    sleeve = SLEEVES[int(rng.integers(len(SLEEVES)))]
    return Garment(shape, colour, pattern, sleeve if has_arms(shape) else None)


def _events(garments: list[Garment], ids: list[str], added: Int64, n_users: int, rng: np.random.Generator) -> pa.Table:
    affinity = _affinity(garments, n_users, rng)
    popularity = rng.normal(0, 1.0, len(garments))
    users, items, kinds, days, ratings = [], [], [], [], []
    for user in range(n_users):
        n_views = 3 + int(rng.geometric(1 / 14))
        when = np.sort(rng.uniform(0, _DAYS, n_views))
        wish = 1.3 * affinity[user] + popularity + rng.gumbel(size=(n_views, len(garments)))
        wish[added[None, :] > when[:, None]] = -np.inf  # not there yet
        for day, item in zip(when.tolist(), wish.argmax(axis=1).tolist(), strict=True):
            liked = float(affinity[user, item])
            steps: list[tuple[str, float | None]] = [("view", None)]
            if rng.random() < _chance(liked - 1.5):
                steps.append(("cart", None))
                if rng.random() < _chance(liked - 0.5):
                    steps.append(("purchase", None))
                    if rng.random() < 0.4:
                        steps.append(("rating", float(np.clip(round(2.5 + 0.8 * liked + rng.normal(0, 0.7)), 1, 5))))
            for minutes, (kind, rating) in enumerate(steps):
                users.append(f"u{user:05d}")
                items.append(ids[item])
                kinds.append(kind)
                days.append(day + minutes / 1440 if kind != "rating" else day + 3)
                ratings.append(rating)
    order = np.argsort(np.array(days), kind="stable")
    table = pa.table(
        {
            "user_id": users,
            "item_id": items,
            "event_type": kinds,
            "timestamp": [_FIRST + timedelta(seconds=round(day * 86_400)) for day in days],
            "rating": pa.array(ratings, pa.float64()),
        }
    )
    return table.take(pa.array(order))


def _affinity(garments: list[Garment], n_users: int, rng: np.random.Generator) -> Float64:
    """How much each customer likes each garment, ``(n_users, n_items)``: mean 0, variance 1 a customer."""
    total = np.zeros((n_users, len(garments)))
    for values, weight in (
        ([garment.shape for garment in garments], 1.0),
        ([garment.colour for garment in garments], 1.0),
        ([garment.pattern for garment in garments], 0.8),
        ([garment.sleeve or "" for garment in garments], 0.6),
    ):
        names, codes = np.unique(values, return_inverse=True)
        total += weight * rng.normal(0, 1, (n_users, len(names)))[:, codes]
    total -= total.mean(axis=1, keepdims=True)
    return total / total.std(axis=1, keepdims=True)


def _chance(logit: float) -> float:
    return 1.0 / (1.0 + float(np.exp(-logit)))
