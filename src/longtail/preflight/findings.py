"""What a person should know about a shop's data, in short sentences: what stops training, and what only hurts."""

from __future__ import annotations

from collections.abc import Iterator

from longtail.core.machine import memory
from longtail.core.words import many
from longtail.data.checks import FieldCoverage, Join
from longtail.data.checks.join import in_words
from longtail.data.refusals import Refusals
from longtail.preflight.report import Finding, Preflight
from longtail.recipe import Recipe
from longtail.recipe.toml import toml_text

#: Below this share of the events' items in the catalog, the two do not belong together as they are.
_HARDLY_ANY = 0.05
#: Below this share, much is lost.
_HALF = 0.5
#: What to do where most rows are refused for a reason that the recipe can mend.
_REMEDIES = {
    "malformed line": "Is the file UTF-8, and has every line as many columns as the first?",
    "unparsable timestamp": "Say how times are written with events.timestamp_format, such as '%d/%m/%Y' or 'epoch_s'.",
    "unknown event type": "Name the types under [weights.types]; one that should not count gets 0.",
    "duplicate catalog item": "If these are variants, say under [catalog.group] how they become one.",
}


def find(recipe: Recipe, report: Preflight) -> Iterator[Finding]:
    """Look through a report for what a person should know."""
    if report.events is not None:
        yield from _rows(report.events)
    if report.catalog is not None:
        yield from _rows(report.catalog)
    if report.summary is not None:
        yield from _summary(report)
    if report.join is not None:
        yield from _join(recipe, report.join)
    yield from _fields(recipe, report)
    yield from _weights(recipe, report)
    if report.cost is not None:
        total, _ = memory()
        if total and report.cost.memory_bytes > total:
            yield Finding.warning(
                f"Training may need {report.cost.memory_bytes / 2**30:.1f} GiB, and this machine has "
                f"{total / 2**30:.1f} GiB. Lower als.factors, or train on a larger machine."
            )


def _rows(refusals: Refusals) -> Iterator[Finding]:
    what = refusals.what
    most = max(refusals.by_reason, key=lambda refusal: refusal.count).reason if refusals.by_reason else ""
    remedy = f" {_REMEDIES[most]}" if most in _REMEDIES else ""
    if refusals.read == 0:
        yield Finding.stop(f"The {what} have no rows." if what == "events" else "The catalog has no rows.")
    elif refusals.accepted == 0:
        why = (
            f"{what}.where leaves out all of them"
            if not refusals.refused
            else ", ".join(f"{refusal.reason}: {refusal.count:,}" for refusal in refusals.by_reason)
        )
        yield Finding.stop(f"None of the {many(refusals.read, 'row')} of the {what} can be used ({why}).{remedy}")
    elif refusals.refused > 0.01 * refusals.read:
        yield Finding.warning(
            f"Refused: {many(refusals.refused, 'row')} of the {what} ({refusals.refused / refusals.read:.1%}), most "
            f"for {most!r}. See them all with --refused FILE.{remedy}"
        )
    if refusals.missing_values:
        yield Finding.warning(f"Without a value and therefore counted as 1: {many(refusals.missing_values, 'event')}.")


def _summary(report: Preflight) -> Iterator[Finding]:
    summary = report.summary
    assert summary is not None  # asked by the caller
    if summary.pairs == 0:
        yield Finding.stop("Every event has the weight 0, so nobody interacted with anything. See [weights.types].")
    elif summary.users < 2 or summary.items < 2:
        yield Finding.stop(
            f"Found {many(summary.users, 'user')} and {many(summary.items, 'item')} with events. "
            "Learning what goes together needs at least two of each."
        )
    elif summary.users_with_one == summary.users:
        yield Finding.stop(
            "No user has more than one item, so nothing can be learned about which items go together. "
            "Is events.user_id the user, and not an order or a row?"
        )
    elif summary.users_with_one > 0.8 * summary.users:
        yield Finding.warning(
            f"{summary.users_with_one / summary.users:.0%} of the users have a single item. "
            "Is events.user_id the user, and not an order or a session?"
        )
    if summary.first is None:
        yield Finding.warning("Events have no times: no half-life, and results are on random hold-outs only.")
    elif summary.first == summary.last:
        yield Finding.warning(f"All events are at one time, {summary.first}. Is events.timestamp the right column?")


