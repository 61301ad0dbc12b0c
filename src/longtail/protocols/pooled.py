"""Several training runs of one protocol, measured as one: where a single run tests too few users to tell anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from longtail.core.arrays import Bool, Float32, Int64
from longtail.protocols.methods import Method


@dataclass(frozen=True)
class Pooled:
    """One method of several training runs over the users of all of them, one run after the other.

    Attributes:
        name: what results call it.
        runs: the method, trained in each.
        starts: ``(n_runs + 1,)`` the first row of each run's users, and the end.
        candidates: ``(n_items,) bool`` of each run; the first ``n_items`` of a run's items are the catalog's.
    """

    name: str
    runs: tuple[Method, ...]
    starts: Int64
    candidates: tuple[Bool, ...]

    def score_block(self, users: Int64) -> Float32:
        """``(len(users), n_items) float32``; minus infinity where an item is no candidate in that run."""
        n_items = len(self.candidates[0])
        scores = np.full((len(users), n_items), -np.inf, dtype=np.float32)
        run_of = np.searchsorted(self.starts, users, side="right") - 1
        for number, (method, mask) in enumerate(zip(self.runs, self.candidates, strict=True)):
            rows = np.flatnonzero(run_of == number)
            if len(rows):
                found = method.score_block(users[rows] - self.starts[number])[:, :n_items]
                scores[rows] = np.where(mask, found, -np.inf)
        return scores

    def among(self, items: Int64) -> Pooled:
        """The same over some items."""
        runs = tuple(method.among(items) for method in self.runs)
        return Pooled(self.name, runs, self.starts, tuple(mask[items] for mask in self.candidates))


def pool(methods: Sequence[Sequence[Method]], n_users: Sequence[int], candidates: Sequence[Bool]) -> list[Pooled]:
    """The methods of all runs, one each over the users of all of them.

    Args:
        methods: of each run, the same ones in the same order.
        n_users: rows of each run's users.
        candidates: ``(n_items,) bool`` of each run, over the catalog's items.
    """
    starts = np.concatenate([[0], np.cumsum(n_users)]).astype(np.int64)
    return [Pooled(runs[0].name, tuple(runs), starts, tuple(candidates)) for runs in zip(*methods, strict=True)]


def stacked(matrices: Sequence[sparse.csr_array]) -> sparse.csr_array:
    """The users of all runs, one run after the other, as CSR."""
    return sparse.csr_array(sparse.vstack(matrices, format="csr"))
