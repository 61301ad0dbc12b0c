"""What text, pictures and attributes bring to the prediction of new items' purchases, alone and together.

    python benchmarks/encode/modalities.py [--recipe recipes/hm.toml] [--data DIR] [--cache DIR] [--json FILE]
    python benchmarks/encode/modalities.py --show FILE      (the tables of an earlier run as Markdown)

The cold-item protocol of `longtail evaluate`, once: two of every ten items with five buyers or more are held out of
everything that learns (picture classifiers included) and ranked for the users who took them. For each set of fields the
same training runs on the same split, with everything that depends on fields chosen anew; what does not (the
factorization's settings) is chosen once. Pictures come twice: what the plain backbone sees, and what classifiers of the
catalog's attributes see. Two ways to use fields are measured: content kNN, which learns nothing from behaviour, and
longtail. Intervals are of 95%, by bootstrap over users; differences are paired.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from machine import about

from longtail.cli.console import RichProgress
from longtail.content.cache import EncodingCache
from longtail.content.preview import preview
from longtail.core.progress import Progress
from longtail.core.vocabulary import Vocabulary
from longtail.data.catalog import Catalog
from longtail.data.events import Events
from longtail.data.schema import CatalogSchema
from longtail.evaluate.compare import Comparison, Difference, Estimate
from longtail.pipeline import read
from longtail.protocols.cold import COLD, MIXED, cold
from longtail.protocols.methods import Method, TrainedParts, standard_methods
from longtail.protocols.run import Options
from longtail.protocols.training import Trainer
from longtail.recipe import Recipe

PLAIN, CLASSIFIED = "plain", "classifiers"
WAYS = {"content kNN": "kNN", "longtail": "longtail"}
ALL, TEXT = "text + picture + attributes", "text"


@dataclass(frozen=True)
class Variant:
    """A set of fields."""

    parts: tuple[str, ...]
    picture: str = ""

    @property
    def name(self) -> str:
        return " + ".join(self.parts) + (f" ({self.picture})" if self.picture else "")

    def schema(self, whole: CatalogSchema, learned: list[str]) -> CatalogSchema:
        fields = {name: one for name, one in whole.fields.items() if part_of(one.kind) in self.parts}
        for name, one in fields.items():
            if one.kind == "image":
                fields[name] = one.model_copy(update={"attributes": learned if self.picture == CLASSIFIED else []})
        return whole.model_copy(update={"fields": fields})


def part_of(kind: str) -> str:
    return {"text": "text", "image": "picture"}.get(kind, "attributes")


VARIANTS = [
    Variant(("text",)),
    Variant(("attributes",)),
    Variant(("text", "attributes")),
    *(
        Variant(parts, picture)
        for parts in (
            ("picture",),
            ("text", "picture"),
            ("picture", "attributes"),
            ("text", "picture", "attributes"),
        )
        for picture in (PLAIN, CLASSIFIED)
    ),
]


@dataclass
class Trained:
    """Trains every variant when the protocol asks for one training run, and keeps their methods for it to measure."""

    recipe: Recipe
    learned: list[str]
    cache: EncodingCache
    progress: Progress
    methods: dict[str, Method] = field(default_factory=dict)

    def __call__(
        self, events: Events, catalog: Catalog, *, hidden: Sequence[str] = (), validation: Events | None = None
    ) -> TrainedParts:
        recipe, parts = self.recipe, None
        for variant in VARIANTS:
            self.progress.note(f"--- {variant.name}")
            trainer = Trainer(recipe, article=False, cache=self.cache, progress=self.progress)
            seen = replace(catalog, schema=variant.schema(catalog.schema, self.learned))
            parts = trainer(events, seen, hidden=hidden, validation=validation)
            for method in standard_methods(parts):
                if method.name in WAYS:
                    self.methods[f"{variant.name}, {WAYS[method.name]}"] = method
            if recipe is self.recipe and trainer.choices is not None:
                model = recipe.model.model_copy(update={"tune_als": False})
                recipe = recipe.model_copy(update={"als": trainer.choices.als, "model": model})
        assert parts is not None
        return parts


@dataclass(frozen=True)
class Kept:
    """A method of a variant under the variant's name; known once all were trained."""

    name: str
    trained: Trained

    def bind(self, users: Vocabulary, items: Vocabulary) -> Method:
        return Renamed(self.name, self.trained.methods[self.name])


