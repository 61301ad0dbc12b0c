"""Answers to people and programs, from a bundle."""

from __future__ import annotations

from longtail.recommender.alone import als_alone
from longtail.recommender.history import Unknown
from longtail.recommender.recommender import Recommender
from longtail.recommender.snapshot import with_index

__all__ = ["Recommender", "Unknown", "als_alone", "with_index"]
