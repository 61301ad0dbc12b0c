"""`longtail explain`: why an answer is an answer, in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from longtail.cli.console import console, messages, print_json
from longtail.cli.options import AsJson

if TYPE_CHECKING:
    from longtail.recommender import Contribution, Explanation, ItemInfo, Recommender

#: Items of a history that are shown one by one.
_SHOWN = 10


def explain(
    bundle: Annotated[Path, typer.Argument(help="A bundle written by `longtail train`.")],
    asked: Annotated[str, typer.Argument(metavar="USER", help="A user's id; an item's with --similar, or alone.")],
    item: Annotated[str | None, typer.Argument(help="The item to explain.")] = None,
    similar: Annotated[bool, typer.Option("--similar", help="USER is an item: why is ITEM like it?")] = False,
    by_history: Annotated[
        bool, typer.Option("--by-history", help="By what the user took alone, whichever way it counts.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take the score of an ITEM for a USER apart; with one id alone, tell what is known of that item."""
    from longtail.recommender import Recommender

    if similar and (item is None or by_history):
        raise typer.BadParameter("--similar compares two items, and by what the user took only a user is explained")
    shop = Recommender.load(bundle)
    if item is None:
        if asked not in shop.bundle.items and asked in shop.bundle.users:
            raise typer.BadParameter(f"{asked!r} is a user: name the ITEM too, longtail explain BUNDLE USER ITEM")
        info = shop.item_info(asked)
        if as_json:
            print_json(info.to_dict())
        else:
            _show_info(info, _fields(shop))
        return
    found = shop.explain_similar(asked, item) if similar else shop.explain(asked, item)
    if as_json:
        print_json(found.to_dict())
    else:
        _show(found, found.by_history if by_history else found.contributions, shop, similar)


def _show(found: Explanation, parts: Sequence[Contribution], shop: Recommender, similar: bool) -> None:
    """Print the parts as lines that add up."""
    asked = found.asked or ""
    towards = f"is like {_named(shop, asked)}" if similar else f"for user {asked}"
    console.print(Text(f"Why {_named(shop, found.item_id)} {towards}", style="bold"))
    users = "1 user" if found.n_interactions == 1 else f"{found.n_interactions:,} users"
    console.print(f"{found.source}, taken by {users}")
    table = Table(header_style="bold", box=None, pad_edge=False)
    table.add_column("adds", justify="right", no_wrap=True)
    table.add_column("because", overflow="fold")
    for value, because in _lines(found, parts, shop):
        table.add_row(f"{value:+.4f}", Text(because))
    table.add_row(f"{found.score:.4f}", Text("the score"), style="bold")
    console.print(table)
    if found.note:
        messages.print(found.note, markup=False)


def _lines(found: Explanation, parts: Sequence[Contribution], shop: Recommender) -> list[tuple[float, str]]:
    """What each part adds and why; small items of the history, and rounding, in one line each."""
    fields = _fields(shop)
    taken = [part for part in parts if part.kind == "behaviour" and part.of]
    lines = [(part.value, f"the user took {_named(shop, part.of)}") for part in taken[:_SHOWN]]
    others = taken[_SHOWN:]
    if others:
        lines.append((sum(part.value for part in others), f"the user took {len(others):,} other items"))
    for part in parts:
        of = fields.get(part.of, part.of)
        if f"{abs(part.value):.4f}" == "0.0000" and part.kind in ("prediction", "content", "rest"):
            continue
        if part.kind == "behaviour" and not part.of:
            lines.append((part.value, f"what people did with both ({found.taken_by_both:,} took both)"))
        elif part.kind == "prediction":
            lines.append((part.value, f"{of}: what people do with items like that"))
        elif part.kind == "content":
            lines.append((part.value, f"{of}: {'taste in it' if found.by_history else 'likeness'} itself"))
        elif part.kind == "popularity":
            alone = len(parts) == 1  # the fallback; else the average user, beside what is known of this one
            lines.append((part.value, "so many users took it" if alone else "what everybody likes"))
        elif part.kind == "rest":
            lines.append((part.value, "not accounted for: the user's vector is older than the items are"))
    return lines


def _show_info(info: ItemInfo, fields: Mapping[str, str]) -> None:
    console.print(Text(f"{info.item_id} {info.title or ''}".rstrip(), style="bold"))
    table = Table(show_header=False, box=None, pad_edge=False)
    known = [fields.get(name, name) for name, there in info.fields.items() if there]
    missing = [fields.get(name, name) for name, there in info.fields.items() if not there]
    for name, value in (
        ("source", info.source),
        ("users who took it", f"{info.n_interactions:,}"),
        ("events", f"{info.events:,}"),
        ("vector", f"{info.behaviour_share:.0%} behaviour, {1 - info.behaviour_share:.0%} predicted from content"),
        ("could be seen", f"{info.exposure:.0%} of the time"),
        ("sold", "yes" if info.sellable else "no: it is never an answer"),
        ("content", "; ".join(known) or "none"),
        ("without", "; ".join(missing)),
    ):
        if value:
            table.add_row(name, Text(value))
    console.print(table)


def _named(shop: Recommender, id: str) -> str:
    return f"{id} {shop.titles([id])[0] or ''}".rstrip()


def _fields(shop: Recommender) -> dict[str, str]:
    """The features' fields by name, with the catalog's fields where several are read together."""
    from longtail.content.registry import plan

    schema = shop.bundle.catalog_schema
    if schema is None:
        return {}
    read = {name: list(fields) for name, (_, fields) in plan(schema).items()}
    return {name: name if into == [name] else f"{name} ({', '.join(into)})" for name, into in read.items()}
