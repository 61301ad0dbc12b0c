"""The data sets of the benchmark, as files made on first use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from shop import generate

SHOPS = {  # users, items, pairs
    "tiny": (600, 300, 12_000),
    "a": (60_000, 20_000, 5_000_000),
    "c": (1_000_000, 300_000, 100_000_000),
}
#: The linearity curve; its last point is the training part of c.
GROWING = [1_000_000, 3_000_000, 10_000_000, 30_000_000]


def matrices(name: str, work: Path) -> tuple[Path, Path]:
    """Training pairs and held-out pairs: one in ten, one in a hundred in c, of the users with five or more."""
    train, test = work / f"{name}-train.npz", work / f"{name}-test.npz"
    if train.exists() and test.exists():
        return train, test
    whole = complete_journey() if name == "b" else generate(*SHOPS[name])
    rng = np.random.default_rng(1)
    lengths = np.diff(whole.indptr)
    rows = np.repeat(np.arange(whole.shape[0], dtype=np.int32), lengths)
    held = (rng.random(whole.nnz, np.float32) < (0.01 if name == "c" else 0.1)) & (lengths[rows] >= 5)
    for path, part in ((test, held), (train, ~held)):
        indptr = np.concatenate([[0], np.cumsum(np.bincount(rows[part], minlength=whole.shape[0]))])
        save(path, sp.csr_matrix((whole.data[part], whole.indices[part], indptr), shape=whole.shape))
    return train, test


def growing(pairs: int, work: Path) -> Path:
    """A shop of so many pairs; shops grow in all directions."""
    path = work / f"linear-{pairs}.npz"
    if not path.exists():
        save(path, generate(pairs // 100, pairs * 3 // 1000, pairs))
    return path


def save(path: Path, matrix: Any) -> None:
    """Write whole files only, so that an interrupted run leaves nothing half written."""
    part = path.with_suffix(".part.npz")
    sp.save_npz(part, sp.csr_matrix(matrix), compressed=False)
    part.rename(path)


def complete_journey() -> sp.csr_array:
    """Households x products, times bought, read by longtail's own data layer from the installed package."""
    from longtail.data.datasets import complete_journey as journey
    from longtail.data.events import read_events
    from longtail.data.interactions import aggregate
    from longtail.recipe import Recipe

    recipe = Recipe.load(journey.recipe())
    events = read_events(recipe.events, recipe.weights, base=recipe.data_folder)
    return aggregate(events, recipe.weights, items=None).matrix
