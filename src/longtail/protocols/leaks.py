"""The guard of every protocol: nothing that is tested may have been seen by training."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longtail.core.arrays import Bool, Int64
from longtail.core.errors import LongtailError
from longtail.core.vocabulary import Vocabulary
from longtail.data.events import utc
from longtail.protocols.methods import ChosenOn, TrainedParts
from longtail.protocols.pairs import among, rows_of


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
            the items encoders were fitted on; a bridge target without interactions; choices made on a pair that is
            neither in the training nor in the validation events, or on more events of an item than both have.
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
    _check_stages(parts, hidden_rows, counts)
    if parts.provenance.choices is not None:
        _check_choices(
            parts.provenance.choices, pa.concat_tables([training, *([] if validation is None else [validation])])
        )


def _check_pairs(parts: TrainedParts, training: pa.Table) -> None:
    seen = parts.interactions
    n_items = len(seen.items)
    user, item = rows_of(training["user_id"], seen.users), rows_of(training["item_id"], seen.items)
    known = (user >= 0) & (item >= 0)
    allowed = user[known] * n_items + item[known]
    learned_user = np.repeat(np.arange(len(seen.users), dtype=np.int64), np.diff(seen.matrix.indptr))
    stray = ~among(learned_user * n_items + seen.matrix.indices, allowed)
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


def _check_stages(parts: TrainedParts, hidden: Bool, counts: Int64) -> None:
    told = parts.provenance
    if told.bridge_items is not None:
        _refuse_items(parts, told.bridge_items & hidden, "were to be hidden and are targets of the bridge")
        _refuse_items(parts, told.bridge_items & (counts == 0), "have no training event and are targets of the bridge")
    if told.encoder_items is not None:
        _refuse_items(parts, told.encoder_items & hidden, "were to be hidden and an encoder was fitted on them")


def _check_choices(chosen: ChosenOn, given: pa.Table) -> None:
    """Every pair that choices were made on was given, and no more events of an item than were given."""
    users = Vocabulary(pc.unique(given["user_id"]), "user")
    items = Vocabulary(pc.unique(given["item_id"]))
    n_items = len(items)
    user, item = rows_of(chosen.pairs["user_id"], users), rows_of(chosen.pairs["item_id"], items)
    allowed = rows_of(given["user_id"], users) * n_items + rows_of(given["item_id"], items)
    stray = (user < 0) | (item < 0) | ~among(user * n_items + item, allowed)
    if stray.any():
        first = chosen.pairs.slice(int(np.flatnonzero(stray)[0]), 1).to_pylist()[0]
        raise LeakError(
            f"Choices were made on {int(stray.sum()):,} pairs that training was not given, the first of user "
            f"{first['user_id']!r} and item {first['item_id']!r}. Take them out of the training events."
        )
    # A later event of a pair that was given shows only in the number of events.
    events = np.bincount(rows_of(given["item_id"], items), weights=given["events"].to_numpy(), minlength=n_items)
    row = rows_of(chosen.events["item_id"], items)
    more = chosen.events["events"].to_numpy() > np.where(row >= 0, events[row], 0)
    if more.any():
        first_item = chosen.events["item_id"][int(np.flatnonzero(more)[0])].as_py()
        raise LeakError(
            f"Choices were made on more events of {int(more.sum()):,} items than training was given, the first of item "
            f"{first_item!r}. Take later events out of what choices are tried on and scored by."
        )


def _refuse_items(parts: TrainedParts, wrong: Bool, what: str) -> None:
    if wrong.any():
        first = parts.interactions.items.id(int(np.flatnonzero(wrong)[0]))
        raise LeakError(f"{int(wrong.sum()):,} items {what}, the first {first!r}. Train on the part that was passed.")
