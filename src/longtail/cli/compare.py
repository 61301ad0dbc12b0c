"""`longtail compare BUNDLE BUNDLE`: what two bundles differ in, and what was measured of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from longtail.cli.console import console, print_json_file
from longtail.cli.evaluate import Metric
from longtail.cli.files import check_place

if TYPE_CHECKING:
    from longtail.report.compare import Change, Compared, MeasuredTwice


def compare(
    first: Annotated[Path, typer.Argument(help="A bundle.", show_default=False)],
    second: Annotated[Path, typer.Argument(help="Another bundle.", show_default=False)],
    evaluation: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--evaluation", metavar="JSON JSON", help="What `longtail evaluate --json` wrote for each."),
    ] = None,
    metric: Annotated[Metric, typer.Option("--metric", help="The metric of the table; JSON has all.")] = Metric.NDCG,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all differences to FILE; - prints.")
    ] = None,
) -> None:
    """Set two bundles beside each other: recipe, data, choices, and metrics with their differences."""
    from longtail.bundle import read_manifest
    from longtail.report.compare import compare_bundles
    from longtail.report.evaluation import read_evaluation, within_bundle

    check_place(json_file)
    one, other = read_manifest(first), read_manifest(second)
    measured = (
        (within_bundle(one["metrics"]), within_bundle(other["metrics"]))
        if evaluation is None
        else (read_evaluation(evaluation[0]), read_evaluation(evaluation[1]))
    )
    found = compare_bundles(one, other, measured)
    if str(json_file) != "-":
        _show(found, str(first), str(second), metric.value)
    if json_file is not None:
        metrics = [{**asdict(row), "difference": row.difference, "apart": row.apart} for row in found.metrics]
        print_json_file(json_file, {"first": str(first), "second": str(second), **asdict(found), "metrics": metrics})


def _show(found: Compared, first: str, second: str, metric: str) -> None:
    for title, changes in (
        ("Recipe", found.recipe),
        ("Data", found.data),
        ("Chosen on validation", found.choices),
        ("How they were made", found.made),
    ):
        console.print(Text(f"\n{title}", style="bold"))
        console.print(_changes(changes, first, second) if changes else Text("  no difference", style="dim"))
    console.print(Text("\nMeasured", style="bold"))
    rows = _shown(found.metrics, metric)
    if rows:
        console.print(_metrics(rows))
        console.print(
            "* the two 95% intervals do not meet. Each interval is of one bundle alone; a paired difference, which "
            "finds smaller ones, needs both in one evaluation (--rankings or --embeddings).",
            style="dim",
        )
    else:
        console.print("  nothing was measured of both. longtail evaluate RECIPE --json FILE, for each.", style="dim")
    for note in found.notes:
        console.print(note, markup=False, style="yellow")


def _shown(rows: Sequence[MeasuredTwice], metric: str) -> list[MeasuredTwice]:
    """Of longtail and ALS the rows of one metric, and all of protocols that do not have it, such as relevance."""
    having = {row.protocol for row in rows if row.metric.partition("@")[0] == metric}
    return [
        row
        for row in rows
        if row.method in ("ALS", "longtail") and (row.protocol not in having or row.metric.partition("@")[0] == metric)
    ]


def _changes(changes: Sequence[Change], first: str, second: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2))
    for name in ("", first, second):
        table.add_column(Text(name), overflow="fold")
    for change in changes:
        table.add_row(
            Text(change.what), *(Text("-" if said is None else said) for said in (change.first, change.second))
        )
    return table


def _metrics(rows: Sequence[MeasuredTwice]) -> Table:
    from longtail.evaluate.words import label, number, signed

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2))
    for name in ("protocol", "candidates", "metric", "method"):
        table.add_column(name, no_wrap=True)
    for name in ("first", "second", "difference"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.protocol,
            row.section,
            label(row.metric),
            row.method,
            number(row.first.mean),
            number(row.second.mean),
            Text(f"{signed(row.difference)}{'*' if row.apart else ' '}", style="bold" if row.apart else ""),
        )
    return table
