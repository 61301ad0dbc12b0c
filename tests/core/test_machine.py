from __future__ import annotations

import os
import subprocess
import sys

import pytest

from longtail.core import machine


def test_cores_follow_the_quota_of_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = machine.usable_cores()
    monkeypatch.setattr(machine, "_read", lambda path: "100000 100000" if path.endswith("cpu.max") else "")
    assert machine.usable_cores() == 1
    monkeypatch.setattr(machine, "_read", lambda path: "max 100000")
    assert machine.usable_cores() >= everything


def test_memory_follows_the_limit_of_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/proc/meminfo": "MemTotal:       8000000 kB\nMemAvailable:   6000000 kB\nHugePages_Total:       0\n",
        "/sys/fs/cgroup/memory.max": str(3 * 1024**3),
        "/sys/fs/cgroup/memory.current": str(2 * 1024**3),
    }
    monkeypatch.setattr(machine, "_read", lambda path: files.get(path, ""))
    assert machine.memory() == (3 * 1024**3, 1024**3)


def test_a_system_that_does_not_tell_has_no_memory_to_speak_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> int:
        raise ValueError(name)

    monkeypatch.setattr(machine, "_read", lambda path: "")
    monkeypatch.setattr(machine.os, "sysconf", refuse)
    assert machine.memory() == (0, 0)


def test_every_blas_is_limited_whatever_was_imported_first() -> None:
    """SciPy may bring a BLAS of its own, which is loaded with its linear algebra and not before."""
    code = """
from longtail.core.machine import one_blas_thread
with one_blas_thread():
    pass
import scipy.linalg, threadpoolctl
with one_blas_thread():
    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    print(len(pools), max(pool["num_threads"] for pool in pools))
"""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    found, threads = map(int, said.stdout.split())
    assert found >= 1
    assert threads == 1


def test_torch_runs_on_one_thread_and_work_gets_no_more_than_the_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    class Torch:
        threads = 6

        def get_num_threads(self) -> int:
            return self.threads

        def set_num_threads(self, threads: int) -> None:
            self.threads = threads

    torch = Torch()
    for usable, given in ((4, 4), (64, 6)):
        monkeypatch.setattr(machine, "usable_cores", lambda usable=usable: usable)
        with machine.one_torch_thread(torch) as threads:
            assert (threads, torch.threads) == (given, 1)
        assert torch.threads == 6
    with pytest.raises(KeyError), machine.one_torch_thread(torch):
        raise KeyError
    assert torch.threads == 6
