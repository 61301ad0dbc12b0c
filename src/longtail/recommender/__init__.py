"""Answers to people and programs, from a bundle."""

from __future__ import annotations

from longtail.recommender.alone import als_alone
from longtail.recommender.explanation import Contribution, Explanation, ItemInfo
from longtail.recommender.history import Unknown
from longtail.recommender.recommender import Recommender
from longtail.recommender.snapshot import with_index
from longtail.recommender.updates import Update

__all__ = ["Contribution", "Explanation", "ItemInfo", "Recommender", "Unknown", "Update", "als_alone", "with_index"]
