"""longtail's ALS against every other one a Python user can install: one run, one table.

    python benchmarks/als/run.py --work DIR [--data a,c] [--factors 64,128,256] [--threads 1,2] [--linear]

Every library gets its own environment under ``--work``; one that does not install is reported as such. Runs of
the libraries alternate, medians are shown. All minimise the objective of `implicit` (observed pairs weigh alpha x
count, all others 1); loss and recall are computed here, in float64, by the same code for all.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from measure import hu_loss, recall_at
from shop import generate

HERE = Path(__file__).parent
PACKAGES = {
    "longtail": [str(HERE.parents[1])],
    "implicit-cg": ["implicit==0.7.3"],
    "implicit-cholesky": ["implicit==0.7.3"],
    "irspack-cg": ["irspack"],
    "irspack-ials++": ["irspack"],
    "cmfrec-cg": ["cmfrec"],
    "lenskit": ["lenskit", "pandas"],
    "spark": ["pyspark", "pandas"],
}
SHOPS = {  # users, items, pairs
    "tiny": (600, 300, 12_000),
    "a": (60_000, 20_000, 5_000_000),
    "c": (1_000_000, 300_000, 100_000_000),
}
LINEAR = [1_000_000, 3_000_000, 10_000_000, 30_000_000, 100_000_000]
ALPHA, REGULARIZATION, ITERATIONS = 10.0, 1.0, 15


def environment(library: str, work: Path) -> Path | None:
    """The Python of a library's own environment, made on first use; None (and a line) where it does not install."""
    packages = PACKAGES[library]
    home = work / "envs" / library.split("-")[0]
    python = home / "bin" / "python"
    if not (home / "installed").exists():
        venv.create(home, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "numpy", "scipy", "threadpoolctl", *packages]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{library}: does not install here: {done.stderr.strip().splitlines()[-1:]}")
            return None
        (home / "installed").touch()
    return python


def matrices(name: str, work: Path, complete_journey: Path | None) -> tuple[Path, Path]:
    """Training pairs and held-out pairs (one in ten of the users with five or more), as files, made on first use."""
    train, test = work / f"{name}-train.npz", work / f"{name}-test.npz"
    if train.exists():
        return train, test
    if name == "b":
        if complete_journey is None:
            raise SystemExit("Data set b needs --complete-journey, a .npz of households x products.")
        whole = sp.csr_array(sp.load_npz(complete_journey), dtype=np.float32)
    else:
        whole = generate(*SHOPS[name])
    rng = np.random.default_rng(1)
    pairs = whole.tocoo()
    held = (rng.random(pairs.nnz) < 0.1) & (np.diff(whole.indptr)[pairs.row] >= 5)
    for path, part in ((test, held), (train, ~held)):
        sp.save_npz(path, sp.csr_matrix((pairs.data[part], (pairs.row[part], pairs.col[part])), shape=whole.shape))
    return train, test


