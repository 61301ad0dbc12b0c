"""The parts of `longtail check`: join, coverage, weights, cost, and why ids do not meet."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from longtail.data.catalog import Catalog, read_catalog
from longtail.data.checks import Size, check_join, cover, estimate, weigh
from longtail.data.database import Database
from longtail.data.events import Events, read_events
from longtail.data.ids import explain_mismatch, share_found
from longtail.data.interactions import aggregate
from longtail.data.schema import CatalogSchema, EventsSchema, FieldSchema, WeightSettings

NOON = datetime(2024, 1, 1, 12)


def events(
    items: list[str],
    *,
    types: list[str] | None = None,
    days: list[float] | None = None,
    values: list[float] | None = None,
    weights: WeightSettings | None = None,
) -> Events:
    table = pa.table(
        {
            "user_id": [f"u{index % 3}" for index in range(len(items))],
            "item_id": pa.array(items, pa.string()),
            "timestamp": pa.array(
                [NOON + timedelta(days=day) for day in (days or [0.0] * len(items))], pa.timestamp("us")
            ),
            "type": pa.array(types or ["view"] * len(items), pa.string()),
            "value": pa.array(values or [1.0] * len(items), pa.float64()),
        }
    )
    schema = EventsSchema(event_type="type", value="value")
    return read_events(schema, weights or WeightSettings(), base=Path(), table=table)


def catalog(ids: list[str], fields: dict[str, FieldSchema] | None = None, **columns: object) -> Catalog:
    table = pa.table({"item_id": pa.array(ids, pa.string()), **columns})
    return read_catalog(CatalogSchema(fields=fields or {}), base=Path(), table=table)


class TestJoin:
    def test_counts_and_examples_of_both_sides(self) -> None:
        found = check_join(events(["a", "a", "a", "x", "x", "y", "b"]), catalog(["a", "b", "c", "d"]))
        assert (found.events, found.unknown_events) == (7, 3)
        assert (found.event_items, found.unknown_items) == (4, 2)
        assert found.unknown_examples == (("x", 2), ("y", 1))
        assert (found.catalog_items, found.silent_items, found.silent_examples) == (4, 2, ("c", "d"))
        assert found.share == 0.5
        assert found.mismatch is None

    def test_ids_are_compared_letter_by_letter(self) -> None:
        found = check_join(events(["01", " a", "B"]), catalog(["1", "a", "b"]))
        assert found.share == 0.0

    def test_no_catalog_items_and_no_events(self) -> None:
        assert check_join(events(["a"]), catalog([])).share == 0.0
        assert check_join(events([]), catalog(["a"])).share == 1.0
        assert check_join(events([]), catalog(["a"])).silent_items == 1

    @pytest.mark.parametrize(
        ("left", "right", "difference", "forms"),
        [
            ("{:d}", "{:08d}", "leading zeros", ("repeat('0', 8 - length({id})) || {id}", "{id}")),
            ("{:08d}", "{:d}", "leading zeros", ("{id}", "repeat('0', 8 - length({id})) || {id}")),
            ("Ab{:d}", "aB{:d}", "case", None),
            (" {:d}", "{:d}", "surrounding spaces", None),
            ("{:d}.0", "{:d}", "a decimal point", None),
            (" X{:d}", "0x{:d}", "spaces, case and leading zeros", None),
            ("SKU-{:05d}", "{:05d}", "letters and signs around the digits", None),
            ("{:07d}001", "{:07d}", "length: one side has the first 7", ("left({id}, 7)", "{id}")),
            ("{:07d}", "{:07d}044", "length: one side has the first 7", ("{id}", "left({id}, 7)")),
        ],
    )
    def test_a_mismatch_is_explained_and_its_remedy_works(
        self, left: str, right: str, difference: str, forms: tuple[str, str] | None
    ) -> None:
        numbers = range(10, 60)
        found = check_join(
            events([left.format(n) for n in numbers]), catalog([right.format(n) for n in range(5, 70)])
        ).mismatch
        assert found is not None
        assert found.difference.startswith(difference)
        assert found.share == 1.0
        if forms is not None:
            assert (found.left_sql, found.right_sql) == forms
        repaired_left = ", ".join(f"({found.left_sql.format(id=repr(left.format(n)))})" for n in numbers)
        repaired_right = ", ".join(f"({found.right_sql.format(id=repr(right.format(n)))})" for n in numbers)
        a, b = (duckdb.sql(f"select unnest([{ids}])").fetchall() for ids in (repaired_left, repaired_right))
        assert a == b

    def test_unrelated_ids_are_not_explained_away(self) -> None:
        database = Database(on_disk=False)
        left = "select 'l' || i || chr((65 + i % 26)::int) as id from range(300) t(i)"
        right = "select 'r' || (i * 7919) as id from range(1000, 1300) t(i)"
        assert share_found(database, left, right) == 0.0
        assert explain_mismatch(database, left, right) is None
        # One digit each: dropping the letters would make them all alike.
        left = "select chr((65 + i)::int) || i % 3 as id from range(26) t(i)"
        right = "select chr((97 + i)::int) || 'z' || i % 3 as id from range(26) t(i)"
        assert explain_mismatch(database, left, right) is None


class TestCoverage:
    def test_every_kind_of_field(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").write_bytes(b"")
        fields = {
            "text": FieldSchema(kind="text", template="{name}. {brand}"),
            "brand": FieldSchema(kind="category"),
            "tags": FieldSchema(kind="tags", separator="|"),
            "lists": FieldSchema(kind="tags"),
            "price": FieldSchema(kind="price"),
            "picture": FieldSchema(kind="image"),
            "vector": FieldSchema(kind="vector"),
            "nothing": FieldSchema(kind="category"),
        }
        table = catalog(
            ["1", "2", "3", "4"],
            fields,
            name=["shirt", "shirt", None, " "],
            brand=["x", "x", None, ""],
            tags=["red|blue", "red | green", "", None],
            lists=pa.array([["a", "b"], [], None, ["a"]], pa.list_(pa.string())),
            price=["9.5", "cheap", "9.5", None],
            picture=["a.jpg", "b.jpg", "https://example.org/c.jpg", None],
            vector=pa.array([[1.0, 2.0], None, [0.0, 1.0], None], pa.list_(pa.float32())),
            nothing=pa.array([None] * 4, pa.string()),
        )
        found = {field.name: field for field in cover(table, tmp_path)}
        assert list(found) == list(fields)
        assert {name: field.present for name, field in found.items()} == {
            "text": 2,
            "brand": 2,
            "tags": 2,
            "lists": 2,
            "price": 2,
            "picture": 3,
            "vector": 2,
            "nothing": 0,
        }
        assert (found["text"].distinct, found["text"].characters) == (1, len("shirt. x"))
        assert found["text"].examples == ("shirt. x",)
        assert (found["tags"].distinct, found["tags"].examples[0]) == (3, "red")
        assert found["lists"].distinct == 2
        assert (found["price"].distinct, found["price"].unparsable, found["price"].share) == (1, 1, 0.5)
        assert found["picture"].files_missing == 0.5  # the one on the web is not looked for
        assert found["vector"].distinct is None
        assert (found["nothing"].distinct, found["nothing"].examples) == (0, ())

    def test_an_empty_catalog_covers_nothing(self) -> None:
        table = catalog([], {"brand": FieldSchema(kind="category")}, brand=pa.array([], pa.string()))
        assert [(field.present, field.share) for field in cover(table, Path())] == [(0, 0.0)]

    def test_long_texts_count_as_far_as_they_are_read(self) -> None:
        table = catalog(["1", "2"], {"text": FieldSchema(kind="text")}, text=["x" * 5000, "short"])
        assert cover(table, Path())[0].characters == 1005


class TestWeights:
    def test_shares_of_types_add_up_to_what_aggregation_sums(self) -> None:
        weights = WeightSettings(
            types={"view": 1.0, "buy": 4.0, "like": 2.0}, value_exponent=0.5, half_life_days=10, confidence="linear"
        )
        read = events(
            ["a", "b", "a", "c", "b"],
            types=["view", "view", "buy", "view", "buy"],
            days=[0, 10, 20, 20, 40],
            values=[1, 4, 9, 1, 1],
            weights=weights,
        )
        found = weigh(read, weights)
        expected = {
            "view": 1 * 2**-4 + 2 * 2**-3 + 1 * 2**-2,
            "buy": 4 * 3 * 2**-2 + 4 * 1,
        }
        assert {entry.type: entry.total for entry in found.types} == pytest.approx(expected)
        assert [entry.type for entry in found.types] == ["buy", "view"]
        assert sum(entry.share for entry in found.types) == pytest.approx(1.0)
        assert float(aggregate(read, weights).matrix.sum()) == pytest.approx(sum(expected.values()), rel=1e-5)
        assert found.idle_types == ("like",)
        assert found.oldest_factor == pytest.approx(2**-4)
        assert found.recent_share == pytest.approx(4 / sum(expected.values()))
        assert (found.value_low, found.value_high) == (1, 9)

    def test_equal_weights_are_as_many_as_there_are(self) -> None:
        found = weigh(events(["a", "b", "c"]), WeightSettings())
        assert found.effective_events == pytest.approx(3)
        assert found.oldest_factor is None
        assert found.value_low is None

    def test_no_events_and_no_weight(self) -> None:
        assert weigh(events([]), WeightSettings()).types == ()
        weights = WeightSettings(types={"view": 0.0, "buy": 1.0})
        found = weigh(events(["a"], weights=weights), weights)
        assert (found.types[0].share, found.effective_events) == (0.0, 0.0)


class TestCost:
    SIZE = Size(
        events=1_000_000,
        users=10_000,
        items=50_000,
        items_with_events=40_000,
        pairs=700_000,
        texts=5_000,
        pictures=0,
        characters=250_000,
        factors=64,
        iterations=16,
        als_fits=10,
        rounds=2,
        landmarks=2000,
        network_rows=24_000,
        network_passes=60,
        validation_users=1500,
    )

    def test_parts_add_up_and_more_cores_are_faster(self) -> None:
        found = estimate(self.SIZE, cores=2)
        assert found.seconds == pytest.approx(sum(found.time_parts.values()))
        assert found.memory_bytes <= sum(found.memory_parts.values())
        assert estimate(self.SIZE, cores=4).seconds == pytest.approx(found.seconds / 2)
        assert estimate(self.SIZE).cores >= 1

    @pytest.mark.parametrize(
        "part", ["events", "users", "items", "pairs", "texts", "factors", "als_fits", "rounds", "landmarks"]
    )
    def test_more_of_anything_never_costs_less(self, part: str) -> None:
        more = replace(self.SIZE, **{part: getattr(self.SIZE, part) * 3})
        less, greater = estimate(self.SIZE, cores=2), estimate(more, cores=2)
        assert (greater.seconds, greater.memory_bytes) >= (less.seconds, less.memory_bytes)
        assert greater.seconds > less.seconds or greater.memory_bytes > less.memory_bytes

    def test_without_texts_no_model_is_loaded(self) -> None:
        found = estimate(replace(self.SIZE, texts=0, characters=0), cores=2)
        assert found.time_parts["text"] == 0.0
        assert found.memory_parts["program and models"] < estimate(self.SIZE).memory_parts["program and models"]


def test_pictures_in_the_column_itself_are_there() -> None:
    read = catalog(["a", "b", "c"], {"photo": FieldSchema(kind="image")}, photo=[b"12345", None, b"\xff\x00"])
    assert read.table["photo"].to_pylist() == [b"12345", None, b"\xff\x00"]
    (photo,) = cover(read, base=Path())
    assert (photo.present, photo.distinct, photo.files_missing) == (2, 2, 0.0)
    assert photo.examples == ("5 bytes", "2 bytes")
