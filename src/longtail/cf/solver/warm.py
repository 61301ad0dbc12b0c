"""Compile ahead of need."""

from __future__ import annotations

import threading

import numpy as np

from longtail.cf.solver.step import half_step

_started: threading.Thread | None = None
_lock = threading.Lock()


def warm_up(*, background: bool = True) -> threading.Thread:
    """Compile the solver, or load it from the cache; once a process.

    Args:
        background: return at once and work in a daemon thread; otherwise wait until it is done.
    """
    global _started
    with _lock:
        if _started is None:
            _started = threading.Thread(target=_compile, name="longtail-compile", daemon=True)
            _started.start()
        thread = _started
    if not background:
        thread.join()
    return thread


def _compile() -> None:
    """Run the kernel of training, serving and blending once on the types they use."""
    weight = np.ones(2, np.float32)
    fixed = np.eye(2, dtype=np.float32)
    half_step(
        np.array([0, 1, 2]), np.array([0, 1]), weight, weight, fixed, unobserved_weight=1.0, regularization=1.0,
        prior=fixed, prior_precision=1.0, threads=1,
    )  # fmt: skip
