"""Questions about a shop's data that `longtail check` answers before anything is trained."""

from longtail.data.checks.cost import Cost, Size, estimate
from longtail.data.checks.coverage import FieldCoverage, cover
from longtail.data.checks.join import Join, check_join
from longtail.data.checks.weighting import TypeWeight, Weighting, weigh

__all__ = [
    "Cost",
    "FieldCoverage",
    "Join",
    "Size",
    "TypeWeight",
    "Weighting",
    "check_join",
    "cover",
    "estimate",
    "weigh",
]
