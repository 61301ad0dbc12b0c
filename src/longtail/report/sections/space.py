"""The map: every item in the space of ALS alone and in that of longtail."""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from typing import Any

import numpy as np

from longtail.core.arrays import Float32
from longtail.core.buckets import LABELS, bucket_of
from longtail.core.ranking import SOURCES
from longtail.report.html import Html, join, tag
from longtail.report.layout import Layout
from longtail.report.section import Material, Section, missing, note, paragraph

#: The finest place that is told: more than a screen has.
_GRID = 8191
#: Categories with a colour of their own.
_NAMED = 9


def space(material: Material) -> Section:
    """Both maps and what a script needs to draw them."""
    title = "The space of items, before and after"
    layout = material.layout
    if isinstance(layout, str):
        return Section("space", title, missing(f"The map was not drawn. {layout}", f"longtail report {material.place}"))
    homeless = int(np.isnan(layout.before[:, 0]).sum())
    drawn, total = len(layout.rows), int(material.bundle.sellable.sum())
    lead = (
        f"Every point is one of {drawn:,} items for "
        f"sale{'' if drawn == total else f', drawn by the seed of {total:,}'}. Before, by ALS alone, {homeless:,} of "
        "them have no place: it learns nothing of what nobody takes. Near points are taken by the same people, or "
        "are expected to be."
    )
    how = (
        f"t-SNE on cosines of {layout.anchors:,} items, both times with the same seed and from the same start (the "
        "principal components of longtail's space); other items stand beside those of them that they are nearest to. "
        "Neighbourhoods mean something; distances between groups, and their sizes, do not."
    )
    choices = [("bucket", "popularity"), ("category", "category"), ("source", "source")]
    if material.bundle.category_column is None:
        choices.remove(("category", "category"))
    buttons = [
        tag("label", tag("input", type="radio", name="colour", value=value, checked=at == 0), f" {said}")
        for at, (value, said) in enumerate(choices)
    ]
    tools = [
        tag("button", said, type="button", data_zoom=way, aria_label=label)
        for said, way, label in (("+", "in", "zoom in"), ("−", "out", "zoom out"), ("whole map", "reset", "whole map"))
    ]
    maps = [
        tag("figure", tag("figcaption", said), tag("canvas", id=name, role="img", aria_label=said))
        for name, said in (("map-before", "before: ALS alone"), ("map-after", "after: longtail"))
    ]
    body = join(
        [
            paragraph(lead),
            tag("div", tag("span", "Coloured by", class_="said"), buttons, tools, class_="tools"),
            tag("div", maps, class_="maps"),
            tag("ul", id="map-legend", class_="legend"),
            tag(
                "p",
                "Point at an item, or tap it, to see what it is. Drag to move, double click to zoom.",
                id="map-item",
            ),
            tag("noscript", paragraph("The map needs JavaScript; all else on this page does not.")),
            note(how),
            tag("script", Html(_packed(material, layout)), type="application/gzip", id="map-data"),
        ]
    )
    return Section("space", title, body)


def _packed(material: Material, layout: Layout) -> str:
    """What the script draws from: gzipped JSON, in letters that may stand in a page."""
    bundle, rows = material.bundle, layout.rows
    categories = [material.categories[row] for row in rows.tolist()]
    named = [name for name, _ in Counter(name for name in categories if name is not None).most_common(_NAMED)]
    code = {name: at for at, name in enumerate(named)}
    values: dict[str, Any] = {
        "id": bundle.items.take(rows),
        "title": material.titles(rows),
        "n": bundle.n_interactions[rows].tolist(),
        "before": _whole(layout.before),
        "after": _whole(layout.after),
        "bucket": bucket_of(bundle.n_interactions[rows]).tolist(),
        "source": bundle.source_codes[rows].tolist(),
        "category": [code.get(name, len(named)) if name is not None else len(named) for name in categories],
        "names": {
            "bucket": [f"{label} interactions" for label in LABELS],
            "source": list(SOURCES),
            "category": [*named, "others"],
        },
        "kind": categories,
        "grid": _GRID,
    }
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode("utf-8"), 9, mtime=0)).decode("ascii")


def _whole(places: Float32) -> list[int]:
    """Places as whole numbers, x and y in turn; -1 for none."""
    scaled = np.where(np.isnan(places), -1, np.rint(np.nan_to_num(places) * _GRID))
    found: list[int] = scaled.astype(np.int64).ravel().tolist()
    return found
