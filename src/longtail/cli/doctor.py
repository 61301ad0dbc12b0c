"""`longtail doctor`: versions, cores, memory, BLAS, extras, and what to do."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from longtail.cli.console import console, print_json
from longtail.cli.options import AsJson

_MARKS = {"ok": Text("✓", style="green"), "note": Text("!", style="yellow"), "problem": Text("✗", style="bold red")}


def doctor(
    as_json: AsJson = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for notes too, not only for problems.")] = False,
) -> None:
    """Look at this machine: versions, cores, memory, BLAS, extras, and what to do about them."""
    from longtail.cli.environment import examine

    findings = examine()
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(width=1)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for finding in findings:
            said = Text(finding.value)
            if finding.advice:
                said.append(f"\n{finding.advice}", style="yellow")
            table.add_row(_MARKS[finding.status], finding.name, said)
        console.print(table)
    statuses = {finding.status for finding in findings}
    if "problem" in statuses or (strict and "note" in statuses):
        raise typer.Exit(1)
