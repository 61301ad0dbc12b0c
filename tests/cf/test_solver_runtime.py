"""Compilation, caching, threads: what surrounds the numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
import scipy.sparse as sp

from longtail.cf.als import AlsSettings, fit_als
from longtail.cf.blocks import gram, padded, rotate, spread
from longtail.cf.solver import compile, warm_up
from longtail.cf.solver.step import portions


def matrix(seed=0):
    return sp.random(300, 200, 0.05, format="csr", random_state=seed, dtype=np.float32)


def test_fits_may_run_at_once_in_many_threads():
    s = AlsSettings(factors=8, iterations=3)
    expected = [fit_als(matrix(seed), s, threads=1).item_factors for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda seed: fit_als(matrix(seed), s, threads=2).item_factors, range(6)))
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_warm_up_returns_at_once_and_runs_once():
    first = warm_up()
    assert first is warm_up()
    warm_up(background=False)
    assert not first.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_can_solve():
    fit_als(matrix(), AlsSettings(factors=4, iterations=1), threads=2)
    pid = os.fork()
    if pid == 0:
        try:
            fit_als(matrix(), AlsSettings(factors=4, iterations=1), threads=2)
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_nowhere_to_write_a_cache_still_compiles(monkeypatch, tmp_path):
    """Numba refuses `cache=True` when it finds no directory it may write; a temporary one is used, or none at all."""
    njit = numba.njit

    def read_only(function, **options):
        if options.get("cache") and not numba.config.CACHE_DIR:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(function, **options)

    monkeypatch.setattr(numba, "njit", read_only)
    monkeypatch.setattr(compile, "_temporary_cache", lambda: tmp_path / "cache")

    def one_more(x):
        return x + 1

    assert compile.compiled(one_more)(1) == 2
    assert list((tmp_path / "cache").rglob("*.nbi"))
    assert numba.config.CACHE_DIR == ""

    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    monkeypatch.setattr(compile, "_temporary_cache", lambda: blocked / "cache")

    def two_more(x):
        return x + 2

    assert compile.compiled(two_more)(1) == 3


def test_portions_cover_every_row_once_longest_first():
    lengths = np.array([3, 0, 2_000_000, 5, 1_000_000] + [7] * 500_000)
    parts = portions(np.concatenate([[0], np.cumsum(lengths)]), 64)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(lengths)))
    assert [part.tolist() for part in parts[:2]] == [[2], [4]]
    assert max(lengths[part].sum() for part in parts[2:]) < 100_000
    assert portions(np.array([0]), 64) == []


def test_gram_and_rotation_do_not_depend_on_threads():
    rng = np.random.default_rng(0)
    M = rng.normal(size=(5000, 24)).astype(np.float32)
    e = rng.uniform(0, 1, 5000).astype(np.float32)
    np.testing.assert_allclose(gram(M, e, 1), M.T.astype(float) @ (e[:, None] * M), rtol=1e-4, atol=1e-2)
    np.testing.assert_array_equal(gram(M, e, 1), gram(M, e, 3))
    Q = np.linalg.qr(rng.normal(size=(24, 24)))[0].astype(np.float32)
    one, three = M.copy(), M.copy()
    rotate(one, Q, 1)
    rotate(three, Q, 3)
    np.testing.assert_array_equal(one, three)
    np.testing.assert_allclose(one, M @ Q, rtol=1e-4, atol=1e-5)


def test_padding_is_zero_and_aligned():
    wide = padded(np.ones((3, 5)), 16, np.float32)
    assert wide.ctypes.data % 64 == 0
    assert wide[:, :5].all()
    assert not wide[:, 5:].any()


def test_first_failure_in_a_thread_is_raised():
    def work(task):
        if task == 3:
            raise ValueError("three")
        return task

    with pytest.raises(ValueError, match="three"):
        spread(work, range(8), 4)


@pytest.mark.slow
def test_second_process_starts_quickly():
    """Compiled code comes from the cache; numba's own late imports apart, that and a fit take next to nothing."""
    script = (
        "import numba, time, numpy as np, scipy.sparse as sp, scipy.linalg\n"
        "numba.njit(lambda x: x)(1)\n"
        "from longtail.cf.als import AlsSettings, fit_als\n"
        "start = time.process_time()\n"
        "fit_als(sp.eye_array(50, dtype=np.float32, format='csr'), AlsSettings(factors=8, iterations=1))\n"
        "print(time.process_time() - start)\n"
    )
    times = [
        float(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout)
        for _ in range(3)
    ]
    assert min(times) < 0.3
