"""A small shop for the protocols, and a training run that is honest unless it is asked to cheat."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse

from longtail.calibrate.model import Fusion, ItemModel, Length
from longtail.core.vocabulary import Vocabulary
from longtail.data.catalog import Catalog
from longtail.data.database import Database
from longtail.data.events import SCHEMA, Events
from longtail.data.interactions import Interactions
from longtail.data.refusals import Refusals
from longtail.data.schema import CatalogSchema
from longtail.protocols.methods import TrainedParts

START = datetime(2024, 1, 1)


def make_events(rows: list[tuple[str, str, str, datetime]]) -> Events:
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    table = pa.table(
        {name: pa.array(column) for name, column in zip(SCHEMA.names, columns, strict=False)}
        | {"value": pa.array([1.0] * len(rows), pa.float64())}
    ).cast(SCHEMA)
    database = Database(on_disk=False)
    return Events(database, database.keep("events", table), Refusals("events", len(rows), len(rows), 0))


def make_catalog(ids: list[str]) -> Catalog:
    return Catalog(
        Vocabulary(ids),
        pa.table({"item_id": ids}),
        CatalogSchema(),
        pa.array(ids),
        Refusals("catalog", len(ids), len(ids), 0),
    )


def interactions_of(events: Events, catalog: Catalog, further_users: tuple[str, ...] = ()) -> Interactions:
    """Aggregated by plain Python."""
    rows = events.to_arrow().to_pylist()
    users = Vocabulary(sorted({row["user_id"] for row in rows} | set(further_users)), "user")
    known = set(catalog.items)
    items = Vocabulary([*catalog.items, *sorted({row["item_id"] for row in rows} - known)])
    matrix = sparse.lil_array((len(users), len(items)), dtype=np.float32)
    counts = np.zeros(len(items), np.int64)
    first = np.full(len(items), np.datetime64("NaT"), "datetime64[s]")
    for row in rows:
        u, i = users.row(row["user_id"]), items.row(row["item_id"])
        matrix[u, i] += 1
        counts[i] += 1
        first[i] = np.fmin(first[i], np.datetime64(row["timestamp"], "s"))
    return Interactions(users, items, sparse.csr_array(matrix), counts, first)


def make_model(
    n_users: int, n_items: int, fusion: Fusion | None = None, d: int = 4, seed: int | None = None
) -> ItemModel:
    rng = np.random.default_rng([n_users * 1_000 + n_items, *([] if seed is None else [seed])])

    def draw(n: int) -> np.ndarray:
        return rng.normal(size=(n, d)).astype(np.float32)

    content = draw(n_items)
    content /= np.linalg.norm(content, axis=1, keepdims=True)
    return ItemModel(
        als_user_factors=draw(n_users),
        als_item_factors=draw(n_items),
        user_factors=draw(n_users),
        item_vectors=draw(n_items),
        predictions=draw(n_items),
        has_prediction=np.ones(n_items, bool),
        behaviour_share=np.zeros(n_items, np.float32),
        bridge=None,
        field_weights={},
        reduction=None,
        content=content,
        fusion=fusion or Fusion(weight=0.5),
        precision=1.0,
        length=Length(),
    )


@dataclass
class HonestFit:
    """Trains on what it gets; keeps what it was given."""

    calls: list[SimpleNamespace]

    def __call__(self, events, catalog, *, hidden=(), validation=None, seed=None):
        self.calls.append(
            SimpleNamespace(events=events, catalog=catalog, hidden=list(hidden), validation=validation, seed=seed)
        )
        interactions = interactions_of(events, catalog)
        model = make_model(len(interactions.users), len(interactions.items), seed=seed)
        return TrainedParts(interactions, model, article=replace(model, fusion=Fusion(weight=0.0)))


@pytest.fixture
def honest():
    return HonestFit([])


@pytest.fixture
def shop():
    """80 days, 60 users, 40 items whose popularity falls off; ids with leading zeros; two items are in events alone."""
    rng = np.random.default_rng(0)
    ids = [f"{i:04d}" for i in range(40)]
    popularity = 1 / np.arange(1, 41)
    popularity /= popularity.sum()
    rows = []
    for user in range(60):
        for day in rng.integers(0, 80, size=rng.integers(8, 30)):
            item = ids[rng.choice(40, p=popularity)]
            rows.append((f"u{user:02d}", item, "buy", START + timedelta(days=int(day), hours=int(rng.integers(0, 24)))))
    rows += [("u00", "gone", "buy", START), ("u01", "gone", "buy", START + timedelta(days=79))]
    rows.append(("u00", ids[0], "buy", START + timedelta(days=80)))
    order = rng.permutation(len(rows))
    return make_events([rows[i] for i in order]), make_catalog([*ids, "never"])


@pytest.fixture(scope="session")
def make():
    """The makers above, for tests that want a shop of their own."""
    return SimpleNamespace(events=make_events, catalog=make_catalog, interactions=interactions_of, model=make_model)
