"""`longtail train`: from a recipe to a published bundle."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from longtail.cli.console import RichProgress, console, messages
from longtail.cli.options import AllowNetwork, Cache, Data


def train(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a TOML file.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="BUNDLE", help="Where to publish the bundle.")],
    data: Data = None,
    cache: Cache = None,
    allow_network: AllowNetwork = False,
    index: Annotated[
        str | None,
        typer.Option(
            "--index",
            metavar="KIND",
            help="Build a nearest-neighbour index into the bundle: hnsw, for catalogs "
            "where looking at every item takes too long. Without it answers are exact.",
        ),
    ] = None,
) -> None:
    """Train on a shop's data and publish a bundle; an older bundle at the same place is kept until then."""
    import numpy as np

    from longtail import pipeline
    from longtail.bundle import check_destination, save
    from longtail.content.cache import EncodingCache
    from longtail.core.ranking import SOURCES
    from longtail.index import build_index
    from longtail.recipe import Recipe
    from longtail.recommender import with_index

    settings = Recipe.load(recipe, data=data)
    check_destination(output)
    if index is not None:
        build_index(index, np.eye(2, dtype=np.float32))  # what is not there is told before training, not after
    with RichProgress() as progress:
        bundle = pipeline.train(settings, cache=EncodingCache(cache), allow_network=allow_network, progress=progress)
        if index is not None:
            with progress.task("Index"):
                bundle = with_index(bundle, index, seed=settings.seed)
        with progress.task("Publishing"):
            save(bundle, output)
    facts = bundle.describe()
    by_source = ", ".join(f"{facts['sources'][source]:,} {source}" for source in SOURCES)
    console.print(
        f"Published {output}: {facts['items']:,} items ({by_source}), {facts['users']:,} users, "
        f"{facts['interactions']:,} interactions.",
        markup=False,
    )
    first = bundle.items.id(0) if len(bundle.items) else "ITEM"
    messages.print(f"Next: longtail similar {shlex.quote(str(output))} {shlex.quote(first)}", markup=False, style="dim")
