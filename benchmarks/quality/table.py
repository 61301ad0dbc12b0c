"""The table of what was asked and what was found, from the results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from longtail.evaluate.result import SEED, WINDOW

#: Ends the names of results that are means over several trainings of the split of another.
SEVERAL = "-seeds"
#: In place of how many times another method: the interval of the difference is above zero; or it begins above -2%.
AHEAD, NOT_BELOW = "ahead", "not below"
#: data set, result, section, against whom, and how many times it at least, or in which way; metric's k is the result's.
ASKED: tuple[tuple[str, str, str, str, float | str], ...] = (
    ("fashion", "cold", "cold items", "content kNN", 1.12),
    ("fashion", "cold", "cold items", "article", 1.3),
    ("fashion", "random", "tail", "ALS", 1.4),
    ("fashion", "random", "tail", "article", 1.4),
    ("fashion", "time", "tail", "ALS", 1.5),
    ("fashion", "new-items", "new items", "content kNN", 1.0),
    ("fashion", "random", "whole catalog", "ALS", NOT_BELOW),
    ("fashion", "time", "whole catalog", "ALS", NOT_BELOW),
    ("fashion", "cold", "cold and warm items", "ALS", AHEAD),
    ("fashion", "new-users", "1 revealed", "ALS", 1.0),
    ("fashion", "new-users", "1 revealed", "content kNN", 1.0),
    ("fashion", "new-users", "3 revealed", "ALS", 1.0),
    ("fashion", "new-users", "3 revealed", "content kNN", 1.0),
    ("fashion", "new-users", "10 revealed", "ALS", 1.0),
    ("fashion", "new-users", "10 revealed", "content kNN", 1.0),
    ("citeulike", "published", "published protocol", "content kNN", AHEAD),
    ("citeulike", "published", "warm items", "ALS", NOT_BELOW),
    ("complete-journey", "cold", "cold items", "article", 1.35),
    ("complete-journey", "cold", "cold items", "content kNN", 2.5),
    ("complete-journey", "time", "0", "content kNN", 1.0),
    ("complete-journey", "time", "0", "article", 1.3),
    ("complete-journey", "time", "0", "popularity", 5.0),
    ("complete-journey", "time", "whole catalog", "ALS", NOT_BELOW),
    *(
        (data, label, name, rival, how)
        for rival in ("irspack", "cmfrec", "lightfm")
        for data, label, name, how in (
            ("fashion", "cold", "cold items", AHEAD),
            ("citeulike", "published", "published protocol", AHEAD),
            ("complete-journey", "cold", "cold items", AHEAD),
            ("fashion", "random", "tail among all", AHEAD),
            ("fashion", "random", "whole catalog", NOT_BELOW),
            ("citeulike", "published", "warm items", NOT_BELOW),
            ("complete-journey", "random", "tail among all", AHEAD),
            ("complete-journey", "random", "whole catalog", NOT_BELOW),
        )
    ),
)


def page(folder: Path) -> str:
    """Markdown of all results in a folder."""
    found = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.json"))
        if path.stem in {row[0] for row in ASKED}
    }
    lines = [
        "# Quality: asked and found",
        "",
        "Made by `benchmarks/quality/run.py`; do not edit. NDCG at the cut of each protocol, full rankings, means over",
        "users; the difference is paired, with its 95% bootstrap interval. A row is met where the ratio is as asked;",
        "`ahead` where the interval is above zero; `not below` where it begins above -2% of the other method. Asked is",
        "of one training, by the shop's own seed; training draws, so a row below it has the mean over several seeds.",
        "",
        "| data | result | candidates | against | asked | longtail | other | ratio | difference | met |",
        "| :-- | :-- | :-- | :-- | --: | --: | --: | --: | :-- | :-- |",
    ]
    for data, label, name, against, how in ASKED:
        for result in (label, f"{label}{SEVERAL}"):
            section = _section(found, data, result, name)
            if section is None:
                continue
            comparison = next(iter(c for key, c in section["comparisons"].items() if key.startswith("ndcg@")))
            if result == label or against in comparison["estimates"]:  # other libraries are trained once
                lines.append(_row(data, result, name, against, how, comparison))
    lines += _further(found)
    for data, document in found.items():
        lines += ["", f"## {data}"]
        for label, result in document["results"].items():
            lines += ["", f"### {label}: {result['question']}", "", *_table(result)]
            lines += [
                "",
                f"Commit {result.get('commit', document.get('commit'))}. Split: `{json.dumps(result['split'])}`.",
            ]
            several = " in the last training" if "seeds" in result["split"] or "cuts" in result["split"] else ""
            lines.append(f"Chosen{several}: `{json.dumps(result.get('chosen', {}))}`.")
            for rival, chosen in result.get("rivals chosen", {}).items():
                ended = " when the time for it ended" if chosen["stopped"] else ""
                lines.append(f"{rival}: `{chosen['setting']}`, the best of {chosen['tried']} on validation{ended}.")
            lines += [f"{rival} is missing: {why}." for rival, why in result.get("rivals missing", {}).items()]
    return "\n".join(lines) + "\n"


def _section(found: dict[str, Any], data: str, label: str, name: str) -> Any:
    result = found.get(data, {}).get("results", {}).get(label)
    return result and section_of(result, name)


def section_of(result: dict[str, Any], name: str) -> Any:
    """What a result has of some candidates; None where it has nothing."""
    return next((section for section in result["sections"] if section["name"] == name), None)


def _row(data: str, label: str, name: str, against: str, how: float | str, comparison: dict[str, Any]) -> str:
    estimates = comparison["estimates"]
    asked = how if isinstance(how, str) else f"{how:g} x"
    if against not in estimates or "longtail" not in estimates:
        return f"| {data} | {label} | {name} | {against} | {asked} | not measured | | | | no |"
    ours, theirs = estimates["longtail"]["mean"], estimates[against]["mean"]
    low, mean, high = _difference(comparison, against)
    found = ratio(estimates, against)
    if isinstance(how, str):
        met = low > (0.0 if how == AHEAD else -0.02 * theirs)
    else:
        met = found >= how
    return (
        f"| {data} | {label} | {name} | {against} | {asked} | {ours:.4f} | "
        f"{theirs:.4f} | {found:.2f} | {mean:+.4f} ({low:+.4f} to {high:+.4f}) | {'yes' if met else '**no**'} |"
    )


def _difference(comparison: dict[str, Any], against: str) -> tuple[float, float, float]:
    for one in comparison["differences"]:
        if (one["method"], one["against"]) == ("longtail", against):
            return one["low"], one["mean"], one["high"]
        if (one["against"], one["method"]) == ("longtail", against):
            return -one["high"], -one["mean"], -one["low"]
    return float("nan"), float("nan"), float("nan")


def ratio(estimates: dict[str, Any], against: str = "ALS") -> float:
    """longtail's mean by that of another method."""
    theirs = estimates[against]["mean"]
    return float(estimates["longtail"]["mean"] / theirs) if theirs else float("inf")


