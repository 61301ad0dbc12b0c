"""A small shop whose bundle is made by hand, so that every number of an answer can be recomputed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.sparse import csr_array

from longtail.bundle import Bundle, Manifest
from longtail.calibrate.model import Fusion, Length, sources
from longtail.core.vocabulary import Vocabulary
from longtail.data.schema import CatalogSchema, FieldSchema

#: Settings of the half-step under which a fold-in is easy to recompute densely.
ALS = {"factors": 4, "regularization": 0.05, "frequency_scaling": 0.5, "alpha": 2.0, "unobserved_weight": 0.1}


def make_bundle(
    n_items: int = 30, n_users: int = 12, d: int = 4, d_z: int = 3, seed: int = 0, **changes: Any
) -> Bundle:
    """Item 0 has nothing at all, items 1 to 3 content only, item 4 events but no catalog row; the rest have both."""
    rng = np.random.default_rng(seed)
    dense = (rng.random((n_users, n_items)) < 0.25) * rng.integers(1, 4, (n_users, n_items))
    dense[:, :4] = 0
    dense[0, 4:8] = 1
    history = csr_array(dense.astype(np.float32))
    n_interactions = (dense > 0).sum(axis=0).astype(np.int64)
    item_vectors = rng.standard_normal((n_items, d)).astype(np.float32)
    content = rng.standard_normal((n_items, d_z)).astype(np.float32)
    content /= np.maximum(np.linalg.norm(content, axis=1, keepdims=True), 1e-9)
    content[[0, 4]] = 0
    item_vectors[0] = 0
    has_prediction = content.any(axis=1)
    predictions = np.where(has_prediction[:, None], rng.standard_normal((n_items, d)), 0).astype(np.float32)
    item_vectors[1:4] = predictions[1:4]
    share = np.where(n_interactions > 0, 0.5, 0).astype(np.float32)
    sellable = np.ones(n_items, dtype=np.bool_)
    sellable[4] = False
    ids = [f"00{number}" for number in range(n_items)]
    some = [number if number != 4 else None for number in range(n_items)]
    catalog = pa.table(
        {
            "sku": pa.array([None if number is None else ids[number] for number in some]),
            "price": pa.array([None if number is None else number / 2 for number in some], pa.float64()),
            "department": pa.array(
                [None if number is None else ["DELI", "MEAT", "WINE"][number % 3] for number in some]
            ),
            "brand": pa.array([None if number is None or number % 5 == 0 else f"b{number % 4}" for number in some]),
        }
    )
    fields: dict[str, Any] = {
        "users": Vocabulary([f"u{number}" for number in range(n_users)], "user"),
        "items": Vocabulary(ids, "item"),
        "user_factors": rng.standard_normal((n_users, d)).astype(np.float32),
        "item_vectors": item_vectors,
        "als_user_factors": rng.standard_normal((n_users, d)).astype(np.float32),
        "als_item_factors": rng.standard_normal((n_items, d)).astype(np.float32),
        "predictions": predictions,
        "content": content,
        "n_interactions": n_interactions,
        "item_events": dense.sum(axis=0).astype(np.int64),
        "behaviour_share": share,
        "source_codes": sources(n_interactions, has_prediction, share),
        "exposure": np.where(n_interactions > 0, 1, 0).astype(np.float32),
        "sellable": sellable,
        "history": history,
        "als": dict(ALS),
        "fusion": Fusion(0.3, 5.0, similar_weight=0.6, similar_half_at=20.0, average_weight=0.8, freshness=0.4),
        "average_user": rng.standard_normal(d).astype(np.float32),
        "length": Length(0.5, 2.0),
        "precision": 3.0,
        "field_weights": {"department": 1.0},
        "catalog": catalog,
        "titles": pa.array([f"Thing {number}" for number in range(n_items)], pa.large_string()),
        "catalog_schema": CatalogSchema(item_id="sku", fields={"department": FieldSchema(kind="category")}),
        "manifest": Manifest(recipe="# a recipe\n", metrics={"ndcg@10": 0.5}, fingerprint={"rows": 3}),
    }
    return Bundle(**(fields | changes))


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return make_bundle()


@pytest.fixture
def bundle_with() -> Callable[..., Bundle]:
    return make_bundle
