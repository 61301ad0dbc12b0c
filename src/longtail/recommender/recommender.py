"""The one query path: everything that answers a person or a program goes through here."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from longtail.bundle import Bundle, load, save
from longtail.core.arrays import Bool, Float32, Int64
from longtail.core.errors import DataError
from longtail.core.progress import Progress
from longtail.core.ranking import Ranking
from longtail.core.words import many
from longtail.data.arrivals import read_arrivals
from longtail.data.schema import WeightSettings
from longtail.index import Hits
from longtail.recommender.answers import best, by_category, by_popularity, joined, ranking, shortage
from longtail.recommender.asking import Question, ask
from longtail.recommender.changes import NOBODY
from longtail.recommender.explain import explain_for_user, explain_similar, item_info
from longtail.recommender.explanation import Explanation, ItemInfo
from longtail.recommender.fields import FieldReader
from longtail.recommender.history import Unknown, known_row, weights_of
from longtail.recommender.newcomers import NewcomerReader, Newcomers, Rows, dictionaries
from longtail.recommender.snapshot import Snapshot, item_query
from longtail.recommender.updates import Update, apply


class Recommender:
    """Answers questions from a bundle: similar items, recommendations, new items.

    Every answer is a `Ranking`: best first, never padded, ties by the catalog's order, filters before the cut. Items
    that are not for sale are never in it, nor is the item asked about. All methods may be called from several threads.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._snapshot = Snapshot(bundle)
        self._newcomers = NewcomerReader(bundle)
        self._fields = FieldReader(bundle)
        self._growing = threading.Lock()

    @classmethod
    def load(cls, path: str | Path, *, verify: bool = True, data: str | Path | None = None) -> Recommender:
        """Open a published bundle.

        Args:
            path: the directory.
            verify: see `longtail.bundle.load`.
            data: the folder that relative paths of new items' pictures start from; None: the data folder of training.

        Raises:
            BundleError: see `longtail.bundle.load`.
        """
        bundle = load(path, verify=verify)
        return cls(bundle if data is None else replace(bundle, data_folder=str(Path(data).resolve())))

    def save(self, path: str | Path) -> None:
        """Publish what is known now, new items and events included, as a bundle. Raises BundleError."""
        save(self.bundle, path)

    @property
    def bundle(self) -> Bundle:
        """What is asked, new items and events included; put together anew after every `update_events`."""
        return self._snapshot.whole

    def similar_items(
        self,
        item_id: str,
        k: int = 10,
        *,
        where: str | None = None,
        one_per: str | None = None,
        unknown: Unknown = "error",
    ) -> Ranking:
        """Items like an item.

        Args:
            item_id: the item asked about; it may be one that is no longer sold.
            k: how many at most.
            where: a condition in SQL over the catalog's columns that answers must fulfil.
            one_per: a column of which every value comes at most once; nulls are no value.
            unknown: what to do where the id is unknown. An item that is known but has neither events nor content
                always gets the fallback: what is most popular in its category.

        Raises:
            UnknownIdError: ``unknown="error"`` and the id is unknown; names the nearest ids.
            FilterError: ``where`` or ``one_per`` cannot be evaluated.
            DataError: k is not positive, or the id is no text.
        """
        snapshot = self._snapshot
        bundle = snapshot.bundle
        allowed, groups = self._scope(snapshot, where, one_per)
        row = known_row(bundle.items, item_id, unknown)
        if row is None:
            return _popular(bundle, allowed, groups, k, f"The item {item_id!r} is unknown: the most popular items.")
        allowed[row] = False
        query = item_query(bundle, snapshot.item_vector(row), bundle.content[row], int(bundle.n_interactions[row]))
        if query is None:
            lacks = "neither events nor content" if bundle.bridge is not None else "no events, and content is not used"
            note = f"The item {item_id!r} has {lacks}"
            return _popular_of_its_kind(bundle, bundle.catalog.slice(row, 1), allowed, groups, k, note)
        return _ranked(snapshot, "item_item", query, allowed, groups, k)

    def similar_to(
        self, row: Mapping[str, Any], k: int = 10, *, where: str | None = None, one_per: str | None = None
    ) -> Ranking:
        """Items like one that is not in the catalog, told by its row; nothing is remembered.

        Args:
            row: the columns the catalog has; an id is not needed. If it has one that is known, that item is left out.
            k: how many at most.
            where: see `similar_items`.
            one_per: see `similar_items`.

        Raises:
            DataError: the recipe the bundle was trained by declared no fields.
            FilterError: ``where`` or ``one_per`` cannot be evaluated.
            MissingExtraError: an encoder's library is not installed.
        """
        snapshot = self._snapshot
        bundle = snapshot.bundle
        allowed, groups = self._scope(snapshot, where, one_per)
        found = self._newcomers.read([row], anonymous=True)
        known = bundle.items.rows(found.catalog.items)
        allowed[known[known >= 0]] = False
        note = joined(*_unread(found))
        query = item_query(bundle, found.predictions[0], found.content[0], 0)
        if query is None:
            said = "This shop goes by behaviour alone"
            said = said if bundle.content_model is None else "The row has no content to go by"
            return _popular_of_its_kind(bundle, found.catalog.table, allowed, groups, k, joined(note, said))
        return _ranked(snapshot, "item_item", query, allowed, groups, k, note)

    def recommend(
        self,
        user_id: str,
        k: int = 10,
        *,
        where: str | None = None,
        one_per: str | None = None,
        exclude_seen: bool | None = None,
        unknown: Unknown = "error",
    ) -> Ranking:
        """Items for a user.

        Args:
            user_id: a user of the training data.
            k: how many at most.
            where: see `similar_items`.
            one_per: see `similar_items`.
            exclude_seen: leave out what the user has taken already; None: as the recipe says.
            unknown: what to do where the id is unknown. A known user with nothing to go by always gets the fallback.

        Raises:
            UnknownIdError, FilterError, DataError: see `similar_items`.
        """
        snapshot = self._snapshot
        bundle = snapshot.bundle
        allowed, groups = self._scope(snapshot, where, one_per)
        row = snapshot.user_row(user_id, unknown)
        if row is None:
            return _popular(bundle, allowed, groups, k, f"The user {user_id!r} is unknown: the most popular items.")
        question = ask(snapshot, snapshot.taken(row), snapshot.user_vector(row))
        return self._for_user(snapshot, question, snapshot.taken(row).rows, exclude_seen, allowed, groups, k)

    def recommend_for(
        self,
        history: Iterable[str] | Mapping[str, float],
        k: int = 10,
        *,
        where: str | None = None,
        one_per: str | None = None,
        exclude_seen: bool | None = None,
        unknown: Unknown = "error",
    ) -> Ranking:
        """Items for someone unknown, by what they took: what a known user with the same history would get.

        Args:
            history: item ids, an id as often as it was taken, each weighing as much as a typical event of the
                training data; or ids with the weights they would have after the recipe's aggregation.
            k: how many at most.
            where: see `similar_items`.
            one_per: see `similar_items`.
            exclude_seen: leave out the items of the history; None: as the recipe says.
            unknown: ``"fallback"`` leaves unknown items out and says so.

        Raises:
            UnknownIdError, FilterError: see `similar_items`.
            DataError: a weight is not positive and finite.
        """
        snapshot = self._snapshot
        bundle = snapshot.bundle
        allowed, groups = self._scope(snapshot, where, one_per)
        taken, ignored = weights_of(bundle, history, unknown)
        note = f"Unknown items left out: {', '.join(map(repr, ignored))}." if ignored else ""
        if not taken:
            return _popular(bundle, allowed, groups, k, joined(note, "Nothing to go by: the most popular items."))
        pairs = NOBODY.with_weights(taken)
        return self._for_user(snapshot, ask(snapshot, pairs), pairs.rows, exclude_seen, allowed, groups, k, note)

    def add_items(self, rows: Rows, *, progress: Progress | None = None) -> list[str]:
        """Make new items known: encoded, predicted, searchable at once, and part of what `save` writes.

        Args:
            rows: dictionaries or a dataframe with the columns of the training catalog.
            progress: noted what cannot be read, such as a picture that is not there, or a text as a price; the item
                then lacks that field. None: a `UserWarning` says it.

        Returns:
            Their ids, as they were read.

        Raises:
            DataError: the recipe declared no fields, a row has no usable id, or an id is already known.
            MissingExtraError: an encoder's library is not installed.
        """
        found = self._newcomers.read(rows)
        for note in _unread(found):
            if progress is None:
                warnings.warn(note, stacklevel=2)
            else:
                progress.note(note)
        ids: list[str] = list(found.catalog.items)
        with self._growing:
            bundle = self._snapshot.bundle
            known = [id for id in ids if id in bundle.items]
            if known:
                raise DataError(
                    f"{len(known):,} of the new items are known already, such as {known[0]!r}. Only new ids can be "
                    "added; train anew to change what is known about an item."
                )
            grown = bundle.with_items(
                ids, found.catalog.table, found.catalog.titles, found.predictions, found.content, found.features
            )
            self._snapshot = self._snapshot.grown(grown)
        return ids

    def update_events(self, rows: Rows, *, add_users: bool = True) -> Update:
        """Let new events count at once: items are blended again with their prediction, users folded in again.

        What it gives an item is what a full blend with the same users would give it. Items and users that the events
        do not name keep their vectors until the next training; what a user asks with goes by the items as they are.
        It takes time for what is touched, not for the catalog; thousands of events at a time are better trained on.

        Args:
            rows: dictionaries or a dataframe with the columns ``user_id`` and ``item_id`` and, where they say
                something, ``event_type``, ``timestamp`` and ``value``; see `longtail.data.arrivals.read_arrivals`.
            add_users: whether users nobody has heard of become known; if not, their events are counted and left out.

        Returns:
            What became of every event: applied, refused, or left out because its item or user is unknown.

        Raises:
            DataError: a row is no event at all, or has no type where events are weighed by it. Then none counts.
        """
        with self._growing:
            snapshot = self._snapshot
            bundle = snapshot.bundle
            reference = None if bundle.window is None else bundle.window[1]
            arrivals = read_arrivals(dictionaries(rows), bundle.weights or WeightSettings(), reference_time=reference)
            self._snapshot, update = apply(snapshot, arrivals, add_users=add_users)
        return update

    def item_info(self, item_id: str) -> ItemInfo:
        """What is known of an item and where its vector comes from. Raises UnknownIdError."""
        snapshot = self._snapshot
        return item_info(snapshot, snapshot.bundle.items.row(item_id))

    def explain(self, user_id: str, item_id: str) -> Explanation:
        """Why an item has the score that `recommend` gives it for a user: parts whose sum is the score.

        Parts are over the items of the user's history, by the exact solution of the user's system, and over the fields
        of the item's content, by exact Shapley values. Where users ask with their stored vectors, whoever was not
        touched by `update_events` keeps theirs while items change, and what that leaves is told as ``rest``.

        Raises:
            UnknownIdError: the user or the item is unknown. BundleError: what explanations need is damaged.
        """
        snapshot = self._snapshot
        user = snapshot.user_row(user_id)
        assert user is not None  # an unknown one has raised
        item = snapshot.bundle.items.row(item_id)
        taken = snapshot.taken(user)
        return explain_for_user(snapshot, self._fields, user_id, taken, item, snapshot.user_vector(user))

    def explain_for(self, history: Iterable[str] | Mapping[str, float], item_id: str) -> Explanation:
        """Why an item has the score that `recommend_for` gives it; arguments and errors as there and in `explain`."""
        snapshot = self._snapshot
        taken = NOBODY.with_weights(weights_of(snapshot.bundle, history, "error")[0])
        item = snapshot.bundle.items.row(item_id)
        return explain_for_user(snapshot, self._fields, None, taken, item)

    def explain_similar(self, item_id: str, other_id: str) -> Explanation:
        """Why the other item has the score that `similar_items` of the first gives it: parts whose sum is the score.

        Parts are what people did with both, and the fields of their content, by exact Shapley values over what would be
        known of both items. Raises as `explain`.
        """
        snapshot = self._snapshot
        asked, other = (snapshot.bundle.items.row(id) for id in (item_id, other_id))
        return explain_similar(snapshot, self._fields, asked, other)

    def titles(self, item_ids: Iterable[str]) -> list[str | None]:
        """The titles of items, for people; None where there is none. Raises UnknownIdError."""
        bundle = self._snapshot.bundle
        return [bundle.titles[bundle.items.row(id)].as_py() for id in item_ids]

    def _scope(self, snapshot: Snapshot, where: str | None, one_per: str | None) -> tuple[Bool, Int64 | None]:
        """Who may be returned, as a mask of the caller's own, and the groups of which one each is wanted."""
        allowed = snapshot.bundle.sellable.copy()
        if where is not None:
            allowed &= snapshot.columns.mask(where)
        return allowed, None if one_per is None else snapshot.columns.groups(one_per)

    def _for_user(
        self,
        snapshot: Snapshot,
        question: Question | None,
        seen: Int64,
        exclude_seen: bool | None,
        allowed: Bool,
        groups: Int64 | None,
        k: int,
        note: str = "",
    ) -> Ranking:
        bundle = snapshot.bundle
        if bundle.exclude_seen if exclude_seen is None else exclude_seen:
            allowed[seen] = False
        if question is None:
            return _popular(bundle, allowed, groups, k, joined(note, "Nothing to go by: the most popular items."))
        return _ranked(snapshot, "user_item", question.vector, allowed, groups, k, note)


