"""Warm items without a change of season: a tenth of the pairs hidden at random."""

from __future__ import annotations

import numpy as np

from longtail.core.progress import SILENT, Progress
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.data.interactions import Interactions
from longtail.data.split import PairSplit, warm_pairs
from longtail.evaluate.result import ProtocolResult
from longtail.protocols.leaks import check_training
from longtail.protocols.measure import TAIL, WHOLE, candidate_sets
from longtail.protocols.methods import Fit
from longtail.protocols.pairs import of_pairs, pair_counts, whole_period, without_pairs
from longtail.protocols.run import Ask, Found, Options, answer, conclude, find_relevant, mean_of
from longtail.protocols.seeds import by_seed, with_each

QUESTION = "Which of the things people took was hidden, where nothing changes with time?"


def random_holdout(
    events: Events,
    catalog: Catalog,
    fit: Fit,
    *,
    share: float = 0.1,
    at_least: int = 3,
    options: Options | None = None,
    progress: Progress = SILENT,
) -> ProtocolResult:
    """Hide a share of the pairs of users with several items, train on the rest, and rank for every user what is hidden.

    Candidates are the whole catalog, its tail and each bucket, by training users. A pair is hidden with all its events.
    As many pairs again are set aside for the choices of training, so that these are made on what is asked. With
    ``options.seeds`` the same split is tested after several trainings, see :func:`longtail.protocols.tail.tail`.

    Args:
        events: all events; times are not needed.
        catalog: all items that may be ranked.
        fit: trains on what is not hidden.
        share: of the pairs; the same share again is for choices.
        at_least: users with fewer items keep all of them.
        options: None: the defaults; the seed is also that of the split.
        progress: told of each stage.

    Raises:
        DataError: no seed, or nothing can be tested.
        LeakError: training saw what is tested.
    """
    options = options or Options()
    whole, split = draw(events, catalog, share=share, at_least=at_least, seed=options.seed)
    training = without_pairs(events, whole, split.test | split.validation)
    hidden = of_pairs(events, whole, split.test)
    apart = of_pairs(events, whole, split.validation)
    counts = {"training events": len(training), "validation events": len(apart), "held-out events": len(hidden)}

    def run(seeded: Fit) -> Found:
        parts = seeded(training, catalog, validation=apart)
        check_training(parts, pair_counts(training), validation=pair_counts(apart))
        tested = find_relevant(parts, hidden, catalog, options)
        candidates = candidate_sets(parts.interactions.n_interactions, len(catalog.items), options.tail_below)
        asked = [Ask(tested.relevant, candidates)]
        return answer(parts, catalog, tested, asked, options, counts=counts, progress=progress)

    each = by_seed(fit, run, options)
    split_by = {"by": "random pairs", "share": share, "at_least": at_least}
    result = conclude("random", QUESTION, [mean_of(each)], options, split=split_by)
    return with_each(result, [each], options, views=(WHOLE, TAIL))


def draw(
    events: Events, catalog: Catalog, *, share: float = 0.1, at_least: int = 3, seed: int = 0
) -> tuple[Interactions, PairSplit]:
    """All pairs, and which of them are tested and which are for choices; see :func:`random_holdout`."""
    whole = whole_period(events, catalog)
    rows, columns = whole.pairs()
    in_catalog = np.arange(len(whole.items)) < len(catalog.items)
    generator = np.random.default_rng(seed)
    return whole, warm_pairs(
        rows, columns, len(whole.users), in_catalog, generator, validation=share, test=share, at_least=at_least
    )
