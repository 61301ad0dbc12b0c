"""longtail's ALS against every other one a Python user can install.

    python benchmarks/als/run.py --work DIR [--data a,b,c] [--factors 64,128,256] [--threads 2,1] [--linear 100000000]

Every library gets its own environment under ``--work``; one that does not install is reported as such. Runs of
the libraries alternate. All minimise the objective of `implicit` (observed pairs weigh alpha x count, all others 1);
loss and recall are computed here, in float64, by the same code for all. Every run is written to ``results/`` as soon
as it is done, and an interrupted benchmark goes on where it was; ``report.py`` makes the tables.

Run it with a Python that has ``longtail[demo]``: data set b is read by longtail's own data layer.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from datasets import GROWING, growing, matrices
from environments import PACKAGES, commit, environment, machine, version
from measure import hu_loss, recall_at
from results import Results

import report

HERE = Path(__file__).parent
ALPHA, REGULARIZATION, ITERATIONS = 10.0, 1.0, 15
#: A run that takes longer than this is given up and reported.
PATIENCE = 1500


def run_once(library: str, python: Path, out: Path, cache: str = "", **job: Any) -> dict[str, Any]:
    """One fit in a process of its own; ``{"failed": why}`` where it did not end well."""
    job |= {"out": str(out), "alpha": ALPHA, "regularization": REGULARIZATION}
    path = out.with_name(f"{out.name}-job.json")
    path.write_text(json.dumps(job), encoding="utf-8")
    environ = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    environ |= {
        name: str(job["threads"])
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "LK_NUM_THREADS")
    }
    if library.startswith("implicit"):  # it asks for this, and is many times slower without
        environ["OPENBLAS_NUM_THREADS"] = "1"
    environ |= {"PYSPARK_PYTHON": str(python)} | ({"NUMBA_CACHE_DIR": cache} if cache else {})
    command = [str(python), "-W", "ignore", str(HERE / "worker.py"), library, str(path)]
    load = os.getloadavg()[0]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environ, timeout=PATIENCE
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {PATIENCE} s"}
    if done.returncode:
        said = done.stderr.strip().splitlines()
        return {"failed": (said[-1] if said else f"ended with {done.returncode}: out of memory?")[:300]}
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    when = datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes")
    return result | {"load_before": round(load, 1), "when": when, "commit": commit()}


def measure(
    data: str, factors: int, threads: int, libraries: dict[str, Path], repeats: int, iterations: int, args: Any
) -> None:
    """Alternating runs of all libraries; what is there already is not measured again."""
    train, test = matrices(data, args.work)
    results = Results(args.results / f"{data}-{factors}.json", {"data": data, "factors": factors, "machine": machine()})
    matrix, held = None, None
    for repeat in range(repeats):
        for library in sorted(libraries, reverse=bool(repeat % 2)):
            key = {"library": library, "threads": threads, "repeat": repeat}
            if results.has(**key) or f"{library} {threads}" in results.content["failed"]:
                continue
            python, out = libraries[library], args.work / f"out-{library}"
            common = {"matrix": str(train), "factors": factors, "threads": threads}
            run = run_once(library, python, out, iterations=iterations, **common)
            if "failed" not in run and "marks" not in run:  # no look inside: one iteration alone, and the difference
                short = run_once(library, python, args.work / f"short-{library}", iterations=1, **common)
                run |= (
                    {"failed": short["failed"]}
                    if "failed" in short
                    else {"one": short["seconds"], "one_busy": short.get("busy")}
                )
            if "failed" in run:
                print(f"{data} {factors} {library}: {run['failed']}", flush=True)
                results.content["failed"][f"{library} {threads}"] = run["failed"]
                results.save()
                continue
            print(f"{data} {factors} {threads} threads, {library}: {run['seconds']:.2f} s", flush=True)
            results.content["runs"].append(key | {"iterations": iterations} | run)
            results.content["versions"][library] = version(library, python)
            results.save()
            wanted = data != "c" or args.evaluate_large
            if (
                wanted and f"{library} {iterations}" not in results.content["evaluated"]
            ):  # factors do not depend on the threads
                if matrix is None:
                    matrix, held = sp.load_npz(train), sp.load_npz(test)
                evaluate(results, f"{library} {iterations}", out, matrix, held)
    if "implicit-cg" in libraries and args.trace and not results.has(library="implicit-trace"):
        run = run_once("implicit-cg", libraries["implicit-cg"], args.work / "out-trace", matrix=str(train),
                       factors=factors, threads=threads, iterations=ITERATIONS, trace=True)  # fmt: skip
        if "failed" not in run:
            results.content["runs"].append({"library": "implicit-trace", "iterations": ITERATIONS} | run)
            results.save()
    if "longtail" in libraries:
        verify(results, libraries["longtail"], train, factors, threads, args)


def evaluate(results: Results, key: str, out: Path, matrix: Any, held: Any) -> None:
    """Loss and recall of the factors a run left."""
    U, V = (np.load(f"{out}-{side}.npy") for side in ("users", "items"))
    recall = recall_at(20, matrix, held, U, V)
    results.content["evaluated"][key] = {"loss": hu_loss(matrix, U, V, ALPHA, REGULARIZATION), "recall": recall}
    results.save()


def verify(results: Results, python: Path, train: Path, factors: int, threads: int, args: Any) -> None:
    """A run of longtail that stops where its own trace says `implicit`'s loss is reached, and what it has reached."""
    target = results.content["evaluated"].get(f"implicit-cg {ITERATIONS}")
    runs = [run for run in results.content["runs"] if run["library"] == "longtail" and run["iterations"] == ITERATIONS]
    if target is None or not runs or results.has(library="longtail-until", threads=threads):
        return
    sweeps = next((i + 1 for i, loss in enumerate(runs[0]["losses"]) if loss <= target["loss"]), None)
    if sweeps is None:
        return
    out = args.work / "out-until"
    run = run_once("longtail", python, out, matrix=str(train), factors=factors, threads=threads, iterations=sweeps)
    if "failed" not in run:
        U, V = (np.load(f"{out}-{side}.npy") for side in ("users", "items"))
        run["loss"] = hu_loss(sp.load_npz(train), U, V, ALPHA, REGULARIZATION)
        key = {"library": "longtail-until", "threads": threads, "repeat": 0, "iterations": sweeps}
        results.content["runs"].append(key | run)
        results.save()


