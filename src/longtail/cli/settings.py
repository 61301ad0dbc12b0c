"""`longtail settings`: every key of a recipe, its default and what it means."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from longtail.cli.console import console, print_json
from longtail.cli.options import AsJson
from longtail.core.errors import RecipeError

if TYPE_CHECKING:
    from longtail.recipe.reference import Key


def settings(
    section: Annotated[str | None, typer.Argument(help="One section, such as model or catalog.fields.NAME.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="As a page: docs/settings.md is this.")] = False,
    as_json: AsJson = False,
) -> None:
    """Every key of a recipe: its default and what it means."""
    from longtail.recipe.reference import keys

    found = keys(section)
    if not found:
        known = ", ".join(dict.fromkeys(key.section for key in keys() if key.section))
        raise RecipeError(f"A recipe has no section [{section}]. There are: {known}.")
    if as_json:
        print_json([asdict(key) for key in found])
    elif markdown:
        typer.echo(page(found))
    else:
        for name, group in groupby(found, key=lambda key: key.section):
            table = Table(title=Text(_title(name)), title_justify="left", show_header=False, box=None, pad_edge=False)
            table.add_column(style="bold", no_wrap=True)
            table.add_column(style="cyan", max_width=24, overflow="fold")
            table.add_column(overflow="fold")
            for key in group:
                table.add_row(key.name, Text(key.default), Text(key.meaning))
            console.print(table)
            console.print()


def page(found: list[Key]) -> str:
    """The keys as a page in Markdown."""
    lines = [
        "# Settings",
        "",
        "Every key of [a recipe](recipe.md), as `longtail settings --markdown` prints it; `longtail settings SECTION`",
        "shows a section. A key without a default may be left out, but for a field's `kind`.",
    ]
    for name, group in groupby(found, key=lambda key: key.section):
        lines += ["", f"## {_title(name)}", "", "| key | default | what it is |", "| --- | --- | --- |"]
        lines += [f"| `{key.name}` | {_code(key.default)} | {_cell(key.meaning)} |" for key in group]
    return "\n".join(lines)


def _title(section: str) -> str:
    return f"[{section}]" if section else "At the top"


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
