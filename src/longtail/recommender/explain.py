"""A score taken apart, exactly: over the items of a history, and over the fields of an item's content.

    score(u, i) = (u + s_u ū)·v_i + g_i p·z_i,    [u; p] = A_u^-1 Σ_j c_j a_j,    v_i = h_i + A_i^-1 τ f_i

all of it times b_i, see `longtail.calibrate.model.Fusion.fresh`. Behaviour is u·h_i, over the history by the solved
system of the user. What content predicts, u·A_i^-1 τ f_i, and what it says itself, g_i p·z_i, are over the fields by
Shapley values, since neither is a sum over them. What events bring, h_i, is what the prediction does not. What
everybody would give it, s_u ū·v_i, is a part by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from longtail.core.arrays import Float32, Float64
from longtail.core.ranking import SOURCES
from longtail.index.contract import inner_products
from longtail.recommender.answers import category_popularity
from longtail.recommender.asking import ask, brought
from longtail.recommender.changes import Pairs
from longtail.recommender.explanation import Contribution, Explanation, ItemInfo, Kind
from longtail.recommender.fields import FieldReader
from longtail.recommender.shapley import shapley_values
from longtail.recommender.snapshot import Snapshot, item_query, stored_for_items, stored_for_users

#: A rest below this share of the parts is rounding and not told.
_ROUNDING = 1e-6
#: What a part of the content is called where the bundle does not know the fields.
WHOLE = "all fields"


def item_info(snapshot: Snapshot, row: int) -> ItemInfo:
    """What is known of an item."""
    bundle = snapshot.bundle
    present = {} if bundle.present is None else dict(zip(bundle.fields, bundle.present[row].tolist(), strict=True))
    return ItemInfo(
        item_id=bundle.items.id(row),
        title=bundle.titles[row].as_py(),
        source=SOURCES[bundle.source_codes[row]],
        n_interactions=int(bundle.n_interactions[row]),
        events=int(bundle.item_events[row]),
        behaviour_share=float(bundle.behaviour_share[row]),
        exposure=float(bundle.exposure[row]),
        sellable=bool(bundle.sellable[row]),
        fields=present,
    )


def explain_for_user(
    snapshot: Snapshot, reader: FieldReader, asked: str | None, taken: Pairs, item: int, vector: Float32 | None = None
) -> Explanation:
    """Why an item has its score for somebody with a history; ``vector``: see `longtail.recommender.asking.ask`."""
    bundle = snapshot.bundle
    question = ask(snapshot, taken, vector)
    if question is None:
        popularity = Contribution("popularity", "", float(bundle.n_interactions[item]))
        note = "Nothing is known of this user to go by: items are ordered by how many took them."
        return _explanation(snapshot, asked, item, popularity.value, [popularity], note=note)
    if not snapshot.answerable(question.vector)[item]:
        return _by_category(snapshot, asked, item)
    own = snapshot.item_vector(item)
    stored = stored_for_users(bundle, np.array([item]), own[None])
    score = _score(stored, question.vector)
    d = len(own)
    n = bundle.n_interactions[item : item + 1]
    fresh, gain = float(bundle.fusion.fresh(n)[0]), float(bundle.fusion.gain(n)[0])
    user, profile = np.split(question.own.astype(np.float64), [d])

    players = reader.players(snapshot, item)
    masked = reader.masked(snapshot, item, players) if players else None
    pull = fresh * _pull(snapshot, item)
    predicted = pull @ bundle.predictions[item]
    wide = np.concatenate([fresh * own.astype(np.float64), stored[0, d:].astype(np.float64)])
    by_events = np.concatenate([wide[:d] - predicted, np.zeros(len(wide) - d)])
    items = bundle.items.take(taken.rows)
    by_event, by_item = brought(snapshot, taken, np.column_stack([by_events, wide])).T
    parts = _each("behaviour", items, by_event)
    worth = said = None
    if masked is not None:
        worth, said = masked.predictions @ (pull @ user), fresh * gain * (masked.content @ profile)
    parts += _over_fields("prediction", players, worth, float(user @ predicted))
    parts += _over_fields("content", players, said, float(profile @ wide[d:]))
    everybody = float((question.vector - question.own).astype(np.float64) @ wide)
    common = [Contribution("popularity", "", everybody)] if everybody else []
    parts += common
    by_history = _each("behaviour", items, by_item) + common
    return _explanation(snapshot, asked, item, score, parts, by_history=by_history)


def explain_similar(snapshot: Snapshot, reader: FieldReader, asked: int, item: int) -> Explanation:
    """Why two items are as similar as they are.

    A field counts in both items at once: a coalition of fields is what would be known if they were all that is known.
    """
    bundle = snapshot.bundle
    rows = (asked, item)
    vectors = [snapshot.item_vector(row) for row in rows]
    content = bundle.content[list(rows)].astype(np.float64)
    name = bundle.items.id(asked)
    query = item_query(bundle, vectors[0], bundle.content[asked], int(bundle.n_interactions[asked]))
    if query is None:
        popularity = Contribution("popularity", "", float(bundle.n_interactions[item]))
        note = f"Of {name!r} neither events nor content are known: items are ordered by how many took them."
        return _explanation(snapshot, name, item, popularity.value, [popularity], note=note)
    if not snapshot.answerable(query)[item]:
        return _by_category(snapshot, name, item)
    score = _score(stored_for_items(bundle, np.array([item]), vectors[1][None]), query)
    d = len(vectors[0])
    gates = [float(np.linalg.norm(part.astype(np.float64))) for part in (query[:d], query[d:])]
    gates[0] *= float(bundle.fusion.trust(bundle.n_interactions[[item]])[0])

    wide = [vector.astype(np.float64) for vector in vectors]
    weight = gates[0] / math.prod(max(float(np.linalg.norm(vector)), 1e-12) for vector in wide)
    pulls = [_pull(snapshot, row) for row in rows]
    brought = [vector - pull @ bundle.predictions[row] for vector, pull, row in zip(wide, pulls, rows, strict=True)]
    both = _together(snapshot, asked, item)
    parts = [Contribution("behaviour", "", weight * float(brought[0] @ brought[1]))]
    players = reader.players(snapshot, *rows)
    worth = said = None
    if players:
        masked = [reader.masked(snapshot, row, players) for row in rows]
        known = [events + one.predictions @ pull for events, one, pull in zip(brought, masked, pulls, strict=True)]
        worth = weight * np.einsum("ij,ij->i", known[0], known[1]) - parts[0].value
        said = gates[1] * np.einsum("ij,ij->i", *(one.content.astype(np.float64) for one in masked))
    parts += _over_fields("prediction", players, worth, weight * float(wide[0] @ wide[1]) - parts[0].value)
    parts += _over_fields("content", players, said, gates[1] * float(content[0] @ content[1]))
    return _explanation(snapshot, name, item, score, parts, taken_by_both=both)


def _by_category(snapshot: Snapshot, asked: str | None, item: int) -> Explanation:
    """Of an item of which nothing is known that could be compared."""
    popular = float(category_popularity(snapshot.bundle)[item])
    note = (
        "Nothing is known of this item but its category: it is an answer only where that holds for all items, ordered "
        "by how many users an item of its category has."
        if popular
        else "Nothing is known of this item that could be compared, so that it is never an answer here."
    )
    parts = [Contribution("popularity", "", popular)] if popular else []
    return _explanation(snapshot, asked, item, popular, parts, note=note)


def _score(stored: Float32, query: Float32) -> float:
    return float(inner_products(stored, query).astype(np.float32)[0])


def _pull(snapshot: Snapshot, row: int) -> Float64:
    """The map from an item's prediction to what it brings to the vector, τ A^-1, ``(d, d)``, symmetric."""
    bundle = snapshot.bundle
    takers = snapshot.takers(row)
    exposure = float(bundle.exposure[row])
    if not len(takers.rows) and exposure == 0:  # nothing else is known: the prediction is the vector
        return np.eye(bundle.item_vectors.shape[1])
    system = snapshot.item_system(row, takers, exposure=exposure)
    return bundle.precision * system.over(np.eye(bundle.item_vectors.shape[1]))