def how_many_times(result: dict[str, Any], section: dict[str, Any], against: str = "ALS") -> float:
    """How many times another method's mean longtail's is in a section of a result."""
    return ratio(section["comparisons"][f"ndcg@{result['k']}"]["estimates"], against)


def seed_by_seed(result: dict[str, Any], name: str, against: str = "ALS") -> list[float]:
    """How many times another method's mean longtail's is on some candidates, by each seed of a result."""
    parts = [section_of(result, f"{name}{SEED}{seed}") for seed in result["split"]["seeds"]]
    return [how_many_times(result, part, against) for part in parts]


def last_stretch(result: dict[str, Any], name: str) -> Any:
    """What a result over several stretches of time has of some candidates in the last of them."""
    return section_of(result, f"{name}{WINDOW}{len(result['split']['cuts'])}")


def _beside_als(comparison: dict[str, Any]) -> str:
    """Both means, their ratio and the difference with its interval, whose bracket is left open."""
    estimates = comparison["estimates"]
    low, mean, high = _difference(comparison, "ALS")
    return (
        f"longtail {estimates['longtail']['mean']:.4f}, ALS {estimates['ALS']['mean']:.4f}, {ratio(estimates):.2f} "
        f"times it, {mean:+.4f} ({low:+.4f} to {high:+.4f}"
    )


def _by_seeds(found: dict[str, Any]) -> list[str]:
    """How far apart the trainings are whose means stand in the table."""
    lines = []
    for data, label, name, against, _ in ASKED:
        result = found.get(data, {}).get("results", {}).get(f"{label}{SEVERAL}")
        section = result and section_of(result, name)
        if section and against in section["comparisons"][f"ndcg@{result['k']}"]["estimates"]:
            lines.append(f"- {data}, {label}, {name} by {against}, {_apart(result, name, against)}")
    return lines


def _apart(result: dict[str, Any], name: str, against: str = "ALS") -> str:
    """What each of several trainings gave: longtail's mean by another method's."""
    return (
        f"seeds {', '.join(map(str, result['split']['seeds']))}: "
        f"{', '.join(f'{times:.2f}' for times in seed_by_seed(result, name, against))} times."
    )


