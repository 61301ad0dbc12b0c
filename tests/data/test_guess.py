"""What `longtail init` takes columns for, by their names and their content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache

import pyarrow as pa
import pytest

from longtail.core.errors import DataError
from longtail.data.database import Database
from longtail.data.guess import EventsGuess, SharedIds, guess_events, guess_shared_ids, suggest_weight
from longtail.data.guess_catalog import CatalogGuess, FieldGuess, guess_catalog, guess_item_id
from longtail.data.profile import MEASURE, ColumnProfile, profile

N = 120
Columns = Mapping[str, Sequence[object] | pa.Array]


@cache
def scratch() -> Database:
    """One database for all tests; every test replaces the tables it looks at."""
    return Database(on_disk=False)


def look(database: Database, name: str, columns: Columns) -> dict[str, ColumnProfile]:
    database.connection.register(f"incoming_{name}", pa.table(dict(columns)))
    database.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM incoming_{name}")
    return profile(database, name)


def of_events(columns: Columns, **known: str) -> EventsGuess:
    database = scratch()
    return guess_events(database, "events", look(database, "events", columns), **known)


def of_catalog(columns: Columns, item_id: str = "id") -> CatalogGuess:
    database = scratch()
    profiles = look(database, "catalog", {"id": [f"A{i:05d}" for i in range(N)], **columns})
    return guess_catalog(database, "catalog", profiles, item_id)


def field(values: Sequence[object] | pa.Array, name: str = "column") -> FieldGuess | str:
    """What one column of a catalog is taken for, or why it is left out."""
    found = of_catalog({name: values})
    return found.unused[name] if name in found.unused else next(f for f in found.fields if name in (f.column, f.name))


def shared(events: Columns, catalog: Columns) -> SharedIds | None:
    database = scratch()
    left, right = look(database, "events", events), look(database, "catalog", catalog)
    return guess_shared_ids(database, ("events", left), ("catalog", right))


USERS = [f"c{i % 17}" for i in range(N)]
ITEMS = [str(1000 + i % 40) for i in range(N)]
TIMES = [datetime(2024, 3, 1) + timedelta(hours=i) for i in range(N)]


class TestEvents:
    @pytest.mark.parametrize(
        ("user", "item", "time"),
        [
            ("user_id", "item_id", "timestamp"),
            ("customer_id", "article_id", "t_dat"),
            ("household_id", "product_id", "transaction_timestamp"),
            ("visitorid", "itemid", "ts"),
            ("CustomerID", "StockSku", "InvoiceDate"),
            ("userId", "movieId", "createdAt"),
        ],
    )
    def test_names_of_known_shops(self, user: str, item: str, time: str) -> None:
        found = of_events({"basket_id": [str(i // 2) for i in range(N)], user: USERS, time: TIMES, item: ITEMS})
        assert (found.user_id, found.item_id, found.timestamp) == (user, item, time)
        assert found.timestamp_format is None

    def test_what_is_known_is_not_guessed(self) -> None:
        columns = {"a": USERS, "b": ITEMS, "user_id": [str(i) for i in range(N)], "when": TIMES, "at": TIMES}
        found = of_events(columns, user="a", item="b", timestamp="at")
        assert (found.user_id, found.item_id, found.timestamp) == ("a", "b", "at")
        with pytest.raises(DataError, match="no column 'c'"):
            of_events(columns, user="c")

    @pytest.mark.parametrize(
        ("write", "format"),
        [
            (lambda time: time.isoformat(), None),
            (lambda time: f"{time:%Y-%m-%d}", None),
            (lambda time: int(time.timestamp()), "epoch_s"),
            (lambda time: str(int(time.timestamp() * 1000)), "epoch_ms"),
            (lambda time: f"{time:%d.%m.%Y %H:%M}", "%d.%m.%Y %H:%M"),
            (lambda time: int(f"{time:%Y%m%d}"), "%Y%m%d"),
            (lambda time: f"{time + timedelta(days=20):%m/%d/%Y}", "%m/%d/%Y"),
            (lambda time: f"{time + timedelta(days=20):%d/%m/%Y %H:%M:%S}", "%d/%m/%Y %H:%M:%S"),
        ],
    )
    def test_times_however_they_are_written(self, write: object, format: str | None) -> None:
        assert callable(write)
        found = of_events({"user": USERS, "item": ITEMS, "time": [write(time) for time in TIMES]})
        assert (found.timestamp, found.timestamp_format) == ("time", format)
        assert not found.ambiguous_days

    def test_days_that_could_be_months_are_said_to_be(self) -> None:
        times = [f"{1 + i % 9:02d}/{1 + i % 7:02d}/2024" for i in range(N)]
        found = of_events({"user": USERS, "item": ITEMS, "date": times})
        assert found.ambiguous_days

    def test_no_time_and_a_column_that_is_none(self) -> None:
        assert of_events({"user": USERS, "item": ITEMS}).timestamp is None
        with pytest.raises(DataError, match="does not read as times"):
            of_events({"user": USERS, "item": ITEMS, "when": ["soon"] * N}, timestamp="when")

    def test_event_types_and_values(self) -> None:
        found = of_events(
            {
                "user_id": USERS,
                "item_id": ITEMS,
                "event": ["view", "addtocart", "transaction"] * (N // 3),
                "country": ["de", "fr"] * (N // 2),
                "quantity": [1, 2, 3] * (N // 3),
                "timestamp": TIMES,
            }
        )
        assert (found.event_type, found.value) == ("event", "quantity")
        plain = of_events({"user_id": USERS, "item_id": ITEMS, "country": ["de", "fr"] * (N // 2)})
        assert (plain.event_type, plain.value) == (None, None)

    def test_nothing_that_could_be_an_id(self) -> None:
        with pytest.raises(DataError, match="--user COLUMN"):
            of_events({"item": ITEMS, "price": [i + 0.5 for i in range(N)]})
        with pytest.raises(DataError, match="--item COLUMN"):
            of_events({"price": [i + 0.5 for i in range(N)]})

    def test_weights_follow_the_names(self) -> None:
        weights = {name: suggest_weight(name) for name in ("view", "Purchase", "add_to_cart", "wishlist", "?")}
        assert weights == {"view": 1.0, "Purchase": 4.0, "add_to_cart": 3.0, "wishlist": 2.0, "?": 1.0}
        assert suggest_weight("remove_from_cart") == 0.0


class TestSharedIds:
    def test_the_column_with_the_same_ids_wins_over_names(self) -> None:
        found = shared(
            {"product": USERS, "x": ITEMS, "store": [i % 5 for i in range(N)]},
            {"rank": list(range(40)), "y": [str(1000 + i) for i in range(40)], "store_no": [i % 5 for i in range(40)]},
        )
        assert found is not None
        assert (found.event_column, found.catalog_column, found.share, found.mismatch) == ("x", "y", 1.0, None)

    def test_integers_in_one_file_and_text_in_the_other(self) -> None:
        found = shared({"user": USERS, "item": ITEMS}, {"id": [1000 + i for i in range(40)]})
        assert found is not None
        assert (found.event_column, found.catalog_column, found.share) == ("item", "id", 1.0)

    def test_lost_leading_zeros_are_found(self) -> None:
        found = shared({"user": USERS, "item_id": ITEMS}, {"item_id": [f"{1000 + i:010d}" for i in range(40)]})
        assert found is not None
        assert found.mismatch is not None
        assert found.mismatch.left_sql == "repeat('0', 10 - length({id})) || {id}"

    def test_nothing_in_common(self) -> None:
        assert shared({"user": USERS, "item": ITEMS}, {"sku": [f"x{i}y" for i in range(40)]}) is None


class TestCatalog:
    @pytest.mark.parametrize(
        ("values", "name", "kind"),
        [
            ([f"Blue shirt number {i}" for i in range(N)], "title", "text"),
            ([f"{w}{i}" for i, w in enumerate(["Lamp"] * N)], "name", "text"),
            (["a sentence with more than eight words in it, really"] * 60 + [None] * (N - 61) + ["b"], "x", "text"),
            (["red", "green", "blue"] * (N // 3), "colour", "category"),
            ([1, 2, 3, 4] * (N // 4), "manufacturer_id", "category"),
            (["01", "02"] * (N // 2), "section", "category"),
            (["red|green", "blue|red", "green"] * (N // 3), "colours", "tags"),
            (["Home > Garden", "Home > Kitchen"] * (N // 2), "path", "tags"),
            (["wool, cotton", "silk, wool", "cotton"] * (N // 3), "material", "tags"),
            (pa.array([["a"], ["a", "b"]] * (N // 2), pa.list_(pa.string())), "labels", "tags"),
            (pa.array([[0.5, 1.0]] * N, pa.list_(pa.float32())), "embedding", "vector"),
            ([i / 7 for i in range(N)], "list_price", "price"),
            ([i / 7 for i in range(N)], "weight", "number"),
            ([i % 50 for i in range(N)], "pages", "number"),
            (["40 LB", "2.5 OZ", "(100) 1 CT", "6x330 ml", "XL"] * (N // 5), "size", "measure"),
            ([f"2024-01-{1 + i % 28:02d}" for i in range(N)], "released", "date"),
            ([datetime(2024, 1, 1 + i % 28) for i in range(N)], "since", "date"),
            ([True, False] * (N // 2), "organic", "boolean"),
            (["yes", "no"] * (N // 2), "in_stock", "boolean"),
            ([f"images/{i}.jpg" for i in range(N)], "picture", "image"),
            ([f"https://example.org/{i}.PNG?w=200" for i in range(N)], "photo", "image"),
        ],
    )
    def test_kinds(self, values: Sequence[object] | pa.Array, name: str, kind: str) -> None:
        found = field(values, name)
        assert isinstance(found, FieldGuess), found
        assert found.kind == kind
        if kind == "tags" and not isinstance(values, pa.Array):
            assert found.separator in ("|", " > ", ",")

    @pytest.mark.parametrize(
        ("written", "name"),
        [
            (["€ 47,19", "€ 1.299,00", "€ 9,90", "on request"], "price"),
            (["47,19 €", "1.299,00 €", "9,90 €", "on request"], "amount"),
            (["47,19", "1299,00", "9.90", "?"], "price"),  # a number is read as one beside decimal commas
            (["$47.19", "$1,299.00", "$9.90", "on request"], "amount"),
            (["47.19 CHF", "1'299.00 CHF", "9.90 CHF", "sold out"], "list_price"),
        ],
    )
    def test_amounts_of_money_are_prices_and_come_with_the_sql_that_reads_them(
        self, written: list[str], name: str
    ) -> None:
        found = field((written[:3] * N)[: N - 1] + written[3:], name)
        assert isinstance(found, FieldGuess), found
        assert found.kind == "price"
        scratch().connection.register("written", pa.table({name: [*written, "12"]}))
        rows = scratch().rows(f"SELECT TRY_CAST({found.column} AS DOUBLE) FROM written")
        assert [row[0] for row in rows] == [47.19, 1299.0, 9.9, None, 12.0]

    def test_lists_of_numbers_are_no_amounts(self) -> None:
        found = field(["10,20", "20,30", "10,30"] * (N // 3), "sizes")
        assert isinstance(found, FieldGuess)
        assert (found.kind, found.separator) == ("tags", ",")

    @pytest.mark.parametrize(
        ("values", "name", "reason"),
        [
            (pa.array([None] * N, pa.string()), "notes", "empty"),
            (["EUR"] * N, "currency", "always 'EUR'"),
            ([4006381333000 + i for i in range(N)], "ean", "an id"),
            ([f"{hash(('h', i)) & 0xFFFFFFFF:08x}" for i in range(N)], "etag", "almost every value is different"),
            ([f"https://example.org/{i}" for i in range(N)], "url", "links"),
            (pa.array([{"a": i} for i in range(N)]), "extra", "records inside records"),
        ],
    )
    def test_what_says_nothing_is_left_out_with_its_reason(
        self, values: Sequence[object] | pa.Array, name: str, reason: str
    ) -> None:
        found = field(values, name)
        assert isinstance(found, str), found
        assert found.startswith(reason)

    def test_codes_beside_their_names_are_left_out(self) -> None:
        found = of_catalog(
            {
                "colour_code": [i % 4 for i in range(N)],
                "colour_name": [["red", "green", "blue", "grey"][i % 4] for i in range(N)],
                "kind": [["k1", "k2", "k3"][i % 3] for i in range(N)],
                "sort": [["x", "y", "z"][i % 3] for i in range(N)],
            }
        )
        assert found.unused == {"colour_code": "the code of colour_name", "sort": "says the same as kind"}

    def test_text_is_made_of_name_type_and_description(self) -> None:
        found = of_catalog(
            {
                "description": [f"Number {i} of a long series of very similar and useful things" for i in range(N)],
                "product_type": [["lamp", "chair", "table"][i % 3] for i in range(N)],
                "name": [f"Thing no {i}" for i in range(N)],
                "price": [1 + i / 3 for i in range(N)],
            }
        )
        assert found.fields[0].template == "{name}. {product_type}. {description}"
        assert found.title == "name"
        assert next(f for f in found.fields if f.kind == "price").within == "product_type"

    def test_without_names_the_finest_categories_are_the_text(self) -> None:
        found = of_catalog(
            {
                "department": [f"department {i % 11}" for i in range(N)],
                "category": [f"category {i % 13} of things" for i in range(N)],
                "brand": [["Own", "Other"][i % 2] for i in range(N)],
            }
        )
        assert found.fields[0].template == "{category}. {department}"
        assert found.title == "category"

    def test_several_rows_of_an_item_are_noticed(self) -> None:
        database = scratch()
        profiles = look(database, "catalog", {"id": [i // 2 for i in range(N)], "colour": ["a", "b"] * (N // 2)})
        assert guess_catalog(database, "catalog", profiles, "id").several_rows
        assert not of_catalog({"colour": ["a", "b"] * (N // 2)}).several_rows

    def test_the_id_without_events_to_compare(self) -> None:
        database = scratch()
        profiles = look(
            database,
            "catalog",
            {
                "name": [f"A thing {i}" for i in range(N)],
                "sku": [f"S{i}" for i in range(N)],
                "price": [i / 3 for i in range(N)],
                "brand": ["x", "y"] * (N // 2),
            },
        )
        assert guess_item_id(profiles) == "sku"
        nothing = look(database, "nothing", {"a": pa.array([None], pa.string())})
        with pytest.raises(DataError, match="empty"):
            guess_item_id(nothing)


def test_measures_are_told_from_other_text() -> None:
    database = scratch()

    def share(values: list[str]) -> float:
        return look(database, database.fresh("t"), {"v": values})["v"].measure

    assert share(["40 LB", "2.5 OZ", "(100) 1 CT", "300 CT(1)", "12 pk", "1/2 gal", "6x330ml", '15"', "8-10 oz"]) == 1.0
    assert share(["XL", "red", "B12", "12", "a 3 b", "1 two three four"]) == 0.0
    assert MEASURE


def test_column_names_become_words() -> None:
    profiles = look(scratch(), "t", {"articleId": [1], "T_DAT": [1], "product-type no2": [1]})
    assert [column.tokens for column in profiles.values()] == [
        ("article", "id"),
        ("t", "dat"),
        ("product", "type", "no", "2"),
    ]
