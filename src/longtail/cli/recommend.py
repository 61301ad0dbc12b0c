"""`longtail recommend`: items for someone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from longtail.cli.options import AsJson, Fallback, K, OnePer, Where
from longtail.cli.tables import print_ranking, show_ranking

if TYPE_CHECKING:
    from longtail.recommender import Recommender, Unknown


def recommend(
    bundle: Annotated[Path, typer.Argument(help="A bundle written by `longtail train`.")],
    user: Annotated[str | None, typer.Argument(help="The id of a user.")] = None,
    history: Annotated[
        str | None,
        typer.Option("--history", metavar="ITEM,ITEM", help="For someone unknown: ids of what they took."),
    ] = None,
    k: K = 10,
    where: Where = None,
    one_per: OnePer = None,
    exclude_seen: Annotated[
        bool | None,
        typer.Option("--exclude-seen/--include-seen", help="Leave out what was taken already. Default: the recipe's."),
    ] = None,
    fallback: Fallback = False,
    as_json: AsJson = False,
) -> None:
    """Recommend items to a user, or to someone of whom only a few items are known."""
    from longtail.recommender import Recommender

    if (user is None) == (history is None):
        raise typer.BadParameter("give a USER, or --history ITEM,ITEM")
    shop = Recommender.load(bundle)
    unknown: Unknown = "fallback" if fallback else "error"
    asked: dict[str, object]
    if history is not None:
        taken = _ids(history, shop)
        ranking = shop.recommend_for(taken, k, where=where, one_per=one_per, exclude_seen=exclude_seen, unknown=unknown)
        asked, heading = {"history": taken}, f"For someone who took {', '.join(taken)}"
    else:
        assert user is not None
        ranking = shop.recommend(user, k, where=where, one_per=one_per, exclude_seen=exclude_seen, unknown=unknown)
        asked, heading = {"user_id": user}, f"For user {user}"
    titles = shop.titles(ranking.item_ids)
    if as_json:
        print_ranking(ranking, titles, asked)
    else:
        show_ranking(ranking, titles, heading)


def _ids(history: str, shop: Recommender) -> list[str]:
    """The ids between the commas; an id that is known as it stands may hold commas and spaces itself."""
    if history in shop.bundle.items:
        return [history]
    parts = [part for part in history.split(",") if part.strip()]
    return [part if part in shop.bundle.items else part.strip() for part in parts]