def run_once(library: str, python: Path, work: Path, **job: Any) -> dict[str, Any] | None:
    """One fit in a process of its own."""
    job["out"] = str(work / f"out-{library}")
    path = work / "job.json"
    path.write_text(json.dumps(job))
    limits = {name: str(job["threads"]) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    clean = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    done = subprocess.run(
        [str(python), "-W", "ignore", str(HERE / "worker.py"), library, str(path)],
        capture_output=True, text=True, check=False, env=clean | limits,
    )  # fmt: skip
    if done.returncode:
        print(f"{library}: failed: {done.stderr.strip().splitlines()[-1:]}")
        return None
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def measure(
    libraries: dict[str, Path], train: Path, test: Path, factors: int, threads: int, repeats: int, work: Path
) -> list[dict[str, Any]]:
    """A row of the table for every library: alternating runs of 1 and 15 iterations, medians."""
    runs: dict[str, list[dict[str, Any]]] = {library: [] for library in libraries}
    common = {"matrix": str(train), "factors": factors, "threads": threads, "alpha": ALPHA,
              "regularization": REGULARIZATION}  # fmt: skip
    for repeat in range(repeats):
        for library in sorted(libraries, reverse=bool(repeat % 2)):
            short = run_once(library, libraries[library], work, iterations=1, **common)
            full = run_once(library, libraries[library], work, iterations=ITERATIONS, **common)
            if short and full:
                each = (full["seconds"] - short["seconds"]) / (ITERATIONS - 1)
                runs[library].append(full | {"iteration": each, "cold": short.get("compile", 0.0)})
    matrix, held = sp.load_npz(train), sp.load_npz(test)
    rows = []
    for library, found in runs.items():
        if not found:
            continue
        U, V = (np.load(work / f"out-{library}-{side}.npy") for side in ("users", "items"))
        row = {
            key: statistics.median(run[key] for run in found) for key in ("iteration", "seconds", "peak_mib", "cold")
        }
        row |= {"library": library, "factors": factors, "threads": threads}
        row |= {"loss": hu_loss(matrix, U, V, ALPHA, REGULARIZATION), "recall": recall_at(20, matrix, held, U, V)}
        row["marks"], row["losses"] = found[-1].get("marks"), found[-1].get("losses")
        rows.append(row)
    return rows


def until(row: dict[str, Any], target: float) -> float | None:
    """Seconds until a loss is reached: read from the trace where there is one, else the whole run if it got there."""
    if row["losses"]:
        return next((mark for mark, loss in zip(row["marks"], row["losses"], strict=True) if loss <= target), None)
    return row["seconds"] if row["loss"] <= target else None


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown, with ratios to implicit's conjugate gradients."""
    head = "| library | factors | threads | s / iteration | ratio | s to implicit's loss | ratio | loss / implicit "
    lines = [head + "| peak MiB | recall@20 | compile s |", "|" + " --- |" * 11]
    for row in rows:
        peers = [r for r in rows if r["library"] == "implicit-cg"]
        same = [r for r in peers if (r["factors"], r["threads"]) == (row["factors"], row["threads"])]
        base = same[0] if same else row
        reached = until(row, base["loss"] * (1 + 1e-9))
        share = "-" if reached is None else f"{reached / base['seconds']:.2f}"
        lines.append(
            f"| {row['library']} | {row['factors']} | {row['threads']} | {row['iteration']:.3f} "
            f"| {row['iteration'] / base['iteration']:.2f} | {'-' if reached is None else f'{reached:.2f}'} "
            f"| {share} | {row['loss'] / base['loss']:.4f} | {row['peak_mib']:.0f} | {row['recall']:.4f} "
            f"| {row['cold']:.2f} |"
        )
    return "\n".join(lines)


def linearity(python: Path, work: Path, factors: int, threads: int) -> str:
    """Seconds an iteration of longtail from one to a hundred million pairs of shops that grow in all directions."""
    lines = ["| pairs | users | items | s / iteration | ns / pair | peak MiB |", "|" + " --- |" * 6]
    for pairs in LINEAR:
        users, items = pairs // 100, max(3_000, pairs // 330)
        path = work / f"linear-{pairs}.npz"
        if not path.exists():
            sp.save_npz(path, sp.csr_matrix(generate(users, items, pairs)))
        job = {"matrix": str(path), "factors": factors, "threads": threads, "alpha": ALPHA,
               "regularization": REGULARIZATION}  # fmt: skip
        short = run_once("longtail", python, work, iterations=1, **job)
        full = run_once("longtail", python, work, iterations=4, **job)
        if short and full:
            each = (full["seconds"] - short["seconds"]) / 3
            lines.append(f"| {pairs:,} | {users:,} | {items:,} | {each:.2f} | {each / pairs * 1e9:.0f} "
                         f"| {full['peak_mib']:.0f} |")  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a directory for environments and data; kept")
    parser.add_argument("--data", default="a", help="of tiny, a, b, c")
    parser.add_argument("--complete-journey", type=Path, help="a .npz of households x products, for b")
    parser.add_argument("--factors", default="64,128,256")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--libraries", default=",".join(PACKAGES))
    parser.add_argument("--linear", action="store_true", help="also the curve from 1 to 100 million pairs")
    parser.add_argument("--here", action="store_true", help="use this Python for all libraries, make no environments")
    parser.add_argument("--output", type=Path, help="also write the tables here (Markdown)")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    wanted = args.libraries.split(",")
    pythons = {name: Path(sys.executable) if args.here else environment(name, args.work) for name in wanted}
    libraries = {name: python for name, python in pythons.items() if python is not None}
    revision = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(revision, capture_output=True, text=True, check=False, cwd=HERE).stdout.strip()
    machine = platform.processor() or platform.machine()
    text = [f"{machine}, {os.cpu_count()} cores, Python {platform.python_version()}, "
            f"commit {commit}"]  # fmt: skip
    for name in args.data.split(","):
        train, test = matrices(name, args.work, args.complete_journey)
        usable = {k: v for k, v in libraries.items() if name != "c" or k in ("longtail", "implicit-cg")}
        rows: list[dict[str, Any]] = []
        for factors in map(int, args.factors.split(",")):
            for threads in map(int, args.threads.split(",")):
                rows += measure(usable, train, test, factors, threads, args.repeats, args.work)
                print(table(rows), flush=True)
        text.append(f"## {name}\n\n{table(rows)}")
    if args.linear:
        threads = max(map(int, args.threads.split(",")))
        text.append(f"## Linearity\n\n{linearity(libraries['longtail'], args.work, 64, threads)}")
    print("\n\n".join(text))
    if args.output:
        args.output.write_text("\n\n".join(text) + "\n")


if __name__ == "__main__":
    main()