def _over_time(found: dict[str, Any]) -> list[str]:
    """Fashion by time on both stretches: one training of each, and the mean over several that drew otherwise."""
    windows, seeds = [], []
    for name in ("tail", "whole catalog"):
        if section := _section(found, "fashion", "windows", name):
            windows.append(
                f"- fashion by time, both stretches of two days that have two or more before them, {name}: "
                f"{_beside_als(section['comparisons']['ndcg@10'])}; {section['n_users']:,} users)."
            )
        if section := _section(found, "fashion", f"windows{SEVERAL}", name):
            result = found["fashion"]["results"][f"windows{SEVERAL}"]
            seeds.append(
                f"- the same as a mean over {len(result['split']['seeds'])} trainings of each stretch, {name}: "
                f"{_beside_als(section['comparisons']['ndcg@10'])}); {_apart(result, name)}"
            )
            last = last_stretch(result, name)["comparisons"]["ndcg@10"]
            seeds.append(
                f"- the last stretch of these alone, which decides nothing (changes are compared before it), {name}: "
                f"{_beside_als(last)})."
            )
    return windows + seeds


def _further(found: dict[str, Any]) -> list[str]:
    """What is asked as a number by itself, or measured in another way."""
    lines = [""]
    if section := _section(found, "citeulike", "published", "published protocol"):
        value = section["comparisons"]["ndcg@20"]["estimates"]["longtail"]["mean"]
        lines.append(f"- citeulike, published protocol, NDCG@20: asked .245, found {value:.4f}.")
    hits = found.get("fashion", {}).get("results", {}).get("cold", {}).get("cold hits")
    if hits:
        times = hits["longtail"] / hits["content kNN"] if hits["content kNN"] else float("inf")
        lines.append(
            f"- fashion, mixed catalog, hits on cold items a thousand users: content kNN {hits['content kNN']:.1f}, "
            f"longtail {hits['longtail']:.1f}: asked 0.8 of it, found {times:.2f}."
        )
    lines += _over_time(found) + _by_seeds(found)
    similar = found.get("fashion", {}).get("results", {}).get("similar", {})
    for key, told in (
        ("lift", "as the protocol has it"),
        ("lift of known users", "one taker of both is enough, and known before"),
    ):
        if key in similar:
            lines += _neighbours(similar[key], told)
    return lines


def _neighbours(lift: dict[str, Any], told: str) -> list[str]:
    """Similar items of tail queries: raw NDCG, mean lift and pooled lift, none hidden; asked is 1.4 x ALS, 1 x kNN."""
    lines = []
    for what, compared in (("raw NDCG", lift.get("ndcg")), ("mean popularity-corrected lift", lift)):
        if not compared or not {"longtail", "ALS", "content kNN"} <= set(compared["estimates"]):
            continue
        means = {name: estimate["mean"] for name, estimate in compared["estimates"].items()}
        low, mean, high = _difference(compared, "content kNN")
        lines.append(
            f"- fashion, similar items of tail queries (1-19), {what} ({told}; "
            f"{compared['n_users']:,} queries): "
            + ", ".join(f"{name} {value:.4g}" for name, value in means.items())
            + f"; asked 1.4 x ALS, found {means['longtail'] / means['ALS'] if means['ALS'] else float('inf'):.2f}; "
            f"against content kNN {mean:+.4g} ({low:+.4g} to {high:+.4g})."
        )
    shares = lift.get("top_percent")
    if shares:
        held = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        lines.append(f"- of that mean lift the best hundredth of the queries holds: {held}.")
    pooled = lift.get("pooled", {})
    if pooled.get("ratio"):
        ratios = pooled["ratio"]
        lines.append(
            "- fashion, the same lists, pooled lift (co-takings by those expected of independent takers): "
            + ", ".join(f"{name} {one['mean']:.3g}" for name, one in pooled["lift"].items())
            + "; longtail's by "
            + ", ".join(
                f"{name}'s {ratios[name]['mean']:.2f} ({ratios[name]['low']:.2f} to {ratios[name]['high']:.2f})"
                for name in ("ALS", "content kNN")
                if name in ratios
            )
            + "."
        )
    return lines


def _table(result: dict[str, Any]) -> list[str]:
    metric = f"ndcg@{result['k']}"
    lines = [
        f"| {metric} | candidates | users | " + " | ".join(result["methods"]) + " |",
        "| :-- | --: | --: | " + " | ".join("--:" for _ in result["methods"]) + " |",
    ]
    for section in result["sections"]:
        estimates = section["comparisons"][metric]["estimates"]
        cells = [
            f"{estimates[name]['mean']:.4f} ±{(estimates[name]['high'] - estimates[name]['low']) / 2:.4f}"
            if name in estimates
            else ""
            for name in result["methods"]
        ]
        head = f"| {section['name']} | {section['n_candidates']:,} | {section['n_users']:,} | "
        lines.append(head + " | ".join(cells) + " |")
    return lines
