"""All protocols on the two shops, and the page of results that the README quotes.

python benchmarks/quality/protocols.py                              both shops, then the page
python benchmarks/quality/protocols.py --shops complete-journey     one of them
python benchmarks/quality/protocols.py --page                       the page alone, from what is there

A shop is one `longtail evaluate RECIPE --protocol all --json` in a process of its own, with its time, its processor
time and its peak memory. Further options go to that command. Encoded content is taken from the cache: run it twice
where it is not there yet. Fashion needs the environment variable LONGTAIL_HM; without it that shop is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from longtail.evaluate.result import is_part

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "quality" / "results"
#: The shops by name: the recipe, and what it is for readers.
SHOPS = {
    "complete-journey": ("complete-journey.toml", "Complete Journey: a grocer's year"),
    "hm-week": ("hm.toml", "H&M: a week of fashion"),
}
#: Seconds that the issue allows with encoded content cached, on two cores.
LIMITS = {"complete-journey": 900, "hm-week": 600}
LABELS = {"ndcg": "NDCG", "irrelevant": "Irrelevant share"}


def run(name: str, protocol: str, arguments: list[str]) -> dict[str, Any]:
    """Evaluate one shop in a process of its own; what it found, and what it took."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.json"
        command = [sys.executable, "-m", "longtail.cli.main", "evaluate", str(ROOT / "recipes" / SHOPS[name][0])]
        started, load = time.perf_counter(), os.getloadavg()[0]
        process = subprocess.Popen([*command, "--protocol", protocol, "--json", str(path), *arguments])
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        if os.waitstatus_to_exitcode(status):
            raise SystemExit(f"{name} could not be evaluated, see above.")
        document = json.loads(path.read_text(encoding="utf-8"))
    about = {
        "shop": name,
        "command": f"longtail evaluate recipes/{SHOPS[name][0]} --protocol {protocol}",
        "seconds": round(seconds, 1),
        "processor seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak MiB": round(used.ru_maxrss / 1024),
        "load before": round(load, 1),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "versions": versions(),
    }
    return {"about": about, **document}


