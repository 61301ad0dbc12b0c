"""Measurements on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Results:
    """One JSON file, rewritten after every measurement."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path = path
        self.content: dict[str, Any] = {"runs": [], "evaluated": {}, "versions": {}, "failed": {}}
        if path.exists():
            self.content |= json.loads(path.read_text(encoding="utf-8"))
        self.content |= about

    def has(self, **key: Any) -> bool:
        return any(all(run.get(k) == v for k, v in key.items()) for run in self.content["runs"])

    def save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.content, indent=1) + "\n", encoding="utf-8")
        part.rename(self.path)
