"""A bundle of twelve items in two groups: longtail's vectors know the groups, those of ALS are turned round."""

from __future__ import annotations

import base64

import numpy as np
import pyarrow as pa
import pytest
from scipy.sparse import csr_array

from longtail.bundle import Bundle
from longtail.calibrate.model import Fusion, Length
from longtail.core.vocabulary import Vocabulary
from longtail.data.schema import CatalogSchema, FieldSchema
from longtail.judge.cards import Cards
from longtail.judge.questions import Neighbours
from longtail.recommender import Recommender

N = 12
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


@pytest.fixture
def bundle(tmp_path):
    rng = np.random.default_rng(0)
    group = np.arange(N) % 2
    own = (np.eye(2)[group] + 0.05 * rng.random((N, 2))).astype(np.float32)
    als = (np.eye(2)[rng.permutation(group)] + 0.05 * rng.random((N, 2))).astype(np.float32)
    counts = np.array([0, 0, 2, 2, 2, 2, 7, 7, 7, 7, 30, 30])
    als[counts == 0] = 0
    users = [f"u{at}" for at in range(30)]
    rows = np.concatenate([np.arange(n) for n in counts])
    history = csr_array((np.ones(len(rows), np.float32), (rows, np.repeat(np.arange(N), counts))), shape=(30, N))
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "one.png").write_bytes(PNG)
    catalog = pa.table({
        "item_id": [f"i{at:02d}" for at in range(N)],
        "kind": [f"kind {at}" for at in group],
        "photo": ["pictures/one.png", "../secret.png", None, "https://elsewhere/x.png", *[None] * 8],
    })  # fmt: skip
    return Bundle(
        users=Vocabulary(users, "user"),
        items=Vocabulary(catalog["item_id"]),
        user_factors=np.zeros((30, 2), np.float32),
        item_vectors=own,
        als_user_factors=np.zeros((30, 2), np.float32),
        als_item_factors=als,
        predictions=own,
        content=own / np.linalg.norm(own, axis=1, keepdims=True),
        n_interactions=counts,
        item_events=counts,
        behaviour_share=np.zeros(N, np.float32),
        source_codes=np.ones(N, np.uint8),
        exposure=np.ones(N, np.float32),
        sellable=np.ones(N, np.bool_),
        history=history,
        als={},
        fusion=Fusion(),
        length=Length(),
        precision=1.0,
        field_weights={},
        catalog=catalog,
        titles=pa.array([f"thing {at}" for at in range(N)]),
        catalog_schema=CatalogSchema(fields={"kind": FieldSchema(kind="category"), "photo": FieldSchema(kind="image")}),
    )


@pytest.fixture
def neighbours(bundle):
    return Neighbours(Recommender(bundle), 4)


@pytest.fixture
def cards(neighbours, tmp_path):
    return Cards(neighbours.shop, tmp_path)
