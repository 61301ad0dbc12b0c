"""Refused rows in files, for whoever has to repair them."""

from __future__ import annotations

from pathlib import Path

from longtail.preflight.report import Preflight


def write_refused(report: Preflight, path: Path) -> list[tuple[Path, int]]:
    """Write the refused rows of the events to ``path``, and those of the catalog, if any, beside it.

    Args:
        report: what was found; a part that could not be read has no rows to write.
        path: ends in .csv, .parquet or .jsonl; of ``refused.csv`` the catalog's is ``refused.catalog.csv``.

    Returns:
        The files with the number of rows in each.

    Raises:
        DataError: another ending, or a file cannot be written.
    """
    written = []
    if report.events is not None:
        written.append((path, report.events.write(path)))
    if report.catalog is not None and report.catalog.refused:
        beside = path.with_suffix(f".catalog{path.suffix}")
        written.append((beside, report.catalog.write(beside)))
    return written
