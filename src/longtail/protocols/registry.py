"""The protocols by name; a new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable

from longtail.core.errors import DataError
from longtail.core.progress import SILENT, Progress
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.evaluate.result import ProtocolResult
from longtail.protocols.cold import cold
from longtail.protocols.few_shot import few_shot
from longtail.protocols.methods import Fit
from longtail.protocols.new_users import new_users
from longtail.protocols.random_holdout import random_holdout
from longtail.protocols.relevance import relevance
from longtail.protocols.run import Options
from longtail.protocols.similar import similar
from longtail.protocols.tail import tail
from longtail.protocols.truncated_heads import truncated_heads

#: ``protocol(events, catalog, fit, *, options, progress) -> ProtocolResult``, in the order they are run and shown:
#: the first three share a training run.
PROTOCOLS: dict[str, Callable[..., ProtocolResult]] = {
    "tail": tail,
    "similar": similar,
    "relevance": relevance,
    "cold": cold,
    "random": random_holdout,
    "new-users": new_users,
    "few-shot": few_shot,
    "truncated-heads": truncated_heads,
}

#: Protocols that train the same shop at several levels and should make their choices once.
SEVERAL_LEVELS = frozenset({"few-shot", "truncated-heads"})


def run_all(
    names: list[str],
    events: Events,
    catalog: Catalog,
    fit: Fit,
    at_levels: Callable[[], Fit],
    *,
    options: Options,
    progress: Progress = SILENT,
) -> tuple[list[ProtocolResult], dict[str, str]]:
    """Run several protocols; one that this shop's data does not allow is skipped and says why.

    Args:
        names: keys of :data:`PROTOCOLS`; they are run in its order.
        events: all events.
        catalog: all items that may be ranked.
        fit: trains for all protocols that train once; it may hand out a run that it was asked for before.
        at_levels: makes a fit of its own for a protocol that trains at several levels; it should make its choices once.
        options: of every protocol.
        progress: told of each stage.

    Returns:
        The results, and why the others were skipped, by name.

    Raises:
        LeakError: training saw what is tested: that is never skipped.
    """
    results, skipped = [], {}
    for name in sorted(names, key=list(PROTOCOLS).index):
        try:
            own = at_levels() if name in SEVERAL_LEVELS else fit
            results.append(PROTOCOLS[name](events, catalog, own, options=options, progress=progress))
        except DataError as error:
            skipped[name] = str(error)
    return results, skipped
