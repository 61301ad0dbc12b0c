"""`longtail demo`: the whole job on a shop's data, from raw events to answers, with before and after."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.rule import Rule

from longtail.cli.console import RichProgress, console
from longtail.cli.options import Cache


def demo(
    shop: Annotated[
        Literal["grocer", "boutique"],
        typer.Option("--shop", help="A grocer's real purchases, or a generated boutique of drawn garments."),
    ] = "grocer",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="BUNDLE", help="Where to publish the bundle; else SHOP.bundle."),
    ] = None,
    cache: Cache = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the measured numbers to FILE.")
    ] = None,
) -> None:
    """Train on a shop's events and show what changes for items that few or none took.

    The last weeks are held out and measured; then everything is trained again with them and published. Takes a few
    minutes on two cores. The boutique needs no outside data: it is generated into a folder beside the bundle.
    """
    from longtail.bundle import check_destination, save
    from longtail.cli import demo_view
    from longtail.cli.console import print_json_file
    from longtail.cli.demo_shops import SHOPS
    from longtail.cli.evaluate_view import show
    from longtail.cli.files import check_place
    from longtail.content.cache import EncodingCache
    from longtail.evaluate.diagnose import diagnose
    from longtail.pipeline import learn, publishable, read
    from longtail.protocols.run import Options
    from longtail.protocols.tail import default_cut, tail
    from longtail.protocols.training import Trainer
    from longtail.recipe import Recipe
    from longtail.recommender import Recommender

    started = time.perf_counter()
    shown = SHOPS[shop]
    words, output = shown.words, output or shown.bundle
    check_destination(output)
    check_place(json_file)
    path = shown.prepare(output)
    recipe = Recipe.load(path)
    encodings = EncodingCache(cache)
    console.print(Rule(f"1. A shop: {shown.heading}", align="left"))
    with RichProgress() as progress:
        events, catalog = read(recipe, progress=progress)
    demo_view.show_shop(console, words, events, catalog)

    cut = default_cut(events)
    console.print(Rule(f"2. Before and after, on {words.event}s from {cut:%d %B %Y} on", align="left"))
    console.print(f"Training sees nothing of that time. Popular {words.item}s first is what every shop has already.")
    with RichProgress() as progress:
        trainer = Trainer(recipe, keep_choices=True, cache=encodings, progress=progress)
        options = Options(tail_below=recipe.tail_below, exclude_seen=recipe.exclude_seen, seed=recipe.seed)
        result = tail(events, catalog, trainer, cut=cut, options=options, progress=progress)
    show(console, result)

    console.print(Rule("3. Training on all of it, and publishing", align="left"))
    with RichProgress() as progress:
        learned = learn(recipe, events, catalog, choices=trainer.choices, cache=encodings, progress=progress)
        bundle = publishable(recipe, events, catalog, learned, metrics={"tail": result.to_dict()})
        with progress.task("Publishing"):
            save(bundle, output)
    n_catalog = len(catalog)
    counts, item_events = bundle.n_interactions[:n_catalog], bundle.item_events[:n_catalog]
    demo_view.show_diagnosis(console, words, diagnose(counts, item_events, recipe.tail_below))
    demo_view.show_classifiers(console, bundle.manifest.content)
    asked = Recommender.load(output)

    console.print(Rule(f"4. {words.item.capitalize()}s that few {words.took}, and what is like them", align="left"))
    demo_view.show_side_by_side(console, words, asked, seed=recipe.seed)
    console.print(Rule(f"5. One {words.customer}", align="left"))
    demo_view.show_customer(console, words, asked)
    console.print(Rule(f"6. A {words.item} that is not in the catalog yet", align="left"))
    demo_view.show_new_item(console, asked, shown.new_item(path.parent), f"Like it, from {shown.described} alone")
    console.print(Rule("7. What to try next", align="left"))
    demo_view.show_next(console, shown, asked, output, path)
    if json_file is not None:
        print_json_file(json_file, result.to_dict())
    console.print(f"\nAll of this took {time.perf_counter() - started:.0f} seconds.", style="dim")
