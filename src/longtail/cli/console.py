"""Where the command line writes: answers to standard output, everything else to standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from longtail.cli.files import write_file
from longtail.core.progress import Task

#: Columns where there is no terminal to ask; tables that are wider have numbers over two lines.
WIDE = 120


def _width(stream: TextIO) -> int | None:
    return None if stream.isatty() or "COLUMNS" in os.environ else WIDE


#: Answers: tables and JSON, safe to pipe.
console = Console(highlight=False, width=_width(sys.stdout))
#: Progress, notes and errors.
messages = Console(stderr=True, highlight=False, width=_width(sys.stderr))


def print_json(value: Any) -> None:
    """Write one JSON document to standard output, with ids as they are (no ASCII escapes)."""
    sys.stdout.write(_json(value))


def print_json_file(path: Path, value: Any) -> None:
    """Write one JSON document to a file; ``-`` is standard output. Raises DataError where it cannot be written."""
    if str(path) == "-":
        print_json(value)
    else:
        write_file(path, _json(value))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


class RichProgress:
    """Draws a bar a task on standard error; where that is no terminal, writes one line a finished task.

    Use as a context manager, so that an interruption leaves the terminal as it was.
    """

    def __init__(self) -> None:
        self._bars = Bars(
            TextColumn("{task.description:<34}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[said]:<28}"),
            TimeElapsedColumn(),
            console=messages,
            disable=not messages.is_terminal,
        )

    def __enter__(self) -> RichProgress:
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bars.stop()

    @contextmanager
    def task(self, name: str, total: float | None = None) -> Iterator[Task]:
        """Open a bar; see `longtail.core.progress.Progress`."""
        number = self._bars.add_task(name, total=total, said="")
        task = _BarTask(self._bars, number)
        yield task
        done = self._bars.tasks[self._bars.task_ids.index(number)]
        self._bars.update(number, total=done.total or 1, completed=done.total or 1)
        self._bars.stop_task(number)
        if not messages.is_terminal:
            said = f"  {task.said}" if task.said else ""
            messages.print(f"{name}: {done.elapsed or 0:.1f} s{said}", markup=False)

    def note(self, text: str) -> None:
        """Write one line above the bars."""
        self._bars.console.print(f"  {text}", markup=False, style="dim")


class _BarTask:
    def __init__(self, bars: Bars, number: TaskID) -> None:
        self._bars = bars
        self._number = number
        self.said = ""

    def advance(self, steps: float = 1) -> None:
        self._bars.advance(self._number, steps)

    def say(self, text: str) -> None:
        self.said = text
        self._bars.update(self._number, said=text)
