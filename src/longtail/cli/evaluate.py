"""`longtail evaluate RECIPE`: hold a part of the data out, train on the rest, and measure every method on it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from longtail.cli.console import RichProgress, console, messages, print_json_file
from longtail.cli.files import check_place
from longtail.cli.options import AllowNetwork, Cache, Data
from longtail.core.errors import DataError

if TYPE_CHECKING:
    from longtail.protocols.methods import ForeignMethod


class Metric(StrEnum):
    """What the tables show; the names of `longtail.evaluate.metrics.ACCURACY`."""

    NDCG = "ndcg"
    RECALL = "recall"
    MAP = "map"
    HIT_RATE = "hit_rate"
    MRR = "mrr"


class Protocol(StrEnum):
    """What can be asked; ``all`` is every other."""

    TAIL = "tail"
    SIMILAR = "similar"
    RELEVANCE = "relevance"
    COLD = "cold"
    RANDOM = "random"
    NEW_USERS = "new-users"
    FEW_SHOT = "few-shot"
    TRUNCATED_HEADS = "truncated-heads"
    ALL = "all"


def evaluate(
    recipe: Path = typer.Argument(..., help="The recipe, a TOML file.", show_default=False),
    protocol: list[Protocol] = typer.Option([Protocol.TAIL], "--protocol", "-p", help="What to ask; may be repeated."),
    data: Data = None,
    k: int = typer.Option(10, "-k", min=1, help="How many places of a ranking count."),
    metric: Metric = typer.Option(Metric.NDCG, "--metric", help="The metric of the tables; JSON has all."),
    types: list[str] = typer.Option([], "--taken", metavar="TYPE", help="Event types that count as taken. None: all."),
    rankings: list[str] = typer.Option(
        [], "--rankings", metavar="NAME=FILE", help="Another system's rankings: Parquet with user_id, item_id, score."
    ),
    embeddings: list[str] = typer.Option(
        [], "--embeddings", metavar="NAME=USERS,ITEMS", help="Another system's vectors: two Parquet files."
    ),
    judgements: list[Path] = typer.Option(
        [], "--judgements", metavar="FILE", help="What people said of neighbours, as `longtail judge` writes it."
    ),
    relevant_by: str | None = typer.Option(
        None, "--relevant-by", metavar="COLUMN", help="Without judgements: neighbours of the same value are relevant."
    ),
    windows: int = typer.Option(
        1, "--windows", min=1, help="tail: stretches of time that are tested, each with a training of its own."
    ),
    seeds: int = typer.Option(
        1,
        "--seeds",
        min=1,
        help="tail, cold, random: trainings by so many seeds, the recipe's first; the mean is told, and each.",
    ),
    resamples: int = typer.Option(2_000, "--resamples", min=100, help="Resamples of the bootstrap over users."),
    json_file: Path | None = typer.Option(None, "--json", metavar="FILE", help="Write all results to FILE; - prints."),
    cache: Cache = None,
    allow_network: AllowNetwork = False,
) -> None:
    """Measure longtail on your own data beside popularity, content kNN, ALS alone and the article's method.

    Training never sees what is tested; a run that did is refused. Exit code 1 if no protocol could be run.
    """
    from longtail.cli.evaluate_view import show
    from longtail.content.cache import EncodingCache
    from longtail.data.judgements import Judgements
    from longtail.pipeline import read
    from longtail.protocols.registry import PROTOCOLS, run_all
    from longtail.protocols.run import Options
    from longtail.protocols.training import Trainer
    from longtail.recipe import Recipe

    check_place(json_file)
    settings = Recipe.load(recipe, data=data)
    options = Options(
        k=k,
        tail_below=settings.tail_below,
        exclude_seen=settings.exclude_seen,
        relevant_types=types or None,
        foreign=foreign_methods(rankings, embeddings),
        judgements=Judgements.read(judgements) if judgements else None,
        relevant_by=relevant_by,
        windows=windows,
        seeds=seeds,
        resamples=resamples,
        seed=settings.seed,
    )
    several = {
        "--windows": (windows, (Protocol.TAIL,)),
        "--seeds": (seeds, (Protocol.TAIL, Protocol.COLD, Protocol.RANDOM)),
    }
    for option, (value, able) in several.items():
        if value > 1 and not {*able, Protocol.ALL} & set(protocol):
            raise DataError(
                f"{option} is only of {', '.join(able)}; asked for was {', '.join(protocol)}. Leave it out, or add "
                f"--protocol {able[0]}."
            )
    names = list(PROTOCOLS) if Protocol.ALL in protocol else [one.value for one in dict.fromkeys(protocol)]
    with RichProgress() as progress:
        events, catalog = read(settings, progress=progress)
        trainer = Trainer(settings, cache=EncodingCache(cache), allow_network=allow_network, progress=progress)
        results, skipped = run_all(
            names, events, catalog, trainer, trainer.at_levels, options=options, progress=progress
        )
    document = {"results": [result.to_dict() for result in results], "skipped": skipped}
    if str(json_file) != "-":
        for result in results:
            show(console, result, metric=metric.value)
    if json_file is not None:
        print_json_file(json_file, document)
    for name, reason in skipped.items():
        messages.print(f"{name} was not run: {reason}", markup=False, style="yellow")
    raise typer.Exit(0 if results else 1)


def foreign_methods(rankings: list[str], embeddings: list[str]) -> list[ForeignMethod]:
    """The methods named on the command line.

    Raises:
        DataError: an option is not of the form it should have, a file is not there, or a name is taken.
    """
    from longtail.protocols.foreign import ForeignEmbeddings, ForeignRankings

    found: list[ForeignMethod] = []
    for text in rankings:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise DataError(f"--rankings needs NAME=FILE; found {text!r}.")
        found.append(ForeignRankings(name, _existing(path)))
    for text in embeddings:
        name, equals, paths = text.partition("=")
        users, comma, items = paths.partition(",")
        if not (name and equals and users and comma and items):
            raise DataError(f"--embeddings needs NAME=USERS,ITEMS; found {text!r}.")
        found.append(ForeignEmbeddings(name, _existing(users), _existing(items)))
    names = ["popularity", "content kNN", "ALS", "article", "longtail", "bridge", *(method.name for method in found)]
    if len(set(names)) != len(names):
        raise DataError(f"Every method needs a name of its own; found {names}.")
    return found


def _existing(path: str) -> Path:
    """A file that is read after training; told before it if it is not there."""
    if not Path(path).is_file():
        raise DataError(f"There is no file {path}; expected the other system's Parquet file. Check the path.")
    return Path(path)
