"""Several trainings of a split, by seeds: a training draws, so their mean is told, and what each of them gave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from longtail.core.errors import DataError
from longtail.evaluate.result import SEED, ProtocolResult, Section
from longtail.protocols.measure import sum_up
from longtail.protocols.methods import Fit
from longtail.protocols.run import Found, Options

#: Between the seeds of several trainings: what is drawn within one takes its seed and the numbers after it.
APART = 100


def seeds_of(options: Options) -> list[int | None]:
    """``options.seed`` and others :data:`APART`; for a single training [None], the fit's own.

    Raises:
        DataError: no seed is asked for.
    """
    if options.seeds < 1:
        raise DataError(f"A training needs a seed; found seeds = {options.seeds}. Ask for 1 or more.")
    return [None] if options.seeds == 1 else [options.seed + APART * number for number in range(options.seeds)]


def by_seed(fit: Fit, run: Callable[[Fit], Found], options: Options) -> list[Found]:
    """What a split gave after a training by each of :func:`seeds_of`, in their order.

    The shop's own is trained last, and is then shared with other protocols.

    Raises:
        DataError: see :func:`seeds_of`, and whatever ``run`` raises.
    """
    fits = [fit if seed is None else partial(fit, seed=seed) for seed in seeds_of(options)]
    return [run(one) for one in reversed(fits)][::-1]


def with_each(
    result: ProtocolResult,
    trained: Sequence[Sequence[Found]],
    options: Options,
    *,
    views: Sequence[str],
    of: str = "the split",
) -> ProtocolResult:
    """A result of means over several seeds, with what each seed gave behind it; of a single seed the result as it is.

    Args:
        result: of the means.
        trained: by split, then by seed.
        views: the sections that each seed is told of.
        of: after what is trained, for the note.
    """
    if options.seeds == 1:
        return result
    seeds = seeds_of(options)
    sections = [
        section
        for seed, runs in zip(seeds, zip(*trained, strict=True), strict=True)
        for section in sections_apart(f"{SEED}{seed}", runs, result.methods, options, views=views)
    ]
    note = (
        f"Metrics and spread are means over {len(seeds)} trainings of {of}, by seeds {', '.join(map(str, seeds))}. "
        "Intervals are over people and of that mean, not of what one training would give. Behind stand "
        f"{', '.join(dict.fromkeys(section.name.partition(SEED)[0] for section in sections))} by each."
    )
    return replace(
        result,
        split={**result.split, "seeds": seeds},
        sections=(*result.sections, *sections),
        notes=(note, *result.notes),
    )


def sections_apart(
    name: str, runs: Sequence[Found], methods: Sequence[str], options: Options, *, views: Sequence[str]
) -> list[Section]:
    """Some views in one stretch of time, or by one seed, of several: how far these are apart is in no interval.

    Args:
        name: behind the view's in the name of the section.
        runs: measured together, see :func:`longtail.protocols.measure.sum_up`.
        methods: those that all runs have.
        views: views that a run does not have are left out.
    """
    sections: list[Section] = []
    for asked in zip(*(run.observed for run in runs), strict=True):
        few = [
            replace(
                one,
                views={view: one.views[view] for view in views if view in one.views},
                exposure={method: one.exposure[method] for method in methods},
            )
            for one in asked
        ]
        sections += sum_up(few, resamples=options.resamples, seed=options.seed).sections
    return [replace(section, name=f"{section.name}{name}") for section in sections]
