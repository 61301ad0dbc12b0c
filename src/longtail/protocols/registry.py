"""The protocols by name; a new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from longtail.core.errors import DataError
from longtail.core.progress import SILENT, Progress
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.evaluate.result import ProtocolResult
from longtail.protocols import few_shot, truncated_heads
from longtail.protocols.cold import cold
from longtail.protocols.methods import Fit
from longtail.protocols.new_users import new_users
from longtail.protocols.random_holdout import random_holdout
from longtail.protocols.relevance import relevance
from longtail.protocols.reveal import Plan
from longtail.protocols.run import Options, check_types
from longtail.protocols.similar import similar
from longtail.protocols.tail import tail

#: ``protocol(events, catalog, fit, *, options, progress) -> ProtocolResult``, in the order they are run and shown:
#: the first three share a training run.
PROTOCOLS: dict[str, Callable[..., ProtocolResult]] = {
    "tail": tail,
    "similar": similar,
    "relevance": relevance,
    "cold": cold,
    "random": random_holdout,
    "new-users": new_users,
    "few-shot": few_shot.few_shot,
    "truncated-heads": truncated_heads.truncated_heads,
}

#: Protocols that train the same shop at several levels: what each reveals. Their choices are made once for all of them.
PLANS: dict[str, Callable[..., Plan]] = {"few-shot": few_shot.plan, "truncated-heads": truncated_heads.plan}


class AtLevels(Protocol):
    """Makes a fit for protocols that train the same shop at several levels."""

    def __call__(self, events: Events, catalog: Catalog, *, hidden: Sequence[str]) -> Fit:
        """A fit that has made its choices on these events, the least that any level sees, and keeps them."""


def run_all(
    names: list[str],
    events: Events,
    catalog: Catalog,
    fit: Fit,
    at_levels: AtLevels,
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
        at_levels: makes the fit of those that train at several levels, from what none of them tests or reveals.
        options: of every protocol.
        progress: told of each stage.

    Returns:
        The results, and why the others were skipped, by name.

    Raises:
        DataError: an event type of ``options`` does not occur.
        LeakError: training saw what is tested: that is never skipped.
    """
    check_types(events, options)
    results, skipped = [], {}
    kept: Fit | None = None
    for name in sorted(names, key=list(PROTOCOLS).index):
        try:
            own = fit
            if name in PLANS:
                own = kept = kept or _at_levels(names, events, catalog, at_levels, options)
            results.append(PROTOCOLS[name](events, catalog, own, options=options, progress=progress))
        except DataError as error:
            skipped[name] = str(error)
    return results, skipped


def _at_levels(names: list[str], events: Events, catalog: Catalog, at_levels: AtLevels, options: Options) -> Fit:
    """The fit of the protocols with levels: its choices see what training sees at the lowest level of every one."""
    least, hidden = events, dict[str, None]()
    for name in PLANS:
        if name in names:
            try:
                plan = PLANS[name](events, catalog, options=options)
            except DataError:  # it will say so itself
                continue
            least = plan.training(least, plan.levels[0])
            hidden.update(dict.fromkeys(plan.hidden(plan.levels[0])))
    return at_levels(least, catalog, hidden=list(hidden))
