"""At what row length the exact dual costs more than two steps of conjugate gradients: the number behind DUAL_BELOW.

    python benchmarks/als/dual.py [--rows 20000]

One thread, rows of one length each against 20,000 fixed rows; both solvers take turns, the median of five counts.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from environments import commit, machine
from results import Results

from longtail.cf.solver import RotatedStep, warm_up
from longtail.cf.solver.step import DUAL_BELOW, width_for

HERE = Path(__file__).parent
LENGTHS = [2, 4, 6, 8, 10, 12, 16, 20, 24, 32]


def microseconds(rows: int, length: int, d: int, dual_below: int, seed: int) -> float:
    """Time a row takes in the half-step, all else included."""
    rng = np.random.default_rng(seed)
    fixed = (rng.standard_normal((20_000, width_for(d))) * 0.1).astype(np.float32)
    indices = rng.integers(0, len(fixed), rows * length).astype(np.int32)
    weights = np.ones(rows * length, np.float32)
    x = np.zeros((rows, width_for(d)), np.float32)
    start = time.perf_counter()
    RotatedStep(
        np.arange(rows + 1) * length, indices, weights, weights, fixed, x, d, unobserved_weight=0.1, regularization=1.0,
        quadratic_offset=0.0, fixed_exposure=None, row_exposure=None, prior=None, prior_precision=None, solver="auto",
        cg_steps=2, tolerance=0.0, dual_below=dual_below, threads=1, name_row=str, name_fixed=str,
    )  # fmt: skip
    return (time.perf_counter() - start) / rows * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--results", type=Path, default=HERE / "results", help="where to write the measurements")
    args = parser.parse_args()
    warm_up(background=False)
    results = Results(args.results / "dual.json", {"machine": machine(), "commit": commit(), "dual_below": DUAL_BELOW})
    results.content["lengths"] = []
    for d in (64, 128, 256):
        for length in LENGTHS:
            times = [
                (microseconds(args.rows, length, d, length, seed), microseconds(args.rows, length, d, 0, seed))
                for seed in range(5)
            ]
            dual, gradients = (statistics.median(column) for column in zip(*times, strict=True))
            results.content["lengths"].append({"factors": d, "length": length, "dual": dual, "gradients": gradients})
            print(f"{d} factors, {length} pairs: dual {dual:.2f} µs, gradients {gradients:.2f} µs", flush=True)
    results.save()
    import report

    report.write(args.results)


if __name__ == "__main__":
    main()
