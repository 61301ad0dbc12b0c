"""Metrics, their values and counts as tables and pages write them."""

from __future__ import annotations

from longtail.evaluate.result import ProtocolResult

_LABELS = {
    "ndcg": "NDCG",
    "map": "MAP",
    "mrr": "MRR",
    "recall": "Recall",
    "hit_rate": "HitRate",
    "irrelevant": "Irrelevant share",
}


def label(metric: str) -> str:
    """``NDCG@10`` of ``ndcg@10``."""
    name, _, k = metric.partition("@")
    return f"{_LABELS.get(name, name)}@{k}"


def number(value: float) -> str:
    """A share with four digits and no leading zero, ``.0347``."""
    return f"{value:.4f}".removeprefix("0")


def signed(value: float) -> str:
    """The same with its sign, ``+.0012``."""
    return ("-" if value < 0 else "+") + number(abs(value))


def counted(result: ProtocolResult) -> str:
    """The counts behind the numbers, in one paragraph."""
    cut = result.split.get("cut")
    cuts = result.split.get("cuts", [cut] if cut else [])
    tested = f"Tested from {', from '.join(str(cut)[:10] for cut in cuts)} on. " if cuts else ""
    counts = ", ".join(f"{name} {value:,}" for name, value in result.counts.items())
    excluded = ", ".join(f"{reason} {value:,}" for reason, value in result.excluded.items() if value)
    return f"{tested}Counts: {counts}." + (f" Held-out pairs left out: {excluded}." if excluded else "")
