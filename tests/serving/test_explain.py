"""A score is the sum of what it is said to be made of, and every part is what it is said to be."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from longtail.blend import blend
from longtail.bridge.training import Bridge
from longtail.bundle import Bundle, load
from longtail.calibrate.average import average_of
from longtail.calibrate.model import Fusion, sources
from longtail.cf.als import solve_users
from longtail.content.combine import combine
from longtail.content.model import ContentModel
from longtail.core.errors import BundleError, UnknownIdError
from longtail.core.features import Field
from longtail.data.catalog import Catalog
from longtail.recommender import Explanation, Recommender
from longtail.recommender.asking import ask
from longtail.recommender.fields import FieldReader

GOLDEN = Path(__file__).parent.parent / "golden" / "format-2"


@pytest.fixture(scope="module")
def shop(trained_shop: Path) -> Recommender:
    """Trained by the pipeline, so that every kind of part is there."""
    return Recommender(blended(load(trained_shop / "shop.bundle")))


def blended(bundle: Bundle) -> Bundle:
    """A trained bundle with a prior and a fusion that count, whatever validation said of them in so small a shop."""
    assert bundle.bridge is not None
    has = bundle.predictions.any(axis=1)
    als, precision = bundle.als_settings, 2.0
    posterior = blend(
        bundle.history, bundle.user_factors, bundle.predictions, has, precision, als,
        exposure=bundle.exposure, with_share=True,
    )  # fmt: skip
    assert posterior.behaviour_share is not None
    users = solve_users(bundle.history, posterior.vectors, als, exposure=bundle.exposure).factors
    return replace(
        bundle,
        item_vectors=posterior.vectors,
        user_factors=users,
        precision=precision,
        behaviour_share=posterior.behaviour_share,
        source_codes=sources(bundle.n_interactions, has, posterior.behaviour_share),
        fusion=Fusion(0.3, 5.0, 0.6, 20.0, 0.5, 3.0, similar_doubt=0.5, freshness=0.4),
        average_user=average_of(users, bundle.history),
    )


def assert_adds_up(found: Explanation, score: float, tolerance: float = 3e-6) -> None:
    """The parts sum to the score, and what no part accounts for is rounding of float32, whose unit is a cosine's 1."""
    size = sum(abs(part.value) for part in found.contributions)
    assert found.score == score
    assert sum(part.value for part in found.contributions) == pytest.approx(score, abs=1e-6 * size)
    assert abs(found.total("rest")) <= tolerance * size + 1e-6
    if found.by_history:
        size = sum(abs(part.value) for part in found.by_history)
        assert sum(part.value for part in found.by_history) == pytest.approx(score, abs=1e-6 * size)


@pytest.mark.parametrize("user", ["c003", "c077", "c149"])
def test_parts_sum_to_the_score_of_recommend(shop: Recommender, user: str) -> None:
    ranking = shop.recommend(user, 120, exclude_seen=False)
    assert {row.source for row in ranking} >= {"blended", "predicted"}
    for row in list(ranking)[::7] + [row for row in ranking if row.source == "predicted"]:
        found = shop.explain(user, row.item_id)
        assert (found.source, found.n_interactions) == (row.source, row.n_interactions)
        assert_adds_up(found, row.score)


def test_parts_sum_to_the_score_of_recommend_for(shop: Recommender) -> None:
    history = {"00001": 3.0, "00007": 1.0, "00013": 2.0}
    for row in list(shop.recommend_for(history, 120))[::10]:
        assert_adds_up(shop.explain_for(history, row.item_id), row.score)


@pytest.mark.parametrize("asked", ["00001", "00050", "00115"])
def test_parts_sum_to_the_score_of_similar_items(shop: Recommender, asked: str) -> None:
    ranking = shop.similar_items(asked, 120)
    for row in list(ranking)[::7] + [row for row in ranking if row.source == "predicted"]:
        found = shop.explain_similar(asked, row.item_id)
        assert_adds_up(found, row.score)
        history = shop.bundle.history.toarray() > 0
        both = history[:, shop.bundle.items.rows([asked, row.item_id])].all(axis=1).sum()
        assert found.taken_by_both == both


