"""Where all of this comes from: recipe, choices, versions, fingerprint, duration."""

from __future__ import annotations

from collections.abc import Mapping

from longtail.report.html import Child, Html, join, tag
from longtail.report.section import Material, Section, folded, paragraph, table
from longtail.report.words import shown


def provenance(material: Material) -> Section:
    """Enough to train the same bundle again."""
    manifest = material.bundle.manifest
    facts = material.bundle.describe()
    seconds = manifest.training.get("seconds")
    took = "how long it took is not recorded" if seconds is None else f"learning took {_duration(seconds)}"
    sources = ", ".join(f"{count:,} {source}" for source, count in facts["sources"].items())
    choices = {name: value for name, value in manifest.choices.items() if name not in ("curves", "bridge", "note")}
    body = join(
        [
            paragraph(
                f"Trained {manifest.created[:16].replace('T', ' ')} UTC by longtail {manifest.longtail_version}; "
                f"{took}. {facts['items']:,} items ({sources}), {facts['users']:,} users, {facts['interactions']:,} "
                f"interactions, {facts['factors']} factors."
            ),
            tag("h3", "Chosen on validation"),
            _pairs(choices),
            tag("h3", "Fingerprint of the data"),
            _pairs(manifest.fingerprint),
            folded("Versions", _pairs(manifest.versions)),
            folded("Recipe", tag("pre", manifest.recipe or "Trained from Python, without a recipe's text.")),
        ]
    )
    return Section("provenance", "Where this comes from", body)


def _pairs(values: Mapping[str, object]) -> Html:
    rows: list[list[Child]] = [[name, shown(value)] for name, value in values.items()]
    return table(["", ""], rows, text_columns=2) if rows else paragraph("Nothing is recorded.")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
