"""Write the README's tables of results from what was measured.

python benchmarks/quality/protocols.py     measures both shops and then does this
python benchmarks/quality/readme.py        does this alone
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from table import SEVERAL, how_many_times, last_stretch, section_of, seed_by_seed

from longtail.evaluate.levels import by_level
from longtail.evaluate.result import ProtocolResult, is_part
from longtail.evaluate.threshold import threshold
from protocols import RESULTS, ROOT, cell

BEGIN, END = "<!-- results -->", "<!-- /results -->"
NAMES = {"tail": "tail: fewer than 20"}
#: Sections of the second shop; of the first all are shown.
FEW = ("whole catalog", "tail", "0")
#: What stands beside longtail where first events are told.
BESIDE = ("content kNN", "ALS", "article", "bridge", "longtail")

Documents = dict[str, dict[str, Any]]


def documents() -> Documents:
    """What was measured, by shop: results of `longtail evaluate`, or the one of `longtail demo --json`; and `asked`."""
    found = {name: RESULTS / f"{name}.json" for name in ("complete-journey", "hm-week")}
    found["asked"] = RESULTS / "asked" / "fashion.json"
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in found.items() if path.exists()}


def tail_of(document: dict[str, Any]) -> dict[str, Any]:
    """The result of the tail protocol."""
    return document if "protocol" in document else next(r for r in document["results"] if r["protocol"] == "tail")


def block(measured: Documents) -> str:
    """The results as Markdown: NDCG of every method by section, with intervals, and what was measured."""
    document = measured["complete-journey"]
    result = tail_of(document)
    counts = result["counts"]
    command = "`longtail demo`" if "about" not in document else f"`{document['about']['command']}`"
    lines = [
        *table(result, "households"),
        "",
        f"{command} on Complete Journey, a grocer's year: trained on "
        f"{counts['training events']:,} purchases before {result['split']['cut'][:10]}, measured on what "
        f"{counts['tested users']:,} households bought for the first time in {_tested(result)} "
        f"({counts['tested pairs']:,} pairs); ± is half a 95% bootstrap interval. *article* is the usual recipe: one "
        "network, hard switch at a threshold.",
    ]
    if "hm-week" in measured:
        result = tail_of(measured["hm-week"])
        counts = result["counts"]
        lines += [
            "",
            *table(result, "customers", FEW),
            "",
            f"The same on fashion (H&M, {result['split']['first'][:10]} to {result['split']['last'][:10]}): "
            f"{counts['tested users']:,} customers, {counts['tested pairs']:,} pairs after "
            f"{result['split']['cut'][:10]}. All protocols on both shops, and where longtail does not help: "
            "[results](benchmarks/quality/results)." + _seeds(measured.get("asked", {})),
            *first_events(measured["hm-week"]),
        ]
    return "\n".join(lines)


def first_events(document: dict[str, Any]) -> list[str]:
    """How behaviour takes over as an item gathers its first events; nothing where it was not measured."""
    results = {one["protocol"]: ProtocolResult.from_dict(one) for one in document.get("results", [])}
    result = results.get("few-shot")
    levels = by_level(result, themselves=True) if result else {}
    if not result or not levels:
        return []
    shown = {
        "k": result.k,
        "methods": [method for method in BESIDE if method in result.methods],
        "sections": [part.to_dict() | {"name": f"{level:,}"} for level, part in levels.items()],
    }
    counts = result.counts
    return [
        "",
        *table(shown, "customers", first="buyers known of an item"),
        "",
        f"What the blend does: of {counts['chosen items']:,} fashion items all but so many buyers were taken away and "
        "everything was trained anew, then these items were ranked among themselves for other customers who took them "
        f"({counts['tested pairs']:,} pairs). *bridge* is longtail's prediction from content alone."
        + _threshold(results.get("truncated-heads")),
    ]


def _seeds(asked: dict[str, Any]) -> str:
    """How far apart trainings by several seeds are in fashion's tail; nothing where it was not measured."""
    results = asked.get("results", {})
    result = results.get(f"windows{SEVERAL}")
    if not result:
        return ""
    times, last = seed_by_seed(result, "tail"), how_many_times(result, last_stretch(result, "tail"))
    together = how_many_times(result, section_of(result, "tail"))
    told = (
        f" These are one training's numbers, and where behaviour is a few days trainings differ: over {len(times)} "
        f"seeds and {len(result['split']['cuts'])} stretches of time longtail's tail is {together:.2f} "
        f"times ALS's, by the seeds {min(times):.2f} to {max(times):.2f}, and on the last stretch, which decides "
        f"nothing, {last:.2f}"
    )
    if at_random := results.get(f"random{SEVERAL}"):
        times, together = seed_by_seed(at_random, "tail"), how_many_times(at_random, section_of(at_random, "tail"))
        told += (
            f"; over {len(times)} seeds with pairs hidden at random {together:.2f}, by the seeds "
            f"{min(times):.2f} to {max(times):.2f}"
        )
    return f"{told} ([asked and found](benchmarks/quality/results/asked))."


def _threshold(result: ProtocolResult | None) -> str:
    """Where ALS alone knows more than content does, in a sentence; nothing where it does not, or was not measured."""
    found = None if result is None else threshold(result, themselves=True)
    if found is None:
        return ""
    return f" Of popular items, cut the same way, ALS alone knows more than content from about {found:,.0f} buyers on."


def _tested(result: dict[str, Any]) -> str:
    windows = len(result["split"].get("cuts", ()))
    return f"{windows} stretches of time from then on, each after a training" if windows else "the four weeks after it"


def table(
    result: dict[str, Any],
    users: str,
    sections: tuple[str, ...] | None = None,
    *,
    first: str = "candidates by interactions",
) -> list[str]:
    """One row a section, the best method of each in bold."""
    k, methods = result["k"], result["methods"]
    lines = [
        f"| NDCG@{k}, {first} | items | {users} | " + " | ".join(methods) + " |",
        "| :-- | --: | --: | " + " | ".join("--:" for _ in methods) + " |",
    ]
    wanted = sections or [section["name"] for section in result["sections"] if not is_part(section["name"])]
    for section in result["sections"]:
        if section["name"] not in wanted:
            continue
        found = section["comparisons"][f"ndcg@{k}"]["estimates"]
        estimates = {method: found[method] for method in methods if method in found}
        best = max((estimate["mean"] for estimate in estimates.values()), default=0.0)
        cells = [cell(estimates[method], best) if estimates else "-" for method in methods]
        name = NAMES.get(section["name"], section["name"])
        lines.append(f"| {name} | {section['n_candidates']:,} | {section['n_users']:,} | " + " | ".join(cells) + " |")
    return lines


def placed(readme: str, measured: Documents) -> str:
    """The README with its results block made anew."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{block(measured)}\n{END}{after}"


if __name__ == "__main__":
    page = ROOT / "README.md"
    page.write_text(placed(page.read_text(encoding="utf-8"), documents()), encoding="utf-8")