def commit() -> str:
    """The commit of the checkout, with a + where files differ from it."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain", "--", "src", "recipes"], capture_output=True, text=True)
    return (head or "no checkout") + ("+" if changed.stdout.strip() else "")


def machine() -> dict[str, Any]:
    """What it ran on."""
    from longtail.core.machine import memory, usable_cores

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {"cpu": model or platform.machine(), "cores": usable_cores(), "memory GiB": round(memory()[0] / 2**30)}


def versions() -> dict[str, str]:
    """What it ran with."""
    from longtail.bundle import library_versions
    from longtail.core.version import __version__

    return {"longtail": __version__, **library_versions()}


def page(documents: dict[str, dict[str, Any]]) -> str:
    """The page, in Markdown."""
    lines = [
        "# What longtail reaches, and where it does not help",
        "",
        "Made by `python benchmarks/quality/protocols.py` from the JSON files beside it; see "
        "[evaluation](../../../docs/evaluation.md) for what the protocols, methods and metrics are. Means with half "
        "a 95% bootstrap interval; the best of a row in bold. The last column is the paired difference of longtail to "
        "ALS alone: **+** a gain and **-** a loss beyond chance, = no difference that can be told. Intervals speak of "
        "these users in this period.",
    ]
    for name, document in documents.items():
        about = document["about"]
        lines += ["", f"## {SHOPS[name][1]}", "", _about(about), ""]
        lines += _said(document)
        for result in document["results"]:
            lines += ["", f"### {result['protocol']}: {result['question']}", ""]
            lines += table(result)
            lines += ["", _counts(result)]
            lines += ["", *(f"> {note}" for note in result["notes"])] if result["notes"] else []
        lines += [f"\nNot run: {protocol}. {why}" for protocol, why in document["skipped"].items()]
    return "\n".join(lines) + "\n"


def table(result: dict[str, Any]) -> list[str]:
    """One protocol: a row a section."""
    methods, metric = result["methods"], metric_of(result)
    lower = metric.startswith("irrelevant")
    unit = "items asked" if result["protocol"] in ("similar", "relevance") else "users"
    label, _, k = metric.partition("@")
    lines = [
        f"| {LABELS.get(label, label)}@{k}{', lower is better' if lower else ''} | items | {unit} | "
        + " | ".join([*methods, "longtail vs ALS"]) + " |",
        "| :-- | --: | --: | " + " | ".join("--:" for _ in [*methods, ""]) + " |",
    ]  # fmt: skip
    for section in result["sections"]:
        comparison = section["comparisons"][metric]
        estimates = comparison["estimates"]
        cells = ["-"] * len(methods)
        if estimates:
            best = (min if lower else max)(estimate["mean"] for estimate in estimates.values())
            cells = [cell(estimates[method], best, lower) for method in methods]
        difference = versus(comparison, lower)
        lines.append(
            f"| {section['name']} | {section['n_candidates']:,} | {section['n_users']:,} | "
            + " | ".join([*cells, difference]) + " |"
        )  # fmt: skip
    return lines


def metric_of(result: dict[str, Any]) -> str:
    """The metric that stands for a result: NDCG, or the only one there is."""
    measured = [name for section in result["sections"] for name in section["comparisons"]]
    wanted = f"ndcg@{result['k']}"
    return wanted if wanted in measured else measured[0]


def cell(estimate: dict[str, float], best: float, lower: bool = False) -> str:
    """A mean with half its interval, the best in bold."""
    mean, half = number(estimate["mean"]), number((estimate["high"] - estimate["low"]) / 2)
    return f"**{mean}** ±{half}" if estimate["mean"] == best and (lower or best > 0) else f"{mean} ±{half}"


def versus(comparison: dict[str, Any], lower: bool) -> str:
    """The paired difference of longtail and ALS as it reads, with its sign."""
    for found in comparison["differences"]:
        if {found["method"], found["against"]} == {"longtail", "ALS"}:
            turn = 1 if found["method"] == "longtail" else -1
            low, high = sorted((turn * found["low"], turn * found["high"]))
            better = (turn * found["mean"] > 0) != lower
            sign = ("**+**" if better else "**-**") if found["significant"] else "="
            return f"{sign} {signed(low)} to {signed(high)}"
    return "-"


def number(value: float) -> str:
    """Four digits and no leading zero, ``.0347``."""
    return f"{value:.4f}".removeprefix("0")


def signed(value: float) -> str:
    """The same with its sign."""
    return ("-" if value < 0 else "+") + number(abs(value))


def _about(about: dict[str, Any]) -> str:
    on, limit = about["machine"], LIMITS[about["shop"]]
    return (
        f"`{about['command']}` took {about['seconds']:,.0f} s (allowed: {limit:,} s on 2 cores with encoded content "
        f"cached), {about['processor seconds']:,.0f} s of processor time, {about['peak MiB']:,} MiB at most, on "
        f"{on['cores']} cores of {on['cpu']} with {on['memory GiB']} GiB (load before: {about['load before']}); "
        f"{about['when'][:10]}, commit {about['commit']}. "
        + ", ".join(f"{name} {version}" for name, version in about["versions"].items()) + "."
    )  # fmt: skip


def _said(document: dict[str, Any]) -> list[str]:
    """Gains and losses beyond chance in plain words, section by section."""
    gains, losses, level = [], [], 0
    for result in document["results"]:
        metric = metric_of(result)
        for section in result["sections"]:
            if is_part(section["name"]):
                continue  # what all of them say together is told already
            said = versus(section["comparisons"][metric], metric.startswith("irrelevant"))
            named = f"{result['protocol']} ({section['name']})"
            if said.startswith("**+**"):
                gains.append(named)
            elif said.startswith("**-**"):
                losses.append(named)
            else:
                level += 1
    return [
        f"Better than ALS alone beyond chance: {'; '.join(gains) or 'nowhere'}.",
        "",
        f"Worse beyond chance: {'; '.join(losses) or 'nowhere'}. No difference that can be told: {level} other rows.",
    ]


def _counts(result: dict[str, Any]) -> str:
    counts = ", ".join(f"{name} {value:,}" for name, value in result["counts"].items())
    excluded = ", ".join(f"{reason} {value:,}" for reason, value in result["excluded"].items() if value)
    return f"Counts: {counts}." + (f" Left out: {excluded}." if excluded else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shops", default=",".join(SHOPS), help="names, separated by commas")
    parser.add_argument("--protocol", default="all", help="one protocol instead of all")
    parser.add_argument("--page", action="store_true", help="only write the page anew")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results and the page go")
    given, further = parser.parse_known_args()
    if not given.page:
        for name in given.shops.split(","):
            if name == "hm-week" and "LONGTAIL_HM" not in os.environ:
                print("hm-week is left out: set LONGTAIL_HM to the folder of the H&M data.", file=sys.stderr)
                continue
            document = json.dumps(run(name, given.protocol, further), ensure_ascii=False, indent=1, allow_nan=False)
            (given.results / f"{name}.json").write_text(document + "\n", encoding="utf-8")
    found = {name: given.results / f"{name}.json" for name in SHOPS}
    documents = {name: json.loads(path.read_text("utf-8")) for name, path in found.items() if path.exists()}
    documents = {name: document for name, document in documents.items() if "about" in document}
    (given.results / "README.md").write_text(page(documents), encoding="utf-8")
    if given.results == RESULTS:
        subprocess.run([sys.executable, str(Path(__file__).with_name("readme.py"))], check=True)


if __name__ == "__main__":
    main()
