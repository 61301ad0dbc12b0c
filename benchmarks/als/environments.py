"""An environment for every library, so that none disturbs another."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import venv
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = {
    "longtail": [str(REPOSITORY)],
    "implicit-cg": ["implicit==0.7.3"],
    "implicit-cholesky": ["implicit==0.7.3"],
    "irspack-cg": ["irspack==0.5.2"],
    "irspack-ials++": ["irspack==0.5.2"],
    "cmfrec-cg": ["cmfrec==3.5.1.post14"],
    "lenskit": ["lenskit==2025.8.1", "pandas"],
    "spark": ["pyspark==4.0.1", "pandas", "pyarrow"],
}
#: An installation that compiles for longer than this counts as one that does not install.
PATIENCE = 1800


def environment(library: str, work: Path) -> tuple[Path | None, str]:
    """The Python of a library's own environment, made on first use, or None and why there is none."""
    family = library.split("-")[0]
    home = work / "envs" / family
    python = home / "bin" / "python"
    if family == "spark" and shutil.which("java") is None:
        return None, "needs Java 17, which is not on the PATH"
    mark = home / "installed"
    wanted = _fingerprint() if family == "longtail" else "yes"
    if not mark.exists():
        venv.create(home, with_pip=True, clear=True)
        failed = _pip(python, "numpy", "scipy", "threadpoolctl", *PACKAGES[library])
    elif family == "longtail" and mark.read_text() != wanted:  # the code as it is now
        failed = _pip(python, "--force-reinstall", "--no-deps", *PACKAGES[library])
    else:
        return python, ""
    if failed:
        return None, f"does not install here: {failed}"
    if family == "longtail":  # compiled before anything is measured; --starts measures that
        warm = "from longtail.cf.solver import warm_up; warm_up(background=False)"
        subprocess.run([str(python), "-c", warm], check=True, cwd=work)
    mark.write_text(wanted)
    return python, ""


def _fingerprint() -> str:
    """Of the code that is measured."""
    source = REPOSITORY / "src" / "longtail"
    files = sorted([*source.glob("cf/**/*.py"), *source.glob("core/*.py")])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _pip(python: Path, *arguments: str) -> str:
    """What went wrong, or nothing."""
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return f"not done after {PATIENCE} s"
    if not done.returncode:
        return ""
    errors = [line for line in done.stderr.splitlines() if "error" in line.lower()] or ["pip failed"]
    return errors[-1].strip()[:200]


def version(library: str, python: Path) -> str:
    """The version of a library, with that of numba for longtail."""
    names = {"spark": ["pyspark"], "longtail": ["longtail", "numba"]}.get(library, [library.split("-")[0]])
    code = f"import importlib.metadata as m; print(*(f'{{n}} {{m.version(n)}}' for n in {names}), sep=', ')"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def machine() -> dict[str, str | int]:
    """What the measurements were made on."""
    cpu = platform.processor() or platform.machine()
    info, memory = Path("/proc/cpuinfo"), ""
    if info.exists():
        fields = [line.split(":", 1) for line in info.read_text().splitlines() if ":" in line]
        cpu = next((value.strip() for key, value in fields if key.strip() == "model name"), cpu)
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        memory = f"{size:.0f} GiB"
    return {"cpu": cpu, "cores": os.cpu_count() or 1, "memory": memory, "system": platform.system(),
            "python": platform.python_version()}  # fmt: skip


def commit() -> str:
    """The commit of the checkout, with a + where the solver or this benchmark differ from it."""
    head = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--", "src/longtail/cf", "benchmarks/als/*.py")
    return f"{head}+" if changed else head


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY).stdout.strip()
