"""Numba with a cache on disk that never stands in the way.

Numba keeps compiled code beside the source or, when that is read-only, under the user's home. When neither can be
written it refuses to compile at all; here it then uses a directory of this user under the system's temporary one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

#: What the compiler may assume. Not "nnan" and "ninf": rows that are not finite must be seen.
FAST = {"reassoc", "contract", "nsz", "arcp", "afn"}


def compiled(function: Function) -> Function:
    """Compile with numba on first call, without the interpreter's lock, cached on disk.

    A compiled function may only call compiled functions of its own file: numba invalidates its cache by the file of
    the function that is called from Python.
    """
    try:
        return numba.njit(function, cache=True, nogil=True, fastmath=FAST, error_model="numpy")
    except RuntimeError:  # numba found no directory it may write
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(_temporary_cache())
        try:
            return numba.njit(function, cache=True, nogil=True, fastmath=FAST, error_model="numpy")
        except RuntimeError:  # nowhere at all: compile in every process
            return numba.njit(function, nogil=True, fastmath=FAST, error_model="numpy")
        finally:
            numba.config.CACHE_DIR = before


def inlined(function: Function) -> Function:
    """Compile into the callers, so that a constant argument is one there; only for callers in the same file."""
    return numba.njit(function, nogil=True, fastmath=FAST, error_model="numpy", forceinline=True)


def _temporary_cache() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return Path(tempfile.gettempdir()) / f"longtail-compiled-{user}"
