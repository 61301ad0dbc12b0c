"""Numbers in sentences for people."""

from __future__ import annotations


def many(n: int, noun: str) -> str:
    """A number with its noun: ``1 item``, ``2,469 items``."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
