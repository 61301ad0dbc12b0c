"""Is the network worth its place? Kernel, network and their mean on generated shops with up to 20,000 head items.

python benchmarks/quality/large.py              two shops, then results/large.json and results/large.md

Two shops of the same size, fields, noise and gaps. In the *smooth* one what an item is liked for is a sum over its
fields: what a kernel on the cosine is made for. In the *mixed* one half of it is how fields go together: occasion with
category, the brand's class of price with category, and what the text says, bent by a nonlinearity. Customers take, of
eight items offered by Zipf popularity, the one they like best. A tenth of the items is held out of everything and
ranked among itself. The learners get the ALS vectors of some of the others, 1,000 to 20,000, all with the settings that
are longtail's own. Nothing is chosen on the held-out items: what training would keep is chosen on its own
out-of-sample predictions.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from longtail.bridge.r_squared import r_squared
from longtail.bridge.settings import BridgeSettings, NetworkSettings
from longtail.bridge.training import Bridge, best_learner, fit_bridge
from longtail.cf.fitting import fit_als, solve_items
from longtail.cf.objective import AlsSettings
from longtail.content.combine import combine
from longtail.core.arrays import Float32, Float64
from longtail.core.features import Features, Field
from longtail.core.unit_rows import unit_rows
from longtail.core.vocabulary import Vocabulary
from longtail.evaluate.compare import compare
from longtail.evaluate.full_ranking import rank
from longtail.evaluate.metrics.ndcg import ndcg_at_k

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "quality" / "results"
sys.path[:0] = [str(ROOT / "benchmarks" / "als"), str(ROOT / "benchmarks" / "quality")]

from shop import generate  # noqa: E402

from protocols import commit, machine  # noqa: E402

ITEMS, USERS, PAIRS, RANK = 24_000, 30_000, 2_500_000, 16
HEADS = (1_000, 3_000, 10_000, 20_000)
#: How many values each attribute has, and how often it is not said.
ATTRIBUTES = {"category": 40, "occasion": 12, "brand": 150, "colour": 12, "price": 8}
UNSAID, PRIVATE, JUDGED = 0.15, 0.3, 3_000
ALS = AlsSettings(factors=32, iterations=8, regularization=0.01, unobserved_weight=0.03)


def shop(kind: str, n_items: int, seed: int) -> tuple[Features, Float32]:
    """A catalog's features, and what its items are liked for, ``(n_items, RANK) float32`` with unit variance.

    Three tenths of the variance is the item's own and in no field.
    """
    rng = np.random.default_rng(seed)
    codes = {name: _zipf(rng, size, n_items) for name, size in ATTRIBUTES.items()}
    tables = {name: rng.standard_normal((size, RANK)) for name, size in ATTRIBUTES.items()}
    style = rng.standard_normal((n_items, 8))
    liked = sum(tables[name][codes[name]] for name in ATTRIBUTES) / np.sqrt(len(ATTRIBUTES))
    liked = 0.8 * liked + 0.6 * _scaled(style @ rng.standard_normal((8, RANK)))
    if kind == "mixed":
        together = np.zeros((n_items, RANK))
        # A brand is cheap, usual, good or dear, which means something else in every category.
        tier = rng.integers(4, size=ATTRIBUTES["brand"])[codes["brand"]]
        for code, size in ((codes["occasion"], ATTRIBUTES["occasion"]), (tier, 4)):
            together += rng.standard_normal((size, ATTRIBUTES["category"], RANK))[code, codes["category"]]
        bent = np.sin(1.5 * style @ rng.standard_normal((8, 16)) / np.sqrt(8)) @ rng.standard_normal((16, RANK))
        liked = _scaled(liked) + _scaled(_scaled(together) * np.sqrt(2) + _scaled(bent))
    liked = np.sqrt(1 - PRIVATE) * _scaled(liked) + np.sqrt(PRIVATE) * rng.standard_normal((n_items, RANK))
    # The text speaks of category, occasion and style, in 48 dimensions, as a sentence model does: blurred.
    said = np.hstack([0.5 * tables["category"][codes["category"]], 0.5 * tables["occasion"][codes["occasion"]], style])
    text = np.tanh(said @ rng.standard_normal((said.shape[1], 48)) / np.sqrt(said.shape[1]))
    text += 0.3 * rng.standard_normal(text.shape)
    fields = [Field("text", unit_rows(text.astype(np.float32)), rng.random(n_items) >= 0.05)]
    for name, size in ATTRIBUTES.items():
        fields.append(Field(name, np.eye(size, dtype=np.float32)[codes[name]], rng.random(n_items) >= UNSAID))
    fields = [replace(field, matrix=field.matrix * field.present[:, None]) for field in fields]
    return Features(Vocabulary([f"i{row:05d}" for row in range(n_items)]), tuple(fields)), liked.astype(np.float32)


def measure(kind: str, settings: BridgeSettings, *, seed: int = 0, heads: tuple[int, ...] = HEADS) -> dict[str, Any]:
    """One shop: the learners at every number of head items, on the same held-out items and users."""
    features, liked = shop(kind, ITEMS, seed)
    matrix = sparse.csr_array(generate(USERS, ITEMS, PAIRS, seed=seed, tastes=liked))
    matrix.data[:] = 1.0
    rng = np.random.default_rng(seed + 1)
    taken = np.bincount(matrix.indices, minlength=ITEMS)
    teachers = rng.permutation(np.flatnonzero(taken >= 5))
    cold, teachers = np.sort(teachers[: len(teachers) // 10]), teachers[len(teachers) // 10 :]
    shown = np.ones(ITEMS, np.float32)
    shown[cold] = 0.0
    train = sparse.csr_array(matrix @ sparse.diags_array(shown))
    train.eliminate_zeros()
    als = fit_als(train, ALS)
    z = combine(features, {})
    held = sparse.csr_array(matrix[:, cold])
    users = np.flatnonzero(np.diff(held.indptr))
    users = np.sort(rng.choice(users, min(JUDGED, len(users)), replace=False))
    # What ALS would say of the held-out items had it seen their events: what the predictions should be.
    truth = unit_rows(solve_items(held, als.user_factors, ALS).factors)
    new, content = features.take(cold), z[cold]
    curve = []
    for size in heads:
        if size > len(teachers):
            continue
        began = time.process_time()
        rows = np.sort(teachers[:size])
        fitted = fit_bridge(features, z, als.item_factors, rows, settings, method="mean", seed=seed)
        spent = time.process_time() - began
        mean = fitted.bridge
        learners = {}
        if mean.kernel is not None:
            learners["kernel"] = replace(mean, kernel_weight=1.0, network_weight=0.0)
        if mean.network is not None:
            learners["network"] = replace(mean, kernel_weight=0.0, network_weight=1.0)
        learners["mean"] = mean
        curve.append(
            {"heads": size, "processor seconds": round(spent, 1)}
            | _compared(learners, fitted.scores, new, content, truth, als.user_factors, users, held)
        )
        print(kind, json.dumps(curve[-1]), flush=True)
    return {"shop": kind, "items with 5 users": len(teachers) + len(cold), "held out": len(cold), "curve": curve}


def _compared(
    learners: dict[str, Bridge],
    scores: dict[str, Any],
    new: Features,
    content: Float32,
    truth: Float32,
    factors: Float32,
    users: Any,
    held: Any,
) -> dict[str, Any]:
    ndcg: dict[str, Float64] = {}
    found: dict[str, Any] = {"r2": {}, "cosine": {}}
    for name, learner in learners.items():
        predicted = learner.predict(new, content)
        found["r2"][name] = r_squared(truth, predicted)
        found["cosine"][name] = float((unit_rows(predicted) * truth).sum(axis=1).mean())
        ranked = rank(lambda block, items=predicted: factors[block] @ items.T, users, 10)  # type: ignore[misc]
        ndcg[name] = ndcg_at_k(ranked, sparse.csr_array(held[users]), 10)
    by_score = {name: value for name, value in scores["scores"].items() if name in learners}
    found["kept"] = best_learner(by_score)
    found["out of sample r2"] = by_score
    found["epochs"] = scores["network_epochs"]
    found["ndcg@10"] = compare("ndcg@10", ndcg).to_dict()
    return found


def _zipf(rng: np.random.Generator, size: int, n: int) -> Any:
    chance = 1.0 / np.arange(1, size + 1) ** 0.7
    return rng.choice(size, n, p=chance / chance.sum())


def _scaled(values: Float64) -> Float64:
    """Mean 0 and variance 1 in every column."""
    return (values - values.mean(axis=0)) / values.std(axis=0)


def page(document: dict[str, Any]) -> str:
    """The page, in Markdown."""
    lines = [
        "# Kernel and network by number of head items",
        "",
        f"Made by `python benchmarks/quality/large.py` ({document['processor seconds']:.0f} s of processor time, "
        f"commit {document['commit']}). Generated shops of {ITEMS:,} items, {USERS:,} users and {PAIRS:,} pairs; see "
        "the script for what they are. NDCG@10 of held-out items among themselves; R² against the directions that ALS "
        "gives them from their own events. *Mean* weighs the two by least squares on predictions of items neither "
        "has seen. *Epochs* are those of the network's folds. *Kept* is what training chooses on its own out-of-sample "
        "predictions.",
    ]
    for found in document["shops"]:
        lines += [
            "",
            f"## {found['shop']}",
            "",
            "| heads | R² kernel | network | mean | NDCG kernel | network | mean "
            "| network - kernel (95%) | mean - kernel (95%) | kept | epochs | processor s |",
            "| --: | --: | --: | --: | --: | --: | --: | :-- | :-- | :-- | :-- | --: |",
        ]
        for row in found["curve"]:
            means = row["ndcg@10"]["estimates"]
            names = ("kernel", "network", "mean")  # one that got no part of the mean was not measured
            cells = [f"{row['r2'][name]:.3f}" if name in means else "-" for name in names]
            cells += [f"{means[name]['mean']:.4f}" if name in means else "-" for name in names]
            cells += [_difference(row["ndcg@10"], name) for name in ("network", "mean")]
            cells += [row["kept"], ", ".join(map(str, row["epochs"])), f"{row['processor seconds']:.0f}"]
            lines.append(f"| {row['heads']:,} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _difference(comparison: dict[str, Any], method: str) -> str:
    for found in comparison["differences"]:
        if (found["method"], found["against"]) == (method, "kernel"):
            return f"{found['low']:+.4f} to {found['high']:+.4f}"
    return "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    settings = BridgeSettings(network=NetworkSettings())
    shops = [measure(kind, settings, seed=arguments.seed) for kind in ("mixed", "smooth")]
    document = {
        "command": "python benchmarks/quality/large.py",
        "seed": arguments.seed,
        "commit": commit(),
        "machine": machine(),
        "processor seconds": round(time.process_time(), 1),
        "bridge": settings.model_dump(),
        "shops": shops,
    }
    (arguments.results / "large.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (arguments.results / "large.md").write_text(page(document), encoding="utf-8")


if __name__ == "__main__":
    main()
