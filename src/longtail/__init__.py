"""longtail: behaviour-driven recommendations for 100% of a shop's catalog."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from longtail.core.version import __version__

if TYPE_CHECKING:
    from longtail.cf.als import AlternatingLeastSquares as AlternatingLeastSquares
    from longtail.pipeline import train as train
    from longtail.recipe import Recipe as Recipe
    from longtail.recommender import Recommender as Recommender

_PUBLIC = {
    "AlternatingLeastSquares": "longtail.cf.als",
    "Recipe": "longtail.recipe",
    "Recommender": "longtail.recommender",
    "train": "longtail.pipeline",
}

__all__ = ["AlternatingLeastSquares", "Recipe", "Recommender", "train", "__version__"]


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that `import longtail` stays quick."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'longtail' has no attribute {name!r}")