def _unread(found: Newcomers) -> list[str]:
    """What of new items' rows could not be read, a sentence each."""
    fields = found.catalog.schema.fields
    said = [
        f"{name}: {many(n, 'item')} of {len(found.catalog):,} with a value that does not read as a "
        f"{fields[name].kind}, which counts as missing."
        for name, n in found.catalog.unparsable.items()
    ]
    return [*said, *found.notes]


def _ranked(
    snapshot: Snapshot, index: str, query: Float32, allowed: Bool, groups: Int64 | None, k: int, note: str = ""
) -> Ranking:
    answerable = allowed & snapshot.answerable(query)
    if allowed.any() and not answerable.any():
        hits = best(by_category(snapshot.bundle), _positive(k), allowed, groups)
        note = joined(note, "Nothing is known of these items but their category: those of the most popular ones.")
        return ranking(snapshot.bundle, hits, note=note, source="fallback")
    allowed = answerable

    def search(wanted: int, among: Bool) -> Hits:
        return snapshot.index(index).search(query[None], wanted, allowed=among)[0]

    hits = best(search, _positive(k), allowed, groups)
    return ranking(snapshot.bundle, hits, note=joined(note, shortage(len(hits.rows), k, allowed)))


def _popular(bundle: Bundle, allowed: Bool, groups: Int64 | None, k: int, note: str) -> Ranking:
    hits = best(by_popularity(bundle), _positive(k), allowed, groups)
    return ranking(bundle, hits, note=note, source="fallback")


def _popular_of_its_kind(
    bundle: Bundle, row: pa.Table, allowed: Bool, groups: Int64 | None, k: int, note: str
) -> Ranking:
    """What is most popular in an item's category; in the whole catalog where it has none or nobody took any."""
    column = bundle.category_column
    value = None if column is None else row.column(column)[0].as_py()
    if value is not None:
        alike = pc.fill_null(pc.equal(bundle.catalog.column(column), value), False).to_numpy() & allowed
        if (alike & (bundle.n_interactions > 0)).any():
            return _popular(bundle, alike, groups, k, f"{note}: the most popular items with {column} {value!r}.")
    return _popular(bundle, allowed, groups, k, f"{note}: the most popular items.")


def _positive(k: int) -> int:
    if k < 1:
        raise DataError(f"k must be at least 1; found {k}.")
    return k