def test_behaviour_is_split_by_the_solved_system_of_the_user(shop: Recommender) -> None:
    bundle = shop.bundle
    user, item = bundle.users.row("c003"), bundle.items.row("00001")
    start, end = bundle.history.indptr[user : user + 2]
    rows, weights = bundle.history.indices[start:end], bundle.history.data[start:end].astype(float)
    als = bundle.als_settings
    n = bundle.n_interactions[:, None]
    V = np.hstack([bundle.item_vectors, 0.3 * 5.0 / (5.0 + n) * bundle.content]).astype(np.float64)
    A = als.background * (V.T * bundle.exposure) @ V + (V[rows].T * als.alpha * weights) @ V[rows]
    penalty = als.regularization * (len(rows) + als.background * len(V)) ** als.frequency_scaling
    A += penalty * np.eye(len(A))
    found = shop.explain("c003", "00001")
    common = [part for part in found.by_history if part.kind == "popularity"]
    assert common == [part for part in found.contributions if part.kind == "popularity"]
    assert bundle.average_user is not None
    fresh = 1 + 0.4 / (1.0 + (bundle.n_interactions[item] / 20) ** 2)
    average = bundle.average_user.astype(np.float64)
    everybody = fresh * 0.5 * 3.0 / (3.0 + len(rows)) * average @ V[item, : len(average)]
    assert [part.value for part in common] == [pytest.approx(everybody, abs=1e-6)]
    assert {part.of for part in found.by_history} - {""} == set(bundle.items.take(rows))
    for part in found.by_history:
        if part.kind == "popularity":
            continue
        row = bundle.items.row(part.of)
        weight = als.alpha * weights[rows.tolist().index(row)]
        expected = fresh * weight * V[item] @ np.linalg.solve(A, V[row])
        assert part.value == pytest.approx(expected, abs=1e-6)


def test_fields_are_split_by_what_each_brings_in_every_order(shop: Recommender) -> None:
    bundle = shop.bundle
    assert bundle.content_model is not None
    assert bundle.bridge is not None
    assert bundle.catalog_schema is not None
    question = ask(shop._snapshot, shop._snapshot.taken(bundle.users.row("c003")))
    assert question is not None
    user = 1.4 * question.own[: bundle.item_vectors.shape[1]]  # new items are made longer by 0.4
    row = bundle.catalog.slice(bundle.items.row("00115"), 1)  # nobody took it: its vector is its prediction
    catalog = Catalog.from_rows(bundle.catalog_schema, row.to_pylist(), like=bundle.catalog)
    encoded = ContentModel.from_state(*bundle.content_model).encode(catalog)
    bridge = Bridge.from_state(*bundle.bridge)

    def worth(known: frozenset[str]) -> float:
        """The score the item would have if only some of its fields were known, by the published bridge."""
        shown = replace(
            encoded, fields=tuple(field if field.name in known else without(field) for field in encoded.fields)
        )
        z = combine(shown, bundle.field_weights)
        return float(user @ bundle.length.apply(bridge.predict(shown, z))[0])

    names = bundle.fields
    worths = {frozenset(some): worth(frozenset(some)) for n in range(4) for some in itertools.combinations(names, n)}
    orders = list(itertools.permutations(names))
    expected = dict.fromkeys(names, 0.0)
    for order in orders:
        for at, name in enumerate(order):
            expected[name] += (worths[frozenset(order[: at + 1])] - worths[frozenset(order[:at])]) / len(orders)
    found = {part.of: part.value for part in shop.explain("c003", "00115").contributions if part.kind == "prediction"}
    assert found == pytest.approx(expected, abs=1e-6)


def without(field: Field) -> Field:
    return Field(field.name, np.zeros_like(field.matrix), np.zeros_like(field.present))


def test_content_alone_speaks_for_new_items_and_behaviour_for_heads(shop: Recommender) -> None:
    new = shop.explain("c003", "00115")
    assert new.total("behaviour") == 0
    assert new.total("prediction") != 0
    head = shop.bundle.items.id(int(shop.bundle.n_interactions.argmax()))
    found = shop.explain("c003", head)
    assert abs(found.total("behaviour")) > abs(found.total("prediction"))


