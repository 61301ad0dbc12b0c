"""Frozen backbone or fine-tuned networks: how well each tells an attribute from pictures that had no part in training.

    python benchmarks/encode/tuning.py [--recipe recipes/hm.toml] [--data DIR] [--items 800] [--attribute NAME ...]
                                       [--json FILE]
    python benchmarks/encode/tuning.py --show FILE      (the table of an earlier run as Markdown)

A seeded sample of the items that have a picture; the recipe's own picture field and backbone, with its pretrained
weights. Both ways train, stop and score on the same pictures. On a processor this is about the costs, too: seconds
are of everything from files to features, nothing cached.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from machine import about

from longtail.cli.console import RichProgress
from longtail.content.model import ContentModel
from longtail.core.progress import Progress
from longtail.pipeline import read
from longtail.recipe import Recipe


def measure(recipe: Recipe, n_items: int, attributes: list[str], progress: Progress) -> dict[str, Any]:
    _, catalog = read(recipe, progress=progress)
    field, schema = next((name, one) for name, one in catalog.schema.fields.items() if one.kind == "image")
    base = recipe.data_folder
    plain = replace(catalog, schema=_only(catalog.schema, field, {"attributes": [], "fine_tune": False}))
    some = np.sort(np.random.default_rng(recipe.seed).choice(len(catalog), min(4 * n_items, len(catalog)), False))
    _, features = ContentModel.fit(plain.take(some), cache=None, progress=progress, base=base)
    chosen = some[np.flatnonzero(features[field].present)[:n_items]]
    found = []
    for way, tuned in (("frozen backbone", False), ("fine-tuned", True)):
        asked = {"attributes": attributes, "fine_tune": tuned}
        shop = replace(catalog, schema=_only(catalog.schema, field, asked)).take(chosen)
        started, used = time.perf_counter(), time.process_time()
        model, _ = ContentModel.fit(shop, cache=None, progress=progress, seed=recipe.seed, base=base)
        seconds, processor = time.perf_counter() - started, time.process_time() - used
        spent = {"seconds": round(seconds, 1), "processor": round(processor, 1)}
        found += [{"way": way, **spent, **score} for score in model.describe()[0]["attributes"]]
    return {"about": about(), "items": len(chosen), "model": schema.model or "the packaged backbone", "found": found}


def _only(schema: Any, field: str, update: dict[str, Any]) -> Any:
    return schema.model_copy(update={"fields": {field: schema.fields[field].model_copy(update=update)}})


def show(document: dict[str, Any]) -> str:
    said = document["about"]
    versions = ", ".join(f"{name} {version}" for name, version in said["versions"].items())
    lines = [
        f"{document['items']:,} items with a picture, {document['model']}. Machine: {said['machine']}; commit "
        f"{said['commit']}; {versions}.",
        "",
        "| attribute | classes | trained on | scored on | way | right | ± | most common | seconds | of processor |",
        "| :-- | --: | --: | --: | :-- | --: | --: | --: | --: | --: |",
    ]
    for one in document["found"]:
        right = one["accuracy"]
        half = 1.96 * math.sqrt(right * (1 - right) / one["validated"])
        lines.append(
            f"| {one['attribute']} | {one['classes']} | {one['trained']:,} | {one['validated']:,} | {one['way']} | "
            f"{right:.3f} | {half:.3f} | {one['majority']:.3f} | {one['seconds']:,.0f} | {one['processor']:,.0f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default=str(Path(__file__).parents[2] / "recipes" / "hm.toml"))
    parser.add_argument("--data")
    parser.add_argument("--items", type=int, default=800)
    parser.add_argument("--attribute", action="append", help="default: product_type_name")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--show", type=Path)
    given = parser.parse_args()
    if given.show:
        print(show(json.loads(given.show.read_text(encoding="utf-8"))), end="")
        return
    with RichProgress() as progress:
        document = measure(
            Recipe.load(given.recipe, data=given.data), given.items, given.attribute or ["product_type_name"], progress
        )
    if given.json:
        given.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(show(document), end="")


if __name__ == "__main__":
    main()
