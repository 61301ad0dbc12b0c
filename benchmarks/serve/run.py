"""What a running shop pays for news: milliseconds as percentiles, beside what is asked.

    python benchmarks/serve/run.py [--bundle PATH] [--users 50000] [--items 50000] [--factors 64] [--repeats 200]
                                   [--json FILE]

Left out, PATH is a generated shop of random vectors, whose items 0 to 3 have 1, 10, 100 and 1,000 users, with a kernel
of 3,000 landmarks over three fields. Measured:

- *posterior*: an item blended again, everything at hand, by how many users took it; asked are 5 ms up to 1,000 events;
- *embedding*: features to prediction and reduced content of a new item; asked are 50 ms; and what ``add_items`` does
  after that, which copies the matrices of the items;
- *one event*: a whole call of ``update_events`` with one event: read, item blended, user folded in, index put right;
- *a hundred events*: the same of different users and items;
- *explain*: ``explain`` and ``explain_similar``, for items whose fields are known.

Beside every time, in brackets, stands that of the processor: on a busy machine a thread waits for others. What is made
on first use (the history by items, both sides' Gram matrices, the index) is timed apart, once.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array, csr_array

from longtail.bridge.kernel import KernelBridge
from longtail.bridge.training import Bridge
from longtail.bundle import Bundle, Evidence, load
from longtail.calibrate.model import Fusion, Length, sources
from longtail.calibrate.settings import CalibrationSettings
from longtail.cf.als import AlsSettings
from longtail.content.combine import Reduction, combine
from longtail.core.features import Features, Field
from longtail.core.unit_rows import unit_rows
from longtail.core.vocabulary import Vocabulary
from longtail.data.schema import CatalogSchema, FieldSchema, WeightSettings
from longtail.recommender import Recommender

WIDTHS = {"text": 256, "attributes": 128, "numbers": 32}
LANDMARKS = 3000
COUNTS = (1, 10, 100, 1000)


def generated(users: int, items: int, d: int, seed: int = 0) -> Bundle:
    """A bundle of random numbers with the sizes of a shop's."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)

    popularity = rng.pareto(1.1, items) + 1
    popularity[: len(COUNTS)] = 0
    what = rng.choice(items, 12 * users, p=popularity / popularity.sum())
    who = rng.integers(0, users, len(what))
    for item, count in enumerate(COUNTS):
        who = np.concatenate([who, rng.choice(users, count, replace=False)])
        what = np.concatenate([what, np.full(count, item)])
    history = csr_array(coo_array((np.ones(len(who), np.float32), (who, what)), shape=(users, items)))
    history.sum_duplicates()
    n = np.bincount(history.indices, minlength=items).astype(np.int64)
    parts = tuple(Field(name, unit_rows(normal(items, width)), np.ones(items, bool)) for name, width in WIDTHS.items())
    features = Features(Vocabulary([f"i{number}" for number in range(items)]), parts)
    z = combine(features, {})
    kernel = KernelBridge(z[rng.choice(items, min(LANDMARKS, items), replace=False)], normal(min(LANDMARKS, items), d))
    width = CalibrationSettings().content_dimensions
    reduction = Reduction(np.linalg.qr(rng.standard_normal((z.shape[1], width)))[0], 1.0)
    predictions = normal(items, d)
    share = (n / (n + 5)).astype(np.float32)
    return Bundle(
        users=Vocabulary([f"u{number}" for number in range(users)], "user"),
        items=features.items,
        user_factors=normal(users, d),
        item_vectors=normal(items, d),
        als_user_factors=normal(users, d),
        als_item_factors=normal(items, d),
        predictions=predictions,
        content=reduction.apply(z),
        n_interactions=n,
        item_events=n,
        behaviour_share=share,
        source_codes=sources(n, np.ones(items, bool), share),
        exposure=(n > 0).astype(np.float32),
        sellable=np.ones(items, bool),
        history=history,
        als=AlsSettings(factors=d).model_dump(mode="json"),
        fusion=Fusion(0.2, 5.0, 0.4, 20.0),
        length=Length(),
        precision=2.0,
        field_weights=dict.fromkeys(WIDTHS, 1.0),
        catalog=pa.table({"item_id": features.items.ids}),
        titles=features.items.ids,
        catalog_schema=CatalogSchema(fields={"text": FieldSchema(kind="text")}),
        bridge=Bridge(kernel, None).state(),
        reduction=reduction.state(),
        fields=tuple(WIDTHS),
        present=features.present,
        first_seen=np.where(n > 0, np.datetime64("2026-01-01", "s"), np.datetime64("NaT", "s")),
        trained=(users, items),
        weights=WeightSettings(),
        window=(datetime(2026, 1, 1), datetime(2026, 2, 1)),
        evidence=Evidence.of(features, None),
    )


