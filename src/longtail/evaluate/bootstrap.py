"""Confidence intervals of means over users, by bootstrap; all columns share the resamples, so that differences pair."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from longtail.core.arrays import Float64
from longtail.core.errors import DataError, NumericalError

_CHUNK = 2**22  # draws held at once


def resampled_means(values: Float64, *, resamples: int = 2_000, seed: int = 0) -> Float64:
    """Means over users drawn with replacement, ``(resamples, n_columns) float64``.

    A resample is a multinomial weight for each user, and all columns share it: the resampled mean of a difference of
    two columns is the difference of their resampled means.

    Args:
        values: ``(n_users, n_columns)``, finite, at least one user.
        resamples: how many.
        seed: of the draws; the result does not depend on the chunks they are made in.

    Raises:
        DataError: no users or no resamples.
        NumericalError: a value is not finite.
    """
    n_users, n_columns = values.shape
    if n_users == 0 or resamples < 1:
        raise DataError(f"A bootstrap needs users and resamples; found {n_users:,} users, {resamples:,} resamples.")
    if not np.isfinite(values).all():
        raise NumericalError("A value to average is not finite. Metrics never give NaN; check where these come from.")
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, n_columns))
    size = max(1, _CHUNK // n_users)
    for start in range(0, resamples, size):
        count = min(size, resamples - start)
        # Drawing users and counting them is the multinomial, some ten times faster than drawing it binomially.
        drawn = rng.integers(0, n_users, size=(count, n_users))
        drawn += np.arange(count)[:, None] * n_users
        weights = np.bincount(drawn.ravel(), minlength=count * n_users).reshape(count, n_users)
        means[start : start + count] = weights.astype(np.float64) @ values / n_users
    return means


def bca_interval(values: Float64, means: Float64, confidence: float = 0.95) -> Float64:
    """Bias-corrected and accelerated interval of each column's mean, ``(n_columns, 2) float64``, low and high.

    Source: Efron, "Better bootstrap confidence intervals", JASA 82, 1987; the acceleration of a mean is its jackknife
    in closed form, skewness / (6 sqrt(n)). Where a column does not vary the interval is the value itself.

    Args:
        values: ``(n_users, n_columns)``, what was averaged.
        means: ``(resamples, n_columns)``, from :func:`resampled_means`.
        confidence: between 0 and 1.

    Raises:
        DataError: ``confidence`` is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise DataError(f"The confidence must be between 0 and 1; found {confidence}.")
    normal = NormalDist()
    observed = values.mean(axis=0)
    centred = values - observed
    spread = (centred**2).sum(axis=0)
    intervals = np.empty((values.shape[1], 2))
    tails = [normal.inv_cdf((1 - confidence) / 2), normal.inv_cdf((1 + confidence) / 2)]
    for column in range(values.shape[1]):
        drawn, mean = means[:, column], observed[column]
        # A column that is one constant has rounding errors for a spread.
        if spread[column] <= 1e-24 * max(1.0, mean * mean) * len(values):
            intervals[column] = mean
            continue
        # Half of the resamples that equal the mean count as below: metrics are discrete, and ties are many.
        below = ((drawn < mean).sum() + 0.5 * (drawn == mean).sum()) / len(drawn)
        bias = normal.inv_cdf(float(np.clip(below, 0.5 / len(drawn), 1 - 0.5 / len(drawn))))
        acceleration = (centred[:, column] ** 3).sum() / (6 * spread[column] ** 1.5)
        shares = []
        for tail in tails:
            moved = bias + tail
            shares.append(normal.cdf(bias + moved / max(1e-6, 1 - acceleration * moved)))
        intervals[column] = np.quantile(drawn, shares)
    return intervals
