"""The compiled selection of the k best of each row of scores, ties in seeded random order."""

from __future__ import annotations

import numpy as np
from numba import njit

from longtail.core.arrays import Float32, Int64

# Constants of splitmix64 (Steele, Lea & Flood, OOPSLA 2014): a hash good enough to order ties.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_30, _27, _31 = np.uint64(30), np.uint64(27), np.uint64(31)


@njit(inline="always", cache=True)  # type: ignore[untyped-decorator]
def _mix(x: np.uint64) -> np.uint64:
    x = (x ^ (x >> _30)) * _MIX_1
    x = (x ^ (x >> _27)) * _MIX_2
    return x ^ (x >> _31)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def select_rows(
    scores: Float32,
    first: int,
    last: int,
    users: Int64,
    seen_indptr: Int64,
    seen_indices: Int64,
    candidates: Int64,
    seed: np.uint64,
    out: Int64,
) -> int:
    """The best candidates of rows ``first:last`` of a block of scores, written into the same rows of ``out``.

    One pass a row keeps the best so far in order; an item has to beat the last of them, so nearly all are turned away
    by one comparison. Between equal scores a hash of (seed, user, item) decides: it depends neither on the order of the
    candidates nor on how users are cut into blocks, and it is only computed where scores are equal.

    Args:
        scores: ``(b, n_items) float32``, C-contiguous; minus infinity is never chosen.
        first: the first row.
        last: one past the last row.
        users: ``(b,)``, the user row of each row of scores.
        seen_indptr: of a CSR matrix with a row a user, or length 0 if nothing was seen.
        seen_indices: its column numbers.
        candidates: item rows that may be chosen.
        seed: of the hash.
        out: ``(b, k)``, filled with -1 by the caller.

    Returns:
        The first row of the block in which a candidate's score is NaN (selection stops there), or -1.
    """
    n_items = scores.shape[1]
    k = out.shape[1]
    blocked = np.zeros(n_items, dtype=np.bool_)
    best_score = np.empty(k, dtype=np.float32)
    best_noise = np.empty(k, dtype=np.uint64)
    for row in range(first, last):
        user = users[row]
        if len(seen_indptr):
            for place in range(seen_indptr[user], seen_indptr[user + 1]):
                blocked[seen_indices[place]] = True
        key = _mix(seed + _GOLDEN * np.uint64(user + 1))
        found = 0
        last_best = np.float32(-np.inf)
        for item in candidates:
            score = scores[row, item]
            if score < last_best:  # nearly all of them; NaN is not
                continue
            if np.isnan(score):
                return row
            if blocked[item] or score == -np.inf:
                continue
            noise = _mix(key + _GOLDEN * np.uint64(item + 1))
            if found == k and score == best_score[k - 1] and noise <= best_noise[k - 1]:
                continue
            place = found if found < k else k - 1
            while place > 0 and (
                best_score[place - 1] < score or (best_score[place - 1] == score and best_noise[place - 1] < noise)
            ):
                best_score[place] = best_score[place - 1]
                best_noise[place] = best_noise[place - 1]
                out[row, place] = out[row, place - 1]
                place -= 1
            best_score[place] = score
            best_noise[place] = noise
            out[row, place] = item
            if found < k:
                found += 1
            if found == k:
                last_best = best_score[k - 1]
        if len(seen_indptr):
            for place in range(seen_indptr[user], seen_indptr[user + 1]):
                blocked[seen_indices[place]] = False
    return -1
