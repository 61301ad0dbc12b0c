"""New events, applied: the items they touch are blended again, then the users who touched them are folded in again.

It is the last half-step pair of training, for the rows that have news only: items first, with their predictions as
prior and the users as they are, then users with the items as they have become.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from longtail.bundle import Bundle
from longtail.calibrate.model import sources
from longtail.cf.row import Shared
from longtail.core.arrays import Float32, Int64
from longtail.data.arrivals import Arrival, Arrivals
from longtail.data.interactions import exposure_since
from longtail.data.refusals import Refusals
from longtail.data.schema import WeightSettings
from longtail.recommender.changes import NOBODY, Changes
from longtail.recommender.snapshot import Snapshot, solved_against

#: So many changed rows always stand beside the matrices; more, and more than an eighth of all, are put in their places.
MANY, _SHARE = 5000, 8

#: The weight of each pair there is news of: item row -> user row -> weight.
Weights = Mapping[int, Mapping[int, float]]


@dataclass(frozen=True)
class Update:
    """What became of a batch of events: ``refusals.read == applied + refused + of unknown items + of unknown users``.

    Attributes:
        applied: events that count from now on.
        refusals: rows that are no events, by reason, with an example each.
        unknown_items: events of items that are in no catalog, by id. They are left out: add the items first.
        unknown_users: events of users nobody has heard of, by id, where these are not to be added.
        new_users: users who were added.
        items: items whose vector is a new one.
        users: users whose vector is a new one, new users among them.
    """

    applied: int
    refusals: Refusals
    unknown_items: dict[str, int]
    unknown_users: dict[str, int]
    new_users: tuple[str, ...]
    items: tuple[str, ...]
    users: tuple[str, ...]


def apply(snapshot: Snapshot, arrivals: Arrivals, *, add_users: bool) -> tuple[Snapshot, Update]:
    """A snapshot with the events in it, and what became of them."""
    known, unknown_items, unknown_users = _sorted_out(snapshot, arrivals, add_users)
    rows, new = _user_rows(snapshot, known)
    weights = _weights(snapshot, known, rows)
    items = np.array(sorted(weights), dtype=np.int64)
    users = np.array(sorted({user for takers in weights.values() for user in takers}), dtype=np.int64)
    counted = _counted(snapshot.bundle, known)
    if len(items):
        changes, shared = _with_pairs(snapshot, weights, new)
        exposure = _exposures(counted, known, items)
        changes, shared, numbers = _blended(snapshot.staged(counted, changes, shared), items, exposure)
        changes, shared = _folded(snapshot.staged(numbers, changes, shared), users)
        after = snapshot.changed(numbers, changes, items, shared)
        if len(changes) > max(MANY, (len(numbers.users) + len(numbers.items)) // _SHARE):
            after = after.settled()
    else:
        after = snapshot.renumbered(counted)
    names = {row: id for id, row in rows.items()}
    return after, Update(
        len(known),
        arrivals.refusals,
        unknown_items,
        unknown_users,
        tuple(new),
        tuple(snapshot.bundle.items.take(items)),
        tuple(names[row] for row in users.tolist()),
    )


def _sorted_out(
    snapshot: Snapshot, arrivals: Arrivals, add_users: bool
) -> tuple[list[Arrival], dict[str, int], dict[str, int]]:
    """Events of known items by users who are known or may be added; how many others there are, by id."""
    items = snapshot.bundle.items
    lost_items: Counter[str] = Counter()
    lost_users: Counter[str] = Counter()
    known = []
    for event in arrivals.events:
        if event.item_id not in items:
            lost_items[event.item_id] += 1
        elif not add_users and snapshot.user_row(event.user_id, unknown="fallback") is None:
            lost_users[event.user_id] += 1
        else:
            known.append(event)
    return known, dict(lost_items), dict(lost_users)


def _user_rows(snapshot: Snapshot, events: list[Arrival]) -> tuple[dict[str, int], dict[str, int]]:
    """The row of each user, and of those who are new: they stand after all others, in the order they came.

    Someone new whose events weigh nothing is not added, since nothing is known of them.
    """
    rows: dict[str, int] = {}
    new: dict[str, int] = {}
    after = len(snapshot.bundle.users) + len(snapshot.changes.user_ids)
    for event in events:
        if event.weight > 0 and event.user_id not in rows:
            row = snapshot.user_row(event.user_id, unknown="fallback")
            if row is None:
                row = new[event.user_id] = after + len(new)
            rows[event.user_id] = row
    return rows, new


def _weights(snapshot: Snapshot, events: list[Arrival], rows: Mapping[str, int]) -> Weights:
    """What pairs weigh with the events: their weights are summed as aggregation sums them."""
    sums: dict[tuple[int, int], float] = {}
    for event in events:
        if event.weight > 0:
            pair = snapshot.bundle.items.row(event.item_id), rows[event.user_id]
            sums[pair] = sums.get(pair, 0.0) + event.weight
    weights: dict[int, dict[int, float]] = {}
    for (item, user), added in sums.items():
        before = snapshot.takers(item).weight_of(user)
        weights.setdefault(item, {})[user] = _together(before, added, snapshot.bundle.weights)
    return weights


def _together(before: float, added: float, weights: WeightSettings | None) -> float:
    if weights is None or weights.confidence == "linear":
        return before + added
    return float(np.log1p(np.expm1(before) + added / weights.epsilon))


def _with_pairs(snapshot: Snapshot, weights: Weights, new: Mapping[str, int]) -> tuple[Changes, dict[str, Shared]]:
    """Pairs in place on both sides; users nobody has heard of with vectors by the items as they are."""
    changes = snapshot.changes
    by_user: dict[int, dict[int, float]] = {}
    takers = dict(changes.takers)
    for item, of_item in weights.items():
        takers[item] = snapshot.takers(item).with_weights(of_item)
        for user, weight in of_item.items():
            by_user.setdefault(user, {})[item] = weight
    strangers = set(new.values())
    shared = {"users": snapshot.shared("users"), "items": snapshot.shared("items")}
    taken, vectors = dict(changes.taken), dict(changes.user_vectors)
    for user, of_user in by_user.items():
        before = NOBODY if user in strangers else snapshot.taken(user)
        taken[user] = before.with_weights(of_user)
        if user in strangers:
            vectors[user] = snapshot.user_system(taken[user]).solve()
    if strangers:
        came = np.stack([vectors[row] for row in sorted(strangers)])
        one = np.ones(len(came), dtype=np.float32)
        shared["users"] = shared["users"].changed(np.zeros_like(came), came, one, one)
    ids = {**changes.user_ids, **new}
    return Changes(ids, vectors, changes.item_vectors, taken, takers), shared


def _blended(snapshot: Snapshot, items: Int64, exposure: Float32) -> tuple[Changes, dict[str, Shared], Bundle]:
    """Items solved with their predictions as prior and the users as they are; their numbers in the bundle."""
    from longtail.blend import behaviour_share

    changes, bundle = snapshot.changes, snapshot.bundle
    vectors = dict(changes.item_vectors)
    share = np.ones(len(items), dtype=np.float32)
    for at, item in enumerate(items.tolist()):
        system = snapshot.item_system(item, snapshot.takers(item), exposure=float(exposure[at]))
        vectors[item] = system.solve()
        if system.prior.any():
            predicted = system.by_prior().astype(np.float32)
            share[at] = behaviour_share(vectors[item][None], predicted[None])[0]
    solved = np.stack([vectors[item] for item in items.tolist()])
    n = np.array([len(snapshot.takers(item).rows) for item in items.tolist()], dtype=np.int64)
    predicted_rows = np.asarray(bundle.predictions[items].any(axis=1))
    codes = sources(n, predicted_rows, share)
    numbers = replace(
        bundle,
        n_interactions=_with(bundle.n_interactions, items, n),
        behaviour_share=_with(bundle.behaviour_share, items, share),
        exposure=_with(bundle.exposure, items, exposure),
        source_codes=_with(bundle.source_codes, items, codes),
    )
    shared = {
        "users": snapshot.shared("users"),
        "items": snapshot.shared("items").changed(
            solved_against(bundle, items, snapshot.item_vectors(items)),
            solved_against(numbers, items, solved),
            bundle.exposure[items],
            exposure,
        ),
    }
    return replace(changes, item_vectors=vectors), shared, numbers


def _folded(snapshot: Snapshot, users: Int64) -> tuple[Changes, dict[str, Shared]]:
    """Users solved with the items as they have become."""
    changes = snapshot.changes
    vectors = dict(changes.user_vectors)
    for user in users.tolist():
        vectors[user] = snapshot.user_system(snapshot.taken(user)).solve()
    solved = np.stack([vectors[user] for user in users.tolist()])
    one = np.ones(len(users), dtype=np.float32)
    shared = {
        "users": snapshot.shared("users").changed(snapshot.user_vectors(users), solved, one, one),
        "items": snapshot.shared("items"),
    }
    return replace(changes, user_vectors=vectors), shared


def _exposures(bundle: Bundle, events: list[Arrival], items: Int64) -> Float32:
    """The share of the time until now in which each item could be seen, ``(n,)``, by the rule of training.

    Without times what has events was seen, but for items that came after training: nobody could see those in it. Plain
    ALS counts every item as seen.
    """
    if bundle.window is None or bundle.first_seen is None:
        late = (items >= bundle.trained_items) & (bundle.bridge is not None)
        return np.where(late, np.float32(0.0), np.float32(1.0))
    start, last = (np.datetime64(edge, "s") for edge in bundle.window)
    end = max(last, np.datetime64(max(event.timestamp for event in events), "s"))
    return exposure_since(bundle.first_seen[items], start, end) if end > start else np.ones(len(items), np.float32)


def _counted(bundle: Bundle, events: list[Arrival]) -> Bundle:
    """The bundle with the events in its counts and first times, those of weight zero among them."""
    item_events = bundle.item_events.copy()
    first_seen = None if bundle.first_seen is None else bundle.first_seen.copy()
    for event in events:
        row = bundle.items.row(event.item_id)
        item_events[row] += 1
        if first_seen is not None:
            first_seen[row] = np.fmin(first_seen[row], np.datetime64(event.timestamp, "s"))
    return replace(bundle, item_events=item_events, first_seen=first_seen)


def _with(array: npt.NDArray[Any], rows: Int64, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    changed = array.copy()
    changed[rows] = values
    return changed
