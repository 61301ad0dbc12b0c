"""Rank every candidate for every user, block by block: no sampled negatives, bounded memory.

Sampled negatives can reverse which of two methods is better (Krichene & Rendle, "On sampled metrics for item
recommendation", KDD 2020), so there is no option for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from scipy import sparse

from longtail.core.arrays import Bool, Float32, Int64
from longtail.core.errors import DataError, NumericalError
from longtail.core.machine import usable_cores
from longtail.core.progress import SILENT, Progress
from longtail.evaluate.select import select_rows

#: Scores of some users: ``(b,) int64`` user rows -> ``(b, n_items) float32``. Minus infinity: never to be shown.
ScoreBlock = Callable[[Int64], Float32]

BLOCK_BYTES = 256 * 2**20


def rank(
    score_block: ScoreBlock,
    users: Int64,
    k: int,
    *,
    seen: sparse.csr_array | None = None,
    candidates: Bool | None = None,
    seed: int = 0,
    block_bytes: int = BLOCK_BYTES,
    threads: int | None = None,
    progress: Progress = SILENT,
) -> Int64:
    """The ``k`` best items of each user, ``(n_users, k) int64``, best first, -1 where a user has no more answers.

    Args:
        score_block: gives the scores of some users for all items.
        users: ``(n_users,)`` user rows, in the order wanted.
        k: places.
        seen: ``(all users, n_items)``, pairs that are left out; rows are user rows. None: nothing is left out.
        candidates: ``(n_items,) bool``, items that may be ranked. None: all.
        seed: equal scores stand in an order drawn from (seed, user, item): never by id, the same on every run and
            whatever the block size.
        block_bytes: memory one block of scores may take; at least one user is scored at a time.
        threads: that select; None: one a core. The result does not depend on it.
        progress: told of each block.

    Raises:
        DataError: ``k`` is not positive, or shapes do not fit.
        NumericalError: a candidate's score is NaN.
    """
    sets = None if candidates is None else [candidates]
    return rank_each(
        score_block,
        users,
        k,
        sets,
        seen=seen,
        seed=seed,
        block_bytes=block_bytes,
        threads=threads,
        progress=progress,
    )[0]


def rank_each(
    score_block: ScoreBlock,
    users: Int64,
    k: int,
    candidate_sets: Sequence[Bool] | None,
    *,
    seen: sparse.csr_array | None = None,
    seed: int = 0,
    block_bytes: int = BLOCK_BYTES,
    threads: int | None = None,
    progress: Progress = SILENT,
) -> list[Int64]:
    """:func:`rank` within several sets of candidates, while scoring every user once.

    Args:
        score_block: see :func:`rank`.
        users: see :func:`rank`.
        k: see :func:`rank`.
        candidate_sets: masks ``(n_items,) bool``; they may overlap. None: one set, of all items.
        seen: see :func:`rank`.
        seed: see :func:`rank`.
        block_bytes: see :func:`rank`.
        threads: see :func:`rank`.
        progress: see :func:`rank`.

    Returns:
        One ``(n_users, k) int64`` for each set; a set that is empty gives -1 everywhere.

    Raises:
        DataError: see :func:`rank`.
        NumericalError: see :func:`rank`.
    """
    if k < 1:
        raise DataError(f"k must be at least 1; found {k}.")
    users = np.ascontiguousarray(users, dtype=np.int64)
    if len(users) == 0:
        return [np.full((0, k), -1, dtype=np.int64) for _ in candidate_sets or (None,)]
    n_items = _width(score_block, users, candidate_sets, seen)
    sets = [np.arange(n_items)] if candidate_sets is None else [np.flatnonzero(mask) for mask in candidate_sets]
    if seen is None:
        indptr = indices = np.empty(0, dtype=np.int64)
    else:
        if seen.shape[1] != n_items or seen.shape[0] <= users.max():
            raise DataError(
                f"The seen pairs are {seen.shape[0]:,} x {seen.shape[1]:,}; expected {n_items:,} items and a row for "
                f"user row {users.max():,}."
            )
        indptr, indices = seen.indptr.astype(np.int64), seen.indices.astype(np.int64)
    results = [np.full((len(users), k), -1, dtype=np.int64) for _ in sets]
    size = max(1, block_bytes // (4 * max(1, n_items)))
    workers = threads or usable_cores()
    with ThreadPoolExecutor(workers) as pool, progress.task("ranking", total=len(users)) as task:
        for start in range(0, len(users), size):
            rows = users[start : start + size]
            scores = np.ascontiguousarray(score_block(rows), dtype=np.float32)
            if scores.shape != (len(rows), n_items):
                raise DataError(f"Scores have the shape {scores.shape}; expected {(len(rows), n_items)}.")
            cuts = np.linspace(0, len(rows), min(workers, len(rows)) + 1).astype(int)
            for candidates, result in zip(sets, results, strict=True):
                out = result[start : start + size]
                jobs = [
                    pool.submit(
                        select_rows,
                        scores,
                        first,
                        last,
                        rows,
                        indptr,
                        indices,
                        candidates,
                        np.uint64(seed & 0xFFFFFFFFFFFFFFFF),
                        out,
                    )
                    for first, last in pairwise(cuts)
                ]
                for job in jobs:
                    wrong = job.result()
                    if wrong >= 0:
                        raise NumericalError(
                            f"A score of user row {rows[wrong]:,} is NaN. Check the vectors it is made of."
                        )
            task.advance(len(rows))
    return results


def _width(
    score_block: ScoreBlock, users: Int64, candidate_sets: Sequence[Bool] | None, seen: sparse.csr_array | None
) -> int:
    """The number of items, from whatever says it; only without masks and seen pairs is a user scored to learn it."""
    widths = {len(mask) for mask in candidate_sets or ()}
    if not widths:
        widths = {seen.shape[1] if seen is not None else score_block(users[:1]).shape[1]}
    if len(widths) > 1:
        raise DataError(f"The candidate sets have different lengths: {sorted(widths)}. Each needs one entry an item.")
    return widths.pop()