def timed(what: str, repeats: int, run: Callable[[int], object], asked: float | None = None) -> dict[str, Any]:
    """Milliseconds of ``run(number)`` as percentiles; the first call is not counted."""
    run(0)
    wall, processor = [], []
    for number in range(1, repeats + 1):
        start, begun = time.perf_counter(), time.process_time()
        run(number)
        wall.append(1000 * (time.perf_counter() - start))
        processor.append(1000 * (time.process_time() - begun))
    named = {f"p{at}": (np.percentile(wall, at), np.percentile(processor, at)) for at in (50, 95, 99)}
    told = "   ".join(f"{name} {by_wall:7.2f} ({by_processor:6.2f})" for name, (by_wall, by_processor) in named.items())
    print(f"{what:<44} {told}" + (f"   asked: below {asked:g}" if asked else ""), flush=True)
    flat = {name: {"wall": by_wall, "processor": by_processor} for name, (by_wall, by_processor) in named.items()}
    return {"what": what, **flat, "asked": asked, "repeats": repeats}


def once(what: str, run: Callable[[], object]) -> dict[str, Any]:
    """Milliseconds of one call, for what is made on first use."""
    start = time.perf_counter()
    run()
    took = 1000 * (time.perf_counter() - start)
    print(f"{what:<44} once {took:7.1f} ms", flush=True)
    return {"what": what, "once": took}


def measure(bundle: Bundle, repeats: int) -> list[dict[str, Any]]:
    """Every row of the table, in the order it is printed."""
    shop = Recommender(bundle)
    state = shop._snapshot
    rng = np.random.default_rng(1)
    rows = [
        once("first use: the history by items", lambda: state.takers(0)),
        once("first use: Gram of users", lambda: state.shared("users")),
        once("first use: Gram of items", lambda: state.shared("items")),
        once("first use: indexes", lambda: (state.index("user_item"), state.index("item_item"))),
    ]
    counts = bundle.n_interactions
    for count in COUNTS:
        item = int(np.abs(counts - count).argmin())
        takers = state.takers(item)

        def posterior(number: int, item: int = item, takers: Any = takers) -> object:
            more = takers.with_weights({number % len(bundle.users): 1.0})
            return state.item_system(item, more, exposure=float(bundle.exposure[item])).solve()

        rows.append(timed(f"posterior of an item {counts[item]:,} users took", repeats, posterior, 5))
    if bundle.evidence is not None and bundle.bridge is not None and bundle.reduction is not None:
        bridge, reduction = Bridge.from_state(*bundle.bridge), Reduction.from_state(*bundle.reduction)
        drawn = rng.integers(0, len(bundle.items), repeats + 1)
        known = [bundle.evidence.features(int(row), "new") for row in drawn]

        def embedding(number: int) -> tuple[np.ndarray, np.ndarray]:
            z = combine(known[number], bundle.field_weights)
            return bundle.length.apply(bridge.predict(known[number], z)), reduction.apply(z)

        rows.append(timed("embedding of a new item, features at hand", repeats, embedding, 50))
        grown = 10 if repeats > 10 else repeats

        def placed(number: int) -> object:
            vector, content = embedding(number)
            ids, row = [f"new {number}"], bundle.catalog.slice(0, 1)
            larger = bundle.with_items(ids, row, bundle.titles[:1], vector, content, known[number])
            return state.grown(larger).bundle.items.row(ids[0])

        rows.append(timed("the same item in its place: add_items' rest", grown, placed))
    users = bundle.users.take(rng.integers(0, len(bundle.users), 200 * (repeats + 1)))
    bought = bundle.items.take(rng.choice(np.flatnonzero(counts <= 1000), 200 * (repeats + 1)))

    def events(number: int, n: int) -> list[dict[str, str]]:
        part = slice(200 * number, 200 * number + n)
        return [{"user_id": user, "item_id": item} for user, item in zip(users[part], bought[part], strict=True)]

    rows.append(timed("update_events, one event", repeats, lambda number: shop.update_events(events(number, 1))))
    few = max(1, repeats // 20)
    rows.append(timed("update_events, a hundred events", few, lambda number: shop.update_events(events(number, 100))))
    rows.append(timed("recommend, ten of them", repeats, lambda number: shop.recommend(users[number], 10)))
    if bundle.evidence is not None:
        pairs = list(zip(users, bought, strict=True))
        rows.append(timed("explain", repeats, lambda number: shop.explain(*pairs[number])))
        alike = list(pairwise(bought))
        rows.append(timed("explain_similar", repeats, lambda number: shop.explain_similar(*alike[number])))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    bundle = load(asked.bundle) if asked.bundle else generated(asked.users, asked.items, asked.factors)
    shape = bundle.describe()
    size = {name: shape[name] for name in ("users", "items", "interactions", "factors", "content_dimensions")}
    print(", ".join(f"{name} {value:,}" for name, value in size.items()), "; load", *map(str, os.getloadavg()))
    rows = measure(bundle, asked.repeats)
    if asked.json:
        machine = {"machine": platform.platform(), "cores": os.cpu_count(), "load": os.getloadavg()}
        asked.json.write_text(json.dumps({**size, **machine, "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
