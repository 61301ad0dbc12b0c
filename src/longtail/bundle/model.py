"""What training publishes and serving opens, in memory."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_array

from longtail.bundle.evidence import Evidence
from longtail.calibrate.model import Fusion, Length
from longtail.cf.objective import AlsSettings
from longtail.core.arrays import Bool, Float32, Int64, State
from longtail.core.errors import DataError
from longtail.core.features import Features, Field
from longtail.core.ranking import SOURCES
from longtail.core.version import __version__
from longtail.core.vocabulary import Vocabulary
from longtail.data.schema import CatalogSchema, WeightSettings

#: The version of the directory's format; a reader refuses a higher one.
FORMAT_VERSION = 4

_LIBRARIES = (
    "numpy",
    "scipy",
    "pyarrow",
    "duckdb",
    "numba",
    "safetensors",
    "torch",
    "sentence-transformers",
    "voyager",
)


@dataclass(frozen=True)
class Manifest:
    """What a bundle says about itself. All values are plain JSON.

    Attributes:
        recipe: the TOML text the bundle was trained by; empty if it was trained from Python.
        fingerprint: what identifies the data: hashes, sizes, counts, first and last event, as the pipeline sets it.
        metrics: what was measured when the bundle was trained.
        choices: every choice made on validation, with its curve.
        training: what became of the data, and how long learning took; empty where the pipeline did not train.
        content: what each field of the catalog became, see `longtail.content.model.ContentModel.describe`.
        created: when, in UTC, ISO 8601.
        versions: Python, platform and library versions at training.
    """

    recipe: str = ""
    fingerprint: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    content: list[dict[str, Any]] = field(default_factory=list)
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    versions: dict[str, str] = field(default_factory=lambda: library_versions())
    longtail_version: str = __version__
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True)
class Bundle:
    """Everything a recommender needs. Rows of users and items are those of the two vocabularies throughout.

    Attributes:
        users, items: the ids; items are the catalog's in its order, then delisted ones that have events.
        user_factors, item_vectors: ``(n, d) float32``, as items and users were solved with each other; what users ask
            with is made from their history, see `longtail.recommender.asking`.
        als_user_factors, als_item_factors: ``(n, d) float32``, ALS alone: the "before".
        predictions: ``(n_items, d) float32``, calibrated predictions from content; zero rows where there is none.
        content: ``(n_items, d_z) float32``, unit rows, zero where an item has no content; ``d_z`` may be 0.
        n_interactions: ``(n_items,) int64``, distinct users an item; item_events: raw events.
        behaviour_share: ``(n_items,) float32`` in [0, 1].
        source_codes: ``(n_items,) uint8`` into `longtail.core.ranking.SOURCES`.
        exposure: ``(n_items,) float32`` in [0, 1], the share of training in which the item could be seen.
        first_seen: ``(n_items,) datetime64[s]``, the first event, NaT where there is none; None: not
            known, or exposure does not go by it (`Pull.since_first`).
        fields: the fields of the content.
        present: ``(n_items, n_fields) bool``, which of them each item has; None: not known (bundles of format 1).
        sellable: ``(n_items,) bool``; False for items that have events but no row in the catalog. Never returned.
        history: ``(n_users, n_items)`` float32 CSR, the aggregated weights.
        als: the settings of the half-step, `AlsSettings` as plain values.
        trained: how many users and items there were at training, which penalties are scaled by; None: those of now.
        weights: how events become weights; None: not known (bundles of format 1).
        window: the first and the last event of training; None where the shop has no times, or where exposure says
            nothing because plain ALS counts every item as seen.
        fusion, length, precision: the chosen parameters, see `longtail.calibrate.model`.
        field_weights: weight per field in the content vector.
        catalog: ``n_items`` rows; all columns are null for items without a row in the catalog, and so are columns of
            bytes (pictures) for all: they were read in training, and would be most of the bundle.
        titles: ``n_items`` texts for people; null where there is none.
        catalog_schema: how a new item's row is read; None where there is no content.
        exclude_seen: what `recommend` does unless it is told.
        data_folder: the folder that relative paths of new items' pictures start from; None: the working directory.
        content_model, bridge, reduction: what a new item's content needs; None where there is no content.
        index: the kind of index to search with.
        indexes: states of indexes already built, by ``user_item`` and ``item_item``; missing ones are built on use.
        average_user: ``(d,) float32``, the mean user at training, see `longtail.calibrate.model.with_average`; None:
            not used (older bundles).
        evidence: what only explanations need; None: not kept (bundles of format 1).

    Raises:
        DataError: the shapes or types do not fit together.
    """

    users: Vocabulary
    items: Vocabulary
    user_factors: Float32
    item_vectors: Float32
    als_user_factors: Float32
    als_item_factors: Float32
    predictions: Float32
    content: Float32
    n_interactions: Int64
    item_events: Int64
    behaviour_share: Float32
    source_codes: npt.NDArray[np.uint8]
    exposure: Float32
    sellable: Bool
    history: csr_array
    als: dict[str, Any]
    fusion: Fusion
    length: Length
    precision: float
    field_weights: dict[str, float]
    catalog: pa.Table
    titles: pa.Array
    catalog_schema: CatalogSchema | None = None
    exclude_seen: bool = True
    data_folder: str | None = None
    content_model: State | None = None
    bridge: State | None = None
    reduction: State | None = None
    index: str = "exact"
    indexes: dict[str, State] = field(default_factory=dict)
    manifest: Manifest = field(default_factory=Manifest)
    fields: tuple[str, ...] = ()
    present: Bool | None = None
    first_seen: npt.NDArray[np.datetime64] | None = None
    trained: tuple[int, int] | None = None
    weights: WeightSettings | None = None
    window: tuple[datetime, datetime] | None = None
    evidence: Evidence | None = None
    average_user: Float32 | None = None

    def __post_init__(self) -> None:
        users, items = len(self.users), len(self.items)
        d = self.item_vectors.shape[-1]
        for name, expected, kind in (
            ("user_factors", (users, d), np.float32),
            ("item_vectors", (items, d), np.float32),
            ("als_user_factors", (users, None), np.float32),
            ("als_item_factors", (items, None), np.float32),
            ("predictions", (items, d), np.float32),
            ("content", (items, None), np.float32),
            ("n_interactions", (items,), np.int64),
            ("item_events", (items,), np.int64),
            ("behaviour_share", (items,), np.float32),
            ("source_codes", (items,), np.uint8),
            ("exposure", (items,), np.float32),
            ("sellable", (items,), np.bool_),
        ):
            _check(name, getattr(self, name), expected, kind)
        if self.present is not None:
            _check("present", self.present, (items, len(self.fields)), np.bool_)
        if self.average_user is not None:
            _check("average_user", self.average_user, (d,), np.float32)
        if self.first_seen is not None:
            _check("first_seen", self.first_seen, (items,), np.dtype("datetime64[s]"))
        if self.history.shape != (users, items) or self.history.dtype != np.float32:
            raise DataError(
                f"The history must be ({users:,}, {items:,}) float32; found {self.history.dtype} {self.history.shape}."
            )
        if self.catalog.num_rows != items or len(self.titles) != items:
            raise DataError(
                f"Catalog and titles need a row for each of {items:,} items; found {self.catalog.num_rows:,} and "
                f"{len(self.titles):,}."
            )
        if items and int(self.source_codes.max()) >= len(SOURCES):
            raise DataError(f"Source codes must be below {len(SOURCES)}; found {int(self.source_codes.max())}.")

    @property
    def als_settings(self) -> AlsSettings:
        """The settings of the half-step."""
        values = dict(self.als)
        if values.get("objective") == "hu":
            values.pop("unobserved_weight", None)  # always 1 there, and refused where it is said otherwise
        return AlsSettings(**values)

    @property
    def has_content(self) -> Bool:
        """``(n_items,) bool``: the item has content that was understood."""
        if not self.content.shape[1]:
            return np.zeros(len(self.items), dtype=np.bool_)
        return np.asarray(self.content.any(axis=1), dtype=np.bool_)

    @property
    def category_column(self) -> str | None:
        """The catalog column that says what kind of thing an item is: the schema's first field of kind category."""
        fields = self.catalog_schema.fields.items() if self.catalog_schema else ()
        return next(
            (name for name, field in fields if field.kind == "category" and name in self.catalog.column_names), None
        )

    @property
    def trained_users(self) -> int:
        """The users there were at training."""
        return len(self.users) if self.trained is None else self.trained[0]

    @property
    def trained_items(self) -> int:
        """The items there were at training."""
        return len(self.items) if self.trained is None else self.trained[1]

    def with_items(
        self,
        ids: Sequence[str],
        catalog: pa.Table,
        titles: pa.Array,
        predictions: Float32,
        content: Float32,
        features: Features | None = None,
    ) -> Bundle:
        """A bundle with new items after the old ones: no events, exposure 0, their prediction as their vector.

        Indexes that were built stay; they find rows beyond their own beside them.

        Args:
            ids: new ids.
            catalog: their rows; columns the bundle does not have are left out, missing ones are null.
            titles: their titles.
            predictions: ``(m, d) float32``, calibrated, zero where there is none.
            content: ``(m, d_z) float32``, unit rows, zero where there is none.
            features: of the new items, with the bundle's fields; None: they have none of them.

        Raises:
            DataError: an id is already known, or the shapes do not fit.
        """
        m = len(ids)
        has_prediction = predictions.any(axis=1)
        codes = np.where(has_prediction, SOURCES.index("predicted"), SOURCES.index("fallback")).astype(np.uint8)
        history = csr_array(
            (self.history.data, self.history.indices, self.history.indptr),
            shape=(len(self.users), len(self.items) + m),
        )
        features = _none_of(self.fields, self.evidence, ids) if features is None else features
        present = None if self.present is None else np.concatenate([self.present, features.present])
        unseen = np.full(m, np.datetime64("NaT"), dtype="datetime64[s]")
        first_seen = None if self.first_seen is None else np.concatenate([self.first_seen, unseen])
        return replace(
            self,
            present=present,
            first_seen=first_seen,
            trained=(self.trained_users, self.trained_items),
            evidence=None if self.evidence is None else self.evidence.with_items(features),
            items=Vocabulary(pa.concat_arrays([self.items.ids, pa.array(ids, pa.large_string())]), self.items.kind),
            item_vectors=np.concatenate([self.item_vectors, predictions]),
            als_item_factors=_with_zeros(self.als_item_factors, m),
            predictions=np.concatenate([self.predictions, predictions]),
            content=np.concatenate([self.content, content]),
            n_interactions=_with_zeros(self.n_interactions, m),
            item_events=_with_zeros(self.item_events, m),
            behaviour_share=_with_zeros(self.behaviour_share, m),
            source_codes=np.concatenate([self.source_codes, codes]),
            exposure=_with_zeros(self.exposure, m),
            sellable=np.concatenate([self.sellable, np.ones(m, dtype=np.bool_)]),
            history=history,
            catalog=_appended(self.catalog, catalog),
            titles=pa.concat_arrays([self.titles, titles.cast(self.titles.type)]),
        )

    def describe(self) -> dict[str, Any]:
        """A few plain facts: counts, dimensions, sources, versions."""
        counts = np.bincount(self.source_codes, minlength=len(SOURCES))
        return {
            "users": len(self.users),
            "items": len(self.items),
            "sellable": int(self.sellable.sum()),
            "interactions": int(self.history.nnz),
            "factors": int(self.item_vectors.shape[1]),
            "content_dimensions": int(self.content.shape[1]),
            "sources": {source: int(count) for source, count in zip(SOURCES, counts, strict=True)},
            "index": self.index,
            **{key: asdict(self.manifest)[key] for key in ("created", "longtail_version", "format_version")},
        }


