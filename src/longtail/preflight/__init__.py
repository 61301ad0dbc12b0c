"""What `longtail check` does: look at a shop's data as training would, without training."""

from longtail.preflight.report import EventsSummary, Finding, Preflight
from longtail.preflight.run import preflight

__all__ = ["EventsSummary", "Finding", "Preflight", "preflight"]
