"""`longtail judge`: people say which neighbours belong beside an item, without knowing what made them."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from longtail.cli.console import console, messages, print_json_file
from longtail.cli.files import check_place
from longtail.core.errors import DataError

if TYPE_CHECKING:
    from longtail.data.judgements import Judgements
    from longtail.judge.cards import Cards
    from longtail.judge.questions import Neighbours
    from longtail.judge.session import Session


def judge(
    bundle: Annotated[Path, typer.Argument(help="A bundle written by `longtail train`.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="Where judgements are kept, .parquet or .csv.")
    ] = Path("judgements.parquet"),
    name: Annotated[
        str | None, typer.Option("--judge", metavar="NAME", help="Who judges. None: the user's name.")
    ] = None,
    items: Annotated[int, typer.Option("--items", min=1, help="How many items are asked about.")] = 60,
    k: Annotated[int, typer.Option("-k", min=1, max=10, help="Neighbours in a column.")] = 10,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the items that are drawn; judges need the same.")] = 0,
    page: Annotated[
        bool, typer.Option("--page", help="Judge in a browser, with pictures, instead of the terminal.")
    ] = False,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Of the page. 0: any that is free.")] = 0,
    pictures: Annotated[
        Path, typer.Option("--pictures", metavar="DIR", help="Folder that relative paths of pictures start from.")
    ] = Path(),
    others: Annotated[
        list[Path] | None, typer.Option("--with", metavar="FILE", help="Judgements of others, for the summary.")
    ] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Ask nothing; show what was judged so far.")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the summary to FILE; - prints.")
    ] = None,
) -> None:
    """Judge blind which neighbours belong beside an item: ALS alone in one column, longtail in the other.

    The order of columns is random. Items are drawn from every bucket of popularity in turns, the same for every judge.
    Every answer is kept at once; the same command goes on where it stopped. At the end, or with --summary: irrelevant
    shares with intervals, and how far judges agree.
    """
    from longtail.data.judgements import Judgements, format_of
    from longtail.judge.cards import Cards
    from longtail.judge.questions import Neighbours, drawn_items
    from longtail.judge.session import Session
    from longtail.recommender import Recommender

    for place in (output, json_file):
        check_place(place)
    format_of(output)
    shop = Recommender.load(bundle)
    neighbours = Neighbours(shop, k, seed)
    if not summary:
        who = name or getpass.getuser()
        session = Session(neighbours, drawn_items(shop.bundle, items, seed=seed), who, output)
        cards = Cards(shop, pictures)
        if not (_on_page(session, cards, port) if page else _in_terminal(session, cards)):
            messages.print(
                f"{session.place:,} of {len(session.items):,} judged by {who}, kept in {output}. "
                "The same command goes on from here.",
                markup=False,
            )
            return
    found = [path for path in (output, *(others or [])) if path.exists()]
    if not found:
        raise DataError(f"There is no file {output}: nothing was judged yet.")
    _conclude(neighbours, Judgements.read(found), json_file)


def _in_terminal(session: Session, cards: Cards) -> bool:
    from click import getchar

    from longtail.judge.terminal import judge_in_terminal

    if not (sys.stdin.isatty() and console.is_terminal):
        raise DataError("Judging needs a terminal; found none. Use --page to judge in a browser.")
    try:
        return judge_in_terminal(session, cards, console, getchar)
    except (KeyboardInterrupt, EOFError):
        return False


def _on_page(session: Session, cards: Cards, port: int) -> bool:
    import webbrowser

    from longtail.judge.page import JudgePage

    with JudgePage(session, cards, port=port) as page:
        messages.print(f"Judge at {page.url}\nCtrl-C stops; what was answered is kept.", markup=False)
        webbrowser.open(page.url)
        try:
            while not page.finished.wait(0.5):
                pass
        except KeyboardInterrupt:
            pass
        return page.finished.is_set()


def _conclude(neighbours: Neighbours, judgements: Judgements, json_file: Path | None) -> None:
    from longtail.cli.evaluate_view import show
    from longtail.judge.summary import summarise

    result = summarise(neighbours, judgements)
    if str(json_file) != "-":
        show(console, result)
    if json_file is not None:
        print_json_file(json_file, {"results": [result.to_dict()], "skipped": {}})
