"""What each field of the catalog brings: its weight, and what is lost without it."""

from __future__ import annotations

from typing import Any

from longtail.evaluate.words import number, signed
from longtail.report.html import Child, join
from longtail.report.section import Material, Section, judged_among, missing, note, paragraph, table


def fields(material: Material) -> Section:
    """Weights as chosen, with the validation scores of leaving a field out."""
    title = "What each field brings"
    weights = material.bundle.field_weights
    if not weights:
        said = (
            "This bundle uses no field of the catalog: its recipe declares none, or training found that content says "
        )
        return Section("fields", title, missing(said + "nothing about behaviour.", "longtail check RECIPE"))
    curve = material.curves.get("field_weights")
    tried = curve if isinstance(curve, list) else []
    rows: list[list[Child]] = []
    for name, weight in weights.items():
        pair = without(tried, name, weights)
        if pair is None:
            rows.append([name, f"{weight:g}", "not tried", "", ""])
            continue
        used, left_out = pair
        ranking = ""
        if used["ndcg"] is not None and left_out["ndcg"] is not None:
            ranking = f"{number(used['ndcg'])} ({signed(used['ndcg'] - left_out['ndcg'])})"
        rows.append([name, f"{weight:g}", f"{used['r2']:.3f} ({used['r2'] - left_out['r2']:+.3f})", ranking])
    note_ = None
    if len(weights) < 2 or not tried:
        note_ = note("With a single field, or with weights that the recipe sets, nothing is tried.")
    body = join(
        [
            paragraph(
                "How much each field weighs in what an item is, and in brackets what it adds: the score with the field "
                "less the score of the same weights without it."
            ),
            table(["field", "weight", "R² on unseen items", f"NDCG among {judged_among(tried)}"], rows),
            note_,
            note(
                "Scores are of the validation part of training, where weights were chosen, without intervals: they "
                "say why a weight was taken and are no proof. For proof, train without the field and compare two "
                "evaluations."
            ),
        ]
    )
    return Section("fields", title, body)


def without(tried: list[dict[str, Any]], name: str, chosen: dict[str, float]) -> tuple[Any, Any] | None:
    """The two tries that differ in nothing but whether ``name`` is used, as near to the chosen weights as there are."""
    scale = max(chosen.values()) or 1.0

    def others(entry: dict[str, Any]) -> dict[str, float]:
        return {field: weight for field, weight in entry["weights"].items() if field != name}

    def distance(entry: dict[str, Any]) -> float:
        given: dict[str, float] = entry["weights"]
        top = max(given.values()) or 1.0
        return sum(abs(given.get(field, 0.0) / top - weight / scale) for field, weight in chosen.items())

    pairs = [
        (used, bare)
        for used in tried
        if used["weights"].get(name)
        for bare in tried
        if not bare["weights"].get(name) and others(bare) == others(used)
    ]
    return min(pairs, key=lambda pair: distance(pair[0]), default=None)
