"""`longtail similar`: items like an item."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from longtail.cli.options import AsJson, Data, Fallback, K, OnePer, Where
from longtail.cli.tables import print_ranking, show_ranking
from longtail.core.errors import DataError

if TYPE_CHECKING:
    from longtail.recommender import Unknown


def similar(
    bundle: Annotated[Path, typer.Argument(help="A bundle written by `longtail train`.")],
    item: Annotated[str | None, typer.Argument(help="The id of an item.")] = None,
    new: Annotated[
        Path | None,
        typer.Option("--new", metavar="FILE", help="A JSON file with the row of an item that is not in the catalog."),
    ] = None,
    data: Data = None,
    k: K = 10,
    where: Where = None,
    one_per: OnePer = None,
    fallback: Fallback = False,
    as_json: AsJson = False,
) -> None:
    """Show items like an item of the catalog, or like a new one."""
    from longtail.recommender import Recommender

    if (item is None) == (new is None):
        raise typer.BadParameter("give an ITEM, or a row with --new item.json")
    shop = Recommender.load(bundle, data=data)
    if new is not None:
        row = read_row(new)
        ranking = shop.similar_to(row, k, where=where, one_per=one_per)
        asked: dict[str, object] = {"new": row}
        heading = f"Like the new item in {new}"
    else:
        assert item is not None
        unknown: Unknown = "fallback" if fallback else "error"
        ranking = shop.similar_items(item, k, where=where, one_per=one_per, unknown=unknown)
        asked = {"item_id": item}
        known = item in shop.bundle.items
        heading = f"Like {item} {(shop.titles([item])[0] or '') if known else ''}".rstrip()
    titles = shop.titles(ranking.item_ids)
    if as_json:
        print_ranking(ranking, titles, asked)
    else:
        show_ranking(ranking, titles, heading)


def read_row(path: Path) -> dict[str, Any]:
    """One item's row from a JSON file; ``-`` is standard input. Raises DataError."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8-sig")
        row = json.loads(text)
    except OSError as error:
        raise DataError(
            f"There is no new item to read in {path}: {error.strerror or error}. Name a JSON file with its row."
        ) from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"The new item in {path} cannot be read: {error}.") from error
    if not isinstance(row, dict):
        raise DataError(
            f"The new item in {path} must be one JSON object of column and value; found {type(row).__name__}."
        )
    return row
