"""`longtail demo`: the whole job on a real shop's data, from raw events to answers, with before and after."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.rule import Rule

from longtail.cli.console import RichProgress, console
from longtail.cli.options import Cache

#: A product this grocer does not have, with nothing but what stands on its package.
NEW_ITEM = {
    "item_id": "new-cold-brew",
    "department": "GROCERY",
    "brand": "National",
    "product_category": "COFFEE",
    "product_type": "GROUND COFFEE ORGANIC",
    "package_size": "10.5 OZ",
}


def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="BUNDLE", help="Where to publish the trained bundle.")
    ] = Path("grocer.bundle"),
    cache: Cache = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the measured numbers to FILE.")
    ] = None,
) -> None:
    """Train on a grocer's year of purchases and show what changes for rarely bought products.

    The last four weeks are held out and measured; then everything is trained again with the last weeks and published.
    Takes a few minutes on two cores.
    """
    from longtail.bundle import check_destination, save
    from longtail.cli import demo_view
    from longtail.cli.console import print_json_file
    from longtail.cli.evaluate_view import show
    from longtail.cli.files import check_place
    from longtail.content.cache import EncodingCache
    from longtail.data.datasets import complete_journey
    from longtail.evaluate.diagnose import diagnose
    from longtail.pipeline import learn, publishable, read
    from longtail.protocols.run import Options
    from longtail.protocols.tail import tail
    from longtail.protocols.training import Trainer
    from longtail.recipe import Recipe
    from longtail.recommender import Recommender

    started = time.perf_counter()
    check_destination(output)
    check_place(json_file)
    complete_journey.folder()
    recipe = Recipe.load(complete_journey.recipe())
    encodings = EncodingCache(cache)
    console.print(Rule("1. A shop: Complete Journey, a year of a grocer's purchases", align="left"))
    with RichProgress() as progress:
        events, catalog = read(recipe, progress=progress)
    demo_view.show_shop(console, events, catalog)

    console.print(Rule("2. Before and after, on purchases of the last four weeks", align="left"))
    console.print("Training sees nothing of those weeks. Popular products first is what every shop has already.")
    with RichProgress() as progress:
        trainer = Trainer(recipe, keep_choices=True, cache=encodings, progress=progress)
        options = Options(tail_below=recipe.tail_below, exclude_seen=recipe.exclude_seen, seed=recipe.seed)
        result = tail(events, catalog, trainer, options=options, progress=progress)
    show(console, result)

    console.print(Rule("3. Training on the whole year, and publishing", align="left"))
    with RichProgress() as progress:
        learned = learn(recipe, events, catalog, choices=trainer.choices, cache=encodings, progress=progress)
        bundle = publishable(recipe, events, catalog, learned, metrics={"tail": result.to_dict()})
        with progress.task("Publishing"):
            save(bundle, output)
    n_catalog = len(catalog)
    counts, item_events = bundle.n_interactions[:n_catalog], bundle.item_events[:n_catalog]
    demo_view.show_diagnosis(console, diagnose(counts, item_events, recipe.tail_below))
    shop = Recommender.load(output)

    console.print(Rule("4. Rarely bought products and what is like them", align="left"))
    demo_view.show_side_by_side(console, shop, seed=recipe.seed)
    console.print(Rule("5. One household", align="left"))
    demo_view.show_household(console, shop)
    console.print(Rule("6. A product that is not in the catalog yet", align="left"))
    demo_view.show_new_item(console, shop, NEW_ITEM)
    console.print(Rule("7. What to try next", align="left"))
    demo_view.show_next(console, shop, output)
    if json_file is not None:
        print_json_file(json_file, result.to_dict())
    console.print(f"\nAll of this took {time.perf_counter() - started:.0f} seconds.", style="dim")
