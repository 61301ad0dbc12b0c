"""What a recipe says about the data: where it is and which column means what.

A column is the name of a column or any SQL expression over the source's columns, evaluated by DuckDB
(``substr(article_id, 1, 7)``).
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from longtail.core.settings import Settings

#: A column's name, or an SQL expression over the source's columns.
Column = str

FileFormat = Literal["csv", "parquet", "jsonl"]


class Source(Settings):
    """Where a table is: files, or a query to a SQL database. Dataframes are passed in Python instead."""

    files: str | list[str] | None = None
    """A file, a glob, a folder (hive-partitioned or not), or several; relative to the recipe. ``{package:NAME}`` at the
    start stands for the folder of an installed Python package."""
    format: FileFormat | None = None
    """Only needed where the file's ending does not tell (.csv, .csv.gz, .tsv, .parquet, .jsonl, .ndjson, .json)."""
    url: str | None = None
    """A SQLAlchemy URL; ``${NAME}`` is replaced by the environment variable, so that no password stands in a recipe."""
    query: str | None = None
    """The query to send to ``url``; or, with ``files``, a query over the view ``source`` (joins, unions, filters)."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.files is None) == (self.url is None):
            raise ValueError("a source is either `files = ...` or `url = ...` with `query = ...`")
        if self.url is not None and self.query is None:
            raise ValueError("`url` needs a `query`")
        return self


class EventsSchema(Settings):
    """Which column of the events means what."""

    source: Source | None = None
    user_id: Column = "user_id"
    """Whose event it is."""
    item_id: Column = "item_id"
    """Of which item, by the id it has in the catalog."""
    timestamp: Column | None = "timestamp"
    """None where the shop has no times (``timestamp = ""`` in TOML, which has no null): then there is no half-life and
    no split by time."""
    timestamp_format: str | None = None
    """A strptime format for text timestamps that are not ISO 8601; ``"epoch_s"`` or ``"epoch_ms"`` for numbers."""
    event_type: Column | None = None
    """None: every event is of the one type ``event``."""
    value: Column | None = None
    """A number that scales the event's weight: quantity, money, rating. None: 1."""
    where: str | None = None
    """Rows to read; rows it leaves out are counted as filtered, not refused."""

    @field_validator("timestamp", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value


class WeightSettings(Settings):
    """How events become confidence: w = type weight x value^gamma x 2^(-age/half-life), summed per user and item."""

    types: dict[str, float] = Field(default_factory=dict)
    """Weight per event type. Empty: every type weighs 1. Not empty: a type that is not named is refused and counted."""
    value_exponent: float = Field(default=0.0, ge=0.0, le=4.0)
    """gamma; 0: values do not count."""
    half_life_days: float | None = Field(default=None, gt=0)
    """The age, counted back from the last event, at which an event weighs half. None: age does not count."""
    confidence: Literal["linear", "log"] = "linear"
    """c = alpha * w, or alpha * log(1 + w / epsilon); alpha belongs to the factorization and is applied there."""
    epsilon: float = Field(default=1.0, gt=0)
    """See ``confidence``."""


FieldKind = Literal["text", "category", "tags", "number", "price", "boolean", "date", "measure", "vector", "image"]


class FieldSchema(Settings):
    """One field of the catalog that says something about what an item is."""

    kind: FieldKind
    """What the field is."""
    column: Column | None = None
    """The column; text may give a ``template`` instead. None: the field's own name."""
    template: str | None = None
    """Text only: ``"{name}. {type}. {description}"`` over the catalog's columns; empty parts vanish."""
    pattern: str | None = None
    """Pictures: where each item's file is, instead of a column: ``"images/{id:0>10[:3]}/{id:0>10}.jpg"``; see
    `longtail.data.pattern`."""
    model: str | None = None
    """Text and pictures: a local directory or a hub name; None: the model that comes as a package."""
    separator: str | None = None
    """Tags in one text column: what separates them. None: the column is a list."""
    within: Column | None = None
    """Number and price: the category column within which the rank is taken."""
    attributes: list[str] | None = None
    """Pictures: fields or columns that a classifier each is trained on; None: every category, boolean and tags field of
    2 to 200 values with enough pictures; an empty list: none, the plain backbone."""
    fine_tune: bool | None = None
    """Pictures: whether the whole backbone is trained for each attribute, or stays as it is below a hidden layer. None:
    where there is a GPU; on a processor that takes long."""
    hosts: list[str] = Field(default_factory=list)
    """Pictures: hosts that URLs are fetched from, such as ``images.shop.com`` or ``*.shop.com``. Empty: no URL is
    opened."""


class GroupSchema(Settings):
    """How several rows of one item (variants) become one."""

    rule: Literal["first", "most_common", "refuse"] = "refuse"
    """``first`` by ``order_by``; ``most_common`` value per column; ``refuse``: keep the first, refuse the others."""
    order_by: Column | None = None
    """What ``first`` goes by; None: as the rows stand."""


class CatalogSchema(Settings):
    """Which column of the catalog means what."""

    source: Source | None = None
    item_id: Column = "item_id"
    """The item's id."""
    title: Column | None = None
    """Shown to people beside the id; None: the first text field."""
    where: str | None = None
    """Rows to read; rows it leaves out are counted as filtered, not refused."""
    columns: dict[str, Column] = Field(default_factory=dict)
    """Further named columns, kept as they are for filters and display. Plain columns of the source are always there."""
    group: GroupSchema = GroupSchema()
    fields: dict[str, FieldSchema] = Field(default_factory=dict)
