"""Metrics, full ranking, comparisons with intervals and diagnosis: pure functions of rankings and counts."""