def padded(catalog: pa.Table, titles: pa.Array, n_items: int) -> tuple[pa.Table, pa.Array]:
    """A catalog and its titles with null rows for items after it, those that have events but are not listed.

    The schema, with what it carries about how the catalog was read, stays as it is; columns of bytes become null.
    """
    missing = n_items - catalog.num_rows
    if missing < 0:
        raise DataError(f"The catalog has {catalog.num_rows:,} rows for {n_items:,} items.")
    schema = pa.schema([column.with_nullable(True) for column in catalog.schema], metadata=catalog.schema.metadata)
    rows = pa.Table.from_arrays([pa.nulls(missing, column.type) for column in schema], schema=schema)
    listed = pa.Table.from_arrays([_without_bytes(column) for column in catalog.columns], schema=schema)
    return pa.concat_tables([listed, rows]), pa.concat_arrays([titles, pa.nulls(missing, titles.type)])


def library_versions() -> dict[str, str]:
    """Versions of Python, the platform and the libraries that matter here, without importing them."""
    found = {"python": platform.python_version(), "platform": platform.platform(), "longtail": __version__}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _check(name: str, array: npt.NDArray[Any], shape: tuple[int | None, ...], kind: npt.DTypeLike) -> None:
    fits = array.ndim == len(shape) and all(
        side is None or side == found for side, found in zip(shape, array.shape, strict=False)
    )
    if not fits or array.dtype != kind:
        raise DataError(f"{name} must be {np.dtype(kind)} {shape}; found {array.dtype} {array.shape}.")


