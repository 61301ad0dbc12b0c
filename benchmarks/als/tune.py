"""The recipe of Rendle et al. (2021), tuned on validation, against this solver's own untuned defaults, on test.

    python benchmarks/als/tune.py [--citeulike FOLDER]

Unobserved weight and regularization (frequency scaling 1) are drawn log-uniformly and then refined around the best,
at every number of factors; the pairs of validation decide. Chosen and default settings are then fitted on training and
validation pairs, and compared on the test pairs: full ranking, NDCG@10, paired bootstrap intervals over users.

Complete Journey comes from its package: of the pairs of households with three products or more, a tenth is validation
and a tenth test. CiteULike is the published split (``warm_emb.csv``, ``warm_val.csv``, ``warm_test.csv``).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from datasets import complete_journey
from environments import commit, machine
from results import Results

from longtail.cf.als import AlsSettings, fit_als
from longtail.evaluate.compare import compare
from longtail.evaluate.full_ranking import rank
from longtail.evaluate.score import score

HERE = Path(__file__).parent
K = 10
DRAWN, REFINED = 16, 8
FACTORS = [32, 64, 128]
#: Log10 of the ranges that are searched.
RANGES = {"unobserved_weight": (-2.5, 0.5), "regularization": (-4.0, -0.5)}


def journey_parts(seed: int = 0) -> list[sp.csr_array]:
    """Training, validation and test pairs, ``(households, products)`` each, of equal shape."""
    whole = complete_journey().tocsr()
    rows = np.repeat(np.arange(whole.shape[0]), np.diff(whole.indptr))
    drawn = np.random.default_rng(seed).random(whole.nnz)
    drawn[np.diff(whole.indptr)[rows] < 3] = 1.0
    masks = [drawn >= 0.2, drawn < 0.1, (drawn >= 0.1) & (drawn < 0.2)]
    parts = [(whole.data[mask], (rows[mask], whole.indices[mask])) for mask in masks]
    return [sp.csr_array(part, shape=whole.shape) for part in parts]


def citeulike_parts(folder: Path) -> list[sp.csr_array]:
    """The published warm split, ``(users, articles)``."""
    files = ["warm_emb.csv", "warm_val.csv", "warm_test.csv"]
    pairs = [np.loadtxt(folder / name, delimiter=",", skiprows=1, dtype=np.int64, ndmin=2) for name in files]
    shape = tuple(np.max([part.max(axis=0) for part in pairs], axis=0) + 1)
    return [sp.csr_array((np.ones(len(p), np.float32), (p[:, 0], p[:, 1])), shape=shape) for p in pairs]


def measure(train: Any, held: Any, settings: AlsSettings) -> Any:
    """NDCG of every user with held-out pairs; what was trained on is not ranked."""
    fit = fit_als(train, settings)
    users = np.flatnonzero(np.diff(held.indptr))
    ranked = rank(lambda rows: fit.user_factors[rows] @ fit.item_factors.T, users, K, seen=train)
    return score(ranked, held[users], K, ["ndcg"]).values[f"ndcg@{K}"]


def search(train: Any, held: Any, factors: int, seed: int = 0) -> list[dict[str, Any]]:
    """Every trial at one number of factors: drawn over the ranges, then around the best so far."""
    rng = np.random.default_rng([seed, factors])
    trials: list[dict[str, Any]] = []
    for trial in range(DRAWN + REFINED):
        if trial < DRAWN:
            point = {name: 10 ** rng.uniform(*bounds) for name, bounds in RANGES.items()}
        else:
            best = max(trials, key=lambda one: one["ndcg"])
            point = {name: best[name] * 10 ** rng.uniform(-0.25, 0.25) for name in RANGES}
        settings = AlsSettings(factors=factors, **point)
        trials.append({"factors": factors, **point, "ndcg": float(measure(train, held, settings).mean())})
    return trials


def neighbours(best: dict[str, Any]) -> list[tuple[str, float, AlsSettings]]:
    """The chosen settings with one of them changed."""
    chosen = {name: best[name] for name in ("factors", *RANGES)}
    found = [("factors", d, AlsSettings(**(chosen | {"factors": d}))) for d in FACTORS]
    for name in RANGES:
        times = (0.1, 0.3, 1.0, 3.0, 10.0)
        found += [(name, one, AlsSettings(**(chosen | {name: chosen[name] * one}))) for one in times]
    found += [("iterations", n, AlsSettings(**chosen, iterations=n)) for n in (4, 8, 16, 32)]
    return found


def tune(name: str, parts: list[sp.csr_array], results: Results) -> None:
    """Search, sensitivity and the test, each kept as soon as it is there."""
    train, validation, test = parts
    content = results.content.setdefault(name, {"trials": []})
    content["pairs"] = {"train": train.nnz, "validation": validation.nnz, "test": test.nnz}
    content["shape"] = list(map(int, train.shape))
    for factors in FACTORS:
        if not any(trial["factors"] == factors for trial in content["trials"]):
            content["trials"] += search(train, validation, factors)
            results.save()
            print(f"{name} {factors}: {max(t['ndcg'] for t in content['trials'] if t['factors'] == factors):.4f}")
    best = max(content["trials"], key=lambda one: one["ndcg"])
    if "sensitivity" not in content:
        content["sensitivity"] = [
            {"setting": setting, "value": value, "ndcg": float(measure(train, validation, settings).mean())}
            for setting, value, settings in neighbours(best)
        ]
        results.save()
    both = sp.csr_array(train + validation)
    same = max((t for t in content["trials"] if t["factors"] == 64), key=lambda one: one["ndcg"])
    settings = {
        "defaults": AlsSettings(),
        "tuned, 64 factors": AlsSettings(**{key: same[key] for key in ("factors", *RANGES)}),
        "tuned": AlsSettings(**{key: best[key] for key in ("factors", *RANGES)}),
    }
    values = {method: measure(both, test, one) for method, one in settings.items()}
    content["settings"] = {method: {key: getattr(one, key) for key in ("factors", *RANGES)} for method, one in
                           settings.items()}  # fmt: skip
    content["test"] = compare(f"ndcg@{K}", values).to_dict()
    content["commit"] = commit()
    results.save()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=HERE / "results", help="where to write the measurements")
    parser.add_argument("--citeulike", type=Path, help="the folder of the published split; left out without it")
    args = parser.parse_args()
    results = Results(args.results / "tuned.json", {"machine": machine()})
    tune("Complete Journey", journey_parts(), results)
    if args.citeulike:
        tune("CiteULike", citeulike_parts(args.citeulike), results)
    import report

    report.write(args.results)


if __name__ == "__main__":
    main()