@dataclass(frozen=True)
class Renamed:
    name: str
    method: Method

    def score_block(self, users: Any) -> Any:
        return self.method.score_block(users)

    def among(self, items: Any) -> Renamed:
        return Renamed(self.name, self.method.among(items))


def measure(recipe: Recipe, cache: EncodingCache, progress: Progress) -> dict[str, Any]:
    events, catalog = read(recipe, progress=progress)
    pictures = [one for one in preview(catalog) if one["kind"] == "image"]
    learned = [one["attribute"] for picture in pictures for one in picture["attributes"]]
    trained = Trained(recipe, learned, cache, progress)
    names = [f"{variant.name}, {way}" for variant in VARIANTS for way in WAYS.values()]
    options = Options(
        tail_below=recipe.tail_below,
        exclude_seen=recipe.exclude_seen,
        seed=recipe.seed,
        foreign=[Kept(name, trained) for name in names],
    )
    result = cold(events, catalog, trained, options=options, progress=progress)
    kept = [section for section in result.sections if section.name in (COLD, MIXED)]
    metric = f"ndcg@{result.k}"
    return {
        "about": about(),
        "recipe": recipe.text,
        "k": result.k,
        "attributes learned": learned,
        "split": result.split,
        "counts": result.counts,
        "sections": [
            {
                "name": section.name,
                "n_candidates": section.n_candidates,
                "n_users": section.n_users,
                "n_pairs": section.n_pairs,
                "comparison": section.comparisons[metric].to_dict(),
            }
            for section in kept
        ],
    }


def show(result: dict[str, Any]) -> str:
    lines = [
        f"Machine: {result['about']['machine']}; commit {result['about']['commit']}; "
        + ", ".join(f"{name} {version}" for name, version in result["about"]["versions"].items())
        + ".",
        "",
        "; ".join(f"{name} {count:,}" for name, count in result["counts"].items()) + ".",
        "",
        f"Picture classifiers: {', '.join(result['attributes learned'])}.",
    ]
    for section in result["sections"]:
        compared = Comparison.from_dict(section["comparison"])
        lines += [
            "",
            f"## {section['name'].capitalize()}: {section['n_candidates']:,} candidates, {section['n_users']:,} users, "
            f"{section['n_pairs']:,} pairs",
            "",
            f"NDCG@{result['k']} with half the 95% interval; differences of longtail with the whole interval.",
            "",
            "| fields | content kNN | longtail | longtail less text alone | longtail less all (classifiers) |",
            "| :-- | --: | --: | --: | --: |",
        ]
        for variant in VARIANTS:
            mine = f"{variant.name}, longtail"
            cells = [mean(compared.estimates[f"{variant.name}, {way}"]) for way in WAYS.values()]
            cells += [between(compared, mine, f"{other}, longtail") for other in (TEXT, f"{ALL} ({CLASSIFIED})")]
            lines.append(f"| {variant.name} | {' | '.join(cells)} |")
        baselines = [name for name in ("popularity", "ALS") if name in compared.estimates]
        lines += ["", "; ".join(f"{name} {mean(compared.estimates[name])}" for name in baselines) + "."]
        lines += ["", "| classifiers less plain backbone | content kNN | longtail |", "| :-- | --: | --: |"]
        for variant in VARIANTS:
            if variant.picture == PLAIN:
                name, other = variant.name, replace(variant, picture=CLASSIFIED).name
                cells = [between(compared, f"{other}, {way}", f"{name}, {way}") for way in WAYS.values()]
                lines.append(f"| {' + '.join(variant.parts)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def mean(estimate: Estimate) -> str:
    return f"{estimate.mean:.4f} ±{(estimate.high - estimate.low) / 2:.4f}"


def between(compared: Comparison, method: str, against: str) -> str:
    if method == against:
        return ""
    found: Difference = compared.difference(method, against)
    return f"{found.estimate.mean:+.4f} ({found.estimate.low:+.4f} to {found.estimate.high:+.4f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=Path("recipes/hm.toml"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--show", type=Path)
    arguments = parser.parse_args()
    if arguments.show:
        result = json.loads(arguments.show.read_text(encoding="utf-8"))
    else:
        with RichProgress() as progress:
            recipe = Recipe.load(arguments.recipe, data=arguments.data)
            result = measure(recipe, EncodingCache(arguments.cache), progress)
        if arguments.json:
            arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(show(result))


if __name__ == "__main__":
    main()
