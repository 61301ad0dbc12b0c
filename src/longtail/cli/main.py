"""The `longtail` command: parses, calls, prints."""

from __future__ import annotations

import os
import signal
import sys

import typer

from longtail.core.errors import LongtailError
from longtail.core.version import __version__

app = typer.Typer(
    name="longtail",
    help="Recommendations for 100% of a catalog: behaviour where there is some, content where there is none.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _register() -> None:
    from longtail.cli import (
        check,
        compare,
        demo,
        doctor,
        evaluate,
        explain,
        init,
        judge,
        recommend,
        report,
        settings,
        similar,
        train,
    )

    app.command()(init.init)
    app.command()(settings.settings)
    app.command()(check.check)
    app.command()(train.train)
    app.command()(similar.similar)
    app.command()(recommend.recommend)
    app.command()(explain.explain)
    app.command()(evaluate.evaluate)
    app.command()(judge.judge)
    app.command()(report.report)
    app.command()(compare.compare)
    app.command()(demo.demo)
    app.command()(doctor.doctor)


@app.callback(invoke_without_command=True, no_args_is_help=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
    if version:
        typer.echo(f"longtail {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; what longtail raises on purpose becomes one message and exit code 2."""
    # A request to end unwinds like an error, so that temporary databases and half-written bundles are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        app()
    except LongtailError as error:
        from longtail.cli.console import messages

        messages.print(f"[bold red]{type(error).__name__}[/]: ", end="")
        # Unwrapped, so that paths and expressions can be copied; a terminal folds long lines itself.
        messages.print(str(error), markup=False, soft_wrap=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of a pipe went away (`| head`): point standard output elsewhere, so that closing it stays quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


_register()

if __name__ == "__main__":
    main()
