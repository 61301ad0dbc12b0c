"""What an explanation is: a score and the parts it is the sum of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from longtail.core.ranking import Source

#: ``behaviour``: what people did with the item, by an item of the user's history. ``prediction``: what a field of its
#: content says about what people would do. ``content``: what a field says by itself, beside behaviour. ``popularity``:
#: how many took it, or how the average user likes it. ``rest``: what no part accounts for.
Kind = Literal["behaviour", "prediction", "content", "popularity", "rest"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Contribution(NamedTuple):
    """One part of a score.

    Attributes:
        kind: by which way it comes.
        of: an item's id where an item of the history brings it, the name of a field (of several, ``"a + b"``) where
            content does; empty where it is of the whole.
        value: in the score's units; parts may be negative.
    """

    kind: Kind
    of: str
    value: float


@dataclass(frozen=True)
class Explanation:
    """Why an item has its score.

    Attributes:
        asked: the id of the user, or of the item that was asked about; None for somebody unknown with a history.
        item_id: the item that is explained.
        score: what `recommend` or `similar_items` gives the item.
        source, n_interactions: of the item, as in a ranking.
        contributions: parts whose sum is the score: behaviour, prediction and content, each with the largest first.
        by_history: the same score by the items of the history alone, each with all it brings by whatever way, largest
            first, then what the average user brings, and the rest; empty where a score does not come from a history.
        taken_by_both: how many took both items; None where it is not two items that are compared.
        note: what a person should know about this score, or empty.
    """

    asked: str | None
    item_id: str
    score: float
    source: Source
    n_interactions: int
    contributions: tuple[Contribution, ...]
    by_history: tuple[Contribution, ...] = ()
    taken_by_both: int | None = None
    note: str = ""

    def total(self, kind: Kind) -> float:
        """The sum of the contributions of a kind."""
        return sum(part.value for part in self.contributions if part.kind == kind)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return vars(self) | {
            "contributions": [part._asdict() for part in self.contributions],
            "by_history": [part._asdict() for part in self.by_history],
        }


@dataclass(frozen=True)
class ItemInfo:
    """What is known of an item, and where its vector comes from.

    Attributes:
        item_id, title: of the item; the title is None where there is none.
        source: as in a ranking.
        n_interactions: how many took it. events: how often, raw events.
        behaviour_share: behaviour's part of the vector in [0, 1]; the rest is what content predicts.
        exposure: the share of the time that is known in which the item could be seen.
        sellable: whether it may be an answer.
        fields: which fields of its content were there; empty where the bundle does not say.
    """

    item_id: str
    title: str | None
    source: Source
    n_interactions: int
    events: int
    behaviour_share: float
    exposure: float
    sellable: bool
    fields: dict[str, bool]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return dict(vars(self))
