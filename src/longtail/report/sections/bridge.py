"""What the bridge learned, and how it was taught: its scores on items it had not seen."""

from __future__ import annotations

import math
from typing import Any

from longtail.report.charts.lines import Line, Mark, lines
from longtail.report.html import Child, Html, join, tag
from longtail.report.section import Material, Section, judged_among, missing, note, paragraph, table


def bridge(material: Material) -> Section:
    """Scores of the learners, and their curves."""
    title = "What the bridge learned"
    told = material.bundle.manifest.choices.get("bridge")
    if not isinstance(told, dict) or "scores" not in told:
        said = "No bridge was learned: there is no content, or it says nothing about behaviour."
        return Section("bridge", title, missing(said, "longtail check RECIPE"))
    scores: dict[str, float] = told["scores"]
    body: list[Html] = [
        paragraph(
            f"The bridge predicts an item's place from its content. It learned from {told.get('items', 0):,} items; "
            f"every score is of items that the learner had not seen. Kept: {told['kept']}."
        )
    ]
    rows: list[list[Child]] = [[name, f"{score:.3f}"] for name, score in scores.items()]
    charts = [_ridge(told), _epochs(told), _teaching(material)]
    body.append(tag("div", [chart for chart in charts if chart], class_="charts"))
    body.append(table(["learner", "R² on unseen items"], rows))
    body.append(
        note(
            "In the last round the targets are blended vectors, which hold part of what is predicted: these R² compare "
            "learners and say little about how good predictions are. That is what the chapters above measure."
        )
    )
    return Section("bridge", title, join(body))


def _ridge(told: dict[str, Any]) -> Html:
    curve = sorted((float(ridge), score) for ridge, score in told.get("ridge_curve", {}).items())
    if len(curve) < 2:
        return Html("")
    return lines(
        "R² of the kernel by its ridge",
        [Line("kernel, leave-one-out", "m-longtail", curve)],
        x_label="ridge (logarithmic)",
        y_label="R² on unseen items",
        x_ticks=[(ridge, f"{ridge:g}") for ridge, _ in curve],
        x_warp=lambda ridge: math.log(max(ridge, 1e-12)),
        y_format="{:.3f}".format,
        y_from_zero=False,
        marks=[Mark(float(told["ridge"]), "taken", "mark found")],
        caption="The kernel's one setting, by closed-form leave-one-out.",
    )


def _epochs(told: dict[str, Any]) -> Html:
    folds = told.get("network_errors", [])
    if not folds:
        return Html("")
    longest = max(len(errors) for errors in folds)
    return lines(
        "Error of the network by epoch",
        [
            Line(f"fold {number}", f"m-fold{number % 4}", [(float(at), error) for at, error in enumerate(errors)])
            for number, errors in enumerate(folds, start=1)
        ],
        x_label="epoch (0: before training)",
        y_label="mean squared error, held out",
        x_ticks=[(float(at), str(at)) for at in range(0, longest, max(1, longest // 8))],
        y_format="{:.4f}".format,
        y_from_zero=False,
        caption="The network, each fold on the items it did not learn from; training stops where this no longer falls.",
    )


def _teaching(material: Material) -> Html:
    """How new items are ranked by what the bridge was taught."""
    points = material.curves.get("teaching")
    if not isinstance(points, list) or not points:
        return Html("")
    best: dict[tuple[float, float], float] = {}
    for point in points:
        key = (float(point["min_interactions"]), float(point["target_exponent"]))
        best[key] = max(best.get(key, -math.inf), float(point["ndcg"]))
    exponents = sorted({exponent for _, exponent in best})
    drawn = [
        Line(
            f"target length exponent {exponent:g}",
            f"m-fold{number % 4}",
            sorted((bound, value) for (bound, at), value in best.items() if at == exponent),
        )
        for number, exponent in enumerate(exponents)
    ]
    return lines(
        f"NDCG of {judged_among(points)} by who teaches the bridge",
        drawn,
        x_label="fewest interactions of an item that teaches",
        y_label=f"NDCG among {judged_among(points)}, validation",
        x_ticks=[(bound, f"{bound:g}") for bound in sorted({bound for bound, _ in best})],
        y_format="{:.4f}".format,
        y_from_zero=False,
        caption="Whose vectors it was taught, and how much of their length, on the validation part.",
    )
