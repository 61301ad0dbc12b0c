"""Answers as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from longtail.cli.console import console, messages, print_json

if TYPE_CHECKING:
    from longtail.core.ranking import Ranking

#: What a source means, for those who meet the word first.
_SOURCE_STYLES = {"learned": "green", "blended": "cyan", "predicted": "magenta", "fallback": "yellow"}


def show_ranking(ranking: Ranking, titles: Sequence[str | None], heading: str) -> None:
    """Print an answer as a table, its note on standard error."""
    table = Table(title=Text(heading), title_justify="left", header_style="bold", box=None, pad_edge=False)
    table.add_column("rank", justify="right")
    table.add_column("item", no_wrap=True)
    table.add_column("title", overflow="ellipsis", no_wrap=True, max_width=60)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("source", no_wrap=True)
    table.add_column("interactions", justify="right", no_wrap=True)
    for row, title in zip(ranking, titles, strict=True):
        table.add_row(
            str(row.rank),
            Text(row.item_id),
            Text(title or ""),
            f"{row.score:.4g}",
            Text(row.source, style=_SOURCE_STYLES[row.source]),
            f"{row.n_interactions:,}",
        )
    console.print(table)
    if ranking.note:
        messages.print(ranking.note, markup=False)


def print_ranking(ranking: Ranking, titles: Sequence[str | None], asked: dict[str, object]) -> None:
    """Print an answer as one JSON document: what was asked, the rows with titles, the note."""
    rows = [row | {"title": title} for row, title in zip(ranking.to_dicts(), titles, strict=True)]
    print_json({**asked, "results": rows, "note": ranking.note})
