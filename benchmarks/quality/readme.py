"""Write the README's table of results from what `longtail demo --json` measured.

longtail demo --json benchmarks/quality/results/complete-journey-tail.json
python benchmarks/quality/readme.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "quality" / "results" / "complete-journey-tail.json"
BEGIN, END = "<!-- results -->", "<!-- /results -->"
NAMES = {"tail": "tail: fewer than 20", "whole catalog": "whole catalog"}


def block(result: dict[str, Any]) -> str:
    """The results as Markdown: NDCG of every method by section, with intervals, and what was measured."""
    k, methods = result["k"], result["methods"]
    lines = [
        f"| NDCG@{k}, candidates by interactions | items | households | " + " | ".join(methods) + " |",
        "| :-- | --: | --: | " + " | ".join("--:" for _ in methods) + " |",
    ]
    for section in result["sections"]:
        estimates = section["comparisons"][f"ndcg@{k}"]["estimates"]
        best = max(estimate["mean"] for estimate in estimates.values())
        cells = []
        for method in methods:
            estimate = estimates[method]
            mean = f"{estimate['mean']:.4f}".removeprefix("0")
            half = f"{(estimate['high'] - estimate['low']) / 2:.4f}".removeprefix("0")
            cells.append(f"**{mean}** ±{half}" if estimate["mean"] == best > 0 else f"{mean} ±{half}")
        name = NAMES.get(section["name"], section["name"])
        lines.append(f"| {name} | {section['n_candidates']:,} | {section['n_users']:,} | " + " | ".join(cells) + " |")
    counts = result["counts"]
    lines += [
        "",
        "`longtail demo` on Complete Journey, a grocer's year: trained on "
        f"{counts['training events']:,} purchases before {result['split']['cut'][:10]}, measured on what "
        f"{counts['tested users']:,} households bought for the first time in the four weeks after it "
        f"({counts['tested pairs']:,} pairs); ± is half a 95% bootstrap interval. *article* is the usual recipe: one "
        "network, hard switch at a threshold.",
    ]
    return "\n".join(lines)


def placed(readme: str, result: dict[str, Any]) -> str:
    """The README with its results block made anew."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{block(result)}\n{END}{after}"


if __name__ == "__main__":
    page = ROOT / "README.md"
    result = json.loads(RESULTS.read_text(encoding="utf-8"))
    page.write_text(placed(page.read_text(encoding="utf-8"), result), encoding="utf-8")
