"""Measure longtail against its baselines on one data set and put what was found beside what was asked.

python benchmarks/quality/run.py fashion --data FOLDER          (transactions.parquet, articles.parquet, images)
python benchmarks/quality/run.py citeulike --data FOLDER        (warm_emb.csv, ..., titles.txt)
python benchmarks/quality/run.py complete-journey
python benchmarks/quality/run.py --table                        writes results/asked/README.md from all results

Splits and seeds are in the results. Choices are made on validation parts only, which every protocol sets aside; the
five methods are trained on the same events and features. --only PROTOCOL repeats one protocol and keeps
the other results.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from longtail.calibrate.embeddings import describe
from longtail.cli.console import RichProgress
from longtail.content.cache import EncodingCache
from longtail.pipeline import read
from longtail.protocols.cold import cold
from longtail.protocols.new_items import new_items
from longtail.protocols.new_users import new_users
from longtail.protocols.random_holdout import random_holdout
from longtail.protocols.run import Options
from longtail.protocols.similar import similar
from longtail.protocols.tail import tail
from longtail.protocols.training import Trainer
from longtail.recipe import Recipe

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results" / "asked"
sys.path.insert(0, str(HERE))

from rivals import PACKAGES, Rival, Rivals  # noqa: E402

from protocols import commit  # noqa: E402

#: Fashion: the last two of the six days are tested; new items on the last three, from each to the end.
DAYS = [datetime(2020, 9, day, tzinfo=UTC) for day in (19, 20, 21)]


def protocols(name: str, recipe: Recipe) -> dict[str, Callable[..., Any]]:
    """What is measured on a data set, by the name of the result."""
    if name == "citeulike":
        from citeulike import published

        return {"published": partial(published, recipe)}
    times = {"cut": DAYS[1]} if name == "fashion" else {}
    new = {"new-items": partial(new_items, cuts=DAYS)} if name == "fashion" else {}
    return {
        "cold": cold,
        "random": random_holdout,
        "time": partial(tail, **times),
        **new,
        "similar": partial(similar, **times),
        "new-users": new_users,
    }


def run(name: str, data: str | None, only: list[str], rivals: Path | None, out: Path) -> None:
    """Measure, and write each result as soon as it is there."""
    recipe = Recipe.load(ROOT / "recipes" / f"{'hm' if name == 'fashion' else name}.toml", data=data)
    document = json.loads(out.read_text(encoding="utf-8")) if out.exists() and only else {"results": {}}
    document |= {"data": name, "recipe": recipe.text, "commit": commit(), "python": platform.python_version()}
    options = Options(tail_below=recipe.tail_below, exclude_seen=recipe.exclude_seen, seed=recipe.seed)
    with RichProgress() as progress:
        events, catalog = (None, None) if name == "citeulike" else read(recipe, progress=progress)
        trainer = Trainer(recipe, cache=EncodingCache(None), progress=progress)
        for label, protocol in protocols(name, recipe).items():
            if only and label not in only:
                continue
            parts: list[Any] = []

            def fit(*args: Any, parts: list[Any] = parts, **kwargs: Any) -> Any:
                parts.append(trainer(*args, **kwargs))
                return parts[-1]

            asked, trained = options, fit
            if rivals is not None and label in ("cold", "random", "published"):
                trained = Rivals(fit, rivals, list(PACKAGES))
                asked = replace(options, foreign=[Rival(other, rivals / f"{other}.npz") for other in PACKAGES])
            result = protocol(events, catalog, trained, options=asked, progress=progress).to_dict()
            if isinstance(trained, Rivals):
                result["rivals missing"], result["rivals chosen"] = trained.failed, trained.settings
            result["chosen"] = _chosen(trainer)
            if label == "similar":
                from lift import lifts

                asked_of = partial(lifts, parts[-1], events, len(catalog.items), result["split"], options)
                result["lift"] = asked_of()
                result["lift by one"] = asked_of(at_least=1)
            if label == "random":
                from among_all import tail_among_all

                result["sections"].append(tail_among_all(parts[-1], events, catalog, asked))
            if label == "cold":
                from lift import cold_hits

                result["cold hits"] = cold_hits(parts[-1], events, catalog, options)
            document["results"][label] = result
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _chosen(trainer: Trainer) -> dict[str, Any]:
    """The choices of the last training run, without their curves."""
    choices = trainer.choices
    if choices is None:
        return {}
    return {key: value for key, value in describe(choices).items() if key != "curves"} | {"learner": choices.learner}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data_set", nargs="?", choices=["fashion", "citeulike", "complete-journey"])
    parser.add_argument("--data", help="the folder of the data")
    parser.add_argument("--only", action="append", default=[], help="one protocol; may be repeated")
    parser.add_argument("--rivals", type=Path, metavar="FOLDER", help="also train other libraries; they live in FOLDER")
    parser.add_argument("--table", action="store_true", help="write only results/asked/README.md")
    arguments = parser.parse_args()
    if arguments.data_set:
        run(
            arguments.data_set, arguments.data, arguments.only, arguments.rivals, RESULTS / f"{arguments.data_set}.json"
        )
    from table import page

    (RESULTS / "README.md").write_text(page(RESULTS), encoding="utf-8")
