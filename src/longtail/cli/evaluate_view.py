"""Results of protocols as tables and sentences for people."""

from __future__ import annotations

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from longtail.evaluate.compare import Comparison
from longtail.evaluate.metrics import LOWER_IS_BETTER
from longtail.evaluate.result import ProtocolResult, Section
from longtail.evaluate.words import counted, label, number, signed

#: With fewer users even a bootstrap interval says little; such rows are marked.
FEW = 30

#: What the sign beside a difference means.
SIGNS = {1: ("▲", "green"), -1: ("▼", "red"), 0: ("≈", "dim")}


def show(console: Console, result: ProtocolResult, *, metric: str = "ndcg", method: str = "longtail") -> None:
    """Print one protocol's result: the table, a sentence a section, exposure, and the counts behind it."""
    longest = max((len(section.name) for section in result.sections), default=0)
    narrow = console.width < 37 + max(13, longest) + 14 * len(result.methods)
    console.print(Group(*view(result, metric=metric, method=method, narrow=narrow)))


def view(
    result: ProtocolResult, *, metric: str = "ndcg", method: str = "longtail", narrow: bool = False
) -> list[Table | Text]:
    """What :func:`show` prints, for other commands to place; ``narrow``: half intervals below the means."""
    name = metric_of(result, metric)
    against = "ALS"
    parts: list[Table | Text] = [Text(f"\n{result.protocol}: {result.question}", style="bold")]
    parts.append(_methods(result, name, method, against, narrow))
    parts.append(
        Text(
            f"{label(name)}, means ± half the 95% interval; best in bold. "
            f"▲ ▼ {method} above or below {against} by more than chance, ≈ no difference that can be told."
            + (" Lower is better: ▼ is a gain, ▲ a loss." if lower_is_better(name) else "")
            + (f" * fewer than {FEW}: read with care." if any(s.n_users < FEW for s in result.sections) else ""),
            style="dim",
        )
    )
    if result.sections and method in result.methods and against in result.methods:
        parts.extend(Text(sentence) for sentence in sentences(result, name, method, against))
    if result.exposure:
        parts.append(
            Text("\nShare of what was taken, and of what is shown, by training users of an item", style="bold")
        )
        parts.append(_exposure(result))
    parts.append(Text(counted(result), style="dim"))
    parts.extend(Text(note, style="yellow") for note in result.notes)
    return parts


def sentences(result: ProtocolResult, metric: str, method: str, against: str) -> list[str]:
    """In plain words what the first two sections say of one method against another, losses as plainly as gains."""
    said = []
    better = -1 if lower_is_better(metric) else 1
    for section in result.sections[:2]:
        comparison = section.comparisons[metric]
        if not comparison.estimates:
            continue
        mine, theirs = comparison.estimates[method].mean, comparison.estimates[against].mean
        difference = comparison.difference(method, against)
        low, high = difference.estimate.low, difference.estimate.high
        change = f" ({(mine / theirs - 1):+.0%})" if theirs > 0 else ""
        if not difference.significant:
            verdict = "which may be chance: no difference can be told"
        else:
            verdict = f"a {'gain' if better * low > 0 else 'loss'} beyond chance"
        said.append(
            f"{section.name.capitalize()}: {method} {number(mine)}, {against} {number(theirs)}{change}, difference "
            f"between {signed(low)} and {signed(high)}, {verdict}."
        )
    return said


def metric_of(result: ProtocolResult, metric: str) -> str:
    """The metric a result is shown by, with its cut: the one asked for, or the result's own where it has another."""
    asked = f"{metric}@{result.k}"
    measured = [name for section in result.sections for name in section.comparisons]
    return asked if asked in measured or not measured else measured[0]


def lower_is_better(metric: str) -> bool:
    """Whether less of a metric, named with its cut, is better."""
    return metric.partition("@")[0] in LOWER_IS_BETTER


def _methods(result: ProtocolResult, metric: str, method: str, against: str, narrow: bool) -> Table:
    """The table of means; where the terminal is narrow, intervals and counts go to a second line of each cell."""
    table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 1))
    table.add_column("", no_wrap=not narrow, max_width=13 if narrow else None, overflow="fold")
    if not narrow:
        table.add_column("items", justify="right", no_wrap=True)
        table.add_column("asked", justify="right", no_wrap=True)
    for name in result.methods:
        table.add_column(name, justify="right", no_wrap=True)
    both = method in result.methods and against in result.methods
    if both:
        table.add_column(f"vs {against}", justify="right", no_wrap=True)
    for section in result.sections:
        pair = (method, against) if both else None
        table.add_row(*_row(section, section.comparisons[metric], result.methods, pair, narrow))
    return table


def _row(
    section: Section, comparison: Comparison, methods: tuple[str, ...], pair: tuple[str, str] | None, narrow: bool
) -> list[Text]:
    asked = f"{section.n_users:,}{'*' if section.n_users < FEW else ' '}"
    if narrow:
        cells = [Text(section.name).append(f"\n{section.n_candidates:,}", style="dim")]
    else:
        cells = [Text(section.name), Text(f"{section.n_candidates:,}"), Text(asked)]
    if not comparison.estimates:
        return cells + [Text("-", style="dim") for _ in methods]
    lower = lower_is_better(comparison.metric)
    best = (min if lower else max)(estimate.mean for estimate in comparison.estimates.values())
    between = "\n" if narrow else " "
    for name in methods:
        estimate = comparison.estimates[name]
        cell = Text(number(estimate.mean), style="bold" if estimate.mean == best and (lower or best > 0) else "")
        half = number((estimate.high - estimate.low) / 2)
        cells.append(cell.append(f"{between}±{half}", style="dim not bold"))
    if pair:
        difference = comparison.difference(*pair)
        sign, style = SIGNS[comparison.direction(*pair)]
        style = {"green": "red", "red": "green"}.get(style, style) if lower else style
        cells.append(Text(f"{signed(difference.estimate.mean)} {sign}", style=style))
    return cells


def _exposure(result: ProtocolResult) -> Table:
    table = Table(
        header_style="bold", box=None, pad_edge=False, padding=(0, 1),
    )  # fmt: skip
    table.add_column("", no_wrap=True)
    for bucket in result.taken:
        table.add_column(bucket, justify="right")
    table.add_row("taken", *(f"{share:.1%}" for share in result.taken.values()), style="bold")
    for method, shares in result.exposure.items():
        table.add_row(f"shown by {method}", *(f"{share:.1%}" for share in shares.values()))
    return table
