"""Work on the rows of a factor matrix in fixed blocks, so that results do not depend on the number of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

Task = TypeVar("Task")
Result = TypeVar("Result")

#: Rows a block; part of the result's last digits, so do not make it depend on the machine.
BLOCK = 1024
#: Rows a task: handing work to a thread takes as long as a small block.
TASK = 8 * BLOCK


def spread(work: Callable[[Task], Result], tasks: Iterable[Task], threads: int) -> list[Result]:
    """Results of all tasks in their order; idle threads take the next task. The first exception is raised."""
    tasks = list(tasks)
    if threads <= 1 or len(tasks) <= 1:
        return [work(task) for task in tasks]
    with ThreadPoolExecutor(min(threads, len(tasks)), thread_name_prefix="longtail-als") as pool:
        return list(pool.map(work, tasks))


def slices(n: int, block: int = BLOCK, first: int = 0) -> list[slice]:
    """``range(first, n)`` cut into blocks."""
    return [slice(start, min(start + block, n)) for start in range(first, n, block)]


def gram(matrix: np.ndarray[Any, Any], weights: np.ndarray[Any, Any] | None, threads: int) -> Any:
    """``matrix' diag(weights) matrix``, ``(d, d) float64``: blocks summed in their order. Weights are not negative."""
    roots = None if weights is None else np.sqrt(weights).astype(matrix.dtype)

    def of_task(task: slice) -> Any:
        total = np.zeros((matrix.shape[1], matrix.shape[1]))
        for block in slices(task.stop, first=task.start):
            rows = matrix[block] if roots is None else matrix[block] * roots[block, None]
            with np.errstate(invalid="ignore", over="ignore"):  # the caller looks for what is not finite, and names it
                total += rows.T @ rows  # numpy calls syrk for this
        return total

    total = np.zeros((matrix.shape[1], matrix.shape[1]))
    tasks = slices(len(matrix), TASK)
    group = 8 * max(threads, 1)  # only so many sums are held at once
    for start in range(0, len(tasks), group):
        for part in spread(of_task, tasks[start : start + group], threads):
            total += part
    return total


def rotate(matrix: np.ndarray[Any, Any], basis: np.ndarray[Any, Any], threads: int) -> None:
    """``matrix[:] = matrix @ basis`` in place, block by block."""

    def of_task(task: slice) -> None:
        turned = np.empty((min(BLOCK, len(matrix)), basis.shape[1]), np.result_type(matrix, basis))
        for block in slices(task.stop, first=task.start):
            rows = matrix[block]
            with np.errstate(invalid="ignore", over="ignore"):
                rows[:] = np.matmul(rows, basis, out=turned[: len(rows)])

    spread(of_task, slices(len(matrix), TASK), threads)


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
