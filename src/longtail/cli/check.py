"""`longtail check RECIPE`: look at a shop's data without training on it."""

from __future__ import annotations

from pathlib import Path

import typer

from longtail.cli.console import RichProgress, console, messages, print_json
from longtail.cli.files import check_place
from longtail.cli.options import Data
from longtail.core.errors import RecipeError
from longtail.core.progress import SILENT


def check(
    recipe: Path = typer.Argument(..., help="The recipe, a TOML file.", show_default=False),
    data: Data = None,
    refused: Path | None = typer.Option(
        None,
        "--refused",
        metavar="FILE",
        help="Write all refused rows to FILE (.csv, .parquet, .jsonl); those of the catalog beside it.",
    ),
    json: bool = typer.Option(False, "--json", help="Write JSON instead of tables."),
) -> None:
    """Look at the data a recipe names, without training: what is refused, what is missing, what it will cost.

    Exit code 1 if something would stop training, 0 otherwise.
    """
    from longtail.cli.check_view import show
    from longtail.data.refusals import check_ending
    from longtail.preflight import Finding, Preflight, preflight
    from longtail.preflight.plain import as_plain
    from longtail.preflight.refused import write_refused
    from longtail.recipe import Recipe

    if refused is not None:
        check_ending(refused)
        check_place(refused)
    try:
        read = Recipe.load(recipe, data=data)
        _ = read.data_folder  # its environment variable may be missing
    except RecipeError as error:
        report = Preflight(findings=(Finding.stop(str(error)),))
    else:
        if json:
            report = preflight(read, progress=SILENT)
        else:
            with RichProgress() as progress:
                report = preflight(read, progress=progress)
    if json:
        print_json(as_plain(report))
    else:
        show(console, report, recipe)
    if refused is not None:
        for path, rows in write_refused(report, refused):
            messages.print(f"{rows:,} refused rows are in {path}.", markup=False)
    raise typer.Exit(1 if report.stops else 0)
