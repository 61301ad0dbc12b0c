"""How `longtail check` looks in a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from longtail.core.buckets import LABELS
from longtail.core.words import many
from longtail.data.checks import Cost, FieldCoverage, Join, Weighting
from longtail.data.refusals import Refusals
from longtail.evaluate.diagnose import TailDiagnosis, in_words
from longtail.preflight import EventsSummary, Preflight

_BAR = 20


def show(console: Console, report: Preflight, recipe: Path) -> None:
    """Print a report: what was read, how it fits together, what it means, and what to do."""
    console.print(Text(f"longtail check {recipe}", style="bold"))
    if report.events is not None:
        _rows(console, "Events", report.events)
        if report.summary is not None:
            _summary(console, report.summary)
    if report.catalog is not None:
        _rows(console, "Catalog", report.catalog)
        if report.catalog_items is not None and report.catalog_items != report.catalog.accepted:
            _line(console, f"{many(report.catalog_items, 'item')}: rows of one item are grouped")
    if report.join is not None:
        _join(console, report.join)
    if report.fields:
        _fields(console, report.fields)
    if report.becomes:
        _becomes(console, report.becomes)
    if report.weighting is not None and report.weighting.types:
        _weights(console, report.weighting)
    if report.tail is not None:
        _tail(console, report.tail)
    if report.cost is not None:
        _cost(console, report.cost)
    _findings(console, report, recipe)


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold cyan"))


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(Padding(Text(text, style=style), (0, 0, 0, 2), expand=False))


def _print_table(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """A table with a quiet look; headings that end in ``>`` are of numbers. Only the last column gives way."""
    table = Table(box=SIMPLE_HEAD, header_style="dim", show_edge=False)
    left = console.width - 3 * len(columns) - 1
    for index, heading in enumerate(columns):
        name = heading.rstrip(">")
        widest = max(cell_len(str(cell)) for cell in (name, *(row[index] for row in rows)))
        width = min(widest, 32) if index < len(columns) - 1 else min(widest, max(left, 10))
        left -= width
        table.add_column(
            name,
            justify="right" if heading.endswith(">") else "left",
            no_wrap=True,
            overflow="ellipsis",
            width=width,
        )
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _rows(console: Console, name: str, refusals: Refusals) -> None:
    _heading(console, name)
    parts = [f"{many(refusals.read, 'row')} read", f"{refusals.accepted:,} accepted", f"{refusals.refused:,} refused"]
    if refusals.filtered:
        parts.append(f"{refusals.filtered:,} left out by `where`")
    _line(console, " · ".join(parts))
    if refusals.by_reason:
        rows = [
            (Text(refusal.reason), f"{refusal.count:,}", Text(_example(refusal.example), style="dim"))
            for refusal in refusals.by_reason
        ]
        _print_table(console, ("refused for", "rows>", "for example"), rows)


def _summary(console: Console, summary: EventsSummary) -> None:
    _line(
        console,
        f"{many(summary.users, 'user')} · {many(summary.items, 'item')} · {many(summary.pairs, 'different pair')}",
    )
    if summary.first is not None and summary.last is not None:
        _line(console, f"{summary.first:%Y-%m-%d %H:%M} to {summary.last:%Y-%m-%d %H:%M} (UTC)")


def _join(console: Console, join: Join) -> None:
    _heading(console, "Events and catalog")
    if join.share < 0.5:
        meet = f"Only {join.share:.1%} of the events' items are in the catalog."
        _line(console, meet, style="bold red" if join.share < 0.05 else "yellow")
    else:
        _line(console, f"{_share(join.share)} of the events' items are in the catalog.")
    if join.unknown_events:
        examples = ", ".join(f"{id!r} ({n:,})" for id, n in join.unknown_examples[:3])
        share = join.unknown_events / join.events
        _line(
            console,
            f"{many(join.unknown_events, 'event')} ({_share(share)}) of {many(join.unknown_items, 'item')} not in it: "
            f"{examples}",
        )
    if join.silent_items:
        examples = ", ".join(map(repr, join.silent_examples[:3]))
        share = join.silent_items / join.catalog_items
        _line(console, f"{many(join.silent_items, 'catalog item')} ({_share(share)}) without events: {examples}")


def _fields(console: Console, fields: tuple[FieldCoverage, ...]) -> None:
    _heading(console, "Fields")
    rows = [
        (
            Text(field.name),
            field.kind,
            Text(_share(field.share), style="" if field.share >= 0.5 else "yellow"),
            "" if field.distinct is None else f"{field.distinct:,}",
            Text(", ".join(_short(example) for example in field.examples), style="dim"),
        )
        for field in fields
    ]
    _print_table(console, ("field", "kind", "items>", "distinct>", "for example"), rows)


def _becomes(console: Console, becomes: tuple[dict[str, Any], ...]) -> None:
    _heading(console, "What fields become")
    rows = [(Text(one["field"]), one["into"], Text(one["became"])) for one in becomes]
    _print_table(console, ("field", "into", "as"), rows)
    for one in becomes:
        learned = [f"{it['attribute']} ({it['classes']} values)" for it in one.get("attributes", ())]
        if learned:
            _line(console, f"{one['field']}: classifiers of {', '.join(learned)}.")
        for name, why in one.get("not learned", {}).items():
            _line(console, f"{one['field']}: none of {name}: {why}.", style="dim")


def _weights(console: Console, weighting: Weighting) -> None:
    _heading(console, "Weights")
    if len(weighting.types) > 1:
        rows = [
            (Text(entry.type), f"{entry.events:,}", f"{entry.weight:g}", _share(entry.share), _bar(entry.share))
            for entry in weighting.types
        ]
        _print_table(console, ("type", "events>", "weight>", "of all weight>", ""), rows)
    elif weighting.half_life_days is None and weighting.value_low is None:
        _line(console, "Every event counts the same.")
    if weighting.value_low is not None and weighting.value_high is not None:
        _line(console, f"Values from {weighting.value_low:g} to {weighting.value_high:g} scale the events.")
    if weighting.oldest_factor is not None and weighting.recent_share is not None:
        half_life = f"{weighting.half_life_days:g} days"
        _line(
            console,
            f"With a half-life of {half_life} over {weighting.days or 0:.0f} days, the first event counts "
            f"{weighting.oldest_factor:.2g} of the last; the last {half_life} have {_share(weighting.recent_share)} of "
            "all weight.",
        )
    events = sum(entry.events for entry in weighting.types)
    if weighting.effective_events < 0.95 * events:
        _line(console, f"Weighted so, {events:,} events say as much as {weighting.effective_events:,.0f} equal ones.")


def _tail(console: Console, tail: TailDiagnosis) -> None:
    _heading(console, "The tail")
    for sentence in in_words(tail):
        _line(console, sentence)
    rows = []
    for label, items, events in zip(LABELS, tail.bucket_items, tail.bucket_events, strict=True):
        of_items, of_events = items / max(tail.items, 1), events / max(tail.events, 1)
        rows.append((label, f"{items:,}", _bar(of_items), _share(of_events), _bar(of_events)))
    _print_table(console, ("interactions", "items>", "", "of events>", ""), rows)


def _cost(console: Console, cost: Cost) -> None:
    _heading(console, "Training, a rough upper estimate")
    parts = [f"{name} {_duration(seconds)}" for name, seconds in cost.time_parts.items() if seconds >= 1]
    _line(
        console, f"Up to {_duration(cost.seconds)} on {cost.cores} cores" + (f": {', '.join(parts)}." if parts else ".")
    )
    _line(console, f"Up to {cost.memory_bytes / 2**30:.1f} GiB of memory. Encoded content is kept for the next time.")


def _findings(console: Console, report: Preflight, recipe: Path) -> None:
    console.print()
    for finding in report.findings:
        mark = Text("✗ ", style="bold red") if finding.stops else Text("! ", style="bold yellow")
        console.print(mark.append(finding.message, style="not bold red" if finding.stops else "default not bold"))
    if report.stops:
        console.print(Text("Not ready to train.", style="bold red"))
    else:
        console.print(Text(f"Ready. Next: longtail train {shlex.quote(str(recipe))} -o bundle", style="bold green"))


def _share(share: float) -> str:
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{share:.1%}" if share < 1 else "100%"


def _bar(share: float) -> Text:
    return Text("█" * round(share * _BAR) or ("▏" if share else ""), style="cyan")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _example(row: Mapping[str, object]) -> str:
    """A row in short: what is null is shown, since it is often the reason."""
    return ", ".join(f"{name}={'null' if value is None else _short(value)}" for name, value in row.items())


def _short(value: object, limit: int = 30) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    text = text if text.isprintable() else repr(text)[1:-1]
    return text if len(text) <= limit else text[: limit - 1] + "…"
