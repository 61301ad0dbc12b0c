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
from longtail.protocols.run import Options
from longtail.protocols.similar import similar
from longtail.protocols.tail import tail
from longtail.protocols.truncated_heads import truncated_heads

#: ``protocol(events, catalog, fit, *, options, progress) -> ProtocolResult``, in the order they are shown.
PROTOCOLS: dict[str, Callable[..., ProtocolResult]] = {
    "tail": tail,
    "cold": cold,
    "random": random_holdout,
    "new-users": new_users,
    "few-shot": few_shot,
    "similar": similar,
    "truncated-heads": truncated_heads,
}

#: Protocols that train the same shop at several levels and should make their choices once.
SEVERAL_LEVELS = frozenset({"few-shot", "truncated-heads"})


def run_all(
    names: list[str],
    events: Events,
    catalog: Catalog,
    trainer: Callable[[bool], Fit],
    *,
    options: Options,
    progress: Progress = SILENT,
) -> tuple[list[ProtocolResult], dict[str, str]]:
    """Run several protocols; one that this shop's data does not allow is skipped and says why.

    Args:
        names: keys of :data:`PROTOCOLS`.
        events: all events.
        catalog: all items that may be ranked.
        trainer: makes a fresh fit; its argument says whether choices are made once for several levels.
        options: of every protocol.
        progress: told of each stage.

    Returns:
        The results, and why the others were skipped, by name.

    Raises:
        LeakError: training saw what is tested: that is never skipped.
    """
    results, skipped = [], {}
    for name in names:
        try:
            fit = trainer(name in SEVERAL_LEVELS)
            results.append(PROTOCOLS[name](events, catalog, fit, options=options, progress=progress))
        except DataError as error:
            skipped[name] = str(error)
    return results, skipped
