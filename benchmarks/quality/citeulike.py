"""The published item-cold split of CiteULike, as the papers that share it test on it.

Trained on warm_emb; choices on warm_val and cold_item_val; tested on warm_test and cold_item_test. As published: the
first 2,000 users with cold test items, k = 20, candidates are all cold items, validation ones among them, but for the
user's own pairs with these.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
from scipy import sparse

from longtail.core.progress import Progress
from longtail.data.catalog import read_catalog
from longtail.data.events import Events, read_events
from longtail.data.schema import CatalogSchema
from longtail.evaluate.result import ProtocolResult
from longtail.protocols.leaks import check_training
from longtail.protocols.measure import observe, sum_up
from longtail.protocols.pairs import pair_counts
from longtail.protocols.run import Options, find_relevant, methods_of
from longtail.recipe import Recipe

PARTS = ("warm_emb", "warm_val", "warm_test", "cold_item_val", "cold_item_test")


def published(recipe: Recipe, events: Any, catalog: Any, fit: Any, *, options: Options, progress: Progress) -> Any:
    """Train and measure; ``events`` and ``catalog`` are not used, the split brings its own."""
    folder = recipe.data_folder
    pairs = {name: csv.read_csv(folder / f"{name}.csv") for name in PARTS}
    titles = (folder / "titles.txt").read_text(encoding="utf-8").splitlines()
    items = pa.table({"item": [str(i) for i in range(len(titles))], "title": titles})
    schema = CatalogSchema.model_validate(recipe.catalog.model_dump() | {"source": None})
    shop = read_catalog(schema, base=Path(folder), table=items, progress=progress)

    def read(*names: str) -> Events:
        table = pa.concat_tables(pairs[name] for name in names)
        return read_events(recipe.events, recipe.weights, base=Path(folder), table=table, progress=progress)

    training, validation = read("warm_emb"), read("warm_val", "cold_item_val")
    cold_ids = {name: sorted({str(i) for i in pairs[name]["item"].to_pylist()}) for name in PARTS if "cold" in name}
    hidden = sorted({item for ids in cold_ids.values() for item in ids})
    parts = fit(training, shop, hidden=hidden, validation=validation)
    check_training(parts, pair_counts(training), hidden=hidden, validation=pair_counts(validation))
    seen = parts.interactions
    cold = {name: np.isin(np.arange(len(seen.items)), shop.items.rows(ids)) for name, ids in cold_ids.items()}
    every_cold = cold["cold_item_val"] | cold["cold_item_test"]
    of_cold, of_warm, own = (
        find_relevant(parts, read(name), shop, options).relevant
        for name in ("cold_item_test", "warm_test", "cold_item_val")
    )
    first = {str(user) for user in sorted(set(pairs["cold_item_test"]["user"].to_pylist()))[:2000]}
    chosen = np.array([user in first for user in seen.users.ids.to_pylist()])
    as_published = sparse.csr_array(sparse.diags_array(chosen.astype(np.float32)) @ of_cold).astype(np.bool_)
    as_published.eliminate_zeros()
    warm = ~every_cold
    tail = warm & (seen.n_interactions < options.tail_below)
    methods = methods_of(parts, options)
    asks: list[tuple[Any, dict[str, Any], int, Any]] = [
        (as_published, {"published protocol": every_cold}, 20, sparse.csr_array(seen.matrix + own)),
        (of_cold, {"cold items": cold["cold_item_test"]}, 20, seen.matrix),
        (of_warm, {"warm items": warm, "warm tail": tail}, 20, seen.matrix),
    ]
    sections = []
    for relevant, candidates, k, left_out in asks:
        observed = observe(
            methods, relevant, candidates, seen.n_interactions, k=k, seen=left_out, seed=options.seed,
            progress=progress,
        )  # fmt: skip
        measured = sum_up([observed], resamples=options.resamples, seed=options.seed)
        sections += measured.sections
    return ProtocolResult(
        protocol="citeulike",
        question="How good are predictions for articles nobody has saved, on the split that papers share?",
        k=20,
        methods=tuple(method.name for method in methods),
        split={"by": "published files", "train": "warm_emb", "validation": "warm_val, cold_item_val",
               "seed": options.seed},
        counts={name: len(table) for name, table in pairs.items()},
        excluded={},
        sections=tuple(sections),
    )  # fmt: skip
