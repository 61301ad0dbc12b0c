"""Where items are drawn: the spaces of ALS alone and of longtail flattened to two dimensions, from one start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from longtail.core.arrays import Bool, Float32, Float64, Int64
from longtail.core.errors import DataError
from longtail.core.extras import require
from longtail.core.progress import SILENT, Progress
from longtail.core.unit_rows import unit_rows

#: Items beyond these are not drawn; a seeded sample is.
MOST = 200_000
#: Items that t-SNE itself places; the others are put beside those they are nearest to.
ANCHORS = 4_000
_NEIGHBOURS = 10
_FEWEST = 12
_BLOCK = 4_096


@dataclass(frozen=True)
class Layout:
    """Places of items.

    Attributes:
        rows: ``(n,)`` item rows, in random order, so that no group is drawn over another.
        before: ``(n, 2) float32`` in [0, 1], by ALS alone; NaN where ALS has no vector of the item.
        after: the same by longtail.
        anchors: how many items t-SNE placed.
    """

    rows: Int64
    before: Float32
    after: Float32
    anchors: int


def lay_out(
    before: Float32,
    after: Float32,
    rows: Int64,
    *,
    seed: int = 0,
    anchors: int = ANCHORS,
    most: int = MOST,
    progress: Progress = SILENT,
) -> Layout:
    """Flatten both spaces by t-SNE on cosines (van der Maaten & Hinton 2008), same seed, both from the principal
    components of ``after``.

    t-SNE places a seeded sample of items that have a vector in both spaces. Every other item goes to the median place
    of its ten nearest in the sample (Kobak & Berens 2019), with a little noise, so that equal items do not hide each
    other.

    Args:
        before, after: ``(n_items, d) float32``; rows of zeros have no place.
        rows: which items to draw.
        seed: of sample, noise and t-SNE.
        anchors: size of the sample.
        most: how many items are drawn.
        progress: told of both layouts.

    Raises:
        MissingExtraError: openTSNE is not installed.
        DataError: fewer than 12 items have a vector in both spaces.
    """
    require("openTSNE", extra="report", purpose="Drawing the map of items")
    generator = np.random.default_rng(seed)
    rows = np.asarray(generator.permutation(rows)[:most], dtype=np.int64)
    spaces = [unit_rows(before[rows]), unit_rows(after[rows])]
    both = np.flatnonzero(spaces[0].any(axis=1) & spaces[1].any(axis=1))
    if len(both) < _FEWEST:
        raise DataError(f"Only {len(both)} items have a place in both spaces; a map needs at least {_FEWEST}.")
    chosen = both[:anchors]  # of a random order
    places = []
    # The last digit of a sum decides where t-SNE ends: BLAS must not split sums by the number of threads.
    with threadpool_limits(1), progress.task("Drawing the map of items", total=2) as task:
        start = _start(spaces[1][chosen])
        for number, space in enumerate(spaces):
            found = _tsne(space[chosen], start, seed)
            places.append(_scaled(_place_all(space, chosen, found, np.random.default_rng([seed, number]))))
            task.advance()
    return Layout(rows, places[0], places[1], len(chosen))


def _start(matrix: Float32) -> Float64:
    """The first two principal components, as small as t-SNE wants its start; signs by the largest loading."""
    centred = matrix.astype(np.float64) - matrix.mean(axis=0, dtype=np.float64)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    if axes.shape[1] < 2:
        axes = np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))
    start: Float64 = centred @ axes
    spread = start[:, 0].std()
    return start / spread * 1e-4 if spread > 0 else start


def _tsne(matrix: Float32, start: Float64, seed: int) -> Float64:
    from openTSNE import TSNE

    perplexity = min(30.0, (len(matrix) - 1) / 3 - 1e-9)
    # One thread is faster than several for a few thousand items, and the result then cannot depend on their number.
    fitted = TSNE(
        perplexity=perplexity, initialization=start.copy(), neighbors="exact", negative_gradient_method="bh",
        random_state=seed, n_jobs=1,
    ).fit(matrix)  # fmt: skip
    return np.asarray(fitted, dtype=np.float64)


def _place_all(space: Float32, chosen: Int64, found: Float64, generator: np.random.Generator) -> Float64:
    places = np.full((len(space), 2), np.nan)
    others: Bool = np.asarray(space.any(axis=1))
    others[chosen] = False
    rest = np.flatnonzero(others)
    k = min(_NEIGHBOURS, len(chosen))
    for first in range(0, len(rest), _BLOCK):
        part = rest[first : first + _BLOCK]
        nearest = np.argpartition(-(space[part] @ space[chosen].T), k - 1, axis=1)[:, :k]
        places[part] = np.median(found[nearest], axis=1)
    places[rest] += generator.normal(0, 0.004 * np.ptp(found, axis=0).max(), (len(rest), 2))
    places[chosen] = found
    return places


def _scaled(places: Float64) -> Float32:
    """Into the unit square, with both axes scaled alike."""
    low, high = np.nanmin(places, axis=0), np.nanmax(places, axis=0)
    side = max(float((high - low).max()), 1e-12)
    return np.asarray((places - (low + high) / 2) / side + 0.5, dtype=np.float32)
