"""Methods brought by the user: embeddings or finished rankings in Parquet, measured beside longtail's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy import sparse

from longtail.core.arrays import Bool, Float32, Int64
from longtail.core.errors import DataError
from longtail.core.vocabulary import Vocabulary
from longtail.protocols.pairs import rows_of


@dataclass(frozen=True)
class ForeignEmbeddings:
    """Vectors of users and items; a score is their inner product.

    Two Parquet files with a column of ids (``user_id`` or ``item_id``) and a column ``embedding``, a list of numbers.
    Users or items that the files lack are never shown anything, or never shown.
    """

    name: str
    users: Path
    items: Path

    def bind(self, users: Vocabulary, items: Vocabulary) -> BoundEmbeddings:
        """Align with the rows of a training run.

        Raises:
            DataError: a column is missing, vectors differ in length or are not finite, an id occurs twice, or no id
                is known.
        """
        user_vectors, user_known = _vectors(self.users, "user_id", users)
        item_vectors, item_known = self.of_items(items)
        if user_vectors.shape[1] != item_vectors.shape[1]:
            raise DataError(
                f"{self.users} has vectors of {user_vectors.shape[1]} numbers and {self.items} of "
                f"{item_vectors.shape[1]}; their inner product needs equal lengths."
            )
        return BoundEmbeddings(self.name, user_vectors, item_vectors, user_known, item_known)

    def of_items(self, items: Vocabulary) -> tuple[Float32, Bool]:
        """The items' vectors, ``(n_items, d)``, and which have one. Raises DataError as :meth:`bind`."""
        return _vectors(self.items, "item_id", items)


@dataclass(frozen=True)
class BoundEmbeddings:
    """Foreign embeddings over the rows of a training run."""

    name: str
    user_vectors: Float32
    item_vectors: Float32
    user_known: Bool
    item_known: Bool

    def score_block(self, users: Int64) -> Float32:
        """``(len(users), n_items) float32``; minus infinity where the user or the item has no vector."""
        scores: Float32 = self.user_vectors[users] @ self.item_vectors.T
        scores[:, ~self.item_known] = -np.inf
        scores[~self.user_known[users]] = -np.inf
        return scores

    def among(self, items: Int64) -> BoundEmbeddings:
        """The same over some items."""
        return BoundEmbeddings(
            self.name, self.user_vectors, self.item_vectors[items], self.user_known, self.item_known[items]
        )


@dataclass(frozen=True)
class ForeignRankings:
    """What another system would show: Parquet with ``user_id``, ``item_id`` and ``rank`` (1 is best) or ``score``.

    Lists should be long enough for what the protocol leaves out of them: what a user took before, and items that are
    not candidates.
    """

    name: str
    path: Path

    def bind(self, users: Vocabulary, items: Vocabulary) -> BoundRankings:
        """Align with the rows of a training run.

        Raises:
            DataError: a column is missing, a score is not finite, a user's item occurs twice, or no pair is known.
        """
        table = _read(self.path, ("user_id", "item_id"))
        if "score" not in table.column_names and "rank" not in table.column_names:
            raise DataError(f"{self.path} needs a column `score` or `rank`; found {table.column_names}.")
        descending = "score" in table.column_names
        score = table["score" if descending else "rank"].cast(pa.float32()).to_numpy()
        if not np.isfinite(score).all():
            raise DataError(f"{self.path} has scores that are null or not finite. Leave those rows out.")
        user, item = rows_of(table["user_id"], users), rows_of(table["item_id"], items)
        known = (user >= 0) & (item >= 0)
        if not known.any():
            raise DataError(f"{self.path} has no pair of a known user and a known item. Are the ids the same, as text?")
        if len(np.unique(user[known] * len(items) + item[known])) != known.sum():
            raise DataError(f"{self.path} has a user's item more than once. Keep one row a pair.")
        values = score[known] if descending else -score[known]
        # Scores of 0 are stored like any other: nothing below sums or drops them.
        matrix = sparse.csr_array((values, (user[known], item[known])), shape=(len(users), len(items)))
        return BoundRankings(self.name, matrix)


@dataclass(frozen=True)
class BoundRankings:
    """Foreign rankings over the rows of a training run; a stored value is a score, 0 too, higher is better."""

    name: str
    matrix: sparse.csr_array

    def score_block(self, users: Int64) -> Float32:
        """``(len(users), n_items) float32``; minus infinity where the file says nothing."""
        some = sparse.csr_array(self.matrix[users])
        scores = np.full(some.shape, -np.inf, dtype=np.float32)
        scores[np.repeat(np.arange(len(users)), np.diff(some.indptr)), some.indices] = some.data
        return scores

    def among(self, items: Int64) -> BoundRankings:
        """The same over some items."""
        return BoundRankings(self.name, sparse.csr_array(self.matrix[:, items]))


def _vectors(path: Path, id_column: str, vocabulary: Vocabulary) -> tuple[Float32, Bool]:
    table = _read(path, (id_column, "embedding"))
    rows = rows_of(table[id_column], vocabulary)
    column = table["embedding"].combine_chunks()
    lengths = pc.unique(pc.list_value_length(column)).to_pylist()
    if len(lengths) != 1 or lengths[0] is None:
        raise DataError(f"{path}: the column `embedding` needs lists of one length; found the lengths {lengths}.")
    matrix = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32).reshape(-1, lengths[0])
    if not np.isfinite(matrix).all():
        raise DataError(f"{path} has vectors that are not finite. Leave those rows out.")
    known = rows >= 0
    if not known.any():
        raise DataError(f"{path} has no id that is known as {vocabulary.kind}. Are the ids the same, as text?")
    if len(np.unique(rows[known])) != known.sum():
        raise DataError(f"{path} has an id more than once. Keep one row an id.")
    aligned = np.zeros((len(vocabulary), lengths[0]), dtype=np.float32)
    aligned[rows[known]] = matrix[known]
    present = np.zeros(len(vocabulary), dtype=np.bool_)
    present[rows[known]] = True
    return aligned, present


def _read(path: Path, columns: tuple[str, ...]) -> pa.Table:
    if not path.exists():
        raise DataError(f"{path} does not exist; expected a Parquet file with the columns {list(columns)}.")
    table = pq.read_table(path)
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        raise DataError(f"{path} lacks the columns {missing}; found {table.column_names}.")
    return table
