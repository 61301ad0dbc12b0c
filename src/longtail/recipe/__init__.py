"""The recipe: where a shop's data is, what its columns mean, how to train on it."""

from longtail.recipe.recipe import Recipe

__all__ = ["Recipe"]