def test_more_fields_than_ten_are_nine_and_the_others_together(bundle_with: Callable[..., Bundle]) -> None:
    names = tuple(f"field {number}" for number in range(12))
    bundle = bundle_with(fields=names, present=np.ones((30, 12), dtype=np.bool_))
    shop = Recommender(replace(bundle, evidence=load(GOLDEN).evidence))
    players = FieldReader(bundle).players(shop._snapshot, 5)
    assert [len(names) for names in players] == [1] * 9 + [3]


def test_bundles_that_do_not_know_their_fields_give_content_as_a_whole() -> None:
    shop = Recommender.load(GOLDEN.with_name("format-1"))
    for row in shop.recommend("shopper 3", 10):
        found = shop.explain("shopper 3", row.item_id)
        assert {part.of for part in found.contributions if part.kind in ("prediction", "content")} == {"all fields"}
        assert sum(part.value for part in found.contributions) == pytest.approx(row.score, rel=1e-5)
    assert shop.item_info("0005").fields == {}


def test_fallbacks_are_explained_by_popularity(bundle_with: Callable[..., Bundle]) -> None:
    factors = np.zeros_like(bundle_with().user_factors)
    shop = Recommender(bundle_with(user_factors=factors, fusion=Fusion()))
    best = shop.recommend("u1", 1)[0]
    found = shop.explain("u1", best.item_id)
    assert [part.kind for part in found.contributions] == ["popularity"]
    assert found.score == best.score
    assert "how many took them" in found.note
    found = Recommender(bundle_with()).explain_similar("000", best.item_id)  # item 0 has neither events nor content
    assert [part.kind for part in found.contributions] == ["popularity"]


def test_an_item_of_which_nothing_is_known_is_said_to_be_no_answer(bundle_with: Callable[..., Bundle]) -> None:
    shop = Recommender(bundle_with())
    for found in (shop.explain("u1", "000"), shop.explain_similar("007", "000")):
        assert [part.kind for part in found.contributions] == ["popularity"]
        assert "only where that holds for all" in found.note
    bare = Recommender(bundle_with(catalog_schema=None)).explain("u1", "000")
    assert (bare.score, bare.contributions) == (0.0, ())
    assert "never an answer" in bare.note


def test_unknown_ids_are_errors(shop: Recommender) -> None:
    with pytest.raises(UnknownIdError, match="user"):
        shop.explain("nobody", "00001")
    for question in (
        lambda: shop.explain("c003", "x"),
        lambda: shop.explain_similar("x", "00001"),
        lambda: shop.item_info("x"),
    ):
        with pytest.raises(UnknownIdError, match="item"):
            question()


def test_added_and_updated_items_are_explained_too(trained_shop: Path, tmp_path: Path) -> None:
    shop = Recommender(blended(load(trained_shop / "shop.bundle")))
    shop.add_items([{"sku": "new", "name": "red tent", "kind": "tent", "colour": "red", "price": 9}, {"sku": "bare"}])
    assert shop.item_info("new").fields == dict.fromkeys(shop.bundle.fields, True)
    assert shop.item_info("bare").fields == dict.fromkeys(shop.bundle.fields, False)
    shop.update_events([{"user_id": f"c{n:03d}", "item_id": "new", "event_type": "purchase"} for n in range(8)])
    shop.save(tmp_path / "shop.bundle")
    for one in (shop, Recommender.load(tmp_path / "shop.bundle")):
        (row,) = (row for row in one.recommend("c003", 200, exclude_seen=False) if row.item_id == "new")
        found = one.explain("c003", "new")
        assert_adds_up(found, row.score)
        assert "00001" in one.similar_items("new", 200).item_ids
        like = next(row for row in one.similar_items("new", 200) if row.item_id == "00001")
        assert_adds_up(one.explain_similar("new", "00001"), like.score)
        info = one.item_info("new")
        assert (info.n_interactions, info.events) == (8, 8)
        assert 0 < info.behaviour_share < 1


#: Many buy what few had bought.
SOLD = [{"user_id": f"c{n:03d}", "item_id": "00001", "event_type": "purchase"} for n in range(60)]


def test_who_was_not_touched_keeps_a_vector_and_the_rest_is_told(trained_shop: Path) -> None:
    bundle = load(trained_shop / "shop.bundle")
    shop = Recommender(replace(bundle, fusion=replace(bundle.fusion, weight=0.0)))
    shop.update_events(SOLD)
    (row,) = (row for row in shop.recommend("c149", 200, exclude_seen=False) if row.item_id == "00001")
    found = shop.explain("c149", "00001")
    assert found.contributions[-1].kind == "rest"
    assert sum(part.value for part in found.contributions) == pytest.approx(row.score, rel=1e-5)


