"""What a trainer does once and keeps."""

from __future__ import annotations

from types import SimpleNamespace

from longtail.protocols import training


def test_content_is_encoded_once_for_the_same_hidden_items(shop, monkeypatch):
    events, catalog = shop
    encoded, used = [], []

    def encode(recipe, catalog, *, hidden, **how):
        encoded.append(tuple(hidden))
        return tuple(hidden)

    def learn(recipe, events, catalog, *, hidden, encoded, **how):
        used.append(encoded)
        return SimpleNamespace(choices=None)

    monkeypatch.setattr(training, "encode", encode)
    monkeypatch.setattr(training, "learn", learn)
    monkeypatch.setattr(training, "check_catalog", lambda *args, **how: None)
    monkeypatch.setattr(
        training, "parts_of", lambda *args, **how: SimpleNamespace(provenance=SimpleNamespace(choices=None))
    )
    recipe = SimpleNamespace(seed=0)
    recipe.seeded = lambda seed: SimpleNamespace(seed=seed)
    trainer = training.Trainer(recipe)
    asked = [(["0001"], 100), (["0001"], 0), ([], 0), (["0002"], 0), ([], 100), (["0001"], 0)]
    for hidden, seed in asked:
        trainer(events, catalog, hidden=hidden, seed=seed)
    assert used == [tuple(hidden) for hidden, _ in asked]
    # One set of hidden items is kept beside none: each is as large as the catalog.
    assert encoded == [("0001",), (), ("0002",), ("0001",)]
