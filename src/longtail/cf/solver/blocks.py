"""Work on the rows of a factor matrix in fixed blocks, so that results do not depend on the number of threads."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import threadpoolctl

Task = TypeVar("Task")
Result = TypeVar("Result")

#: Rows a block; part of the result's last digits, so do not make it depend on the machine.
BLOCK = 1024


def available_threads() -> int:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _controller() -> threadpoolctl.ThreadpoolController:
    return threadpoolctl.ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS calls inside run on the calling thread: the blocks themselves are spread over threads."""
    with _controller().limit(limits=1, user_api="blas"):
        yield


def spread(work: Callable[[Task], Result], tasks: Iterable[Task], threads: int) -> list[Result]:
    """Results of all tasks in their order; idle threads take the next task. The first exception is raised."""
    tasks = list(tasks)
    if threads <= 1 or len(tasks) <= 1:
        return [work(task) for task in tasks]
    with ThreadPoolExecutor(min(threads, len(tasks)), thread_name_prefix="longtail-als") as pool:
        return list(pool.map(work, tasks))


def slices(n: int, block: int = BLOCK) -> list[slice]:
    """``range(n)`` cut into blocks."""
    return [slice(start, min(start + block, n)) for start in range(0, n, block)]


def gram(matrix: np.ndarray[Any, Any], weights: np.ndarray[Any, Any] | None, threads: int) -> Any:
    """``matrix' diag(weights) matrix``, ``(d, d) float64``: blocks summed in their order. Weights are not negative."""
    roots = None if weights is None else np.sqrt(weights).astype(matrix.dtype)

    def of_block(block: slice) -> Any:
        rows = matrix[block] if roots is None else matrix[block] * roots[block, None]
        with np.errstate(invalid="ignore", over="ignore"):  # the caller looks for what is not finite, and names it
            return rows.T @ rows  # numpy calls syrk for this

    total = np.zeros((matrix.shape[1], matrix.shape[1]))
    for part in _ordered(of_block, slices(len(matrix)), threads):
        total += part
    return total


def _ordered(work: Callable[[slice], Any], blocks: list[slice], threads: int) -> Iterator[Any]:
    """Results in order, holding only a few at a time."""
    group = 8 * max(threads, 1)
    for start in range(0, len(blocks), group):
        yield from spread(work, blocks[start : start + group], threads)


def rotate(matrix: np.ndarray[Any, Any], basis: np.ndarray[Any, Any], threads: int) -> None:
    """``matrix[:] = matrix @ basis`` in place, block by block."""

    def of_block(block: slice) -> None:
        with np.errstate(invalid="ignore", over="ignore"):
            matrix[block] = matrix[block] @ basis

    spread(of_block, slices(len(matrix)), threads)


def padded(matrix: Any, width: int, dtype: Any) -> Any:
    """A copy ``(n, width)`` with zero columns added, its rows at the borders of cache lines."""
    n, d = matrix.shape
    size = n * width
    raw = np.empty(size + 16, dtype)
    first = (-raw.ctypes.data // raw.itemsize) % (64 // raw.itemsize)
    result = raw[first : first + size].reshape(n, width)
    result[:, :d] = matrix
    result[:, d:] = 0
    return result
