"""Leaks planted in each stage are caught, and no result is made."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest

from longtail.core.errors import DataError
from longtail.core.vocabulary import Vocabulary
from longtail.protocols.leaks import LeakError, check_training
from longtail.protocols.methods import ChosenOn, Provenance
from longtail.protocols.pairs import pair_counts
from longtail.protocols.run import Options
from longtail.protocols.tail import tail

CUT = datetime(2024, 3, 1)  # day 60 of the shop
FAST = Options(resamples=50)


NO_EVENTS = pa.table({"item_id": pa.array([], pa.string()), "events": pa.array([], pa.int64())})


def _chosen_on(parts, users, items):
    seen = parts.interactions
    pairs = {"user_id": seen.users.take(np.asarray(users)), "item_id": seen.items.take(np.asarray(items))}
    return ChosenOn(pa.table(pairs), NO_EVENTS)


def _run(shop, cheat, honest):
    events, catalog = shop

    def fit(training, given, *, hidden=()):
        return cheat(honest(training, given), events, given)

    return tail(events, catalog, fit, cut=CUT, options=FAST)


def test_an_honest_run_passes(shop, honest):
    def tells(parts, events, catalog):
        rows, columns = parts.interactions.pairs()
        learned = parts.interactions.n_interactions > 0
        told = Provenance(learned, np.ones_like(learned), _chosen_on(parts, rows[::7], columns[::7]))
        return replace(parts, provenance=told)

    assert _run(shop, tells, honest).counts["tested pairs"] > 0


def test_later_events_in_the_matrix_are_caught(shop, honest, make):
    def cheat(parts, events, catalog):
        return replace(parts, interactions=make.interactions(events, catalog))

    with pytest.raises(LeakError, match="not in the training events"):
        _run(shop, cheat, honest)


def test_one_later_pair_is_caught(shop, honest):
    def cheat(parts, events, catalog):
        seen = parts.interactions
        matrix = seen.matrix.tolil()
        user, item = np.argwhere(seen.matrix.toarray() == 0)[0]
        matrix[user, item] = 1
        return replace(parts, interactions=replace(seen, matrix=matrix.tocsr()))

    with pytest.raises(LeakError, match="1 of"):
        _run(shop, cheat, honest)


def test_a_repeated_purchase_after_the_cut_is_caught_by_the_number_of_events(shop, honest):
    def cheat(parts, events, catalog):
        counts = parts.interactions.item_events.copy()
        counts[0] += 1
        return replace(parts, interactions=replace(parts.interactions, item_events=counts))

    with pytest.raises(LeakError, match="more events"):
        _run(shop, cheat, honest)


def test_a_first_sale_after_the_cut_is_caught(shop, honest):
    def cheat(parts, events, catalog):
        first = parts.interactions.first_seen.copy()
        first[catalog.items.row("never")] = np.datetime64(CUT, "s")
        return replace(parts, interactions=replace(parts.interactions, first_seen=first))

    with pytest.raises(LeakError, match="'never'"):
        _run(shop, cheat, honest)


def test_a_bridge_that_learned_from_an_item_without_training_events_is_caught(shop, honest):
    def cheat(parts, events, catalog):
        return replace(parts, provenance=Provenance(bridge_items=np.ones(len(parts.interactions.items), bool)))

    with pytest.raises(LeakError, match="targets of the bridge"):
        _run(shop, cheat, honest)


def test_choices_scored_on_later_pairs_are_caught(shop, honest):
    def cheat(parts, events, catalog):
        user, item = np.argwhere(parts.interactions.matrix.toarray() == 0)[0]
        return replace(parts, provenance=Provenance(choices=_chosen_on(parts, [user], [item])))

    with pytest.raises(LeakError, match="Choices were made on 1 pairs"):
        _run(shop, cheat, honest)


def test_choices_of_somebody_who_is_no_training_user_are_caught(shop, honest):
    def cheat(parts, events, catalog):
        told = ChosenOn(pa.table({"user_id": ["held out"], "item_id": [catalog.items.id(0)]}), NO_EVENTS)
        return replace(parts, provenance=Provenance(choices=told))

    with pytest.raises(LeakError, match="'held out'"):
        _run(shop, cheat, honest)


def test_hidden_items_may_not_be_learned_from(shop, honest):
    events, catalog = shop
    training = events.before(CUT)
    parts = honest(training, catalog)
    hidden = [catalog.items.id(0)]
    with pytest.raises(LeakError, match="have interactions"):
        check_training(parts, pair_counts(training), hidden=hidden)
    others = training.without_items(hidden)
    parts = honest(others, catalog)
    check_training(parts, pair_counts(others), hidden=hidden)
    everything = np.ones(len(parts.interactions.items), bool)
    for stage, said in {"bridge_items": "targets of the bridge", "encoder_items": "encoder was fitted"}.items():
        with pytest.raises(LeakError, match=said):
            check_training(
                replace(parts, provenance=Provenance(**{stage: everything})), pair_counts(others), hidden=hidden
            )


def test_rows_that_are_not_the_catalogs_are_refused(shop, honest):
    def cheat(parts, events, catalog):
        seen = parts.interactions
        turned = Vocabulary(list(seen.items)[::-1])
        return replace(
            parts,
            interactions=replace(
                seen,
                items=turned,
                matrix=seen.matrix[:, ::-1].tocsr(),
                item_events=seen.item_events[::-1],
                first_seen=seen.first_seen[::-1],
            ),
        )

    with pytest.raises(DataError, match="must be the catalog's"):
        _run(shop, cheat, honest)
