"""`longtail report BUNDLE`: one page that says what longtail does for a shop, and where it does not help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from longtail.cli.console import RichProgress, console
from longtail.cli.files import check_place, write_file


def report(
    bundle: Annotated[Path, typer.Argument(help="A bundle written by `longtail train`.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The page to write.")] = Path(
        "report.html"
    ),
    evaluation: Annotated[
        Path | None,
        typer.Option("--evaluation", metavar="JSON", help="What `longtail evaluate --json` wrote for this shop."),
    ] = None,
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="Folder that relative paths of pictures start from.")
    ] = Path(),
    with_map: Annotated[bool, typer.Option("--map/--no-map", help="Draw a map of all items; takes longest.")] = True,
) -> None:
    """Write one self-contained page about a bundle: opens offline, on a phone, and prints.

    Parts whose numbers are not there say which command makes them.
    """
    from longtail.bundle import load
    from longtail.report.evaluation import read_evaluation, within_bundle
    from longtail.report.page import report as page

    check_place(output)
    measured = None if evaluation is None else read_evaluation(evaluation)
    opened = load(bundle)
    with RichProgress() as progress:
        text = page(
            opened,
            str(bundle),
            measured if measured is not None else within_bundle(opened.manifest.metrics),
            pictures=data,
            with_map=with_map,
            progress=progress,
        )
    write_file(output, text)
    console.print(f"Wrote {output}: {len(text.encode()) / 1e6:.1f} MB, opens in any browser.", markup=False)
