"""Fit one library once, in the environment of that library, and write what came of it.

    python worker.py LIBRARY JOB.json      (called by run.py)

The job says which matrix, how many factors, threads and iterations; the factors go to ``.npy`` files and the
measurements to standard output as JSON. Only numpy, scipy and the library itself are needed here.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
import time

import numpy as np
import scipy.sparse as sp


def fit_longtail(matrix, job):
    from longtail.cf.als import AlsSettings, fit_als
    from longtail.cf.solver import warm_up

    start = time.perf_counter()
    warm_up(background=False)
    compiled = time.perf_counter() - start
    s = AlsSettings(
        factors=job["factors"], regularization=job["regularization"], frequency_scaling=0.0, alpha=job["alpha"],
        objective="hu", iterations=job["iterations"],
    )  # fmt: skip
    marks = []
    start = time.perf_counter()

    class Marks:
        def task(self, *_):
            return contextlib.nullcontext(self)

        def say(self, text):
            pass

        def advance(self, steps=1):
            marks.append(time.perf_counter() - start)

        def note(self, text):
            pass

    fit = fit_als(matrix, s, threads=job["threads"], progress=Marks())
    return fit.user_factors, fit.item_factors, {"compile": compiled, "marks": marks, "losses": list(fit.losses)}


def fit_implicit(matrix, job, use_cg=True):
    import threadpoolctl

    threadpoolctl.threadpool_limits(1, "blas")  # as the library asks for
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors=job["factors"], regularization=job["regularization"], alpha=job["alpha"], use_cg=use_cg,
        iterations=job["iterations"], num_threads=job["threads"], random_state=0,
    )  # fmt: skip
    model.fit(matrix, show_progress=False)
    return model.user_factors, model.item_factors, {}


def fit_irspack(matrix, job, solver="CG"):
    from irspack import IALSRecommender

    # Its "original" loss with alpha0 = 1 / alpha is the same objective, divided by alpha.
    model = IALSRecommender(
        sp.csr_matrix(matrix), n_components=job["factors"], alpha0=1 / job["alpha"], nu=0.0, solver_type=solver,
        reg=job["regularization"] / job["alpha"], n_threads=job["threads"], train_epochs=job["iterations"],
    )  # fmt: skip
    model.learn()
    return model.get_user_embedding(), model.get_item_embedding(), {}


def fit_cmfrec(matrix, job):
    from cmfrec import CMF_implicit

    model = CMF_implicit(
        k=job["factors"], lambda_=job["regularization"], alpha=job["alpha"], niter=job["iterations"], use_cg=True,
        use_float=True, nthreads=job["threads"], finalize_chol=False, precompute_for_predictions=False, verbose=False,
    )  # fmt: skip
    model.fit(sp.coo_matrix(matrix))
    return model.A_, model.B_, {}


def fit_lenskit(matrix, job):
    import pandas as pd
    import torch
    from lenskit.als import ImplicitMFScorer
    from lenskit.data import from_interactions_df

    torch.set_num_threads(job["threads"])
    pairs = sp.coo_matrix(matrix)
    frame = pd.DataFrame({"user_id": pairs.row, "item_id": pairs.col, "rating": pairs.data})
    model = ImplicitMFScorer(
        embedding_size=job["factors"], epochs=job["iterations"], regularization=job["regularization"],
        weight=job["alpha"], use_ratings=True,
    )  # fmt: skip
    data = from_interactions_df(frame)
    model.train(data)
    U = np.zeros((matrix.shape[0], job["factors"]), np.float32)
    V = np.zeros((matrix.shape[1], job["factors"]), np.float32)
    U[np.asarray(data.users.ids())] = np.asarray(model.user_embeddings)
    V[np.asarray(data.items.ids())] = np.asarray(model.item_embeddings)
    return U, V, {}


def fit_spark(matrix, job):
    from pyspark.ml.recommendation import ALS
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master(f"local[{job['threads']}]")
        .config("spark.driver.memory", "8g").config("spark.ui.enabled", "false").getOrCreate()
    )  # fmt: skip
    pairs = sp.coo_matrix(matrix)
    import pandas as pd

    frame = spark.createDataFrame(pd.DataFrame({"user": pairs.row, "item": pairs.col, "rating": pairs.data}))
    model = ALS(
        rank=job["factors"], maxIter=job["iterations"], regParam=job["regularization"], alpha=job["alpha"],
        implicitPrefs=True, seed=0,
    ).fit(frame.repartition(job["threads"]).cache())  # fmt: skip
    out = []
    for factors, size in ((model.userFactors, matrix.shape[0]), (model.itemFactors, matrix.shape[1])):
        table = factors.toPandas()
        dense = np.zeros((size, job["factors"]), np.float32)
        dense[table["id"].to_numpy()] = np.stack(table["features"].to_numpy())
        out.append(dense)
    return out[0], out[1], {}


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
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    U, V, extra = FIT[library](matrix, job)
    seconds = time.perf_counter() - start - extra.get("compile", 0.0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    np.save(job["out"] + "-users.npy", np.asarray(U, np.float32))
    np.save(job["out"] + "-items.npy", np.asarray(V, np.float32))
    print(json.dumps({"seconds": seconds, "peak_mib": peak / 1024, "before_mib": before / 1024, **extra}))


if __name__ == "__main__":
    main()
