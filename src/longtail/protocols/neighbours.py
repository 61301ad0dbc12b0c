"""Which items belong together, and what each method shows beside an item."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from longtail.calibrate.model import ItemModel
from longtail.cf.content_knn import ContentNeighbours
from longtail.cf.popular import Popularity
from longtail.core.arrays import Bool, Float32, Int64
from longtail.core.unit_rows import unit_rows
from longtail.protocols.foreign import BoundEmbeddings, ForeignEmbeddings
from longtail.protocols.methods import Factors, ForeignMethod, Method, Scored, TrainedParts


def co_taken(taken: sparse.csr_array, at_least: int) -> sparse.csr_array:
    """Items taken by the same users: ``(n_items, n_items) bool``, symmetric, without the diagonal.

    Two items belong together if at least ``at_least`` users took both and that is more than takers who are independent
    would: n_ij n_users > n_i n_j. Without the second condition every item belongs to the most popular ones.

    Args:
        taken: ``(n_users, n_items)``; users who took nothing do not count. No pairs: nothing belongs together.
        at_least: users.
    """
    ones = sparse.csr_array((np.ones(taken.nnz, dtype=np.float32), taken.indices, taken.indptr), shape=taken.shape)
    n_users = int((np.diff(taken.indptr) > 0).sum())
    counts = np.bincount(taken.indices, minlength=taken.shape[1]).astype(np.float64)
    # Items with fewer takers cannot have enough in common with any other; without them the product stays small.
    enough = np.flatnonzero(counts >= at_least)
    some = sparse.csc_array(ones)[:, enough]
    both = sparse.coo_array(some.T @ some)
    row, column = enough[both.coords[0]], enough[both.coords[1]]
    keep = (row != column) & (both.data >= at_least) & (both.data * n_users > counts[row] * counts[column])
    shape = (taken.shape[1], taken.shape[1])
    result = sparse.csr_array((np.ones(int(keep.sum()), dtype=np.bool_), (row[keep], column[keep])), shape=shape)
    result.sort_indices()
    return result


def draw_per_group(eligible: Bool, group: Int64, most: int, seed: int) -> Bool:
    """At most ``most`` eligible rows of each group, drawn with the seed, ``(n,) bool``."""
    generator = np.random.default_rng(seed)
    drawn = np.zeros(len(eligible), dtype=np.bool_)
    for number in np.unique(group):
        rows = np.flatnonzero(eligible & (group == number))
        drawn[rows if len(rows) <= most else generator.choice(rows, most, replace=False)] = True
    return drawn


def neighbour_methods(parts: TrainedParts, foreign: Sequence[ForeignMethod] = ()) -> list[Method]:
    """Popularity, content kNN, ALS alone, the article's method and longtail, each asked by an item's row.

    Foreign embeddings follow, by the cosine of their item vectors; foreign rankings are for users and say nothing here.
    """
    model, counts = parts.model, parts.interactions.n_interactions
    methods: list[Method] = [Scored("popularity", Popularity.from_matrix(parts.interactions.matrix))]
    content = model.content if parts.content is None else parts.content
    if content.shape[1] and content.any():
        methods.append(Scored("content kNN", ContentNeighbours.between(unit_rows(content), unit_rows(content))))
    methods.append(_cosine("ALS", model.als_item_factors))
    if parts.article is not None:
        methods.append(beside("article", parts.article, counts))
    methods.append(beside("longtail", model, counts))
    for one in foreign:
        if isinstance(one, ForeignEmbeddings):
            vectors, known = one.of_items(parts.interactions.items)
            methods.append(BoundEmbeddings(one.name, unit_rows(vectors), unit_rows(vectors), known, known))
    return methods


def beside(name: str, model: ItemModel, n_interactions: Int64) -> Factors:
    """similar(q, j) = (1 - g_q) r_j v_q . v_j + g_q z_q . z_j over unit vectors, as one inner product."""
    vectors = unit_rows(model.item_vectors)
    stored = vectors * model.fusion.trust(n_interactions)[:, None]
    if model.content.shape[1] == 0:
        return Factors(name, vectors, stored)
    gate = model.fusion.query_gate(vectors, model.content, n_interactions)[:, None]
    return Factors(
        name,
        np.hstack([(1 - gate) * vectors, gate * model.content]),
        np.hstack([stored, model.content]),
    )


def _cosine(name: str, vectors: Float32) -> Factors:
    same = unit_rows(vectors)
    return Factors(name, same, same)
