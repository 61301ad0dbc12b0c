"""What training publishes and serving opens: a directory that is checked, versioned and replaced whole."""

from __future__ import annotations

from longtail.bundle.evidence import Evidence
from longtail.bundle.model import FORMAT_VERSION, Bundle, Manifest, library_versions, padded
from longtail.bundle.store import check_destination, load, read_manifest, save

__all__ = [
    "FORMAT_VERSION",
    "Bundle",
    "Evidence",
    "Manifest",
    "check_destination",
    "library_versions",
    "load",
    "padded",
    "read_manifest",
    "save",
]
