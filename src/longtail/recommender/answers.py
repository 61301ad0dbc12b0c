"""From scores to answers: one of a group, popularity where nothing better is known, the note beside it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow.compute as pc

from longtail.bundle import Bundle
from longtail.core.arrays import Bool, Float32, Int64
from longtail.core.ranking import SOURCES, Ranked, Ranking, Source, top_k
from longtail.index import Hits

#: Gives the best of the allowed rows, at most so many.
Search = Callable[[int, Bool], Hits]


def best(search: Search, k: int, allowed: Bool, groups: Int64 | None) -> Hits:
    """The ``k`` best rows, or the best of each group in ``groups (n_items,)``; -1 is no group and never left out.

    Groups that are found are left out of the next search, so that one group with all the best rows costs one search
    more and not a look at all of it. Ends with ``k`` rows or when nothing is left.
    """
    if groups is None:
        return search(k, allowed)
    wanted = 4 * k
    found = Hits(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
    while True:
        hits = search(wanted, allowed)
        keep = _first_of_each(groups[hits.rows])
        rows = np.concatenate([found.rows, hits.rows[keep]])
        found = Hits(rows, np.concatenate([found.scores, hits.scores[keep]]))
        if len(found.rows) >= k or len(hits.rows) < wanted:
            return Hits(found.rows[:k], found.scores[:k])
        allowed = allowed & ~np.isin(groups, groups[hits.rows][groups[hits.rows] >= 0])
        allowed[hits.rows] = False


def by_popularity(bundle: Bundle) -> Search:
    """A search for the items most users took; items nobody took are no answer."""
    scores: Float32 = bundle.n_interactions.astype(np.float32)
    taken: Bool = bundle.n_interactions > 0

    def search(k: int, allowed: Bool) -> Hits:
        rows = top_k(scores, k, allowed & taken)
        return Hits(rows, scores[rows])

    return search


def category_popularity(bundle: Bundle) -> Float32:
    """How many users an item of its category has on average, ``(n_items,) float32``; 0 without a category.

    What is left to order items by of which neither events nor content that says anything are known.
    """
    column = bundle.category_column
    if column is None:
        return np.zeros(len(bundle.items), dtype=np.float32)
    encoded = bundle.catalog.column(column).combine_chunks().dictionary_encode()
    codes = pc.fill_null(encoded.indices, len(encoded.dictionary)).to_numpy(zero_copy_only=False)
    sums = np.bincount(codes, bundle.n_interactions, len(encoded.dictionary) + 1)
    means = sums / np.maximum(np.bincount(codes, minlength=len(sums)), 1)
    means[-1] = 0.0
    return np.asarray(means[codes], dtype=np.float32)


def by_category(bundle: Bundle) -> Search:
    """A search for items of the most popular categories; items of categories nobody took anything of are no answer."""
    scores = category_popularity(bundle)

    def search(k: int, allowed: Bool) -> Hits:
        rows = top_k(scores, k, allowed & (scores > 0))
        return Hits(rows, scores[rows])

    return search


def ranking(bundle: Bundle, hits: Hits, *, note: str = "", source: Source | None = None) -> Ranking:
    """Hits as a ranking; ``source`` overrides the items' own."""
    ids = bundle.items.take(hits.rows)
    codes, counts = bundle.source_codes[hits.rows], bundle.n_interactions[hits.rows]
    rows = tuple(
        Ranked(id, float(score), position, source or SOURCES[code], int(count))
        for position, (id, score, code, count) in enumerate(zip(ids, hits.scores, codes, counts, strict=True), start=1)
    )
    return Ranking(rows, note)


def shortage(found: int, k: int, allowed: Bool) -> str:
    """Why there are fewer answers than asked for; empty where there are not."""
    if found >= k:
        return ""
    left = int(allowed.sum())
    if left <= found:
        return f"{found} of {k}: no more items can be returned after the filter and what is left out."
    return f"{found} of {k}: the other {left - found:,} items that pass repeat a value already shown."


def joined(*notes: str) -> str:
    """Notes as one line."""
    return " ".join(note for note in notes if note)


def _first_of_each(groups: Int64) -> Bool:
    keep = np.zeros(len(groups), dtype=np.bool_)
    keep[np.unique(groups, return_index=True)[1]] = True
    return keep | (groups < 0)
