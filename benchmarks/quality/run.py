"""Measure longtail against its baselines on one data set and put what was found beside what was asked.

python benchmarks/quality/run.py fashion --data FOLDER          (transactions.parquet, articles.parquet, images)
python benchmarks/quality/run.py citeulike --data FOLDER        (warm_emb.csv, ..., titles.txt)
python benchmarks/quality/run.py complete-journey
python benchmarks/quality/run.py --table                        writes results/asked/README.md from all results

Splits and seeds are in the results. Choices are made on validation parts only, which every protocol sets aside; the
five methods are trained on the same events and features. --only PROTOCOL repeats one protocol and keeps
the other results. A protocol that fails is told and left out, the others are measured, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from longtail.cli.console import RichProgress
from longtail.content.cache import EncodingCache
from longtail.core.progress import Progress
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

from rivals import PACKAGES, Rivals  # noqa: E402
from table import SEVERAL, page  # noqa: E402

from protocols import commit  # noqa: E402

#: Fashion: the last two of the six days are tested; new items on the last three, from each to the end.
DAYS = [datetime(2020, 9, day, tzinfo=UTC) for day in (19, 20, 21)]
#: Two days are few: with these cuts two times two are tested, each after training on what came before.
WINDOWS = [datetime(2020, 9, day, tzinfo=UTC) for day in (18, 20)]
#: A training draws: so many are measured on the same split, and the mean and each are told.
SEEDS = 5
#: Few users of a week have more than ten items, and a tenth of them tells little: all are held out, a tenth at a time.
DRAWS = 10


def protocols(name: str, recipe: Recipe) -> dict[str, Callable[..., Any]]:
    """What is measured on a data set, by the name of the result."""
    if name == "citeulike":
        from citeulike import published

        return {"published": partial(published, recipe)}
    times = {"cut": DAYS[1]} if name == "fashion" else {}
    fashion = name == "fashion"
    windows = partial(tail, cuts=WINDOWS)
    # The shop's own seed is trained last, which the next may need as well: several seeds before one, and several
    # stretches of time before the last of them.
    return {
        f"cold{SEVERAL}": cold,
        "cold": cold,
        **({f"random{SEVERAL}": random_holdout} if fashion else {}),
        "random": random_holdout,
        **({f"windows{SEVERAL}": windows, "windows": windows} if fashion else {}),
        "time": partial(tail, **times),
        **({"new-items": partial(new_items, cuts=DAYS)} if fashion else {}),
        "similar": partial(similar, **times),
        "new-users": partial(new_users, draws=DRAWS if fashion else 1),
    }


def run(name: str, data: str | None, only: list[str], rivals: Path | None, out: Path) -> list[str]:
    """Measure, and write each result as soon as it is there; the protocols that failed."""
    recipe = Recipe.load(ROOT / "recipes" / f"{'hm' if name == 'fashion' else name}.toml", data=data)
    document = json.loads(out.read_text(encoding="utf-8")) if out.exists() and only else {"results": {}}
    document |= {"data": name, "recipe": recipe.text, "python": platform.python_version()}
    options = Options(tail_below=recipe.tail_below, exclude_seen=recipe.exclude_seen, seed=recipe.seed)
    failed = []
    with RichProgress() as progress:
        events, catalog = (None, None) if name == "citeulike" else read(recipe, progress=progress)
        trainer = Trainer(recipe, cache=EncodingCache(None), progress=progress)
        for label, protocol in protocols(name, recipe).items():
            if only and label not in only:
                continue
            work = rivals if label in ("cold", "random", "published") else None
            try:
                result = measure(label, protocol, events, catalog, trainer, options, work, progress)
            except Exception:  # whatever it is, the other protocols are worth having
                progress.note(f"{name}, {label} failed:\n{traceback.format_exc()}")
                failed.append(label)
                continue
            document["results"][label] = {**result, "commit": commit()}
            out.parent.mkdir(parents=True, exist_ok=True)
            part = out.with_suffix(".part")
            part.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            part.replace(out)
            progress.note(f"{name}, {label}: measured")
    return failed


def measure(
    label: str,
    protocol: Callable[..., Any],
    events: Any,
    catalog: Any,
    trainer: Trainer,
    options: Options,
    rivals: Path | None,
    progress: Progress,
) -> dict[str, Any]:
    """One protocol's result, with rivals where they have a folder, and what the protocol itself does not measure."""
    last: list[Any] = []

    def fit(*args: Any, **kwargs: Any) -> Any:
        last.clear()  # before another run is trained beside it
        last.append(trainer(*args, **kwargs))
        return last[0]

    asked, trained = replace(options, seeds=SEEDS if label.endswith(SEVERAL) else 1), fit
    if rivals is not None:
        trained = Rivals(fit, rivals, list(PACKAGES))
        asked = replace(asked, foreign=trained.ready)
    result: dict[str, Any] = protocol(events, catalog, trained, options=asked, progress=progress).to_dict()
    parts = last[0]
    if isinstance(trained, Rivals):
        result["rivals missing"], result["rivals chosen"] = trained.failed, trained.settings
        for other, why in trained.failed.items():
            progress.note(f"{other} is missing: {why}")
    result["chosen"] = {key: value for key, value in parts.model.choices.items() if key != "curves"}
    if label == "similar":
        from lift import lifts

        asked_of = partial(lifts, parts, events, len(catalog.items), result["split"], options)
        result["lift"] = asked_of()
        result["lift of known users"] = asked_of(at_least=1, known=True)
    if label == "random":
        from among_all import tail_among_all

        result["sections"].append(tail_among_all(parts, events, catalog, asked))
    if label == "cold":
        from lift import cold_hits

        result["cold hits"] = cold_hits(parts, events, catalog, options)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data_set", nargs="?", choices=["fashion", "citeulike", "complete-journey"])
    parser.add_argument("--data", help="the folder of the data")
    parser.add_argument("--only", action="append", default=[], help="one protocol; may be repeated")
    parser.add_argument("--rivals", type=Path, metavar="FOLDER", help="also train other libraries; they live in FOLDER")
    parser.add_argument("--table", action="store_true", help="write only results/asked/README.md")
    arguments = parser.parse_args()
    failed = []
    if arguments.data_set:
        out = RESULTS / f"{arguments.data_set}.json"
        failed = run(arguments.data_set, arguments.data, arguments.only, arguments.rivals, out)
    (RESULTS / "README.md").write_text(page(RESULTS), encoding="utf-8")
    if failed:
        sys.exit(f"Failed and left out, see above: {', '.join(failed)}.")
