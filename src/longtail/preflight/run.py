"""Read a shop's data as training would, and look at it."""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np

from longtail.content.picture_model import find_weights
from longtail.content.preview import preview
from longtail.content.registry import plan
from longtail.content.sentence_model import find_model
from longtail.core.errors import LongtailError, MissingExtraError
from longtail.core.progress import SILENT, Progress
from longtail.data.catalog import Catalog, read_catalog
from longtail.data.checks import FieldCoverage, Size, check_join, cover, estimate, weigh
from longtail.data.events import Events, read_events
from longtail.data.interactions import Interactions, aggregate
from longtail.evaluate.diagnose import diagnose
from longtail.preflight.findings import find
from longtail.preflight.report import EventsSummary, Finding, Preflight
from longtail.recipe import Recipe

#: The last fit, the one without what is held out, and the rounds' one-sided solves together; what tuning adds.
_ALS_FITS, _ALS_TUNING_FITS = 3, 7


def preflight(
    recipe: Recipe,
    *,
    events: Any = None,
    catalog: Any = None,
    now: datetime | None = None,
    progress: Progress = SILENT,
) -> Preflight:
    """Read a shop's data as training would, and look at it.

    A source that cannot be read is a finding, not an error, so that one report says all there is to say.

    Args:
        recipe: where the data is and what it means.
        events: a dataframe instead of the recipe's source.
        catalog: a dataframe instead of the recipe's source.
        now: events more than a day later are refused; None: the current time.
        progress: where to report.
    """
    failures: list[Finding] = []
    read: Events | None = None
    items: Catalog | None = None
    interactions: Interactions | None = None
    try:
        read = read_events(
            recipe.events, recipe.weights, base=recipe.data_folder, table=events, now=now, progress=progress
        )
    except LongtailError as error:
        failures.append(Finding.stop(str(error)))
    if recipe.catalog.source is not None or catalog is not None:
        try:
            items = read_catalog(recipe.catalog, base=recipe.data_folder, table=catalog, progress=progress)
        except LongtailError as error:
            failures.append(Finding.stop(str(error)))
    failures += _unreadable(recipe)
    if read is not None and len(read):
        try:
            with progress.task("Adding up interactions"):
                interactions = aggregate(read, recipe.weights, items=items.items if items is not None else None)
        except LongtailError as error:
            failures.append(Finding.stop(str(error)))
    fields: list[FieldCoverage] = []
    becomes: list[dict[str, Any]] = []
    if items is not None:
        with progress.task("Looking at the catalog"):
            fields = cover(items, recipe.data_folder)
            try:
                becomes = preview(items)
                failures += _misnamed_weights(recipe, {str(one["into"]) for one in becomes})
            except LongtailError as error:
                failures.append(Finding.stop(str(error)))
    report = Preflight(
        findings=(),
        events=read.refusals if read is not None else None,
        catalog=items.refusals if items is not None else None,
        catalog_items=len(items) if items is not None else None,
        summary=_summary(read, interactions) if read is not None and interactions is not None else None,
        join=check_join(read, items) if read is not None and len(read) and items is not None else None,
        fields=tuple(fields),
        becomes=tuple(becomes),
        weighting=weigh(read, recipe.weights) if read is not None else None,
        tail=diagnose(interactions.n_interactions, interactions.item_events, recipe.tail_below)
        if interactions is not None
        else None,
        cost=estimate(_size(recipe, interactions, fields)) if interactions is not None else None,
    )
    found = sorted([*failures, *find(recipe, report)], key=lambda finding: not finding.stops)
    return Preflight(**{**vars(report), "findings": tuple(found)})


def _unreadable(recipe: Recipe) -> Iterator[Finding]:
    """Fields that no encoder here can read, and models that are not there; nothing is loaded."""
    try:
        planned = plan(recipe.catalog)
    except LongtailError as error:
        yield Finding.stop(str(error))
        return
    for encoder, library, extra, purpose, look in (
        ("text", "torch", "text", "Reading text", find_model),
        ("image", "timm", "images", "Reading pictures", find_weights),
    ):
        models = {field.model for name, fields in planned.values() if name == encoder for field in fields.values()}
        for model in sorted(models, key=str):
            try:
                if importlib.util.find_spec(library) is None:
                    raise MissingExtraError(purpose, extra, library)
                look(model, allow_network=False)
            except LongtailError as error:
                yield Finding.stop(str(error))


def _misnamed_weights(recipe: Recipe, names: set[str]) -> Iterator[Finding]:
    """Weights of fields that content will not have."""
    for name in sorted(set(recipe.model.field_weights or {}) - names):
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(map(repr, sorted(names)))}."
        yield Finding.stop(f"model.field_weights names {name!r}, which is no field of the content. {hint}")


def _summary(events: Events, interactions: Interactions) -> EventsSummary:
    return EventsSummary(
        first=events.first,
        last=events.last,
        users=len(interactions.users),
        items=int((interactions.item_events > 0).sum()),
        pairs=int(interactions.matrix.nnz),
        users_with_one=int((interactions.user_interactions == 1).sum()),
    )


def _size(recipe: Recipe, interactions: Interactions, fields: list[FieldCoverage]) -> Size:
    texts, pictures = ([field for field in fields if field.kind == kind] for kind in ("text", "image"))
    network = recipe.model.bridge.network
    uses_network = recipe.model.bridge.method in ("auto", "network")
    return Size(
        events=int(interactions.item_events.sum()),
        users=len(interactions.users),
        items=len(interactions.items),
        items_with_events=int(np.count_nonzero(interactions.n_interactions)),
        pairs=int(interactions.matrix.nnz),
        texts=sum(field.distinct or 0 for field in texts),
        pictures=sum(field.distinct or 0 for field in pictures),
        characters=sum(field.characters or 0 for field in texts),
        factors=recipe.als.factors,
        iterations=recipe.als.iterations,
        als_fits=_ALS_FITS + (_ALS_TUNING_FITS if recipe.model.tune_als else 0),
        rounds=recipe.model.rounds,
        landmarks=recipe.model.bridge.landmarks,
        network_rows=recipe.model.bridge.max_rows if uses_network else 0,
        network_passes=network.epochs * network.folds,
        validation_users=recipe.model.validation_users,
    )
