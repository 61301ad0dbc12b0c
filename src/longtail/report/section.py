"""The parts a page is made of, and what they are made from."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from longtail.bundle import Bundle
from longtail.core.arrays import Int64
from longtail.core.errors import RecipeError
from longtail.recipe import Recipe
from longtail.report.evaluation import Evaluation
from longtail.report.html import Child, Html, tag
from longtail.report.layout import Layout
from longtail.report.pictures import Pictures


@dataclass(frozen=True)
class Section:
    """One part of the page.

    Attributes:
        anchor: its id in the page.
        title: its heading.
        body: all below it.
    """

    anchor: str
    title: str
    body: Html


@dataclass(frozen=True)
class Material:
    """Everything sections read.

    Attributes:
        bundle: what training published.
        place: how commands call it.
        evaluation: what was measured.
        layout: where items are drawn; or, as text, why they are not.
        pictures: of items.
        seed: of everything drawn.
    """

    bundle: Bundle
    place: str
    evaluation: Evaluation = field(default_factory=Evaluation)
    layout: Layout | str = "It was left out."
    pictures: Pictures = field(default_factory=Pictures)
    seed: int = 0

    @cached_property
    def tail_below(self) -> int:
        """Items with fewer interactions are the tail: as training was told, or as the recipe's text says."""
        told = self.bundle.manifest.training.get("tail_below")
        if isinstance(told, int):
            return told
        try:
            return Recipe.parse(self.bundle.manifest.recipe).tail_below
        except RecipeError:  # written by another version
            return Recipe().tail_below

    @property
    def data(self) -> dict[str, Any]:
        """What became of the data at training, see `longtail.data.checks.record`; empty in bundles from elsewhere."""
        found: dict[str, Any] = self.bundle.manifest.training.get("data", {})
        return found

    @property
    def curves(self) -> dict[str, Any]:
        """Every choice's curve on validation."""
        found = self.bundle.manifest.choices.get("curves")
        return found if isinstance(found, dict) else {}

    @cached_property
    def categories(self) -> list[str | None]:
        """Each item's category, by the first field of that kind; None where it, or the shop, has none."""
        column = self.bundle.category_column
        if column is None:
            return [None] * len(self.bundle.items)
        return [None if value is None else str(value) for value in self.bundle.catalog.column(column).to_pylist()]

    def titles(self, rows: Int64) -> list[str]:
        """What items are called; their id where they have no title."""
        found = self.bundle.titles.take(rows).to_pylist()
        return [title or self.bundle.items.id(int(row)) for row, title in zip(rows, found, strict=True)]

    def evaluate_command(self, protocol: str) -> str:
        """What makes the numbers of a section."""
        return (
            f"longtail evaluate RECIPE --protocol {protocol} --json results.json\n"
            f"longtail report {shlex.quote(self.place)} --evaluation results.json"
        )

    def not_measured(self, protocol: str, what: str) -> Html:
        """Instead of an empty plot: what is missing, why if it is known, and the command that makes it."""
        why = self.evaluation.skipped.get(protocol)
        reason = f" This shop's data does not allow it: {why}" if why else ""
        return missing(f"{what} was not measured.{reason}", None if why else self.evaluate_command(protocol))


def judged_among(curve: list[dict[str, Any]]) -> str:
    """Whose ranking a choice was judged by, as its curve says; where it does not, it was new items'."""
    return "rarely taken and new items" if curve and curve[0].get("group") == "tail" else "new items"


def missing(said: str, command: str | None = None) -> Html:
    """A part that is not there, and how to get it."""
    return tag("div", tag("p", said), tag("pre", command) if command else None, class_="missing")


def paragraph(*children: Child, class_: str | None = None) -> Html:
    """Text."""
    return tag("p", *children, class_=class_)


def note(*children: Child) -> Html:
    """Small print."""
    return tag("p", *children, class_="note")


def table(head: list[Child], rows: list[list[Child]], *, text_columns: int = 1) -> Html:
    """A table that scrolls in itself where the page is narrow; all but the first columns are numbers."""

    def row(name: str, cells: list[Child]) -> Html:
        return tag("tr", (tag(name, cell, class_="n" if at >= text_columns else None) for at, cell in enumerate(cells)))

    filled = tag("table", tag("thead", row("th", head)), tag("tbody", (row("td", cells) for cells in rows)))
    return tag("div", filled, class_="scroll")


def folded(summary: str, *children: Child) -> Html:
    """Details that open on a click, and are open in print."""
    return tag("details", tag("summary", summary), *children)
