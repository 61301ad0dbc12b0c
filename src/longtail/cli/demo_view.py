"""What `longtail demo` shows between its stages."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from longtail.bundle import Bundle
from longtail.cli.demo_shops import Shop, Words
from longtail.cli.tables import show_ranking
from longtail.core.buckets import LABELS, bucket_of
from longtail.core.ranking import Ranking
from longtail.core.words import many
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.evaluate.diagnose import TailDiagnosis, in_words
from longtail.recommender import Recommender, als_alone

#: Buckets of which one item each is shown; their items are rare, and the first has no events at all.
SHOWN_BUCKETS = ("0", "1-4", "5-19")


def show_shop(console: Console, words: Words, events: Events, catalog: Catalog) -> None:
    """How much there is, and what was refused."""
    refused = events.refusals.refused + catalog.refusals.refused
    console.print(
        f"{len(events):,} {words.event}s of {len(events.users()):,} {words.customer}s from {events.first:%d %B %Y} to "
        f"{events.last:%d %B %Y}, {len(catalog):,} {words.item}s. Rows refused: {refused:,}."
    )


def show_diagnosis(console: Console, words: Words, diagnosis: TailDiagnosis) -> None:
    """The Pareto curve in words, and the items per bucket."""
    for sentence in in_words(diagnosis):
        console.print(sentence)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2))
    table.add_column("interactions", no_wrap=True)
    for label in LABELS:
        table.add_column(label, justify="right")
    items, events = diagnosis.bucket_items, diagnosis.bucket_events
    table.add_row(f"{words.item}s", *(f"{count:,}" for count in items))
    table.add_row(f"share of {words.item}s", *(f"{count / max(diagnosis.items, 1):.1%}" for count in items))
    table.add_row(f"share of {words.event}s", *(f"{count / max(diagnosis.events, 1):.1%}" for count in events))
    console.print(table)


def show_classifiers(console: Console, content: Sequence[Mapping[str, Any]]) -> None:
    """How well classifiers tell attributes of pictures that they were not trained on; nothing where there are none."""
    scores = [score for field in content for score in field.get("attributes", ())]
    if not scores:
        return
    console.print("\nWhat the pictures show, by classifiers that learned it from what the catalog says:")
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2))
    for heading in ("attribute", "values", "pictures learned from", "right on others", "most common value alone"):
        table.add_column(heading, justify="left" if heading == "attribute" else "right")
    for score in scores:
        table.add_row(
            Text(score["attribute"]), f"{score['classes']}", f"{score['trained']:,}", f"{score['accuracy']:.0%}",
            f"{score['majority']:.0%}",
        )  # fmt: skip
    console.print(table)


def drawn_items(bundle: Bundle, *, seed: int) -> list[str]:
    """One item of each rare bucket, drawn with the seed among those for sale that have content."""
    generator = np.random.default_rng(seed)
    buckets = bucket_of(bundle.n_interactions)
    drawn = []
    for label in SHOWN_BUCKETS:
        rows = np.flatnonzero((buckets == LABELS.index(label)) & bundle.sellable & bundle.has_content)
        if len(rows):
            drawn.append(bundle.items.id(int(generator.choice(rows))))
    return drawn


def show_side_by_side(console: Console, words: Words, shop: Recommender, *, seed: int, k: int = 5) -> None:
    """The similar items of a few drawn items, by ALS alone and by longtail."""
    before = als_alone(shop.bundle)
    console.print(f"One {words.item} of each rare bucket, drawn by the seed and not picked by hand.")
    for item in drawn_items(shop.bundle, seed=seed):
        n = int(shop.bundle.n_interactions[shop.bundle.items.row(item)])
        table = Table(
            title=Text(f"{shop.titles([item])[0] or item}  ({item}, {many(n, words.customer)})", style="bold"),
            title_justify="left", box=None, pad_edge=False, header_style="dim", padding=(0, 2),
        )  # fmt: skip
        table.add_column("before: ALS alone", overflow="ellipsis", no_wrap=True, ratio=1)
        table.add_column("after: longtail", overflow="ellipsis", no_wrap=True, ratio=1)
        left = (
            _titled(before, before.similar_items(item, k))
            if n
            else [Text(f"nothing: nobody {words.took} it", style="dim")]
        )
        right = _titled(shop, shop.similar_items(item, k))
        for position in range(max(len(left), len(right))):
            table.add_row(*(side[position] if position < len(side) else "" for side in (left, right)))
        console.print(table)


def show_customer(console: Console, words: Words, shop: Recommender, *, k: int = 8) -> None:
    """Recommendations for the customer with the median number of items."""
    bundle = shop.bundle
    sizes = np.diff(bundle.history.indptr)
    row = int(np.argsort(sizes, kind="stable")[len(sizes) // 2])
    user = bundle.users.id(row)
    taken = bundle.history.indices[bundle.history.indptr[row] : bundle.history.indptr[row + 1]]
    weights = bundle.history.data[bundle.history.indptr[row] : bundle.history.indptr[row + 1]]
    favourites = shop.titles(bundle.items.take(taken[np.argsort(-weights, kind="stable")][:5]))
    console.print(
        f"{words.customer.capitalize()} {user} {words.took} {many(len(taken), words.item)}, most of all: "
        f"{'; '.join(title or '?' for title in favourites)}.",
        markup=False,
    )
    ranking = shop.recommend(user, k, exclude_seen=True)
    show_ranking(ranking, shop.titles(ranking.item_ids), "Not taken yet, and might please")


def show_new_item(console: Console, shop: Recommender, row: Mapping[str, object], heading: str, *, k: int = 6) -> None:
    """What is like an item nobody has taken, from its row alone."""
    console.print(json.dumps(dict(row)), markup=False, style="dim")
    ranking = shop.similar_to(dict(row), k)
    show_ranking(ranking, shop.titles(ranking.item_ids), heading)


def show_next(console: Console, shown: Shop, shop: Recommender, output: Path, recipe: Path) -> None:
    """Commands to go on with."""
    bundle = shop.bundle
    item = bundle.items.id(int(np.argmax(bundle.n_interactions * bundle.sellable)))
    user = bundle.users.id(0)
    place = shlex.quote(str(output))
    for command in (
        f"longtail similar {place} {item} -k 5 --one-per {shown.category}",
        f'longtail recommend {place} {user} --where "{shown.where}"',
        f"longtail recommend {place} --history {item},{drawn_items(bundle, seed=1)[-1]} --json",
        *shown.again(recipe),
        "longtail init EVENTS CATALOG -o shop.toml     # a recipe for your own shop",
        "longtail check shop.toml                      # what is in the data, before training",
        "longtail train shop.toml -o shop.bundle",
        "longtail evaluate shop.toml --protocol all",
    ):
        console.print(f"  {command}", markup=False)


def _titled(shop: Recommender, ranking: Ranking) -> list[Text]:
    texts = []
    for row, title in zip(ranking, shop.titles(ranking.item_ids), strict=True):
        texts.append(Text(title or row.item_id).append(f"  {row.n_interactions}", style="dim"))
    return texts
