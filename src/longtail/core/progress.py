"""How long work reports itself: a protocol, and the silent one that is the default.

The command line passes an implementation that draws bars with rich; libraries and tests pass nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One running piece of work."""

    def advance(self, steps: float = 1) -> None:
        """Say that ``steps`` more are done."""

    def say(self, text: str) -> None:
        """Show a short figure beside the bar (a loss, a score)."""


class Progress(Protocol):
    """Where work reports to."""

    def task(self, name: str, total: float | None = None) -> AbstractContextManager[Task]:
        """Open a task; ``total`` None where the length is unknown."""

    def note(self, text: str) -> None:
        """One line a person should read, such as a choice that was made and its score."""


class _SilentTask:
    def advance(self, steps: float = 1) -> None:
        pass

    def say(self, text: str) -> None:
        pass


class SilentProgress:
    """Reports nothing."""

    @contextmanager
    def task(self, name: str, total: float | None = None) -> Iterator[Task]:
        yield _SilentTask()

    def note(self, text: str) -> None:
        pass


SILENT = SilentProgress()
