"""Writes the bundle of the current format that later versions must still open, and what it answers.

Run once for each format version: ``python tests/golden/make.py``. Bundles of older versions are never rewritten.
"""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array

from longtail.bridge.kernel import fit_kernel
from longtail.bridge.training import Bridge
from longtail.bundle import FORMAT_VERSION, Bundle, Evidence, Manifest, padded, save
from longtail.calibrate.embeddings import align
from longtail.calibrate.model import Fusion, Length, sources
from longtail.cf.als import AlsSettings, fit_als
from longtail.content.combine import combine, reduce
from longtail.content.model import ContentModel
from longtail.core.vocabulary import Vocabulary
from longtail.data.catalog import read_catalog
from longtail.data.schema import CatalogSchema, FieldSchema, WeightSettings
from longtail.recommender import Recommender

HERE = Path(__file__).parent
DEPARTMENTS = ["DELI", "WINE", "COFFEE", "PASTA"]
NEW = {"department": "WINE", "colour": "red", "price": 9.5}


def make() -> Bundle:
    """Four departments, users who stay within two of them; the last listed item is new, one more is not listed."""
    rng = np.random.default_rng(7)
    listed, n_users = 44, 40
    rows = [
        {
            "sku": f"00{number:02}",
            "name": f"{DEPARTMENTS[number % 4].title()} № {number}",
            "department": DEPARTMENTS[number % 4],
            "colour": ["red", "white", None][number % 3],
            "price": 1.0 + number / 2,
        }
        for number in range(listed)
    ]
    schema = CatalogSchema(
        item_id="sku",
        title="name",
        fields={
            "department": FieldSchema(kind="category"),
            "colour": FieldSchema(kind="category"),
            "price": FieldSchema(kind="price", within="department"),
        },
    )
    catalog = read_catalog(schema, base=HERE, table=pa.Table.from_pylist(rows))
    items = Vocabulary([*catalog.items, "sold out"])
    home = rng.integers(0, 4, n_users)
    department = np.arange(listed + 1) % 4
    chance = np.where(department == home[:, None], 0.5, np.where(department == (home[:, None] + 1) % 4, 0.2, 0.02))
    taken = rng.random(chance.shape) < chance
    taken[:, listed - 1] = False
    history = csr_array((taken * rng.integers(1, 3, taken.shape)).astype(np.float32))
    settings = AlsSettings(factors=6, iterations=12)
    exposure = np.ones(len(items), dtype=np.float32)
    exposure[listed - 1] = 0
    fit = fit_als(history, settings, item_exposure=exposure)
    model, features = ContentModel.fit(catalog, cache=None)
    weights = {"attributes": 1.0, "numbers": 0.3}
    z = combine(features, weights)
    reduction = reduce(z, 5)
    n = taken.sum(axis=0).astype(np.int64)
    known = np.flatnonzero(n[:listed] > 0)
    bridge = Bridge(fit_kernel(z[known], fit.item_factors[known]).bridge, None)
    predictions = np.zeros((len(items), 6), dtype=np.float32)
    predictions[:listed] = Length().apply(bridge.predict(features, z))
    content = np.zeros((len(items), 5), dtype=np.float32)
    content[:listed] = reduction.apply(z)
    share = np.where(n > 0, n / (n + 3), 0).astype(np.float32)
    everywhere = align(features, items)
    first_seen = np.full(len(items), np.datetime64("2026-01-01T08:00:00"), dtype="datetime64[s]")
    first_seen[listed - 1] = np.datetime64("NaT")
    table, titles = padded(catalog.table, catalog.titles, len(items))
    return Bundle(
        users=Vocabulary([f"shopper {number}" for number in range(n_users)], "user"),
        items=items,
        user_factors=fit.user_factors,
        item_vectors=(share[:, None] * fit.item_factors + (1 - share[:, None]) * predictions).astype(np.float32),
        als_user_factors=fit.user_factors,
        als_item_factors=fit.item_factors,
        predictions=predictions,
        content=content,
        n_interactions=n,
        item_events=n + 1,
        behaviour_share=share,
        source_codes=sources(n, content.any(axis=1), share),
        exposure=exposure,
        sellable=np.arange(len(items)) < listed,
        history=history,
        als=settings.model_dump(mode="json"),
        fusion=Fusion(0.1, 5.0, similar_weight=0.5, similar_half_at=20.0, average_weight=0.5, freshness=0.2),
        average_user=fit.user_factors.mean(axis=0),
        length=Length(),
        precision=3.0,
        field_weights=weights,
        catalog=table,
        titles=titles,
        catalog_schema=schema,
        content_model=model.state(),
        bridge=bridge.state(),
        reduction=reduction.state(),
        fields=everywhere.names,
        present=everywhere.present,
        first_seen=first_seen,
        trained=(n_users, len(items)),
        weights=WeightSettings(types={"view": 1.0, "purchase": 2.0}),
        window=(datetime(2026, 1, 1, 8), datetime(2026, 2, 1, 8)),
        evidence=Evidence.of(everywhere, None),
        manifest=Manifest(recipe="# tests/golden/make.py\n", metrics={"ndcg@10": 0.5}, versions={}),
    )


def answers(shop: Recommender) -> dict[str, list[list[object]]]:
    """What the tests ask of every golden bundle."""
    asked = {
        "similar": shop.similar_items("0005", 5),
        "similar to one not listed": shop.similar_items("sold out", 5),
        "similar to a new one": shop.similar_to(NEW, 5),
        "filtered": shop.similar_items("0005", 5, where="price < 6", one_per="colour"),
        "recommended": shop.recommend("shopper 3", 5),
        "folded in": shop.recommend_for(["0001", "0005"], 5),
    }
    return {
        name: [[row.item_id, round(row.score, 4), row.source, row.n_interactions] for row in ranking]
        for name, ranking in asked.items()
    }


if __name__ == "__main__":
    place = HERE / f"format-{FORMAT_VERSION}"
    shutil.rmtree(place, ignore_errors=True)
    save(make(), place)
    written = json.dumps(answers(Recommender.load(place)), ensure_ascii=False, indent=1)
    place.with_suffix(".json").write_text(written + "\n", encoding="utf-8")
