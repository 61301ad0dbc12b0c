"""The share of neighbours that do not belong: by a field, by people, and where nothing is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from longtail.core.errors import DataError
from longtail.core.vocabulary import Vocabulary
from longtail.data.catalog import Catalog
from longtail.data.judgements import Judgements
from longtail.data.refusals import Refusals
from longtail.data.schema import CatalogSchema, FieldSchema
from longtail.evaluate.metrics import irrelevant_share
from longtail.evaluate.relevance import ALL
from longtail.evaluate.result import ProtocolResult
from longtail.protocols.foreign import ForeignEmbeddings
from longtail.protocols.relevance import relevance
from longtail.protocols.run import Options

FAST = Options(k=4, resamples=50)


def test_the_share_by_hand_and_what_is_not_known_counts_neither_way():
    nan = np.nan
    relevant = np.array([[1, 1, 0, 0], [1, 0.5, nan, nan], [nan, nan, nan, nan], [0, nan, nan, 0]])
    np.testing.assert_allclose(irrelevant_share(relevant), [0.5, 0.25, nan, 1.0])
    assert irrelevant_share(np.zeros((0, 3))).shape == (0,)
    for wrong in (np.zeros(3), np.array([[2.0]])):
        with pytest.raises(DataError, match="from 0 to 1"):
            irrelevant_share(wrong)


@pytest.fixture
def groups(make, honest):
    """Four kinds of five items; vectors of longtail know the kinds, those of ALS know nothing."""
    ids = [f"g{group}{item}" for item in range(5) for group in range(4)]
    rows = [
        (f"u{user:02d}", f"g{user % 4}{item}", "buy", datetime(2024, 1, 1) + timedelta(days=day))
        for user in range(40)
        for item in range(4)  # the fifth of every kind was never taken
        for day in (0, 99)
    ]
    table = pa.table(
        {"item_id": ids, "kind": [id[1] for id in ids], "half": ["x" if id[2] < "3" else None for id in ids]}
    )
    schema = CatalogSchema(fields={"kind": FieldSchema(kind="category")})
    catalog = Catalog(Vocabulary(ids), table, schema, pa.array(ids), Refusals("catalog", 20, 20, 0))

    def fit(training, given, *, hidden=(), validation=None):
        parts = honest(training, given)
        vectors = np.eye(4, dtype=np.float32)[[int(id[1]) for id in parts.interactions.items]]
        return replace(parts, model=replace(parts.model, item_vectors=vectors))

    return make.events(rows), catalog, fit


def test_who_knows_the_kinds_shows_nothing_else(groups):
    events, catalog, fit = groups
    result = relevance(events, catalog, fit, options=FAST)
    whole = result.section(ALL)
    estimates = whole.comparisons["irrelevant@4"].estimates
    assert estimates["longtail"].mean == 0.0
    assert estimates["ALS"].mean > 0.5
    assert whole.comparisons["irrelevant@4"].difference("longtail", "ALS").significant
    assert (whole.n_users, whole.n_pairs) == (20, 20 * 4 * len(result.methods))
    assert [section.name for section in result.sections] == [ALL, "0", "5-19"]
    assert result.section("0").n_users == 4
    assert result.split["relevance"] == {"from": "field", "proxy": True, "field": "kind", "values": 4}
    assert any("a proxy" in note for note in result.notes)
    assert result.split["cut"], "trained before the cut, as the tail protocol is"
    assert ProtocolResult.from_dict(result.to_dict()) == result


def test_items_and_neighbours_without_a_value_count_neither_way(groups):
    events, catalog, fit = groups
    result = relevance(events, catalog, fit, options=replace(FAST, relevant_by="half"))
    assert result.counts["items with known relevance"] == 12
    assert result.section(ALL).comparisons["irrelevant@4"].estimates["longtail"].mean == 0.0, "of those it is known of"
    assert result.counts["unknown neighbours of longtail"] > 0


def test_people_decide_where_they_judged(groups):
    events, catalog, fit = groups
    items = list(catalog)
    rows = [
        (item, other, item[1] == other[1] and other != "g00", judge)
        for judge in ("anna", "ben")
        for item in items[:8]
        for other in items
        if item != other
    ]
    people = Judgements.none().with_rows(rows)
    result = relevance(events, catalog, fit, options=replace(FAST, judgements=people))
    about = result.split["relevance"]
    assert (about["from"], about["proxy"], about["judges"], about["kappa"]) == ("judgements", False, 2, 1.0)
    assert result.counts["asking items"] == 8
    # Of kind 0, g01 and three others ask or are shown; g00 is one of the four neighbours and nobody likes it.
    assert result.section(ALL).comparisons["irrelevant@4"].estimates["longtail"].mean == pytest.approx(1 / 4 * 1 / 8)


def test_another_systems_vectors_stand_beside_the_others(groups, tmp_path):
    events, catalog, fit = groups
    items = list(catalog)
    for column, ids in (("user_id", ["u00"]), ("item_id", items)):
        vectors = [[float(int(id[1]) == group) * 9 for group in range(4)] for id in ids]
        pq.write_table(pa.table({column: ids, "embedding": vectors}), tmp_path / f"{column}.parquet")
    ours = ForeignEmbeddings("ours", tmp_path / "user_id.parquet", tmp_path / "item_id.parquet")
    result = relevance(events, catalog, fit, options=replace(FAST, foreign=[ours]))
    assert result.methods[-1] == "ours"
    assert result.section(ALL).comparisons["irrelevant@4"].estimates["ours"].mean == 0.0


def test_a_shop_without_times_is_asked_too(groups, make):
    _, catalog, fit = groups
    events = make.events([(f"u{u}", f"g{u % 4}{i}", "buy", None) for u in range(30) for i in range(4)])
    result = relevance(events, catalog, fit, options=FAST)
    assert (result.split["by"], result.split["cut"]) == ("nothing", None)


def test_where_nothing_is_known_it_says_what_to_do(groups, shop, honest):
    events, catalog, fit = groups
    with pytest.raises(DataError, match="--relevant-by"):
        relevance(*shop, honest, options=FAST)
    with pytest.raises(DataError, match="no column 'colour'"):
        relevance(events, catalog, fit, options=replace(FAST, relevant_by="colour"))
    strangers = Judgements.none().with_rows([("a", "b", True, "anna")])
    with pytest.raises(DataError, match="None of 1 judgements"):
        relevance(events, catalog, fit, options=replace(FAST, judgements=strangers))
    elsewhere = Judgements.none().with_rows([("g00", "g01", True, "anna"), ("g01", "g32", True, "anna")])
    with pytest.raises(DataError, match="Nothing is known of the neighbours"):
        relevance(events, catalog, fit, options=replace(FAST, k=1, judgements=elsewhere))
