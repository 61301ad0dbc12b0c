"""Shares, settings and verdicts as a page says them."""

from __future__ import annotations

from typing import Any


def percent(share: float) -> str:
    """``4.2%`` or ``42%``: a tenth of a percent where it tells something."""
    return f"{share:.1%}" if 0 < abs(share) < 0.0995 or 0.9 < share < 1 else f"{share:.0%}"


def change(mine: float, theirs: float) -> str:
    """How much more or less one is than the other: ``+97%``, ``4.3 times as much``, or nothing next to zero."""
    if theirs <= 0:
        return ""
    ratio = mine / theirs
    return f"{ratio:.1f} times as much" if ratio >= 3 else f"{ratio - 1:+.0%}"


def shown(value: Any) -> str:
    """A setting for people."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {shown(entry)}" for key, entry in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(shown(entry) for entry in value) or "none"
    return str(value)