def test_where_content_counts_users_ask_anew_after_others_events(trained_shop: Path) -> None:
    shop = Recommender(blended(load(trained_shop / "shop.bundle")))
    before = ask(shop._snapshot, shop._snapshot.taken(shop.bundle.users.row("c149")))
    shop.update_events(SOLD)
    after = ask(shop._snapshot, shop._snapshot.taken(shop.bundle.users.row("c149")))
    assert before is not None
    assert after is not None
    assert not np.allclose(before.own, after.own, rtol=1e-3)
    fresh = Recommender(shop.bundle)  # nothing handed on from before the events
    for row, other in zip(shop.recommend("c149", 200), fresh.recommend("c149", 200), strict=True):
        assert row.item_id == other.item_id
        assert row.score == pytest.approx(other.score, rel=1e-4, abs=1e-6)
    (row,) = (row for row in shop.recommend("c149", 200, exclude_seen=False) if row.item_id == "00001")
    assert_adds_up(shop.explain("c149", "00001"), row.score)


def test_training_ends_with_the_fold_in_of_serving(trained_shop: Path) -> None:
    shop = Recommender.load(trained_shop / "shop.bundle")
    bundle = shop.bundle
    for user in ("c003", "c077"):
        start, end = bundle.history.indptr[bundle.users.row(user) :][:2]
        ids = bundle.items.take(bundle.history.indices[start:end])
        known = shop.recommend(user, 20)
        folded = shop.recommend_for(dict(zip(ids, bundle.history.data[start:end].tolist(), strict=True)), 20)
        assert [row.score for row in known] == pytest.approx([row.score for row in folded], rel=1e-5)
    assert bundle.trained == (len(bundle.users), len(bundle.items))
    assert bundle.window is not None
    # First events are kept where exposure goes by them, and only there: updates follow the same rule.
    assert (bundle.first_seen is not None) == bundle.manifest.choices["pull"]["since_first"]
    if bundle.first_seen is not None:
        assert (np.isnat(bundle.first_seen) == (bundle.item_events == 0)).all()


def test_explaining_needs_neither_torch_nor_encoders(trained_shop: Path) -> None:
    script = (
        "import sys\nfrom longtail import Recommender\n"
        "shop = Recommender.load(sys.argv[1])\n"
        "assert shop.explain('c003', '00115').contributions\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, str(trained_shop / "shop.bundle")], check=True)


def test_what_only_explanations_need_is_checked_when_it_is_first_read(trained_shop: Path, tmp_path: Path) -> None:
    shop = Recommender.load(trained_shop / "shop.bundle")
    shop.save(tmp_path / "shop.bundle")
    file = tmp_path / "shop.bundle" / "evidence.safetensors"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    damaged = Recommender.load(tmp_path / "shop.bundle")
    assert len(damaged.similar_items("00001", 5)) == 5
    for _ in range(2):
        with pytest.raises(BundleError, match=r"evidence\.safetensors is altered"):
            damaged.explain("c003", "00001")
    with pytest.raises(BundleError, match=r"evidence\.safetensors is altered"):
        damaged.save(tmp_path / "copy.bundle")
    file.write_bytes(content[:-5])
    with pytest.raises(BundleError, match=r"evidence\.safetensors is truncated"):
        Recommender.load(tmp_path / "shop.bundle")


def test_an_opened_bundle_that_was_replaced_still_explains(trained_shop: Path, tmp_path: Path) -> None:
    for _ in range(2):
        Recommender.load(trained_shop / "shop.bundle").save(tmp_path / "shop.bundle")
    opened = Recommender.load(tmp_path / "shop.bundle")
    for _ in range(2):
        Recommender.load(trained_shop / "shop.bundle").save(tmp_path / "shop.bundle")
    assert opened.explain("c003", "00115").contributions


def test_everything_is_plain(shop: Recommender) -> None:
    import json

    for value in (shop.explain("c003", "00115"), shop.explain_similar("00001", "00115"), shop.item_info("00001")):
        assert json.loads(json.dumps(value.to_dict()))
