"""The sections of protocols that reveal so many events of some items, a level at a time."""

from __future__ import annotations

from longtail.evaluate.result import ProtocolResult, Section

#: What the name of a section ends with where the chosen items alone are candidates.
AMONG_THEMSELVES = ", among themselves"


def level_name(level: int, *, themselves: bool = False) -> str:
    """What the section of a level is called, such as ``"1 event"`` or ``"5 events, among themselves"``."""
    return f"{level:,} event{'' if level == 1 else 's'}{AMONG_THEMSELVES if themselves else ''}"


def by_level(result: ProtocolResult, *, themselves: bool = False) -> dict[int, Section]:
    """The sections of a result by the level they belong to, ascending; empty where it has none of these.

    Args:
        result: of a protocol with levels.
        themselves: those where the chosen items alone are candidates, which older results do not have; else those
            where the whole catalog is.
    """
    named = {section.name: section for section in result.sections}
    names = {level: level_name(level, themselves=themselves) for level in sorted(result.split["levels"])}
    return {level: named[name] for level, name in names.items() if name in named}
