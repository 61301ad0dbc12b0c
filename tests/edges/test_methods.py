"""Every method of the recipe trains, answers alike to a user and to their history, and says where answers come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from longtail.core.errors import MissingExtraError
from longtail.core.progress import SilentProgress
from longtail.pipeline import learn, read
from longtail.protocols.new_users import new_users
from longtail.protocols.random_holdout import random_holdout
from longtail.protocols.training import Trainer
from longtail.recipe import Recipe
from longtail.recommender import Recommender, als_alone

ONE = '[catalog.fields.kind]\nkind = "category"\n'


def by_kind(kind: np.ndarray, rng: np.random.Generator) -> dict[str, list[Any]]:
    return {"kind": [("rope", "lamp", "tent", "boot")[k] for k in kind]}


@pytest.fixture(scope="module", params=["longtail", "als", "article"])
def trained(request: pytest.FixtureRequest, shop_of: Callable[..., Any]) -> Any:
    method = f'method = "{request.param}"\narticle_threshold = 5\n'
    return request.param, shop_of(ONE, by_kind, model=method)


def history_of(shop: Recommender, user: str) -> dict[str, float]:
    row = shop.bundle.history[[shop.bundle.users.row(user)]]
    return dict(zip(shop.bundle.items.take(row.indices), row.data.tolist(), strict=True))


def assert_alike(shop: Recommender) -> None:
    for number in range(0, 150, 10):
        known = shop.recommend(f"u{number}", 10)
        told = shop.recommend_for(history_of(shop, f"u{number}"), 10)
        assert list(known.item_ids) == list(told.item_ids)
        np.testing.assert_allclose([row.score for row in known], [row.score for row in told], atol=1e-4)


def test_a_known_user_gets_what_their_history_gets(trained: Any) -> None:
    _, shop = trained
    assert_alike(shop.shop)


def test_so_does_the_shop_as_als_alone_sees_it(trained: Any) -> None:
    _, shop = trained
    assert_alike(als_alone(shop.bundle))


def test_new_items_are_what_the_method_makes_of_them(trained: Any) -> None:
    method, shop = trained
    (source,) = {shop.shop.item_info(item).source for item in shop.new}
    assert source == ("fallback" if method == "als" else "predicted")


def test_events_of_a_new_item_count_at_once(trained: Any) -> None:
    _, shop = trained
    bundle = shop.bundle
    events = [{"user_id": f"u{number}", "item_id": shop.new[0], "timestamp": bundle.manifest.fingerprint["last"]}
              for number in range(6)]  # fmt: skip
    changed = Recommender(bundle)
    changed.update_events(events)
    assert changed.item_info(shop.new[0]).source in ("learned", "blended")
    assert np.isfinite([row.score for row in changed.recommend("u0", 5)]).all()


def little_shop(method: str) -> tuple[Recipe, Any, Any]:
    """Recipe, events and catalog."""
    rng = np.random.default_rng(0)
    ids = [f"i{number:02d}" for number in range(40)]
    catalog = pa.table({"item_id": ids, "kind": [("rope", "lamp")[number % 2] for number in range(40)]})
    taken = [(f"u{user}", ids[2 * item + user % 2]) for user in range(60) for item in rng.choice(20, 6, replace=False)]
    events = pa.table({"user_id": [user for user, _ in taken], "item_id": [item for _, item in taken]})
    model = f'[model]\nvalidation_users = 50\nmethod = "{method}"\n'
    recipe = Recipe.parse(f'[events]\ntimestamp = ""\n{ONE}[als]\nfactors = 4\n{model}')
    return recipe, *read(recipe, events=events, catalog=catalog)


def test_evaluation_goes_on_where_the_article_cannot_be_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    import longtail.protocols.training as training

    said: list[str] = []
    recipe, events, items = little_shop("longtail")
    learned = learn(recipe, events, items)

    def without_torch(*_: Any, **__: Any) -> None:
        raise MissingExtraError("Training the network bridge", "text", "torch")

    monkeypatch.setattr(training, "fit", without_torch)
    progress = SilentProgress()
    monkeypatch.setattr(progress, "note", said.append, raising=False)
    parts = training.parts_of(recipe, learned, progress=progress)
    assert parts.article is None
    assert said[0].startswith("The article's method is not measured.")
    assert "torch" in said[0]


@pytest.mark.parametrize("method", ["als", "longtail"])
def test_two_equal_columns_are_explained(method: str) -> None:
    recipe, events, items = little_shop(method)
    trainer = Trainer(recipe, article=False)
    result = random_holdout(events, items, trainer)
    told = [note for note in result.notes if note.startswith("longtail is ALS alone here.")]
    equal = all(
        found.estimates["longtail"] == found.estimates["ALS"]
        for section in result.sections
        for found in section.comparisons.values()
    )
    assert equal == bool(told) == (method == "als")
    assert all('method = "als"' in note for note in told)
    revealed = new_users(events, items, trainer, reveal=(1, 2), share=0.5)
    assert [note for note in revealed.notes if note.startswith("longtail is ALS")] == told
