"""All encoders of a catalog, fitted together: catalog rows to features."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from longtail.content.cache import EncodingCache
from longtail.content.context import Context, FieldEncoder
from longtail.content.nesting import nest, nested
from longtail.content.registry import ENCODERS, plan
from longtail.core.arrays import Bool, Int64, State
from longtail.core.errors import DataError
from longtail.core.features import Features
from longtail.core.progress import SILENT, Progress
from longtail.data.catalog import Catalog


@dataclass(frozen=True)
class ContentModel:
    """Fitted encoders with the preparation of each field.

    Fields are in the recipe's order; all categories, tags and booleans are the one field ``attributes``, all numbers,
    prices, measures and dates the one field ``numbers``, each at the place of its first column.

    Attributes:
        encoders: registry name and encoder, in the order of the features' fields.
        cache: where encodings are kept; not part of the state, may be set on a restored model.
        allow_network: whether models may be fetched.
        base: the folder that paths of pictures are relative to; not part of the state.
        fitted_on: ``(n_items,) bool``, the items of the catalog that anything was fitted on, as the encoders tell it;
            not part of the state.
    """

    encoders: tuple[tuple[str, FieldEncoder], ...]
    cache: EncodingCache | None = None
    allow_network: bool = False
    base: Path = Path()
    fitted_on: Bool | None = field(default=None, repr=False, compare=False)

    @classmethod
    def fit(
        cls,
        catalog: Catalog,
        *,
        cache: EncodingCache | None,
        progress: Progress = SILENT,
        seed: int = 0,
        fit_rows: Int64 | None = None,
        allow_network: bool = False,
        base: Path = Path(),
    ) -> tuple[Self, Features]:
        """Fit every encoder and encode every item.

        Args:
            catalog: items with the fields its schema declares; none is fine and gives features without fields.
            cache: where encodings of texts and pictures are kept; None: nowhere.
            progress: where long work reports to.
            seed: same seed, same features.
            fit_rows: rows of the items that anything may be fitted on; None: all. Items held out for evaluation are
                encoded but decide nothing.
            allow_network: whether a model that is named by its hub name may be fetched.
            base: the folder that paths of pictures are relative to: the recipe's.

        Raises:
            RecipeError: fields that cannot be read together, or that name columns that are not there.
            DataError: a column's values are not what its kind needs, ``fit_rows`` out of range, a model not found.
            MissingExtraError: a field needs an optional dependency that is not installed.
        """
        if fit_rows is not None:
            fit_rows = np.unique(np.asarray(fit_rows, dtype=np.int64))
            if len(fit_rows) and not (fit_rows[0] >= 0 and fit_rows[-1] < len(catalog)):
                raise DataError(f"fit_rows must be rows of the catalog, 0 to {len(catalog) - 1}; found {fit_rows[-1]}.")
        context = Context(cache, progress, seed, allow_network, base)
        encoders, fields = [], []
        for name, (registered, schemas) in plan(catalog.schema).items():
            encoder, encoded = ENCODERS[registered].fit(name, schemas, catalog, context, fit_rows)
            encoders.append((registered, encoder))
            fields.append(encoded)
        told = context.fitted.mask(len(catalog))
        return cls(tuple(encoders), cache, allow_network, base, told), Features(catalog.items, tuple(fields))

    def encode(self, catalog: Catalog, *, progress: Progress = SILENT) -> Features:
        """Features of other items, or of the same: a row gets the bits it got, or would have got, in fitting.

        Raises:
            DataError: as :meth:`fit`; also where a model is not the one of training.
            MissingExtraError: as :meth:`fit`.
        """
        context = Context(self.cache, progress, 0, self.allow_network, self.base)
        return Features(catalog.items, tuple(encoder.encode(catalog, context) for _, encoder in self.encoders))

    def describe(self) -> list[dict[str, Any]]:
        """What each field of the catalog became, one JSON object each.

        Keys: ``field``, ``kind``, ``into`` (the name in the features), ``became`` (a phrase), ``items``, ``missing``
        and what else the encoder counted.
        """
        return [part for _, encoder in self.encoders for part in encoder.describe()]

    def state(self) -> State:
        """JSON values and arrays that :meth:`from_state` takes."""
        meta, arrays = nest({f"encoder{at}": encoder.state() for at, (_, encoder) in enumerate(self.encoders)})
        return {"encoders": [registered for registered, _ in self.encoders], **meta}, arrays

    @classmethod
    def from_state(
        cls,
        meta: dict[str, Any],
        arrays: dict[str, npt.NDArray[Any]],
        *,
        cache: EncodingCache | None = None,
        allow_network: bool = False,
        base: Path = Path(),
    ) -> Self:
        """The same model again. Pretrained models are looked for when a field first needs them.

        Raises:
            DataError: the state names an encoder this version does not have.
        """
        encoders = []
        for at, registered in enumerate(meta["encoders"]):
            if registered not in ENCODERS:
                near = difflib.get_close_matches(registered, ENCODERS, n=1)
                raise DataError(
                    f"The bundle has features of the encoder {registered!r}, which this version of longtail does not "
                    f"have{f' (nearest: {near[0]!r})' if near else ''}. Use the version that wrote it, or train again."
                )
            name = f"encoder{at}"
            encoders.append((registered, ENCODERS[registered].from_state(meta[name], nested(name, arrays))))
        return cls(tuple(encoders), cache, allow_network, base)
