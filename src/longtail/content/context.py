"""What encoders are given beside the catalog, and what they have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from longtail.content.cache import EncodingCache
from longtail.core.arrays import Bool, Int64, State
from longtail.core.features import Field
from longtail.core.progress import SILENT, Progress
from longtail.data.catalog import Catalog
from longtail.data.schema import FieldSchema


class Fitted:
    """The items that encoders were fitted on, as they themselves tell it: evaluation holds it against its split."""

    def __init__(self) -> None:
        self._rows: list[Int64 | None] = []

    def on(self, rows: Int64 | None) -> None:
        """Say that something was fitted on these rows of the catalog; None: on all."""
        self._rows.append(rows)

    def mask(self, n_items: int) -> Bool:
        """Every item that anything was fitted on, ``(n_items,) bool``."""
        items = np.zeros(n_items, dtype=np.bool_)
        for rows in self._rows:
            items[slice(None) if rows is None else rows] = True
        return items


@dataclass(frozen=True)
class Context:
    """How encoders work, without influence on what they find.

    Attributes:
        cache: where encodings are kept; None: nowhere.
        progress: where long work reports to.
        seed: of whatever is random in fitting.
        allow_network: whether a model may be fetched from the hub.
        base: the folder that paths of pictures are relative to.
        fitted: told which items encoders are fitted on.
    """

    cache: EncodingCache | None = None
    progress: Progress = SILENT
    seed: int = 0
    allow_network: bool = False
    base: Path = Path()
    fitted: Fitted = field(default_factory=Fitted)


class FieldEncoder(Protocol):
    """Reads some columns of a catalog as one field.

    An implementation is fitted once, on the items in ``fit_rows`` only, and reads any row the same way ever after:
    ``encode`` gives a row the bits that ``fit`` gave it.
    """

    @classmethod
    def fit(
        cls, name: str, schemas: Mapping[str, FieldSchema], catalog: Catalog, context: Context, fit_rows: Int64 | None
    ) -> tuple[Self, Field]:
        """Fit and encode all items; ``schemas`` are the catalog's fields that go into this one."""

    def encode(self, catalog: Catalog, context: Context) -> Field:
        """The field of other items."""

    def describe(self) -> list[dict[str, Any]]:
        """What each of the catalog's fields became, one JSON object each, with at least ``field`` and ``kind``."""

    def state(self) -> State:
        """JSON values and arrays that :meth:`from_state` takes."""

    @classmethod
    def from_state(cls, meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> Self:
        """The same encoder again."""
