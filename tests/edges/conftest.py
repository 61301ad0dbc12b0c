"""Small generated shops at the edges of what a shop may be, trained by the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from longtail.bundle import Bundle
from longtail.core.progress import SilentProgress
from longtail.pipeline import train
from longtail.recipe import Recipe
from longtail.recommender import Recommender

KINDS = ("rope", "lamp", "tent", "boot")
Columns = dict[str, list[Any]]


class Notes(SilentProgress):
    """Keeps what training says."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass(frozen=True)
class Trained:
    """A shop after training.

    Attributes:
        shop: to be asked.
        kinds: of every item, what users' tastes are made of; whether the catalog knows them is the test's affair.
        new: ids of items with no events.
        notes: what training said.
    """

    shop: Recommender
    kinds: dict[str, str]
    new: list[str]
    notes: list[str]

    @property
    def bundle(self) -> Bundle:
        return self.shop.bundle

    def share_of_kind(self, ids: list[str], kind: str) -> float:
        """The share of some items that are of a kind."""
        return sum(self.kinds[id] == kind for id in ids) / max(1, len(ids))


def make(
    recipe: str,
    columns: Callable[[np.ndarray, np.random.Generator], Columns],
    *,
    n_items: int = 120,
    n_new: int = 20,
    n_users: int = 150,
    per_user: int = 14,
    times: bool = True,
    even: bool = False,
    model: str = "",
    seed: int = 0,
) -> Trained:
    """Users who each like one kind of thing take items of it, four times of five; ``even``: all items alike often."""
    rng = np.random.default_rng(seed)
    kind = np.arange(n_items) % len(KINDS)
    ids = [f"{number:04d}" for number in range(n_items)]
    old = np.arange(n_items) < n_items - n_new
    popular = np.ones(n_items) if even else 1.0 / (1 + np.arange(n_items) // len(KINDS))
    popular[~old] = 0
    who, what, when = [], [], []
    for user in range(n_users):
        liked = rng.integers(len(KINDS))
        chance = popular * np.where(kind == liked, 1.0, 0.08)
        for item in rng.choice(n_items, per_user, p=chance / chance.sum()):
            who.append(f"u{user}")
            what.append(ids[item])
            when.append(datetime(2026, 1, 1) + timedelta(hours=int(rng.integers(0, 60 * 24))))
    events = {"user_id": who, "item_id": what}
    if times:
        events["timestamp"] = when
    catalog = pa.table({"item_id": ids, **columns(kind, rng)})
    header = '[events]\ntimestamp = ""\n' if not times else ""
    notes = Notes()
    parsed = Recipe.parse(f"{header}{recipe}\n[als]\nfactors = 8\n[model]\nvalidation_users = 150\n{model}")
    bundle = train(parsed, events=pa.table(events), catalog=catalog, progress=notes)
    names = {id: KINDS[k] for id, k in zip(ids, kind, strict=True)}
    taken = set(what)
    return Trained(Recommender(bundle), names, [id for id in ids if id not in taken], notes.notes)


@pytest.fixture(scope="session")
def shop_of() -> Callable[..., Trained]:
    return make
