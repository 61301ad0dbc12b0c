"""The tables of the benchmark, from ``results/*.json``.

    python benchmarks/als/report.py     (also called by run.py)

A ratio is the median of the ratios of the runs that followed each other in one round, so that other work on the
machine, which changes from round to round, touches both sides of it.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BASE, ITERATIONS = "implicit-cg", 15
PEERS = ["longtail", BASE, "implicit-cholesky", "irspack-cg", "irspack-ials++", "cmfrec-cg", "lenskit", "spark"]
SETS = {
    "a": "(a) a generated shop: 60,000 users x 20,000 items, 5 million pairs",
    "b": "(b) Complete Journey: 2,469 households x products, times bought",
    "c": "(c) a large generated shop: 1 million users x 300,000 items, 100 million pairs",
}
Run = dict[str, Any]


def per_iteration(run: Run, marks: str = "marks") -> float | None:
    """Seconds an iteration after the first: the median of its steps, or from the difference to one iteration."""
    if len(run.get(marks) or ()) > 1:
        return statistics.median(b - a for a, b in zip(run[marks][:-1], run[marks][1:], strict=True))
    if marks == "marks" and "one" in run:
        return float(run["seconds"] - run["one"]) / (run["iterations"] - 1)
    return None


def until(run: Run, target: float | None, reached: bool) -> float | None:
    """Seconds until a loss, from the trace of longtail; for others the whole run, if it got there."""
    if target is None:
        return None
    if run.get("losses"):
        return next((m for m, loss in zip(run["marks"], run["losses"], strict=True) if loss <= target), None)
    return float(run["seconds"]) if reached else None


def comparable(one: Run, other: Run) -> bool:
    """Whether two runs got about the same share of the processor, as far as one can see."""
    if not (one.get("busy") and other.get("busy")):
        return True
    shares = sorted(run["busy"] / run["seconds"] for run in (one, other))
    return bool(shares[1] < 1.5 * shares[0])


class Table:
    """One data set at one number of factors."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        target = content["evaluated"].get(f"{BASE} {ITERATIONS}")
        self.target = target["loss"] if target else None

    def rows(self) -> list[str]:
        lines = []
        for threads in (2, 1):
            for library in PEERS:
                runs = self._runs(library, threads)
                lines += [self._row(library, threads, runs)] if runs else []
        return lines

    def _runs(self, library: str, threads: int) -> list[Run]:
        found = self.content["runs"]
        return [run for run in found if run["library"] == library and run.get("threads") == threads]

    def _ratio(
        self, runs: list[Run], threads: int, number: Any, base: Any = None, *, clock: bool = False
    ) -> float | None:
        """The median over rounds of a number of these runs against that of `implicit` in the same round."""
        rounds = {run["repeat"]: run for run in self._runs(BASE, threads)}
        both = [(run, rounds[run["repeat"]]) for run in runs if run["repeat"] in rounds]
        if clock:
            both = [(one, other) for one, other in both if comparable(one, other)]
        pairs = [(number(one), (base or number)(other)) for one, other in both]
        ratios = [one / other for one, other in pairs if one is not None and other]
        return statistics.median(ratios) if ratios else None

    def _row(self, library: str, threads: int, runs: list[Run]) -> str:
        iterations = runs[0]["iterations"]
        quality = self.content["evaluated"].get(f"{library} {iterations}", {})
        loss = quality.get("loss")
        reached = loss is not None and self.target is not None and loss <= self.target * (1 + 1e-9)

        def seconds_until(run: Run) -> float | None:
            return until(run, self.target, reached)

        def busy(run: Run) -> float | None:
            return per_iteration(run, "busy_marks")

        def whole(run: Run) -> float | None:
            return float(run["seconds"]) if run["iterations"] == ITERATIONS else None

        cells = [library, threads, iterations, len(runs), _number(_median(runs, per_iteration), 3)]
        cells += [_number(self._ratio(runs, threads, per_iteration, clock=True), 2), _number(_median(runs, busy), 3)]
        cells += [_number(self._ratio(runs, threads, busy), 2), _number(_median(runs, seconds_until), 2)]
        cells += [_number(self._ratio(runs, threads, seconds_until, whole, clock=True), 2)]
        same = loss / self.target if loss and self.target and iterations == ITERATIONS else None
        cells += [_number(same, 4), _number(runs[-1]["peak_mib"], 0)]
        cells += [
            _number(self._ratio(runs[-1:], threads, lambda run: run["peak_mib"]), 2),
            _number(quality.get("recall"), 4),
        ]
        cells.append(f"{min(run['load_before'] for run in runs):.0f}-{max(run['load_before'] for run in runs):.0f}")
        return "| " + " | ".join(map(str, cells)) + " |"


