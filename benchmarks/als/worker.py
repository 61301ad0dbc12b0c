"""Fit one library once, in the environment of that library, and write what came of it.

    python worker.py LIBRARY JOB.json      (called by run.py)

The job says which matrix, how many factors, threads and iterations; the factors go to ``.npy`` files and the
measurements to standard output as JSON. Only numpy, scipy and the library itself are needed here.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp


def above_one(matrix, job):
    """The x of libraries whose confidence is ``1 + alpha x``; ours is ``alpha count``."""
    pairs = sp.coo_matrix(matrix)
    pairs.data = pairs.data - np.float32(1 / job["alpha"])
    return pairs


def peak_mib(process="self"):
    """The most memory a process ever held. (ru_maxrss would count what the parent held when it started this one.)"""
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


class Clock:
    """Wall and processor seconds since the library was imported and ready; a mark after every iteration.

    Processor seconds of all threads: what a run costs whoever else uses the machine.
    """

    def __init__(self):
        self.start = time.perf_counter(), time.process_time()
        self.marks, self.busy = [], []

    def mark(self, *_):
        self.marks.append(time.perf_counter() - self.start[0])
        self.busy.append(time.process_time() - self.start[1])

    def found(self):
        """All of it, as measured up to now."""
        seconds, busy = time.perf_counter() - self.start[0], time.process_time() - self.start[1]
        traces = {"marks": self.marks, "busy_marks": self.busy} if self.marks else {}
        return {"seconds": seconds, "busy": busy} | traces


def fit_longtail(matrix, job):
    from numba.core.registry import cpu_target

    from longtail.cf.als import AlsSettings, fit_als
    from longtail.cf.solver import warm_up

    cpu_target.target_context.refresh()  # numba imports most of itself, and scipy.linalg, the first time it is used
    start = time.perf_counter(), time.process_time()
    warm_up(background=False)
    compiled = time.perf_counter() - start[0]
    compiled_busy = time.process_time() - start[1]
    ready = peak_mib()
    s = AlsSettings(
        factors=job["factors"], regularization=job["regularization"], frequency_scaling=0.0, alpha=job["alpha"],
        objective="hu", iterations=job["iterations"],
    )  # fmt: skip
    clock = Clock()

    class Marks:
        def task(self, *_):
            return contextlib.nullcontext(self)

        def advance(self, steps=1):
            clock.mark()

        def say(self, text):
            pass

        note = say

    fit = fit_als(matrix, s, threads=job["threads"], progress=Marks())
    return fit.user_factors, fit.item_factors, clock.found() | {
        "compile": compiled, "compile_busy": compiled_busy, "losses": list(fit.losses), "ready_mib": ready
    }  # fmt: skip


def fit_implicit(matrix, job, use_cg=True):
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors=job["factors"], regularization=job["regularization"], alpha=job["alpha"], use_cg=use_cg,
        iterations=job["iterations"], num_threads=job["threads"], random_state=0,
    )  # fmt: skip
    clock = Clock()
    if not job.get("trace"):
        model.fit(matrix, show_progress=False, callback=clock.mark)
        return model.user_factors, model.item_factors, clock.found()
    from measure import hu_loss  # its loss after each iteration, for a run that nobody times

    losses = []

    def loss(*_):
        factors = model.user_factors, model.item_factors
        losses.append(hu_loss(matrix, *factors, job["alpha"], job["regularization"]))

    model.fit(matrix, show_progress=False, callback=loss)
    return model.user_factors, model.item_factors, {"losses": losses}


def fit_irspack(matrix, job, solver="CG"):
    from irspack import IALSRecommender

    # Its "original" loss weighs an observed pair alpha0 + x and all others alpha0. With alpha0 = 1 / alpha and
    # x = count - 1 / alpha that is the same objective, divided by alpha.
    clock = Clock()
    model = IALSRecommender(
        above_one(matrix, job).tocsr(), n_components=job["factors"], alpha0=1 / job["alpha"], nu=0.0,
        solver_type=solver, reg=job["regularization"] / job["alpha"], n_threads=job["threads"],
        train_epochs=job["iterations"], loss_type="ORIGINAL",
    )  # fmt: skip
    model.start_learning()
    for _ in range(job["iterations"]):
        model.run_epoch()
        clock.mark()
    found = clock.found()
    return model.get_user_embedding(), model.get_item_embedding(), found


def fit_cmfrec(matrix, job):
    from cmfrec import CMF_implicit

    model = CMF_implicit(
        k=job["factors"], lambda_=job["regularization"], alpha=job["alpha"], niter=job["iterations"], use_cg=True,
        use_float=True, nthreads=job["threads"], finalize_chol=False, precompute_for_predictions=False, verbose=False,
    )  # fmt: skip
    clock = Clock()
    model.fit(above_one(matrix, job))
    return model.A_, model.B_, clock.found()


def fit_lenskit(matrix, job):
    import pandas as pd
    import torch
    from lenskit.als import ImplicitMFScorer
    from lenskit.data import from_interactions_df

    torch.set_num_threads(job["threads"])
    clock = Clock()
    pairs = above_one(matrix, job)
    frame = pd.DataFrame({"user_id": pairs.row, "item_id": pairs.col, "rating": pairs.data})
    model = ImplicitMFScorer(
        embedding_size=job["factors"], epochs=job["iterations"], regularization=job["regularization"],
        weight=job["alpha"], use_ratings=True,
    )  # fmt: skip
    data = from_interactions_df(frame)
    model.train(data)
    found = clock.found()
    U = np.zeros((matrix.shape[0], job["factors"]), np.float32)
    V = np.zeros((matrix.shape[1], job["factors"]), np.float32)
    U[np.asarray(data.users.ids())] = np.asarray(model.user_embeddings)
    V[np.asarray(data.items.ids())] = np.asarray(model.item_embeddings)
    return U, V, found


def fit_spark(matrix, job):
    import pandas as pd
    from pyspark.ml.recommendation import ALS
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master(f"local[{job['threads']}]")
        .config("spark.driver.memory", "8g").config("spark.ui.enabled", "false")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .config("spark.sql.shuffle.partitions", str(2 * job["threads"])).getOrCreate()
    )  # fmt: skip
    spark.sparkContext.setLogLevel("ERROR")
    pairs = above_one(matrix, job)
    frame = spark.createDataFrame(
        pd.DataFrame({"user": pairs.row, "item": pairs.col, "rating": pairs.data})
    ).repartition(2 * job["threads"]).cache()  # fmt: skip
    frame.count()
    # Spark multiplies the penalty with the number of pairs of a row, so it minimises another loss; on average the same.
    each = job["regularization"] * sum(matrix.shape) / (2 * matrix.nnz)
    clock = Clock()
    model = ALS(
        rank=job["factors"], maxIter=job["iterations"], regParam=each, alpha=job["alpha"], implicitPrefs=True, seed=0,
        numUserBlocks=2 * job["threads"], numItemBlocks=2 * job["threads"],
    ).fit(frame)  # fmt: skip
    model.itemFactors.count()
    found = clock.found()
    del found["busy"]  # all work is done by another process
    out = []
    for factors, size in ((model.userFactors, matrix.shape[0]), (model.itemFactors, matrix.shape[1])):
        table = factors.toPandas()
        dense = np.zeros((size, job["factors"]), np.float32)
        dense[table["id"].to_numpy()] = np.stack(table["features"].to_numpy())
        out.append(dense)
    return out[0], out[1], found | {"java": peak_mib(spark.sparkContext._gateway.proc.pid)}


FIT = {
    "longtail": fit_longtail,
    "implicit-cg": fit_implicit,
    "implicit-cholesky": lambda matrix, job: fit_implicit(matrix, job, use_cg=False),
    "irspack-cg": fit_irspack,
    "irspack-ials++": lambda matrix, job: fit_irspack(matrix, job, "IALSPP"),
    "cmfrec-cg": fit_cmfrec,
    "lenskit": fit_lenskit,
    "spark": fit_spark,
}


def main() -> None:
    library, job_path = sys.argv[1:]
    with open(job_path, encoding="utf-8") as file:
        job = json.load(file)
    matrix = sp.csr_matrix(sp.load_npz(job["matrix"]))
    before = peak_mib()
    U, V, found = FIT[library](matrix, job)
    peak = peak_mib() + found.pop("java", 0.0)
    np.save(job["out"] + "-users.npy", np.asarray(U, np.float32))
    np.save(job["out"] + "-items.npy", np.asarray(V, np.float32))
    print(json.dumps(found | {"peak_mib": peak, "before_mib": before, "pairs": matrix.nnz, "shape": matrix.shape}))


if __name__ == "__main__":
    main()
