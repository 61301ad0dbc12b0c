"""What is shown of each bucket beside what is taken of it."""

from __future__ import annotations

from longtail.report.charts.bars import Bar, Series, bars
from longtail.report.charts.frame import style
from longtail.report.html import tag
from longtail.report.section import Material, Section, note, paragraph, table
from longtail.report.words import percent


def exposure(material: Material) -> Section:
    """Shares of the shown places and of what was taken, over the whole catalog."""
    title = "What is shown and what is taken"
    result = material.evaluation.result("tail")
    if result is None or not result.taken:
        return Section("exposure", title, material.not_measured("tail", "What is shown of each group of items"))
    groups = list(result.taken)
    drawn = [Series("taken later", style("taken"), [Bar(share) for share in result.taken.values()])]
    drawn += [
        Series(f"shown by {method}", style(method), [Bar(result.exposure[method][at]) for at in groups])
        for method in ("ALS", "longtail")
        if method in result.exposure
    ]
    chart = bars(
        "Shares of what was taken and of what is shown, by interactions of the items",
        groups,
        drawn,
        x_label="interactions of the items",
        y_label="share",
        y_format="{:.0%}".format,
    )
    rows = [["taken later", *(percent(share) for share in result.taken.values())]]
    rows += [[f"shown by {m}", *(percent(shares[at]) for at in groups)] for m, shares in result.exposure.items()]
    beside = tag(
        "div",
        paragraph(
            "Where a group is shown less than it is taken, the method holds it back; where it is shown more, it is "
            "pushed. ALS alone cannot show what nobody took."
        ),
        table(["", *groups], list(map(list, rows))),
        note(f"Over the first {result.k} places for every tested user, the whole catalog as candidates."),
    )
    return Section("exposure", title, tag("div", chart, beside, class_="pair"))
