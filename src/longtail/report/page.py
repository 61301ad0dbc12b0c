"""The page: one file that opens anywhere, asks nobody for anything, and says what it found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from longtail.bundle import Bundle
from longtail.core.errors import DataError, MissingExtraError
from longtail.core.progress import SILENT, Progress
from longtail.core.version import __version__
from longtail.report.evaluation import Evaluation
from longtail.report.html import Html, join, tag
from longtail.report.layout import Layout, lay_out
from longtail.report.picks import pick
from longtail.report.pictures import Pictures
from longtail.report.section import Material, Section
from longtail.report.sections.bridge import bridge
from longtail.report.sections.buckets import buckets
from longtail.report.sections.demand import demand
from longtail.report.sections.exposure import exposure
from longtail.report.sections.fields import fields
from longtail.report.sections.first_events import first_events
from longtail.report.sections.headline import headline
from longtail.report.sections.neighbours import neighbours
from longtail.report.sections.provenance import provenance
from longtail.report.sections.quality import quality
from longtail.report.sections.relevance import relevance
from longtail.report.sections.space import space
from longtail.report.sections.threshold import threshold

#: Nothing may be asked of any server: the browser itself holds the page to that.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def report(
    bundle: Bundle,
    place: str,
    evaluation: Evaluation,
    *,
    pictures: Path = Path(),
    with_map: bool = True,
    progress: Progress = SILENT,
) -> str:
    """The page as text.

    Args:
        bundle: what training published.
        place: how commands call it.
        evaluation: what was measured; parts without numbers say which command makes them.
        pictures: the folder that relative paths of pictures start from.
        with_map: whether items are laid out, which takes longest.
        progress: told of each stage.
    """
    seed = bundle.manifest.training.get("seed")
    material = Material(
        bundle=bundle,
        place=place,
        evaluation=evaluation,
        layout=_layout(bundle, progress, seed or 0) if with_map else "It was left out by --no-map.",
        pictures=Pictures.of(bundle, pictures),
        seed=seed or 0,
    )
    picks = pick(material, progress=progress)
    parts: list[Callable[[Material], Section]] = [
        headline, demand, buckets, first_events, threshold, relevance, space, lambda given: neighbours(given, picks),
        exposure, fields, bridge, quality, provenance,
    ]  # fmt: skip
    return document(material, [part(material) for part in parts])


def document(material: Material, sections: list[Section]) -> str:
    """Head, contents and sections as one document."""
    facts = material.bundle.describe()
    name = Path(material.place).name
    measured = material.evaluation.origin
    doubt = _another_shop(material)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("title", f"{name}: longtail report"),
        tag("style", Html(_asset("page.css"))),
    )
    top = tag(
        "header",
        tag("h1", name),
        tag(
            "p",
            f"{facts['sellable']:,} items for sale, {facts['users']:,} users, trained {facts['created'][:10]}. ",
            f"Measured: {measured}." if measured else "Nothing was measured yet.",
            class_="sub",
        ),
        tag("p", doubt, class_="warning") if doubt else None,
        tag("nav", (tag("a", section.title, href=f"#{section.anchor}") for section in sections)),
    )
    main = tag("main", (tag("section", tag("h2", one.title), one.body, id=one.anchor) for one in sections))
    made = f"Written by longtail {__version__} on {datetime.now(UTC):%Y-%m-%d}."
    body = tag("body", top, main, tag("footer", made), tag("div", id="tip", hidden=True), _script())
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def _layout(bundle: Bundle, progress: Progress, seed: int) -> Layout | str:
    try:
        rows = bundle.sellable.nonzero()[0]
        return lay_out(bundle.als_item_factors, bundle.item_vectors, rows, seed=seed, progress=progress)
    except (MissingExtraError, DataError) as error:
        return str(error)


def _another_shop(material: Material) -> str | None:
    """Numbers of one shop under the name of another mislead; the size of the catalog tells most such slips."""
    listed = int(material.bundle.sellable.sum())
    sizes = {result.counts.get("catalog items", listed) for result in material.evaluation.results} - {listed}
    if not sizes:
        return None
    return (
        f"The evaluation is of a catalog of {', '.join(f'{size:,}' for size in sorted(sizes))} items, this bundle has "
        f"{listed:,} for sale. Is it of the same shop?"
    )


def _script() -> Html:
    return join(tag("script", Html(_asset(name))) for name in ("tip.js", "map.js"))


def _asset(name: str) -> str:
    return files("longtail.report").joinpath("assets", name).read_text(encoding="utf-8")