HEAD = ["library", "threads", "iterations", "runs", "s / iteration", "ratio", "CPU s / iteration", "ratio"]
HEAD += ["s to implicit's loss", "ratio", "loss / implicit's", "peak MiB", "ratio", "recall@20", "load"]


def write(results: Path) -> None:
    """Write ``README.md`` beside the results."""
    files = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("*.json"))}
    tables = {name: content for name, content in files.items() if name.split("-")[0] in SETS}
    text = ["# ALS benchmark: results", "Made by `benchmarks/als/report.py` from the JSON files here."]
    text += _about(files)
    for data, title in SETS.items():
        sizes = sorted((content["factors"], content) for name, content in tables.items() if name.split("-")[0] == data)
        if sizes:
            text.append(f"## {title}")
        for factors, content in sizes:
            table = Table(content)
            text.append(f"### {factors} factors")
            text.append("\n".join(["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD), *table.rows()]))
            text += _notes(content, table.target)
    if "linear-64" in files:
        text += ["## From 1 to 100 million pairs", _linear(files["linear-64"]["runs"])]
    if "start" in files:
        text += ["## Start", _start(files["start"]["runs"])]
    if "dual" in files:
        text += ["## Dual or conjugate gradients", _dual(files["dual"])]
    if "tuned" in files:
        text += ["## Tuned against the defaults", *_tuned(files["tuned"])]
    (results / "README.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")


def _about(files: dict[str, Any]) -> list[str]:
    machine = next((content["machine"] for content in files.values() if "machine" in content), {})
    versions = {k: v for content in files.values() for k, v in content.get("versions", {}).items()}
    runs = [run for content in files.values() for run in content.get("runs", [])]
    text = [
        f"Machine: {machine.get('cpu')}, {machine.get('cores')} cores, {machine.get('memory')}, "
        f"{machine.get('system')}, Python {machine.get('python')}. Commit: "
        f"{', '.join(sorted({run['commit'] for run in runs}))} (+: with changes that were committed after). "
        f"Versions: {', '.join(sorted(set(versions.values())))}."
    ]
    missing = files.get("libraries", {}).get("missing", {})
    text += [f"{library}: {why}." for library, why in missing.items()]
    text.append(
        "All minimise the objective of `implicit` (alpha 10, regularization 1), Spark apart, whose penalty grows with "
        "a row's pairs. Ratios are to `implicit`'s conjugate gradients in the same round, medians over the rounds; "
        "rounds in which one side got far less of the processor than the other are left out of ratios of seconds. "
        "Seconds count everything but imports and compilation; *to implicit's loss*: until the loss that `implicit` "
        "has after 15 iterations, against the time it takes for them, where a library other than longtail counts with "
        "its whole run, if it gets there. CPU seconds are of all threads. *load*: processes that wanted to run as the "
        "runs began; where it is well above 0, others were at work and seconds say little, ratios more. Peak memory "
        "is the whole process, interpreter and data included."
    )
    return text


def _notes(content: dict[str, Any], target: float | None) -> list[str]:
    notes = [f"{key.split()[0]} ({key.split()[-1]} threads) failed: {why}" for key, why in content["failed"].items()]
    notes += _memory(content)
    checks = [run for run in content["runs"] if run["library"] == "longtail-until"]
    if checks and target:
        run = checks[0]
        share = run["loss"] / target
        notes.append(f"longtail stopped after {run['iterations']} iterations has {share:.4f} of `implicit`'s loss.")
    trace = next((run for run in content["runs"] if run["library"] == "implicit-trace"), None)
    ours = next((run for run in content["runs"] if run["library"] == "longtail"), None)
    if trace and ours:
        ratios = [a / b for a, b in zip(ours["losses"], trace["losses"], strict=False)]
        notes.append("Loss against `implicit`'s after each iteration: " + ", ".join(f"{r:.3f}" for r in ratios) + ".")
    return notes


def _memory(content: dict[str, Any]) -> list[str]:
    """What longtail took beyond the process it began in, beside the formula of docs/als.md."""
    run = next((run for run in content["runs"] if run["library"] == "longtail" and "ready_mib" in run), None)
    if run is None:
        return []
    (n, m), d = run["shape"], -(-content["factors"] // 16) * 16
    formula = 8 * run["pairs"] + 4 * d * (n + 2 * m) + 12 * (n + m) + 2**14 * run["threads"]
    grown = run["peak_mib"] - run["ready_mib"]
    return [f"Memory beyond the process with the matrix: {grown:.0f} MiB; the formula: {formula / 2**20:.0f} MiB."]


def _linear(runs: list[Run]) -> str:
    lines = ["| pairs | users | items | s / iteration | ns / pair | CPU ns / pair | peak MiB | load |"]
    lines.append("|" + " --- |" * 8)
    for run in sorted(runs, key=lambda run: run["pairs"]):
        each, busy = per_iteration(run) or 0.0, per_iteration(run, "busy_marks") or 0.0
        pairs = run["real_pairs"]
        lines.append(f"| {pairs:,} | {run['users']:,} | {run['items']:,} | {each:.2f} | {each / pairs * 1e9:.0f} "
                     f"| {busy / pairs * 1e9:.0f} | {run['peak_mib']:.0f} | {run['load_before']:.0f} |")  # fmt: skip
    return "\n".join(lines)


def _start(runs: list[Run]) -> str:
    lines = ["| process | runs | seconds beyond the imports | CPU seconds |", "| --- | --- | --- | --- |"]
    for kind, name in (("cold", "the first on a machine: compiles"), ("warm", "every later one: loads")):
        found = [run for run in runs if run["kind"] == kind]
        if found:
            wall, busy = (statistics.median(run[key] for run in found) for key in ("compile", "compile_busy"))
            lines.append(f"| {name} | {len(found)} | {wall:.2f} | {busy:.2f} |")
    return "\n".join(lines)


def _dual(content: dict[str, Any]) -> str:
    sizes = sorted({one["factors"] for one in content["lengths"]})
    times = {(one["factors"], one["length"]): one for one in content["lengths"]}
    lines = ["| pairs a row | " + " | ".join(f"{d} factors" for d in sizes) + " |", "|" + " --- |" * (len(sizes) + 1)]
    for length in sorted({one["length"] for one in content["lengths"]}):
        cells = [f"{times[d, length]['dual']:.2f} / {times[d, length]['gradients']:.2f}" for d in sizes]
        lines.append(f"| {length} | " + " | ".join(cells) + " |")
    about = (
        f"Microseconds a row, exact dual / two steps of gradients; up to {content['dual_below']} pairs take the dual."
    )
    return about + "\n\n" + "\n".join(lines)


def _tuned(content: dict[str, Any]) -> list[str]:
    """What tuning brings on test, the values it chose, and how much each of them matters on validation."""
    text = []
    for data, found in content.items():
        if not isinstance(found, dict) or "test" not in found:
            continue
        test, against = found["test"], "defaults"
        text.append(f"### {data}")
        lines = ["| settings | factors | unobserved_weight | regularization | NDCG@10 | difference to the defaults |"]
        lines.append("|" + " --- |" * 6)
        differences = {one["method"]: one for one in test["differences"] if one["against"] == against}
        for method, chosen in found["settings"].items():
            mean, change = test["estimates"][method], differences.get(method)
            interval = f"{change['mean']:+.4f} [{change['low']:+.4f}, {change['high']:+.4f}]" if change else ""
            lines.append(
                f"| {method} | {chosen['factors']} | {chosen['unobserved_weight']:.3g} | "
                f"{chosen['regularization']:.2g} | {mean['mean']:.4f} [{mean['low']:.4f}, {mean['high']:.4f}] | "
                f"{interval} |"
            )
        text.append("\n".join(lines))
        pairs = found["pairs"]
        text.append(
            f"{test['n_users']:,} users with test pairs; {pairs['train']:,} training, {pairs['validation']:,} "
            f"validation and {pairs['test']:,} test pairs; {len(found['trials'])} trials on validation; fitted on "
            "training and validation pairs; 95% paired bootstrap intervals over users. NDCG@10 on "
            "validation, one of the tuned settings changed:"
        )
        for setting in dict.fromkeys(one["setting"] for one in found["sensitivity"]):
            points = [one for one in found["sensitivity"] if one["setting"] == setting]
            times = "" if setting in ("factors", "iterations") else "×"
            values = ", ".join(f"{times}{one['value']:g}: {one['ndcg']:.4f}" for one in points)
            text.append(f"- `{setting}`: {values}")
    return text


def _median(runs: list[Run], number: Any) -> float | None:
    found = [value for value in map(number, runs) if value is not None]
    return statistics.median(found) if found else None


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


if __name__ == "__main__":
    write(HERE / "results")
