"""Other libraries that take item content, trained on the same events and features and tuned on the same validation.

Each has an environment of its own under the work folder. One that does not install is reported and left out.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from longtail.calibrate.holdout import PAIRS
from longtail.content.combine import reduce
from longtail.core.vocabulary import Vocabulary
from longtail.data.interactions import aggregate
from longtail.protocols.foreign import BoundEmbeddings

PACKAGES = {"irspack": "irspack==0.5.2", "cmfrec": "cmfrec==3.5.1.post14", "lightfm": "lightfm-next"}
WORKER = Path(__file__).with_name("rival_worker.py")
#: What they import without saying so.
NEEDED = ("numpy", "scipy", "pandas", "threadpoolctl")
#: Seconds after which an installation counts as one that does not install.
PATIENCE = 1800
#: Seconds of tuning and training a rival on one problem; then the best of what was tried counts, and the log says so.
TRAINING = 600


@dataclass
class Rivals:
    """Trains the rivals beside longtail, on what the fit is given; only where validation is set aside.

    Attributes:
        fit: of longtail.
        work: folder of environments, problems and results.
        names: keys of :data:`PACKAGES`.
        failed: why a rival is missing, by name.
        settings: the best setting of each, its validation score, and how many were tried.
    """

    fit: Any
    work: Path
    names: list[str]
    failed: dict[str, str] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __call__(self, events: Any, catalog: Any, *, hidden: Any = (), validation: Any = None) -> Any:
        """Train longtail, then every rival in a process of its own."""
        parts = self.fit(events, catalog, hidden=hidden, validation=validation)
        if validation is None:
            return parts
        seen = parts.interactions
        scored = aggregate(validation, parts.weights, items=seen.items, users=seen.users, extend=False).matrix
        new = np.zeros(len(seen.items), np.bool_)
        rows = seen.items.rows(hidden)
        new[rows[rows >= 0]] = True
        content = parts.content
        content = reduce(content, 128, np.flatnonzero(content.any(axis=1) & ~new)).apply(content)
        self.work.mkdir(parents=True, exist_ok=True)
        arrays = {f"train_{k}": getattr(seen.matrix, k) for k in ("data", "indices", "indptr")}
        arrays |= {f"scored_{k}": getattr(scored, k) for k in ("data", "indices", "indptr")}
        arrays |= {"shape": np.array(seen.matrix.shape), "content": content, "new": new}
        arrays |= {"factors": np.array(parts.als.factors), "new_share": np.array(PAIRS)}
        whole = hashlib.blake2b(WORKER.read_bytes(), digest_size=12)
        for key in sorted(arrays):
            whole.update(np.ascontiguousarray(arrays[key]).tobytes())
        np.savez(self.work / "problem.npz", **arrays)
        for name in self.names:
            self._train(name, self.work / "trained" / f"{name}-{whole.hexdigest()}.npz")
        return parts

    def _train(self, name: str, kept: Path) -> None:
        """Train a rival, or take what it made of the very same problem before."""
        out = self.work / f"{name}.npz"
        out.unlink(missing_ok=True)
        if not kept.exists():
            python, why = environment(name, self.work)
            if python is None:
                self.failed[name] = why
                return
            kept.parent.mkdir(exist_ok=True)
            part = kept.with_name(f"part-{kept.name}")
            part.unlink(missing_ok=True)
            command = [str(python), str(WORKER), name, str(self.work / "problem.npz"), str(part)]
            with (self.work / f"{name}.log").open("w") as log:
                try:
                    subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False, timeout=TRAINING)
                except subprocess.TimeoutExpired:
                    log.write(f"stopped after {TRAINING} s; the best of what was tried counts\n")
            if not part.exists():
                said = (self.work / f"{name}.log").read_text(errors="replace").strip().splitlines()
                self.failed[name] = (said or ["no result"])[-1][:200]
                return
            part.replace(kept)
        shutil.copyfile(kept, out)
        with np.load(out) as file:
            self.settings[name] = {key: file[key].item() for key in ("setting", "value", "tried")}


@dataclass(frozen=True)
class Rival:
    """A rival's vectors from its last training; nothing where it is missing."""

    name: str
    path: Path

    def bind(self, users: Vocabulary, items: Vocabulary) -> BoundEmbeddings:
        """Over the rows of the run that was trained on last, which are those of the problem."""
        known = np.ones(len(users), np.bool_), np.ones(len(items), np.bool_)
        if not self.path.exists():
            zero = np.zeros((len(users), 1), np.float32), np.zeros((len(items), 1), np.float32)
            return BoundEmbeddings(f"{self.name} (missing)", *zero, *known)
        with np.load(self.path) as file:
            return BoundEmbeddings(self.name, file["users"], file["items"], *known)


def environment(name: str, work: Path) -> tuple[Path | None, str]:
    """The Python of a rival, installed on first use, or None and why there is none."""
    home = work / "envs" / name
    python = home / "bin" / "python"
    if (home / "installed").exists():
        return python, ""
    venv.create(home, with_pip=True, clear=True)
    command = [str(python), "-m", "pip", "install", "--quiet", *NEEDED, PACKAGES[name]]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return None, f"does not install: not done after {PATIENCE} s"
    if done.returncode:
        return None, f"does not install: {(done.stderr.strip().splitlines() or ['pip failed'])[-1][:200]}"
    (home / "installed").touch()
    return python, ""
