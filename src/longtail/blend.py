"""The posterior of an item's vector, given its prediction and its events.

    v_i = (α₀ e_i U'U + Σ c u u' + (τ + λ_i - λ_i(0)) I)^-1 (Σ c u + τ f_i)

the item half-step of ALS in which the part of the penalty that does not grow with the events, λ_i(0), no longer pulls
to zero but, as strongly as validation says (τ), to the prediction f_i. With exposure e_i = 0 and no events nothing but
the prediction remains; with many events nothing of it does. Training, online updates and new items all come here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from longtail.cf.als import AlsSettings, solve_items
from longtail.core.arrays import Bool, Float32
from longtail.core.errors import DataError


@dataclass(frozen=True)
class Posterior:
    """Blended items.

    Attributes:
        vectors: ``(n_items, d) float32``.
        behaviour_share: ``(n_items,) float32`` in [0, 1], behaviour's part of the vector: v is the sum of what the
            events bring, A^-1 Σ c u, and what the prediction brings, p = A^-1 τ f; of these two lengths behaviour's
            share. 0 is the prediction alone, towards 1 behaviour alone; 1 for items without a prediction. None if it
            was not asked for.
    """

    vectors: Float32
    behaviour_share: Float32 | None


def blend(
    matrix: Any,
    user_factors: Float32,
    prior: Float32,
    has_prior: Bool,
    precision: float,
    settings: AlsSettings,
    *,
    exposure: Float32 | None = None,
    start: Float32 | None = None,
    with_share: bool = False,
    threads: int | None = None,
) -> Posterior:
    """Solve items with their predictions as prior.

    Args:
        matrix: ``(n_users, n_items)`` sparse weights, without alpha; the items' columns.
        user_factors: ``(n_users, d) float32``.
        prior: ``(n_items, d) float32`` calibrated predictions f; ignored where ``has_prior`` is False.
        has_prior: ``(n_items,) bool``; items without one are solved as plain ALS does.
        precision: τ, at least 0; 0 leaves items with events to plain ALS.
        settings: α, α₀, λ and ν.
        exposure: ``(n_items,)`` e in [0, 1]. None: :func:`default_exposure`.
        start: where conjugate gradients begin; then they take the settings' few steps instead of converging.
        with_share: also say how much of each vector is behaviour; costs a second solve.
        threads: all available by default.

    Raises:
        DataError: shapes that do not fit, or a negative precision.
        NumericalError: values that are not finite.
    """
    n_items = matrix.shape[1]
    if prior.shape != (n_items, user_factors.shape[1]) or has_prior.shape != (n_items,) or precision < 0:
        raise DataError(
            f"Blending {n_items:,} items in {user_factors.shape[1]} dimensions needs a prediction and a mask for each "
            f"and a precision of at least 0; found {prior.shape}, {has_prior.shape} and {precision}."
        )
    if exposure is None:
        exposure = default_exposure(matrix)
    tau = np.where(has_prior, np.float32(precision), np.float32(0.0)).astype(np.float32)
    system: dict[str, Any] = {
        "exposure": exposure,
        "prior": np.where(has_prior[:, None], prior, np.float32(0.0)),
        "prior_precision": tau,
        "threads": threads,
    }
    vectors = solve_items(matrix, user_factors, settings, start=start, **system).factors
    # Nothing is known but the prediction: it is the answer even where its precision is zero.
    silent = has_prior & (exposure == 0) & (np.bincount(matrix.indices, minlength=n_items) == 0)
    vectors[silent] = prior[silent]
    share = None
    if with_share:
        predicted = solve_items(matrix, user_factors, settings, prior_alone=True, **system).factors
        predicted[silent] = prior[silent]
        share = behaviour_share(vectors, predicted)
    return Posterior(vectors, share)


def behaviour_share(vectors: Float32, predicted: Float32) -> Float32:
    """|v - p| / (|v - p| + |p|), ``(n,) float32``; 1 where both are zero. ``predicted``: p, what predictions bring."""
    content = np.linalg.norm(predicted, axis=1)
    behaviour = np.linalg.norm(vectors - predicted, axis=1)
    whole = behaviour + content
    return np.asarray(np.divide(behaviour, whole, out=np.ones_like(whole), where=whole > 0), dtype=np.float32)


def default_exposure(matrix: Any) -> Float32:
    """1 for items with events, 0 for items without, ``(n_items,) float32``: unsold may mean unseen."""
    exposed: Float32 = (np.bincount(matrix.indices, minlength=matrix.shape[1]) > 0).astype(np.float32)
    return exposed


def with_silent(matrix: Any, exposure: Float32 | None, new: Bool | None, value: float) -> Float32:
    """Exposure in which items on sale that nobody took count as seen.

    Nobody took them although they could be seen: with exposure 1 that pulls them towards zero, as far as they are
    predicted to be liked by everyone. With 0 they are as good as new.

    Args:
        matrix: ``(n_users, n_items)``; items without entries are silent.
        exposure: ``(n_items,)`` of items with events; None: :func:`default_exposure`.
        new: ``(n_items,) bool``, items not on sale yet, whose exposure stays 0; None: none are.
        value: the exposure of the silent items.

    Returns:
        ``(n_items,) float32``.
    """
    known = default_exposure(matrix)
    silent = known == 0 if new is None else (known == 0) & ~new
    given = known if exposure is None else exposure * known
    return np.where(silent, np.float32(value), given).astype(np.float32)
