"""Brand-new items: some are held out of everything that learns, and must be found by what they are."""

from __future__ import annotations

import numpy as np

from longtail.core.errors import DataError
from longtail.core.progress import SILENT, Progress
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.data.split import cold_split
from longtail.evaluate.result import ProtocolResult
from longtail.protocols.leaks import check_training
from longtail.protocols.methods import Fit
from longtail.protocols.pairs import of_pairs, pair_counts, whole_period
from longtail.protocols.run import Ask, Found, Options, answer, conclude, find_relevant, mean_of
from longtail.protocols.seeds import by_seed, with_each

QUESTION = "Do people find brand-new items, by what they are alone?"

COLD, MIXED = "cold items", "cold and warm items"
WARM, WARM_TAIL = "warm items", "warm tail"


def cold(
    events: Events,
    catalog: Catalog,
    fit: Fit,
    *,
    options: Options | None = None,
    progress: Progress = SILENT,
) -> ProtocolResult:
    """Hold out items as :func:`longtail.data.split.cold_split` says, with a tenth of the warm pairs beside them.

    Sections: ``cold items``, which compete among themselves; ``cold and warm items`` together, where the cold pairs are
    thinned so that a cold item has about as many relevant pairs as a warm one (a list of all cold items first would win
    otherwise); ``warm items`` and their tail, by the warm pairs of the same training run. The split's validation pairs
    are handed to ``fit`` for its choices and never tested; its cold validation items are no candidates. With
    ``options.seeds`` the same split is tested after several trainings, see :func:`longtail.protocols.tail.tail`.

    Args:
        events: all events; times are not needed.
        catalog: all items that may be ranked.
        fit: trains on what is not held out.
        options: None: the defaults; the seed is also that of the split.
        progress: told of each stage.

    Raises:
        DataError: no seed, too few items with five users, so that none is cold, or nothing can be tested.
        LeakError: training saw what is tested.
    """
    options = options or Options()
    # Items that are no longer sold cannot be recommended: they teach, and are neither cold nor tested.
    sold = whole_period(events.of_items(catalog.items), catalog)
    split = cold_split(sold, options.seed)
    hidden_mask = ~split.items.warm
    if not split.items.test.any():
        raise DataError(
            f"No item can be held out: {int((sold.n_interactions >= 5).sum())} items of the catalog have five users or "
            "more, and two of every ten of those become cold. This protocol needs more events."
        )
    hidden = sold.items.take(np.flatnonzero(hidden_mask))
    apart = of_pairs(events, sold, split.pairs.validation | split.cold_validation)
    test = of_pairs(events, sold, split.pairs.test | split.cold_test)
    asked_of = [of_pairs(events, sold, pairs) for pairs in (split.cold_test, split.mixed_test, split.pairs.test)]
    rows, columns = sold.pairs()
    removed = split.pairs.validation | split.pairs.test
    training = events.without_items(hidden).without_pairs(
        sold.users.take(rows[removed]), sold.items.take(columns[removed])
    )
    n_catalog = len(catalog.items)
    counts = {
        "training events": len(training),
        "validation events": len(apart),
        "held-out events": len(test),
        "cold items": int(split.items.test.sum()),
        "cold validation items": int(split.items.validation.sum()),
        "cold pairs": int(split.cold_test.sum()),
        "cold pairs in the mixed part": int((split.mixed_test & split.cold_test).sum()),
        "warm test pairs": int(split.pairs.test.sum()),
    }

    def run(seeded: Fit) -> Found:
        parts = seeded(training, catalog, hidden=hidden, validation=apart)
        check_training(parts, pair_counts(training), hidden=hidden, validation=pair_counts(apart))
        tested = find_relevant(parts, test, catalog, options)
        of_cold, of_both, of_warm = (
            find_relevant(parts, hidden_events, catalog, options).relevant for hidden_events in asked_of
        )
        n_items = len(parts.interactions.items)
        is_cold, is_warm = np.zeros(n_items, dtype=np.bool_), np.zeros(n_items, dtype=np.bool_)
        is_cold[:n_catalog], is_warm[:n_catalog] = split.items.test[:n_catalog], split.items.warm[:n_catalog]
        in_tail = is_warm & (parts.interactions.n_interactions < options.tail_below)
        asked = [
            Ask(of_cold, {COLD: is_cold}),
            Ask(of_both, {MIXED: is_cold | is_warm}),
            Ask(of_warm, {WARM: is_warm, WARM_TAIL: in_tail} if in_tail.any() else {WARM: is_warm}),
        ]
        return answer(parts, catalog, tested, asked, options, counts=counts, progress=progress)

    each = by_seed(fit, run, options)
    split_by = {"by": "items", "cold": "two of every ten items with five users or more", "warm share": 0.1}
    result = conclude("cold", QUESTION, [mean_of(each)], options, split=split_by)
    return with_each(result, [each], options, views=(COLD, MIXED, WARM, WARM_TAIL))
