"""Anonymous sessions: users nobody trained on, of whom a few events are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from longtail.core.arrays import Bool, Int64
from longtail.core.errors import DataError
from longtail.core.progress import SILENT, Progress
from longtail.core.vocabulary import Vocabulary
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.data.interactions import aggregate
from longtail.evaluate.result import ProtocolResult
from longtail.protocols.leaks import check_training
from longtail.protocols.measure import Observed, methods_of_all, observe, sum_up
from longtail.protocols.methods import Fit, standard_methods
from longtail.protocols.pairs import held_out_pairs, pair_counts, rows_of
from longtail.protocols.run import Options, als_alone, check_rows, taken

QUESTION = "How well is someone served of whom only the first few events are known?"

#: With fewer users a level is not measured.
ENOUGH = 30


def new_users(
    events: Events,
    catalog: Catalog,
    fit: Fit,
    *,
    reveal: Sequence[int] = (1, 3, 10),
    share: float = 0.1,
    draws: int = 1,
    options: Options | None = None,
    progress: Progress = SILENT,
) -> ProtocolResult:
    """Hold out whole users, reveal the first 1, 3 and 10 items each took, and rank what came after.

    The users are the same at every level, and so are the pairs that are tested: those after the most that is revealed.
    Users with fewer items are not tested. Where fewer than 30 users have more than ten items, fewer are revealed.
    Revealed events are weighed as in training, and the user's vector is folded in with training's own half-step.

    Few users have taken many items, and a hundred of them tell little: with several draws other users are held out and
    everything is trained anew, as often, and the users of all draws are measured together. Nobody is drawn twice.

    Args:
        events: all events; without times, a user's items come in a random order.
        catalog: all items that may be ranked; only their events are revealed and tested.
        fit: trains on the other users.
        reveal: numbers of items.
        share: of the users with enough items that are held out in each draw, rounded down but at least 30.
        draws: how often; where the shares of all make up the whole, everybody is held out once.
        options: None: the defaults; the seed is also that of the choice of users.
        progress: told of each stage.

    Raises:
        DataError: too few users have more items than the least that is revealed, or too few for as many draws.
        LeakError: training saw one of the held-out users.
    """
    options = options or Options()
    order = _order(events.of_items(catalog.items), options.seed)
    levels, groups = _choose(order, sorted(set(reveal)), share, draws, options.seed)
    runs = [_train(events, catalog, fit, order, levels, users, options, progress) for users in groups]
    measured = sum_up([run.observed for run in runs], resamples=options.resamples, seed=options.seed)
    return ProtocolResult(
        protocol="new-users",
        question=QUESTION,
        k=options.k,
        methods=tuple(methods_of_all([run.observed for run in runs])),
        split={"by": "users", "share": share, "draws": draws, "revealed": levels, "seed": options.seed},
        counts={
            "training events": sum(run.n_events for run in runs),
            "training users": sum(run.n_users for run in runs),
            "held-out users": sum(map(len, groups)),
            "users with too few items": int((order.n_items <= levels[-1]).sum()),
            "held-out pairs": sum(run.n_held_out for run in runs),
            "tested pairs": measured.sections[0].n_pairs,
        },
        excluded={why: sum(run.excluded[why] for run in runs) for why in runs[0].excluded},
        sections=measured.sections,
        notes=tuple(dict.fromkeys(note for run in runs for note in run.notes)),
    )


@dataclass(frozen=True)
class _Run:
    """What training without some users came to.

    Attributes:
        observed: a view of each level.
        n_users, n_events: of training. n_held_out: pairs. excluded: of these, and why.
        notes: for readers.
    """

    observed: Observed
    n_users: int
    n_events: int
    n_held_out: int
    excluded: dict[str, int]
    notes: tuple[str, ...]


def _train(
    events: Events,
    catalog: Catalog,
    fit: Fit,
    order: _Order,
    levels: list[int],
    users: list[str],
    options: Options,
    progress: Progress,
) -> _Run:
    training = events.without_users(users)
    parts = fit(training, catalog)
    check_training(parts, pair_counts(training))
    check_rows(parts, catalog)
    seen, n_catalog = parts.interactions, len(catalog.items)
    people = Vocabulary(users, "user")
    tested = taken(events.of_pairs(*order.after(people, levels[-1])), options)

    def history(level: int) -> sparse.csr_array:
        shown = events.of_pairs(*order.first(people, level))
        return aggregate(
            shown, parts.weights, items=seen.items, users=people, reference_time=training.last, extend=False
        ).matrix

    revealed = history(levels[-1])
    found = held_out_pairs(pair_counts(tested), people, seen.items, n_catalog, revealed)
    foreign = [method.bind(people, seen.items) for method in options.foreign]
    at_levels = [
        observe(
            [*standard_methods(parts, history(level)), *foreign],
            found.relevant,
            {f"{level} revealed": np.arange(len(seen.items)) < n_catalog},
            seen.n_interactions,
            k=options.k,
            # What may be revealed at any level is left out of the rankings of all: they are about the same items.
            seen=revealed,
            seed=options.seed,
            ids=people,
            n_users=len(seen.users),
            progress=progress,
        )
        for level in levels
    ]
    views = {name: view for level in at_levels for name, view in level.views.items()}
    return _Run(
        replace(at_levels[0], views=views),
        len(seen.users),
        len(training),
        found.n_pairs,
        found.excluded,
        als_alone(parts),
    )


@dataclass(frozen=True)
class _Order:
    """Distinct pairs, each user's in the order they took the items.

    Attributes:
        user_ids: of all users; user_codes and item_ids are ``(n_pairs,)``, sorted by user, then by place.
        place: ``(n_pairs,)``, 0 for a user's first item.
        n_items: ``(n_users,)``.
    """

    user_ids: Vocabulary
    user_codes: Int64
    item_ids: list[str]
    place: Int64
    n_items: Int64

    def first(self, users: Vocabulary, n: int) -> tuple[list[str], list[str]]:
        return self._pairs(users, self.place < n)

    def after(self, users: Vocabulary, n: int) -> tuple[list[str], list[str]]:
        return self._pairs(users, self.place >= n)

    def _pairs(self, users: Vocabulary, wanted: Bool) -> tuple[list[str], list[str]]:
        chosen = np.zeros(len(self.user_ids), dtype=np.bool_)
        chosen[self.user_ids.rows(users)] = True
        rows = np.flatnonzero(wanted & chosen[self.user_codes])
        return self.user_ids.take(self.user_codes[rows]), [self.item_ids[row] for row in rows]


def _order(events: Events, seed: int) -> _Order:
    table = events.query(
        "SELECT user_id, item_id, min(timestamp) AS first FROM events GROUP BY user_id, item_id ORDER BY ALL"
    )
    users = events.users()
    codes = rows_of(table["user_id"], users)
    times = table["first"].to_numpy()
    # What happened at one moment (one basket) has no order of its own: drawn, not by id.
    chance = np.random.default_rng(seed).random(len(codes))
    order = np.lexsort((chance, times, codes))
    n_items = np.bincount(codes, minlength=len(users)).astype(np.int64)
    place = np.arange(len(codes)) - np.repeat(np.cumsum(n_items) - n_items, n_items)
    return _Order(users, codes[order], table["item_id"].take(order).to_pylist(), place.astype(np.int64), n_items)


def _choose(order: _Order, levels: list[int], share: float, draws: int, seed: int) -> tuple[list[int], list[list[str]]]:
    """The levels that enough users reach, and the users of each draw."""
    counts = {level: int((order.n_items > level).sum()) for level in levels}
    kept = [level for level in levels if counts[level] * share >= ENOUGH] or [
        level for level in levels if counts[level] >= ENOUGH
    ][:1]
    if not kept:
        raise DataError(
            f"Users with more items than are revealed: {counts}; at least {ENOUGH} are needed. "
            "Reveal fewer, or use more events."
        )
    eligible = np.flatnonzero(order.n_items > kept[-1])
    n = max(ENOUGH, int(share * len(eligible) + 1e-9))
    if draws < 1 or n * draws > len(eligible):
        raise DataError(
            f"{draws} draws of {n:,} users need {n * draws:,} who took more than {kept[-1]} items; there are "
            f"{len(eligible):,}. Draw from 1 to {len(eligible) // n} times."
        )
    generator = np.random.default_rng(seed)
    everyone = draws > 1 and draws * share >= 1 - 1e-9  # then no rounding leaves anybody out
    chosen = generator.permutation(eligible) if everyone else generator.choice(eligible, n * draws, replace=False)
    return kept, [order.user_ids.take(np.sort(group)) for group in np.array_split(chosen, draws)]
