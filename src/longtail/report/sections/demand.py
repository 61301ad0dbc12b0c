"""How long the tail is: the Pareto curve and what each bucket holds."""

from __future__ import annotations

import numpy as np

from longtail.core.buckets import LABELS
from longtail.evaluate.diagnose import diagnose, in_words
from longtail.report.charts.lines import Line, Mark, lines
from longtail.report.html import tag
from longtail.report.section import Material, Section, missing, paragraph, table
from longtail.report.words import percent

_POINTS = 120


def demand(material: Material) -> Section:
    """Who has the events, over the items for sale."""
    bundle = material.bundle
    counts, events = bundle.n_interactions[bundle.sellable], bundle.item_events[bundle.sellable]
    found = diagnose(counts, events, material.tail_below)
    title = "Who has the events"
    if not found.items or not found.events:
        return Section("demand", title, missing(" ".join(in_words(found))))
    sorted_ = np.sort(events)[::-1]
    # From the first item on; the curve bends most at its start, so that is where points stand close.
    at = np.unique(np.rint(np.geomspace(1, len(sorted_), _POINTS)).astype(np.int64))
    shares = np.cumsum(sorted_)[at - 1] / sorted_.sum()
    curve = [(0.0, 0.0), *zip((at / len(sorted_)).tolist(), shares.tolist(), strict=True)]
    tail = found.tail_items / found.items
    chart = lines(
        "Share of the events that the most popular items have",
        [Line("most popular items first", "m-longtail", curve, dots=False)],
        x_label="share of the items, most popular first",
        y_label="share of the events",
        x_ticks=[(tick, f"{tick:.0%}") for tick in (0.0, 0.25, 0.5, 0.75, 1.0)],
        y_format="{:.0%}".format,
        marks=[
            Mark(found.pareto_80, f"{percent(found.pareto_80)} of the items have 80%", low=True),
            Mark(1 - tail, f"from here on tail, {percent(tail)}", low=True),
        ],
    )
    rows = [
        [label, f"{items:,}", percent(items / found.items), f"{has:,}", percent(has / found.events)]
        for label, items, has in zip(LABELS, found.bucket_items, found.bucket_events, strict=True)
    ]
    beside = tag(
        "div",
        (paragraph(sentence) for sentence in in_words(found)),
        table(["interactions", "items", "share", "events", "share"], list(map(list, rows))),
    )
    return Section("demand", title, tag("div", chart, beside, class_="pair"))
