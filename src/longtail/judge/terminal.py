"""Judging in a terminal: two columns, one key a neighbour."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from longtail.judge.cards import Card, Cards
from longtail.judge.questions import MOST
from longtail.judge.session import Session

#: Keys of the places of both columns: the number row and the row of letters below it.
LEFT, RIGHT = "1234567890", "qwertyuiop"
ENTER, BACK, STOP = ("\r", "\n"), ("-", "\x7f", "\b"), ("x", "\x1b", "\x03", "\x04")


def judge_in_terminal(session: Session, cards: Cards, console: Console, read_key: Callable[[], str]) -> bool:
    """Ask until every question is answered or the judge stops; what was answered is written either way.

    Args:
        session: questions and answers.
        cards: what is shown of items.
        console: a terminal.
        read_key: waits for a key and gives it.

    Returns:
        Whether all questions are answered.
    """
    marked = set(session.marked)
    while (question := session.question) is not None:
        keys = dict(zip(LEFT, question.left, strict=False)) | dict(zip(RIGHT, question.right, strict=False))
        console.clear()
        console.print(screen(session, cards, marked))
        key = read_key()
        if key in keys:
            marked ^= {keys[key]}
        elif key in ENTER:
            session.answer(marked)
            marked = set(session.marked)
        elif key in BACK:
            session.back()
            marked = set(session.marked)
        elif key in STOP:
            return False
    return True


def screen(session: Session, cards: Cards, marked: set[str]) -> Table:
    """The question as it stands, with what is marked."""
    question = session.question
    assert question is not None
    asked = cards.of(question.item)
    table = Table(
        title=Text(f"{session.place + 1} of {len(session.items)}   {asked.title}", style="bold").append(
            f"\n{' · '.join(asked.details)}", style="not bold dim"
        ),
        caption="Press the key of everything that does not belong beside it. "
        "Enter: done, the rest belongs · -: back · x: stop, and go on another time",
        title_justify="left",
        caption_justify="left",
        show_header=False,
        box=None,
        expand=True,
        padding=(0, 1),
    )
    for _ in range(2):
        table.add_column(width=1, no_wrap=True)
        table.add_column(ratio=1)
    for place in range(min(MOST, max(len(question.left), len(question.right)))):
        cells: list[Text] = []
        for keys, column in ((LEFT, question.left), (RIGHT, question.right)):
            if place < len(column):
                wrong = column[place] in marked
                cells += [
                    Text(keys[place], style="bold red" if wrong else "bold"),
                    _named(cards.of(column[place]), wrong),
                ]
            else:
                cells += [Text(), Text()]
        table.add_row(*cells)
    return table


def _named(card: Card, wrong: bool) -> Text:
    text = Text("✗ " if wrong else "  ", style="red" if wrong else "").append(card.title)
    return text.append(f"\n  {' · '.join(card.details)}", style="dim")
