"""Alternating least squares for implicit feedback, with the interface of `implicit`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from longtail.cf.fitting import AlsFit, fit_als, solve_items, solve_users
from longtail.cf.objective import AlsSettings, as_rows
from longtail.core.arrays import Bool, Float32, Int64
from longtail.core.errors import DataError
from longtail.core.progress import SILENT, Progress

if TYPE_CHECKING:  # at run time it would bring pyarrow, which training does not need
    from longtail.core.vocabulary import Vocabulary


class AlternatingLeastSquares:
    """Implicit ALS: fit on a sparse user x item matrix, recommend, find similar items.

    The interface follows `implicit`: rows of ``user_items`` are users, answers are ``(ids, scores)``. With
    vocabularies, strings go in and come out; without, row numbers. One thing differs: a single answer is never
    padded; where answers for several users are of unequal length, the rest is -1 (or None) and minus infinity.

    Args:
        factors, regularization, alpha, iterations: see AlsSettings, whose defaults hold.
        random_state: the seed.
        num_threads: all available by default.
        settings: any other field of AlsSettings, such as ``objective="hu"`` for the very objective of `implicit`.

    Attributes:
        user_factors: ``(n_users, d) float32``; item_factors: ``(n_items, d) float32``; both None before `fit`.
        losses: the objective after each iteration.
    """

    def __init__(
        self,
        factors: int = 64,
        regularization: float = AlsSettings().regularization,
        alpha: float = 1.0,
        iterations: int = 16,
        random_state: int = 0,
        num_threads: int | None = None,
        **settings: Any,
    ) -> None:
        self.settings = AlsSettings(
            factors=factors, regularization=regularization, alpha=alpha, iterations=iterations, seed=random_state,
            **settings,
        )  # fmt: skip
        self.num_threads = num_threads or None
        self.user_factors: Float32 | None = None
        self.item_factors: Float32 | None = None
        self.losses: tuple[float, ...] = ()
        self._users: Vocabulary | None = None
        self._items: Vocabulary | None = None

    def fit(
        self,
        user_items: Any,
        *,
        users: Vocabulary | None = None,
        items: Vocabulary | None = None,
        progress: Progress = SILENT,
    ) -> Self:
        """Fit on a scipy sparse matrix with users as rows; ids of rows and columns are optional.

        Raises:
            DataError: the matrix cannot be used, or there are not as many ids as rows or columns.
            NumericalError: NaN or infinite weights, with the user and the item.
        """
        for ids, size, kind in ((users, user_items.shape[0], "user"), (items, user_items.shape[1], "item")):
            if ids is not None and len(ids) != size:
                raise DataError(f"The matrix has {size:,} {kind}s, but there are {len(ids):,} {kind} ids.")
        fitted = fit_als(
            user_items, self.settings, users=users, items=items, progress=progress, threads=self.num_threads
        )
        self.user_factors, self.item_factors = fitted.user_factors, fitted.item_factors
        self.losses = fitted.losses
        self._users, self._items = users, items
        return self

    def recommend(
        self,
        userid: Any,
        user_items: Any = None,
        N: int = 10,
        filter_already_liked_items: bool = True,
        filter_items: Sequence[Any] | None = None,
        recalculate_user: bool = False,
        items: Sequence[Any] | None = None,
    ) -> tuple[Any, Any]:
        """The best items for one user, or for a sequence of users.

        Args:
            userid: a row number or id, or a sequence of them.
            user_items: the users' rows, ``(len(userid), n_items)``; needed to filter what they had or to recalculate.
            N: at most so many items.
            filter_already_liked_items: leave out items with a weight in ``user_items``.
            filter_items: leave these out.
            items: consider only these.
            recalculate_user: solve the users' vectors from ``user_items`` instead of looking them up.

        Returns:
            ``(ids, scores)``: ``(n,)`` arrays for one user, ``(len(userid), N)`` for several.
        """
        U, V = self._fitted()
        single = isinstance(userid, str) or np.ndim(userid) == 0
        wanted = [userid] if single else list(userid)
        if user_items is None and (filter_already_liked_items or recalculate_user):
            raise DataError(
                "Filtering and recalculating need the users' rows: pass user_items, or "
                "filter_already_liked_items=False."
            )
        seen = None if user_items is None else as_rows(user_items)
        if seen is not None and seen.shape != (len(wanted), len(V)):
            raise DataError(f"user_items needs one row for each user, {(len(wanted), len(V))}; found {seen.shape}.")
        if recalculate_user:
            queries = solve_users(seen, V, self.settings, threads=self.num_threads).factors
        else:
            queries = U[self._rows(wanted, self._users)]
        allowed = self._allowed(filter_items, items)
        answers = []
        for row, query in enumerate(queries):
            mask = allowed
            if filter_already_liked_items and seen is not None:
                mask = allowed.copy()
                mask[seen.indices[seen.indptr[row] : seen.indptr[row + 1]]] = False
            answers.append(self._best(V @ query, N, mask))
        return answers[0] if single else self._stack(answers, N)

    def similar_items(
        self,
        itemid: Any,
        N: int = 10,
        filter_items: Sequence[Any] | None = None,
        items: Sequence[Any] | None = None,
    ) -> tuple[Any, Any]:
        """Items by cosine of their vectors, the item itself first; shapes as in `recommend`."""
        _, V = self._fitted()
        single = isinstance(itemid, str) or np.ndim(itemid) == 0
        lengths = np.maximum(np.sqrt(np.einsum("ij,ij->i", V, V)), np.float32(1e-30))
        allowed = self._allowed(filter_items, items)
        answers = [
            self._best((V @ V[row]) / (lengths * lengths[row]), N, allowed)
            for row in self._rows([itemid] if single else list(itemid), self._items)
        ]
        return answers[0] if single else self._stack(answers, N)

    def recalculate_user(self, userid: Any, user_items: Any) -> Float32:
        """Vectors of users from their rows, ``(d,)`` for one user and ``(n, d)`` for several: the training half-step.

        ``userid`` only says whether one or several are asked for; users need not have been trained on.
        """
        _, V = self._fitted()
        factors = solve_users(user_items, V, self.settings, threads=self.num_threads).factors
        return factors[0] if isinstance(userid, str) or np.ndim(userid) == 0 else factors

    def recalculate_item(self, itemid: Any, item_users: Any) -> Float32:
        """Vectors of items from their rows, ``item_users`` being ``(n, n_users)``; shapes as in `recalculate_user`."""
        U, _ = self._fitted()
        factors = solve_items(as_rows(item_users).T, U, self.settings, threads=self.num_threads).factors
        return factors[0] if isinstance(itemid, str) or np.ndim(itemid) == 0 else factors

    def _fitted(self) -> tuple[Float32, Float32]:
        if self.user_factors is None or self.item_factors is None:
            raise DataError("This model has no factors yet: call fit(user_items) first.")
        return self.user_factors, self.item_factors

    def _rows(self, wanted: Sequence[Any], ids: Vocabulary | None) -> Int64:
        if ids is not None:
            return np.array([ids.row(one) if isinstance(one, str) else int(one) for one in wanted], dtype=np.int64)
        return np.asarray(wanted, dtype=np.int64)

    def _allowed(self, without: Sequence[Any] | None, only: Sequence[Any] | None) -> Bool:
        _, V = self._fitted()
        allowed = np.full(len(V), only is None)
        if only is not None:
            allowed[self._rows(only, self._items)] = True
        if without is not None:
            allowed[self._rows(without, self._items)] = False
        return allowed

    def _best(self, scores: Float32, N: int, allowed: Bool) -> tuple[Any, Any]:
        from longtail.core.ranking import top_k  # brings pyarrow, so not before it is needed

        best = top_k(scores, N, allowed)
        ids = best if self._items is None else np.array(self._items.take(best), dtype=object)
        return ids, scores[best]

    def _stack(self, answers: list[tuple[Any, Any]], N: int) -> tuple[Any, Any]:
        kind: Any = np.int64 if self._items is None else object
        ids = np.full((len(answers), N), -1 if self._items is None else None, dtype=kind)
        scores = np.full((len(answers), N), -np.inf, dtype=np.float32)
        for row, (found, values) in enumerate(answers):
            ids[row, : len(found)] = found
            scores[row, : len(values)] = values
        return ids, scores


__all__ = ["AlsFit", "AlsSettings", "AlternatingLeastSquares", "fit_als", "solve_items", "solve_users"]