def _none_of(fields: tuple[str, ...], evidence: Evidence | None, ids: Sequence[str]) -> Features:
    """Features of items that have none of the fields."""
    widths = dict.fromkeys(fields, 0) if evidence is None else evidence.widths
    m = len(ids)
    missing = np.zeros(m, dtype=np.bool_)
    return Features(
        Vocabulary(list(ids)),
        tuple(Field(name, np.zeros((m, widths[name]), dtype=np.float32), missing) for name in fields),
    )


def _with_zeros(array: npt.NDArray[Any], m: int) -> npt.NDArray[Any]:
    return np.concatenate([array, np.zeros((m, *array.shape[1:]), dtype=array.dtype)])


def _without_bytes(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column, or nulls of its type where it has bytes, if only in a part of a structure or of a list."""
    waiting = [column.type]
    while waiting:
        kind = waiting.pop()
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
            return pa.chunked_array([pa.nulls(len(column), column.type)])
        waiting += [kind.field(at).type for at in range(kind.num_fields)]
    return column


def _appended(catalog: pa.Table, rows: pa.Table) -> pa.Table:
    columns = []
    for column in catalog.schema:
        position = rows.schema.get_field_index(column.name)
        if position < 0:
            columns.append(pa.nulls(rows.num_rows, column.type))
            continue
        try:
            columns.append(_without_bytes(rows.column(position).cast(column.type)))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise DataError(
                f"The new items' column {column.name!r} is {rows.schema.field(position).type} and cannot be read as "
                f"the catalog's {column.type}: {error}."
            ) from error
    return pa.concat_tables([catalog, pa.Table.from_arrays(columns, schema=catalog.schema)])