def linearity(python: Path, args: Any) -> None:
    """Seconds an iteration of longtail from one to a hundred million pairs of shops that grow in all directions."""
    results = Results(args.results / "linear-64.json", {"factors": 64, "machine": machine()})
    for pairs in [*GROWING, 100_000_000]:
        if pairs > args.linear or results.has(library="longtail", pairs=pairs):
            continue
        path = matrices("c", args.work)[0] if pairs == 100_000_000 else growing(pairs, args.work)
        run = run_once("longtail", python, args.work / "out-linear", matrix=str(path), factors=64, threads=2,
                       iterations=4)  # fmt: skip
        print(f"{pairs:,} pairs: {run.get('failed') or run['marks']}", flush=True)
        if "failed" not in run:
            shape = sp.load_npz(path)
            size = {"users": shape.shape[0], "items": shape.shape[1], "real_pairs": int(shape.nnz)}
            key = {"library": "longtail", "pairs": pairs, "threads": 2, "iterations": 4}
            results.content["runs"].append(key | size | run)
            results.save()


def starts(python: Path, args: Any) -> None:
    """What compilation costs: the first process on a machine, and every later one."""
    results = Results(args.results / "start.json", {"machine": machine()})
    if results.content["runs"]:
        return
    common = {"matrix": str(matrices("tiny", args.work)[0]), "factors": 8, "threads": 1, "iterations": 1}
    with tempfile.TemporaryDirectory() as empty:
        for repeat, kind in enumerate(("cold", *["warm"] * 5)):
            run = run_once("longtail", python, args.work / "out-start", cache=empty, **common)
            if "failed" not in run:
                results.content["runs"].append({"kind": kind, "repeat": repeat} | run)
    results.content["versions"]["longtail"] = version("longtail", python)
    results.save()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a directory for environments and data; kept")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="where to write the measurements")
    parser.add_argument("--data", default="a", help="of tiny, a, b, c; empty for none")
    parser.add_argument("--factors", default="64,128,256")
    parser.add_argument("--threads", default="2,1")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="fewer for the slow; the table says so")
    parser.add_argument("--libraries", default=",".join(PACKAGES))
    parser.add_argument("--evaluate-large", action="store_true", help="loss and recall on c too: minutes each")
    parser.add_argument("--trace", action="store_true", help="also `implicit`'s loss after each iteration")
    parser.add_argument("--linear", type=int, default=0, metavar="PAIRS", help="also the curve, up to so many pairs")
    parser.add_argument("--starts", action="store_true", help="also the cost of compilation")
    parser.add_argument("--here", action="store_true", help="use this Python for all libraries, make no environments")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    libraries: dict[str, Path] = {}
    missing: dict[str, str] = {}
    for name in args.libraries.split(","):
        python, why = (Path(sys.executable), "") if args.here else environment(name, args.work)
        if python is None:
            missing[name] = why
            print(f"{name}: {why}", flush=True)
        else:
            libraries[name] = python
    if not args.here:
        about = Results(args.results / "libraries.json", {})
        known = {k: v for k, v in about.content.get("missing", {}).items() if k not in libraries}
        about.content = {"missing": known | missing}
        about.save()
    if args.starts:
        starts(libraries["longtail"], args)
    for data in filter(None, args.data.split(",")):
        for factors in map(int, args.factors.split(",")):
            for threads in map(int, args.threads.split(",")):
                measure(data, factors, threads, libraries, args.repeats, args.iterations, args)
    if args.linear:
        linearity(libraries["longtail"], args)
    report.write(args.results)


if __name__ == "__main__":
    main()
