"""What was read, refused and covered."""

from __future__ import annotations

from typing import Any

from longtail.core.words import many
from longtail.report.html import Child, Html, join, tag
from longtail.report.section import Material, Section, missing, paragraph, table
from longtail.report.words import percent


def quality(material: Material) -> Section:
    """Rows by what became of them, how events and catalog meet, and coverage of each field."""
    title = "The data"
    data = material.data
    if not data:
        said = (
            "This bundle does not say what became of its data: it was trained by an older version, or not by a recipe."
        )
        return Section("data", title, missing(said, "longtail check RECIPE"))
    body = [
        _rows("events", data["events"]),
        _rows("catalog", data["catalog"]),
        _join(data["join"]),
        _users(data["users"]),
        _fields(data["fields"]),
    ]
    return Section("data", title, join(body))


def _rows(what: str, counts: dict[str, Any]) -> Html:
    refused, read = counts["refused"], counts["read"]
    said = f"{many(counts['accepted'], 'row')} of the {what} of {read:,} were accepted"
    said += f", {counts['filtered']:,} left out by the recipe's condition" if counts["filtered"] else ""
    if not refused:
        return paragraph(f"{said}; none was refused.")
    share = f" ({percent(refused / read)})" if read else ""
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in counts["reasons"].items())
    return paragraph(tag("b", f"{refused:,} refused{share}"), f": {reasons}. {said}. `longtail check` shows examples.")


def _join(join_: dict[str, int]) -> Html:
    unknown, silent = join_["unknown_items"], join_["silent_items"]
    said = (
        f"{join_['event_items'] - unknown:,} of {many(join_['event_items'], 'item')} in the events are in the catalog"
    )
    said += f"; the others have {join_['unknown_events']:,} of {join_['events']:,} events" if unknown else ""
    total = join_["catalog_items"]
    return paragraph(
        f"{said}. {silent:,} of {many(total, 'catalog item')} "
        f"({percent(silent / total) if total else '0%'}) have no event at all."
    )


def _users(users: dict[str, int]) -> Html:
    one = users["users_with_one"]
    said = f"{many(users['users'], 'user')}, {one:,} of them with a single item, who do not teach which go together."
    if users["zero_pairs"]:
        said += f" {users['zero_pairs']:,} pairs of user and item weigh nothing."
    return paragraph(said)


def _fields(fields: list[dict[str, Any]]) -> Html:
    if not fields:
        return paragraph("The recipe declares no fields of the catalog.")
    rows: list[list[Child]] = []
    for field in fields:
        lacking = field["files_missing"]
        troubles = [f"{field['unparsable']:,} not readable"] if field["unparsable"] else []
        troubles += [f"{percent(lacking)} of the files missing"] if lacking else []
        distinct = "" if field["distinct"] is None else f"{field['distinct']:,}"
        share = field["share"]
        bar = tag("span", tag("i", style=f"width:{100 * share:.0f}%"), class_="meter")
        rows.append([field["name"], field["kind"], join([bar, f" {percent(share)}"]), distinct, ", ".join(troubles)])
    return table(["field", "kind", "items that have it", "different values", "trouble"], rows, text_columns=2)
