"""`longtail init EVENTS [CATALOG]`: write a first recipe by looking at the files."""

from __future__ import annotations

import shlex
from pathlib import Path

import typer

from longtail.cli.console import RichProgress, console
from longtail.cli.files import check_place, write_file
from longtail.core.errors import DataError


def init(
    events: str = typer.Argument(
        ..., help="Events: a file, a glob in quotes, a folder, or {package:NAME}/PATH.", show_default=False
    ),
    catalog: str | None = typer.Argument(None, help="Catalog: the same.", show_default=False),
    output: Path = typer.Option(Path("recipe.toml"), "-o", "--output", metavar="FILE", help="Where to write it."),
    force: bool = typer.Option(False, "--force", help="Replace FILE if it is there."),
    user: str | None = typer.Option(None, "--user", metavar="COLUMN", help="The events' column with the user."),
    item: str | None = typer.Option(None, "--item", metavar="COLUMN", help="The events' column with the item."),
    timestamp: str | None = typer.Option(
        None, "--timestamp", metavar="COLUMN", help="The events' column with the time."
    ),
    catalog_item: str | None = typer.Option(
        None, "--catalog-item", metavar="COLUMN", help="The catalog's column with the item."
    ),
) -> None:
    """Write a commented recipe for a shop by looking at its files. Every guess can be read and changed there."""
    from longtail.recipe.draft import draft_recipe

    check_place(output)
    if output.exists() and not force:
        raise DataError(f"{output} is there already. Choose another name with -o, or replace it with --force.")
    with RichProgress() as progress:
        draft = draft_recipe(
            events,
            catalog,
            folder=output.parent,
            name=output.name,
            user=user,
            item=item,
            timestamp=timestamp,
            catalog_item=catalog_item,
            progress=progress,
        )
    write_file(output, draft.text)
    for note in draft.notes:
        console.print(note, markup=False)
    console.print(f"Wrote {output}. Read it, then: longtail check {shlex.quote(str(output))}", markup=False)
