"""Some items with only part of their history: shared by few-shot and truncated heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import sparse

from longtail.core.arrays import Bool, Int64
from longtail.core.errors import DataError
from longtail.core.progress import Progress
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.data.interactions import Interactions
from longtail.evaluate.levels import level_name
from longtail.evaluate.result import ProtocolResult, Section
from longtail.protocols.leaks import check_training
from longtail.protocols.measure import observe, sum_up
from longtail.protocols.methods import Factors, Fit, Method
from longtail.protocols.pairs import UNKNOWN, held_out_pairs, of_pairs, pair_counts, rows_of, without_pairs
from longtail.protocols.run import Options, als_alone, check_rows, methods_of, taken


@dataclass(frozen=True)
class Partly:
    """The pairs of chosen items, each item's in a random order of its users.

    Attributes:
        items: ``(n_chosen,)`` item rows.
        place: ``(nnz,)``, the place of a pair of a chosen item in that order; -1 for pairs of other items and for pairs
            that are tested.
        tested: ``(nnz,) bool``, pairs of chosen items that are tested at every level.
    """

    items: Int64
    place: Int64
    tested: Bool

    def hidden(self, level: int) -> Bool:
        """Pairs that training does not see when ``level`` users of each chosen item are revealed, ``(nnz,) bool``."""
        return self.tested | (self.place >= level)


@dataclass(frozen=True)
class Plan:
    """What a protocol with levels reveals.

    Attributes:
        whole: all pairs.
        eligible: ``(n_items,) bool``, items that could be chosen.
        part: the chosen ones and the order of their users.
        levels: numbers of users, ascending.
        test_share: of each chosen item's users, those that are tested on.
    """

    whole: Interactions
    eligible: Bool
    part: Partly
    levels: tuple[int, ...]
    test_share: float

    def training(self, events: Events, level: int) -> Events:
        """What training sees of some events at a level."""
        return without_pairs(events, self.whole, self.part.hidden(level))

    def hidden(self, level: int) -> list[str]:
        """Items that are new at a level: without a single event they are new to encoders that learn, too."""
        return self.whole.items.take(self.part.items) if level == 0 else []


def make_plan(
    protocol: str,
    whole: Interactions,
    eligible: Bool,
    *,
    levels: Sequence[int],
    most: int,
    test_share: float,
    seed: int,
) -> Plan:
    """Draw what is revealed, see :func:`choose`.

    Raises:
        DataError: no item is eligible.
    """
    if not eligible.any():
        raise DataError(f"The protocol {protocol} finds no item with enough users. It needs more events.")
    part = choose(whole, eligible, most=most, test_share=test_share, seed=seed)
    return Plan(whole, eligible, part, tuple(levels), test_share)


def choose(whole: Interactions, eligible: Bool, *, most: int, test_share: float, seed: int) -> Partly:
    """Draw items, and of each a share of its users to test on; the others stand in the order they are revealed in.

    The order is nested: who is revealed at one level is revealed at every higher one.

    Args:
        whole: all pairs.
        eligible: ``(n_items,) bool``.
        most: items that are drawn at most.
        test_share: of each item's users, at least one.
        seed: of everything drawn.
    """
    generator = np.random.default_rng(seed)
    items = np.flatnonzero(eligible)
    if len(items) > most:
        items = np.sort(generator.choice(items, most, replace=False))
    _, columns = whole.pairs()
    chosen = np.zeros(len(whole.items), dtype=np.bool_)
    chosen[items] = True
    pairs = np.flatnonzero(chosen[columns])
    order = pairs[np.lexsort((generator.random(len(pairs)), columns[pairs]))]
    counts = np.bincount(columns[order], minlength=len(chosen))
    place = np.arange(len(order)) - (np.cumsum(counts) - counts)[columns[order]]
    n_test = np.maximum(1, np.floor(test_share * counts).astype(np.int64))[columns[order]]
    tested = np.zeros(len(columns), dtype=np.bool_)
    tested[order] = place < n_test
    places = np.full(len(columns), -1, dtype=np.int64)
    places[order] = np.where(place < n_test, -1, place - n_test)
    return Partly(items, places, tested)


def reveal(
    protocol: str,
    question: str,
    events: Events,
    catalog: Catalog,
    fit: Fit,
    plan: Plan,
    *,
    options: Options,
    progress: Progress,
) -> ProtocolResult:
    """Train once a level and rank for the users whose pairs with the chosen items are tested.

    Candidates are the whole catalog, and then the chosen items among themselves. Among the whole catalog nothing but
    chosen items is relevant, so that it tells how far up they come, whoever asks; among themselves all have as many
    users, so that it tells what is known of each.

    What training does not see of the chosen items and is not tested either is left out of those users' rankings, so
    that levels differ in what is known and in nothing else; so are users of whom the lowest level knows nothing, and
    these are counted. Beside the methods stands ``bridge``, longtail's prediction from content alone.

    Raises:
        DataError: nothing can be tested.
        LeakError: training saw what it should not.
    """
    whole, part = plan.whole, plan.part
    held_out = pair_counts(taken(of_pairs(events, whole, part.tested), options))
    known = rows_of(held_out["user_id"], plan.training(events, plan.levels[0]).users()) >= 0
    test = held_out.filter(pa.array(known))
    if not len(test):
        raise DataError(
            f"The protocol {protocol} has nothing to test: of {len(held_out):,} held-out pairs of the chosen items "
            "that count as taken none is of a user with other events. It needs more events, or other types that count."
        )
    among_all: list[Section] = []
    among_themselves: list[Section] = []
    names: tuple[str, ...] = ()
    excluded: dict[str, int] = {}
    notes: list[str] = []
    if 1 < len(part.items) <= options.k:
        few = f"Only {len(part.items)} items were chosen"
        notes.append(f"{few}: among themselves the first {options.k} places hold all, and only their order tells.")
    for level in plan.levels:
        training, hidden = plan.training(events, level), plan.hidden(level)
        parts = fit(training, catalog, hidden=hidden)
        check_training(parts, pair_counts(training), hidden=hidden)
        check_rows(parts, catalog)
        seen, n_catalog = parts.interactions, len(catalog.items)
        found = held_out_pairs(test, seen.users, seen.items, n_catalog, seen.matrix)
        methods: list[Method] = methods_of(parts, options)
        methods.append(Factors("bridge", parts.model.user_factors, parts.model.predictions))
        candidates = {level_name(level): np.arange(len(seen.items)) < n_catalog}
        if len(part.items) > 1:  # an item among itself is always first
            chosen = np.zeros(len(seen.items), dtype=np.bool_)
            chosen[seen.items.rows(whole.items.take(part.items))] = True
            candidates[level_name(level, themselves=True)] = chosen
        observed = observe(
            methods,
            found.relevant,
            candidates,
            seen.n_interactions,
            k=options.k,
            seen=seen.matrix + _left_out(whole, part, level, seen),
            seed=options.seed,
            progress=progress,
        )
        measured = sum_up([observed], resamples=options.resamples, seed=options.seed)
        among_all.append(measured.sections[0])
        among_themselves += measured.sections[1:]
        notes += als_alone(parts)
        names = tuple(method.name for method in methods)
        excluded = found.excluded | {UNKNOWN: found.excluded[UNKNOWN] + len(held_out) - len(test)}
    return ProtocolResult(
        protocol=protocol,
        question=question,
        k=options.k,
        methods=names,
        split={
            "by": "events of items",
            "levels": list(plan.levels),
            "test_share": plan.test_share,
            "seed": options.seed,
        },
        counts={
            "chosen items": len(part.items),
            "eligible items": int(plan.eligible.sum()),
            "held-out pairs": len(held_out),
            "tested pairs": among_all[-1].n_pairs,
        },
        excluded=excluded,
        sections=(*among_all, *among_themselves),
        notes=tuple(dict.fromkeys(notes)),
    )


def _left_out(whole: Interactions, part: Partly, level: int, seen: Interactions) -> sparse.csr_array:
    """Pairs of chosen items that are neither trained on nor tested, over the rows of the training run."""
    rows, columns = whole.pairs()
    neither = part.place >= level
    users = seen.users.rows(whole.users.take(rows[neither]))
    items = seen.items.rows(whole.items.take(columns[neither]))
    known = (users >= 0) & (items >= 0)
    return sparse.csr_array(
        (np.ones(int(known.sum()), dtype=np.float32), (users[known], items[known])), shape=seen.matrix.shape
    )
