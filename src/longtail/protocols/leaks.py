"""The guard of every protocol: nothing that is tested may have been seen by training."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa

from longtail.core.arrays import Bool, Int64
from longtail.core.errors import LongtailError
from longtail.data.events import utc
from longtail.protocols.methods import TrainedParts
from longtail.protocols.pairs import contains, rows_of


class LeakError(LongtailError):
    """Training has seen what is to be tested; numbers made from it would mean nothing, so none are made."""


def check_training(
    parts: TrainedParts,
    training: pa.Table,
    *,
    cut: datetime | None = None,
    hidden: Sequence[str] = (),
    validation: pa.Table | None = None,
) -> None:
    """Compare what training says it learned from with what it was allowed to see.

    Args:
        parts: what the training run handed over.
        training: the events it was given, as :func:`longtail.protocols.pairs.pair_counts` counts them.
        cut: training events are earlier than this; None where the split is not by time.
        hidden: ids of items that nothing may have been learned from.
        validation: the events it was given to score choices on, counted likewise; None: none were.

    Raises:
        LeakError: a pair in the matrix that is not in the training events; more events of an item than training has;
            an item first seen at or after the cut; a hidden item with interactions, among the bridge's targets or among
            the items encoders were fitted on; a bridge target without interactions; a validation pair that is neither
            in the training nor in the validation events.
    """
    _check_pairs(parts, training)
    if cut is not None:
        first = parts.interactions.first_seen
        late = ~np.isnat(first) & (first >= np.datetime64(utc(cut), "s"))
        _refuse_items(parts, late, f"were first seen at or after the cut {cut}, by what training says")
    hidden_rows = np.zeros(len(parts.interactions.items), dtype=np.bool_)
    known = parts.interactions.items.rows(hidden)
    hidden_rows[known[known >= 0]] = True
    counts = parts.interactions.n_interactions
    _refuse_items(parts, hidden_rows & (counts > 0), "were to be hidden and have interactions in the training matrix")
    _check_stages(parts, hidden_rows, counts, validation)


def _check_pairs(parts: TrainedParts, training: pa.Table) -> None:
    seen = parts.interactions
    n_items = len(seen.items)
    user, item = rows_of(training["user_id"], seen.users), rows_of(training["item_id"], seen.items)
    known = (user >= 0) & (item >= 0)
    allowed = np.unique(user[known] * n_items + item[known])
    learned_user = np.repeat(np.arange(len(seen.users), dtype=np.int64), np.diff(seen.matrix.indptr))
    stray = ~np.isin(learned_user * n_items + seen.matrix.indices, allowed)
    if stray.any():
        place = int(np.flatnonzero(stray)[0])
        raise LeakError(
            f"{int(stray.sum()):,} of {len(stray):,} pairs in the training matrix are not in the training events, the "
            f"first of user {seen.users.id(int(learned_user[place]))!r} and item "
            f"{seen.items.id(int(seen.matrix.indices[place]))!r}. Train on what was passed and on nothing else."
        )
    # A pair that occurs on both sides of the split shows only in the number of events.
    in_events = item >= 0
    events = np.bincount(item[in_events], weights=training["events"].to_numpy()[in_events], minlength=n_items)
    _refuse_items(parts, seen.item_events > events, "have more events than the training events hold of them")


def _check_stages(parts: TrainedParts, hidden: Bool, counts: Int64, validation: pa.Table | None) -> None:
    told = parts.provenance
    if told.bridge_items is not None:
        _refuse_items(parts, told.bridge_items & hidden, "were to be hidden and are targets of the bridge")
        _refuse_items(parts, told.bridge_items & (counts == 0), "have no training event and are targets of the bridge")
    if told.encoder_items is not None:
        _refuse_items(parts, told.encoder_items & hidden, "were to be hidden and an encoder was fitted on them")
    if told.validation_users is not None and told.validation_items is not None:
        seen = parts.interactions
        stray = ~contains(seen.matrix, told.validation_users, told.validation_items)
        if validation is not None:
            user, item = rows_of(validation["user_id"], seen.users), rows_of(validation["item_id"], seen.items)
            known = (user >= 0) & (item >= 0)
            given = user[known] * len(seen.items) + item[known]
            stray &= ~np.isin(told.validation_users.astype(np.int64) * len(seen.items) + told.validation_items, given)
        if stray.any():
            place = int(np.flatnonzero(stray)[0])
            raise LeakError(
                f"Choices were scored on {int(stray.sum()):,} pairs that training was not given, the first of user "
                f"{seen.users.id(int(told.validation_users[place]))!r} and item "
                f"{seen.items.id(int(told.validation_items[place]))!r}. Take them out of the training events."
            )


def _refuse_items(parts: TrainedParts, wrong: Bool, what: str) -> None:
    if wrong.any():
        first = parts.interactions.items.id(int(np.flatnonzero(wrong)[0]))
        raise LeakError(f"{int(wrong.sum()):,} items {what}, the first {first!r}. Train on the part that was passed.")