def _together(snapshot: Snapshot, one: int, other: int) -> int:
    return len(np.intersect1d(snapshot.takers(one).rows, snapshot.takers(other).rows, assume_unique=True))


def _each(kind: Kind, ids: Sequence[str], values: Float64) -> list[Contribution]:
    return _largest_first(
        [Contribution(kind, id, float(value)) for id, value in zip(ids, values, strict=True) if value]
    )


def _over_fields(kind: Kind, players: list[tuple[str, ...]], worth: Float64 | None, whole: float) -> list[Contribution]:
    """The parts of the fields; one part where the bundle does not know them, none where content brings nothing."""
    if worth is None:
        return [Contribution(kind, WHOLE, whole)] if whole else []
    values = shapley_values(np.asarray(worth, dtype=np.float64))
    parts = [Contribution(kind, " + ".join(names), float(value)) for names, value in zip(players, values, strict=True)]
    return _largest_first(parts) if any(part.value for part in parts) else []


def _largest_first(parts: list[Contribution]) -> list[Contribution]:
    return sorted(parts, key=lambda part: -abs(part.value))


def _with_rest(parts: Sequence[Contribution], score: float) -> tuple[Contribution, ...]:
    """The parts and what they leave; left out where that is rounding."""
    rest = score - sum(part.value for part in parts)
    if abs(rest) <= _ROUNDING * sum(abs(part.value) for part in parts):
        return tuple(parts)
    return (*parts, Contribution("rest", "", rest))


def _explanation(
    snapshot: Snapshot,
    asked: str | None,
    item: int,
    score: float,
    parts: Sequence[Contribution],
    *,
    by_history: Sequence[Contribution] = (),
    taken_by_both: int | None = None,
    note: str = "",
) -> Explanation:
    bundle = snapshot.bundle
    return Explanation(
        asked=asked,
        item_id=bundle.items.id(item),
        score=score,
        source=SOURCES[bundle.source_codes[item]],
        n_interactions=int(bundle.n_interactions[item]),
        contributions=_with_rest(parts, score),
        by_history=_with_rest(by_history, score) if by_history else (),
        taken_by_both=taken_by_both,
        note=note,
    )