def _join(recipe: Recipe, join: Join) -> Iterator[Finding]:
    if join.catalog_items == 0 or join.event_items == 0:
        return
    if join.share < _HALF:
        message = in_words(join)
        if join.mismatch is not None:
            message += (
                f" They seem to differ in {join.mismatch.difference}: written alike, {join.mismatch.share:.0%} would "
                f"match. In the recipe: {_remedy('events', join.mismatch.left_sql, recipe.events.item_id)}"
                f"{_remedy('catalog', join.mismatch.right_sql, recipe.catalog.item_id)}".rstrip(", ")
                + "."
            )
        else:
            message += " Are events.item_id and catalog.item_id the right columns?"
        yield Finding("stop" if join.share < _HARDLY_ANY else "warning", message)
    elif join.unknown_events > 0.05 * join.events:
        yield Finding.warning(
            f"{join.unknown_events / join.events:.0%} of the events are of items that are not in the catalog, such as "
            f"{join.unknown_examples[0][0]!r}. They teach, but are never recommended."
        )


def _remedy(section: str, form: str, read: str) -> str:
    return "" if form == "{id}" else f"{section}.item_id = {toml_text(form.format(id=read))}, "


def _fields(recipe: Recipe, report: Preflight) -> Iterator[Finding]:
    if report.catalog is None:
        if recipe.catalog.source is not None:  # it could not be read, and that is told
            return
        yield Finding.warning(
            "There is no catalog: items without events cannot be predicted, and nothing is known of any item but its "
            "events. Add [catalog]."
        )
    elif not recipe.catalog.fields:
        yield Finding.warning("[catalog.fields] is empty, so items without events cannot be predicted. Name some.")
    elif report.catalog.accepted:
        for field in report.fields:
            yield from _field(field)


def _field(field: FieldCoverage) -> Iterator[Finding]:
    path = f"catalog.fields.{field.name}"
    if field.unparsable:
        yield Finding.warning(
            f"{path}: the values of {many(field.unparsable, 'item')} do not read as a {field.kind} and count as none."
        )
    if field.present == 0:
        yield Finding.warning(f"{path}: no item has it. Is it the right column?")
    elif field.share < 0.5 and field.kind == "text":
        yield Finding.warning(f"{path}: only {field.share:.0%} of the items have text.")
    elif field.distinct == 1 and field.present > 1 and field.kind not in ("tags", "boolean"):
        yield Finding.warning(f"{path}: all items that have it have the same, {field.examples[0]!r}. It tells nothing.")
    if field.files_missing:
        yield Finding.warning(
            f"{path}: {field.files_missing:.0%} of the pictures are not there. Names are relative to the data folder."
        )


def _weights(recipe: Recipe, report: Preflight) -> Iterator[Finding]:
    weighting = report.weighting
    if weighting is None:
        return
    for name in weighting.idle_types:
        weight = recipe.weights.types[name]
        if weight < 0:
            yield Finding.warning(
                f"weights.types.{name}: found {weight:g}, and events with a negative weight are refused. 0 lets them "
                "be read without counting."
            )
        else:
            yield Finding.warning(f"weights.types.{name}: no event of this type can be used.")
    if weighting.oldest_factor is not None and weighting.oldest_factor > 0.5:
        yield Finding.warning(
            f"weights.half_life_days: {weighting.half_life_days:g} days are more than the {weighting.days or 0:.0f} "
            "days of events, so age hardly matters."
        )
