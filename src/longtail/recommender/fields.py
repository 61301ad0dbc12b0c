"""What an item would be if only some of its fields were known: every coalition, through bridge and reduction."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from longtail.bundle import Bundle
from longtail.core.arrays import Bool, Float32
from longtail.core.features import Features, Field
from longtail.core.vocabulary import Vocabulary
from longtail.recommender.shapley import MOST_PLAYERS, coalitions
from longtail.recommender.snapshot import Snapshot

if TYPE_CHECKING:
    from longtail.bridge.training import Bridge
    from longtail.bridge.unseen import Unseen
    from longtail.content.combine import Reduction


@dataclass(frozen=True)
class Masked:
    """An item by what is known of it; rows are the coalitions of the players, from nobody to all.

    Attributes:
        predictions: ``(2^n, d) float32``, the prior it would have.
        content: ``(2^n, d_z) float32``, its reduced content.
    """

    predictions: Float32
    content: Float32


class FieldReader:
    """Asks a bundle's bridge and reduction about parts of items; restores them when first asked. Thread-safe.

    What an item was predicted from is kept in the bundle, so that no encoder is needed.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._parts: tuple[Bridge | None, Unseen | None, Reduction | None] | None = None
        self._lock = threading.Lock()

    def players(self, snapshot: Snapshot, *rows: int) -> list[tuple[str, ...]]:
        """The fields that some of the items have, each a player; of more than ten the last are one player together.

        None where the bundle does not have what it takes.
        """
        bundle = snapshot.bundle
        if bundle.evidence is None or bundle.present is None:
            return []
        there: list[bool] = np.asarray(bundle.present[list(rows)].any(axis=0)).tolist()
        names = [name for name, known in zip(bundle.fields, there, strict=True) if known]
        single, rest = names[: MOST_PLAYERS - 1], names[MOST_PLAYERS - 1 :]
        return [(name,) for name in single] + ([tuple(rest)] if rest else [])

    def masked(self, snapshot: Snapshot, row: int, players: list[tuple[str, ...]]) -> Masked:
        """An item by every coalition of the players; with nobody it is nothing, two rows of zeros."""
        from longtail.content.combine import combine

        bundle = snapshot.bundle
        assert bundle.evidence is not None
        bridge, unseen, reduction = self._restored()
        known = bundle.evidence.features(row, bundle.items.id(row))
        # The whole item comes first: a bridge that has not seen it is asked about it and then about its parts.
        features = _with_masks(known, players, coalitions(len(players))[::-1])
        z = combine(features, bundle.field_weights)
        predictions = np.zeros((len(z), bundle.item_vectors.shape[1]), dtype=np.float32)
        if bridge is not None:
            raw = (
                bridge.predict(features, z)
                if unseen is None
                else unseen.predict(bridge, row, bundle.predictions[row], features, z)
            )
            predictions = bundle.length.apply(raw)
        content = np.zeros((len(z), bundle.content.shape[1]), dtype=np.float32)
        if reduction is not None:
            content = reduction.apply(z)
        return Masked(predictions[::-1], content[::-1])

    def _restored(self) -> tuple[Bridge | None, Unseen | None, Reduction | None]:
        from longtail.bridge.training import Bridge
        from longtail.bridge.unseen import Unseen
        from longtail.content.combine import Reduction

        bundle = self._bundle
        with self._lock:
            if self._parts is None:
                unseen = None if bundle.evidence is None else bundle.evidence.unseen()
                self._parts = (
                    None if bundle.bridge is None else Bridge.from_state(*bundle.bridge),
                    None if unseen is None else Unseen.from_state(*unseen),
                    None if bundle.reduction is None else Reduction.from_state(*bundle.reduction),
                )
            return self._parts


def _with_masks(known: Features, players: list[tuple[str, ...]], members: Bool) -> Features:
    """One item as many rows, each with the fields of a coalition only."""
    n = len(members)
    fields = []
    for field in known:
        playing = [at for at, names in enumerate(players) if field.name in names]
        present = members[:, playing].any(axis=1) & field.present[0]
        fields.append(Field(field.name, np.where(present[:, None], field.matrix, np.float32(0.0)), present))
    return Features(Vocabulary([str(number) for number in range(n)]), tuple(fields))
