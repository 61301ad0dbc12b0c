"""What a user asks with, and what every item of the history brings to an answer.

    score(u, i) = b_i (q_u + s_u [ū; 0])·a_i,    q_u = A_u^-1 Σ_j c_j a_j,    a_i = [v_i; g_i z_i]

q_u = [u; p] is the half-step of ALS against items with their content, see `longtail.calibrate.model.Fusion`, the same
for a known user and for an anonymous history. Where users ask for vectors alone q_u is the vector that training ended
with. Bundles before format 3 ask with the mean content of the history instead of a solved p.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from longtail.calibrate.model import with_average
from longtail.cf.content_knn import profiles
from longtail.core.arrays import Float32, Float64
from longtail.recommender.changes import Pairs
from longtail.recommender.snapshot import Snapshot


@dataclass(frozen=True)
class Question:
    """A user's question to the index of items.

    Attributes:
        own: q_u, ``(d + d_z,) float32``, by what the user took.
        vector: ``(d + d_z,) float32``, with the average user: what the index is asked with.
    """

    own: Float32
    vector: Float32


def ask(snapshot: Snapshot, taken: Pairs, user: Float32 | None = None) -> Question | None:
    """The question of somebody with a history; None where nothing is known to go by.

    Args:
        snapshot: what is asked.
        taken: the history.
        user: u, ``(d,)``, as training ended with it; None: solved from the history.
    """
    bundle = snapshot.bundle
    if bundle.fusion.averaged or not bundle.fusion.weight:
        u = snapshot.user_system(taken).solve() if user is None else user
        own = np.concatenate([u, _profile(snapshot, taken)])
    else:
        own = snapshot.asking_system(taken).solve()
    if not own.any():
        return None
    asked = with_average(own[None], bundle.average_user, bundle.fusion, np.array([len(taken.rows)]))[0]
    return Question(own, asked)


def brought(snapshot: Snapshot, taken: Pairs, stored: Float64) -> Float64:
    """What every item of a history brings to q_u·stored, ``(n, k) float64``, for ``k`` columns of ``(d + d_z, k)``."""
    bundle = snapshot.bundle
    d = bundle.item_vectors.shape[1]
    if not bundle.fusion.weight:
        return snapshot.user_system(taken).by_pair(stored[:d])
    if not bundle.fusion.averaged:
        return snapshot.asking_system(taken).by_pair(stored)
    # The mean over the history is a sum over it too: every item with content has its share of it.
    shares = bundle.content[taken.rows].astype(np.float64)
    shares /= max(1, int(shares.any(axis=1).sum()))
    return snapshot.user_system(taken).by_pair(stored[:d]) + shares @ stored[d:]


def _profile(snapshot: Snapshot, taken: Pairs) -> Float32:
    """The mean content of a history; zero where content has no weight, so that it is no reason for an answer."""
    bundle, n = snapshot.bundle, len(taken.rows)
    if not bundle.fusion.weight:
        return np.zeros(bundle.content.shape[1], dtype=np.float32)
    one = csr_array((np.ones(n, dtype=np.float32), np.arange(n), np.array([0, n])), shape=(1, n))
    mean: Float32 = profiles(one, bundle.content[taken.rows])[0]
    return mean
