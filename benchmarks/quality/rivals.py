"""Other libraries that take item content, trained on the same events and features and tuned on the same validation.

Each has an environment of its own under the work folder. One that does not install is reported and left out.
"""

from __future__ import annotations

import hashlib
import subprocess
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from longtail.calibrate.holdout import PAIRS
from longtail.calibrate.settings import CalibrationSettings
from longtail.content.combine import reduce
from longtail.core.arrays import Float32
from longtail.core.vocabulary import Vocabulary
from longtail.data.interactions import aggregate
from longtail.protocols.foreign import BoundEmbeddings

PACKAGES = {"irspack": "irspack==0.5.2", "cmfrec": "cmfrec==3.5.1.post14", "lightfm": "lightfm-next==1.19.0"}
WORKER = Path(__file__).with_name("rival_worker.py")
#: What they import without saying so.
NEEDED = ("numpy", "scipy", "pandas", "threadpoolctl")
#: Seconds after which an installation counts as one that does not install.
PATIENCE = 1800


@dataclass(frozen=True)
class Rival:
    """A rival's vectors over the rows of the run that it was trained beside."""

    name: str
    users: Float32
    items: Float32

    def bind(self, users: Vocabulary, items: Vocabulary) -> BoundEmbeddings:
        """See :class:`longtail.protocols.methods.ForeignMethod`; the rows are those of that run."""
        return BoundEmbeddings(
            self.name, self.users, self.items, np.ones(len(users), np.bool_), np.ones(len(items), np.bool_)
        )


@dataclass
class Rivals:
    """Trains the rivals beside longtail, on what the fit is given; only where validation is set aside.

    Attributes:
        fit: of longtail.
        work: folder of environments, and of what was trained by the problem that it was trained on.
        names: keys of :data:`PACKAGES`.
        ready: the rivals of the last run; one list for good, so that it can be handed on before they are trained.
        failed: why a rival is missing, by name.
        settings: the best setting of each, its validation score, how many were tried, and whether the time ended it.
    """

    fit: Any
    work: Path
    names: list[str]
    ready: list[Rival] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __call__(self, events: Any, catalog: Any, *, hidden: Any = (), validation: Any = None) -> Any:
        """Train longtail, then every rival in a process of its own."""
        self.ready.clear()
        parts = self.fit(events, catalog, hidden=hidden, validation=validation)
        if validation is None:
            return parts
        seen = parts.interactions
        scored = aggregate(validation, parts.weights, items=seen.items, users=seen.users, extend=False).matrix
        new = np.zeros(len(seen.items), np.bool_)
        rows = seen.items.rows(hidden)
        new[rows[rows >= 0]] = True
        content = parts.content
        width = CalibrationSettings().content_dimensions  # as much of it as longtail's users ask for
        content = reduce(content, width, np.flatnonzero(content.any(axis=1) & ~new)).apply(content)
        arrays = {f"train_{k}": getattr(seen.matrix, k) for k in ("data", "indices", "indptr")}
        arrays |= {f"scored_{k}": getattr(scored, k) for k in ("data", "indices", "indptr")}
        arrays |= {"shape": np.array(seen.matrix.shape), "content": content, "new": new}
        arrays |= {"factors": np.array(parts.als.factors), "new_share": np.array(PAIRS)}
        for name in self.names:
            self._train(name, arrays)
        return parts

    def _train(self, name: str, problem: dict[str, Any]) -> None:
        """Train a rival, or take what it made of the very same problem before."""
        kept = self.work / "trained" / f"{name}-{fingerprint(name, problem)}.npz"
        log = kept.with_suffix(".log")
        if not kept.exists():
            python, why = environment(name, self.work)
            if python is None:
                self.failed[name] = why
                return
            kept.parent.mkdir(parents=True, exist_ok=True)
            asked, part = kept.with_suffix(".problem.npz"), kept.with_suffix(".part.npz")
            np.savez(asked, **problem)
            try:
                with log.open("w") as out:
                    command = [str(python), str(WORKER), name, str(asked), str(part)]
                    done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False)
            finally:
                asked.unlink()
            if done.returncode:
                said = log.read_text(errors="replace").strip().splitlines()
                self.failed[name] = (said or ["no result"])[-1][:200]
                return
            part.replace(kept)
        with np.load(kept) as file:
            self.ready.append(Rival(name, file["users"], file["items"]))
            self.settings[name] = {key: file[key].item() for key in ("setting", "value", "tried", "stopped")}


def fingerprint(name: str, problem: dict[str, Any]) -> str:
    """What a rival's result hangs on: its version, the code that tunes it, and every number of the problem."""
    whole = hashlib.blake2b(PACKAGES[name].encode() + WORKER.read_bytes(), digest_size=12)
    for key in sorted(problem):
        whole.update(np.ascontiguousarray(problem[key]).tobytes())
    return whole.hexdigest()


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
