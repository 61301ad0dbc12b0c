"""What this machine lets the process use: cores and memory, limits of containers included; and threads of libraries."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import threadpoolctl


def usable_cores() -> int:
    """Cores this process may use: affinity, and the quota of its control group."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _read("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit():
        cores = min(cores, max(1, round(int(quota[0]) / int(quota[1]))))
    return cores


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS calls inside run on the calling thread.

    The same bits whatever the machine's load and settings; small products do not wait for each other, and where blocks
    are spread over threads already there are not threads of threads.
    """
    with _pools().limit(limits=1, user_api="blas"):
        yield


@contextmanager
def one_torch_thread(torch: Any) -> Iterator[int]:
    """Operations of torch inside run on the thread that calls them: faster for small ones, and the same bits anywhere.

    Args:
        torch: the module, which is an extra.

    Yields:
        Threads that work may be divided among instead: those torch had, but no more than the cores that may be used,
        which torch counts without a container's quota.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield min(before, usable_cores())
    finally:
        torch.set_num_threads(before)


@functools.cache
def _pools() -> threadpoolctl.ThreadpoolController:
    import scipy.linalg  # noqa: F401 - it brings a BLAS of its own, which is only limited if it is there by now

    return threadpoolctl.ThreadpoolController()


def memory() -> tuple[int, int]:
    """Bytes of memory this process may use in all, and bytes free now; 0 where the system does not tell."""
    lines = (line.split(":", 1) for line in _read("/proc/meminfo").splitlines() if ":" in line)
    facts = {name: int(value.split()[0]) * 1024 for name, value in lines}
    total, free = facts.get("MemTotal", 0), facts.get("MemAvailable", 0)
    if not total:
        total = free = _physical()
    limit, used = _read("/sys/fs/cgroup/memory.max").strip(), _read("/sys/fs/cgroup/memory.current").strip()
    if limit.isdigit() and int(limit) < total:
        total = int(limit)
        free = min(free, total - int(used)) if used.isdigit() else min(free, total)
    return total, free


def _physical() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):  # not every system tells
        return 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
