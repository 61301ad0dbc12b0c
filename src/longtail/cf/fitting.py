"""Fit implicit ALS, and solve one side alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from longtail.cf.blocks import padded, rotate, slices, spread
from longtail.cf.objective import AlsSettings, Pairs, as_rows, penalties
from longtail.cf.solver import HalfStep, half_step, repeated_steps
from longtail.cf.solver.step import DUAL_BELOW, width_for
from longtail.cf.torch_solver import find_device, steps_on
from longtail.core.arrays import Float32
from longtail.core.errors import DataError, NumericalError
from longtail.core.machine import one_blas_thread, usable_cores
from longtail.core.progress import SILENT, Progress

if TYPE_CHECKING:  # at run time it would bring pyarrow, which training does not need
    from longtail.core.vocabulary import Vocabulary

#: One-sided solves are not repeated, so their conjugate gradients run on until this relative error, at most so long.
CONVERGED = 1e-6
CONVERGED_STEPS = 256
#: The start: N(0, SPREAD/√d), and ALIKE in one direction, which all vectors have in common.
SPREAD, ALIKE = 0.03, np.float32(0.1)
#: A sweep after one that was thrown away, which must not end above it.
RECOVERED = 1e-4
RECOVERY_STEPS = 16


@dataclass(frozen=True)
class AlsFit:
    """Fitted factors.

    Attributes:
        user_factors: ``(n_users, d) float32``; item_factors: ``(n_items, d) float32``.
        losses: the objective after each iteration, as the design has it (all penalties and priors included).
    """

    user_factors: Float32
    item_factors: Float32
    losses: tuple[float, ...]


def fit_als(
    matrix: Any,
    settings: AlsSettings,
    *,
    item_exposure: Float32 | None = None,
    item_prior: Float32 | None = None,
    item_prior_precision: Float32 | float | None = None,
    user_start: Float32 | None = None,
    item_start: Float32 | None = None,
    seed: int | None = None,
    progress: Progress = SILENT,
    threads: int | None = None,
    users: Vocabulary | None = None,
    items: Vocabulary | None = None,
) -> AlsFit:
    """Minimise the implicit objective by alternating half-steps, users first.

    Args:
        matrix: ``(n_users, n_items)`` scipy sparse weights, not negative, without alpha.
        settings: see AlsSettings.
        item_exposure: ``(n_items,)`` e in [0, 1].
        item_prior: ``(n_items, d)`` f.
        item_prior_precision: ``(n_items,)`` or one τ; τ = 0: no prior.
        user_start: ``(n_users, d)`` where to begin instead of N(0, 0.03/√d), 0.1 added in one direction.
        item_start: ``(n_items, d)``, likewise.
        seed: instead of the one in the settings.
        progress: gets a task with one step an iteration and the loss beside it.
        threads: all available by default; the factors do not depend on it.
        users: their ids, for error messages.
        items: their ids, for error messages.

    Raises:
        DataError: a matrix that is not sparse, negative weights, shapes that do not fit, no CUDA device where
            ``settings.device`` is "cuda".
        MissingExtraError: "cuda" without torch.
        NumericalError: NaN or infinite numbers; names the user or item, the cause and the remedy.

    With momentum (Nesterov's, restarted where the loss would rise), users are solved against items taken further in the
    direction of their last change: the same minimum in about half the sweeps or fewer. A sweep that raised the loss is
    thrown away and repeated without, so losses never rise.

    A user without pairs gets a zero vector, an item without pairs its prior's part or zero.
    """
    rows = as_rows(matrix)
    n_users, n_items = rows.shape
    d = settings.factors
    device = find_device(settings.device)
    rotated_step: Callable[..., Any] = repeated_steps() if device is None else steps_on(device)
    threads = threads or usable_cores()
    by_user = Pairs(rows, settings, column_exposure=item_exposure)
    by_item = Pairs(rows.T.tocsr(), settings, row_exposure=item_exposure)
    scale = by_user.scale
    precision = None
    if item_prior is not None:
        if item_prior_precision is None:
            raise DataError("An item prior needs its precision: pass item_prior_precision too.")
        precision = np.broadcast_to(np.asarray(item_prior_precision, np.float32), (n_items,))
    user_penalty = penalties(by_user.lengths, n_items, settings)
    item_penalty = penalties(by_item.lengths, n_users, settings, precision=precision)
    seed = settings.seed if seed is None else seed
    width = width_for(d)
    U = _begin(user_start, (n_users, d), width, (seed, 0), threads, name(users, "user"))
    V = _begin(item_start, (n_items, d), width, (seed, 1), threads, name(items, "item"))
    basis = np.eye(width)
    weight = by_user.weight
    losses: list[float] = []
    common: dict[str, Any] = {
        "unobserved_weight": settings.background / scale, "solver": settings.solver, "dual_below": DUAL_BELOW,
        "threads": threads,
    }  # fmt: skip
    last: Float32 | None = None  # the items of the last accepted sweep
    streak = 0
    steps, tolerance = settings.cg_steps, 0.0
    with one_blas_thread(), progress.task("ALS", settings.iterations) as task:
        while len(losses) < settings.iterations:
            streak += 1
            here = V
            if settings.momentum and last is not None:  # what was the last sweep's becomes this one's
                np.subtract(V, last, out=last)
                last *= np.float32((streak - 1) / (streak + 1))
                last += V
                V = last
            elif settings.momentum:
                here = V.copy()
            step = rotated_step(
                by_user.indptr, by_user.indices, by_user.quadratic, by_user.linear, V, U, d, cg_steps=steps,
                quadratic_offset=by_user.offset, tolerance=tolerance, regularization=user_penalty / scale,
                fixed_exposure=item_exposure, row_exposure=None,
                prior=None, prior_precision=None, name_row=name(users, "user"), name_fixed=name(items, "item"),
                **common,
            )  # fmt: skip
            turn = step.basis
            basis = basis @ step.basis
            prior = None if item_prior is None else (item_prior @ basis[:d, :d]).astype(np.float32)
            step = rotated_step(
                by_item.indptr, by_item.indices, by_item.quadratic, by_item.linear, U, V, d, cg_steps=steps,
                quadratic_offset=by_item.offset, tolerance=tolerance, regularization=item_penalty / scale,
                fixed_exposure=None, row_exposure=item_exposure,
                prior=prior, prior_precision=None if precision is None else precision / scale,
                name_row=name(items, "item"), name_fixed=name(users, "user"), **common,
            )  # fmt: skip
            basis = basis @ step.basis
            if settings.momentum:
                rotate(here, turn @ step.basis, threads)
            size = np.einsum("ij,ij->i", U, U)
            loss = weight + scale * step.value + float(user_penalty.astype(np.float64) @ size)
            if losses and loss > losses[-1] and streak > 1:
                # The momentum overshot: back to the last items, and once without it, users solved to the end.
                V, last, streak = here, None, 0
                steps, tolerance = max(settings.cg_steps, RECOVERY_STEPS), RECOVERED
                continue
            last, steps, tolerance = here, settings.cg_steps, 0.0
            losses.append(loss)
            task.say(f"loss {loss:.6g}")
            task.advance()
            if len(losses) > 1 and losses[-2] - losses[-1] < settings.tolerance * losses[-2]:
                break
    back = np.ascontiguousarray(basis.T, np.float32)
    with one_blas_thread():
        rotate(U, back, threads)
        rotate(V, back, threads)
    return AlsFit(np.ascontiguousarray(U[:, :d]), np.ascontiguousarray(V[:, :d]), tuple(losses))


def solve_users(
    matrix: Any,
    item_factors: Float32,
    settings: AlsSettings,
    *,
    exposure: Float32 | None = None,
    start: Float32 | None = None,
    threads: int | None = None,
    users: Vocabulary | None = None,
    items: Vocabulary | None = None,
) -> HalfStep:
    """The factors of users, known or new, given the items': ``matrix`` is ``(n_users, n_items)``.

    ``exposure`` is the items' ``(n_items,)``. Conjugate gradients run until converged unless ``start`` is given.
    Raises as `fit_als`.
    """
    pairs = Pairs(matrix, settings, column_exposure=exposure)
    penalty = penalties(pairs.lengths, len(item_factors), settings)
    solved = half_step(
        pairs.indptr, pairs.indices, pairs.quadratic, pairs.linear, item_factors,
        quadratic_offset=pairs.offset, regularization=penalty / pairs.scale, fixed_exposure=exposure, start=start,
        name_row=name(users, "user"), name_fixed=name(items, "item"), threads=threads, **_precision(settings, start),
    )  # fmt: skip
    return replace(solved, value=solved.value * pairs.scale)


def solve_items(
    matrix: Any,
    user_factors: Float32,
    settings: AlsSettings,
    *,
    exposure: Float32 | None = None,
    prior: Float32 | None = None,
    prior_precision: Float32 | float | None = None,
    start: Float32 | None = None,
    threads: int | None = None,
    prior_alone: bool = False,
    users: Vocabulary | None = None,
    items: Vocabulary | None = None,
) -> HalfStep:
    """The factors of items, known or new, given the users': ``matrix`` is ``(n_users, n_items)``, users are rows.

    ``exposure`` is the items' ``(n_items,)``; ``prior`` ``(n_items, d)`` and ``prior_precision`` as in `fit_als`.
    ``prior_alone`` gives the part of the solution that the prior brings, A^-1 τ f: what is left of it is behaviour.
    Conjugate gradients run until converged unless ``start`` is given. Raises as `fit_als`.
    """
    pairs = Pairs(as_rows(matrix).T.tocsr(), settings, row_exposure=exposure)
    precision = None
    if prior is not None and prior_precision is not None:
        precision = np.broadcast_to(np.asarray(prior_precision, np.float32), (pairs.shape[0],))
    penalty = penalties(pairs.lengths, len(user_factors), settings, precision=precision)
    solved = half_step(
        pairs.indptr, pairs.indices, pairs.quadratic, np.zeros_like(pairs.linear) if prior_alone else pairs.linear,
        user_factors, quadratic_offset=pairs.offset, regularization=penalty / pairs.scale, row_exposure=exposure,
        prior=prior, prior_precision=None if precision is None else precision / pairs.scale, start=start,
        name_row=name(items, "item"), name_fixed=name(users, "user"), threads=threads, **_precision(settings, start),
    )  # fmt: skip
    return replace(solved, value=solved.value * pairs.scale)


def name(ids: Vocabulary | None, kind: str) -> Callable[[int], str]:
    """How a row is called in messages: by its id where ids are known."""
    if ids is None:
        return lambda row: f"{kind} row {row}"
    return lambda row: f"{kind} {ids.id(row)!r}"


def _precision(settings: AlsSettings, start: Float32 | None) -> dict[str, Any]:
    """How well to solve: as in training from a start, else to the end, and exactly where a row has few pairs."""
    how: dict[str, Any] = {"unobserved_weight": settings.background / settings.alpha, "solver": settings.solver}
    if start is not None:
        return how | {"cg_steps": settings.cg_steps}
    few = max(DUAL_BELOW, settings.factors)
    return how | {"cg_steps": CONVERGED_STEPS, "tolerance": CONVERGED, "dual_below": few}


def _begin(
    start: Float32 | None,
    shape: tuple[int, int],
    width: int,
    seed: tuple[int, int],
    threads: int,
    called: Callable[[int], str],
) -> Float32:
    """Where a side begins, padded; every block is drawn from a generator of its own, whatever the threads.

    All rows have `ALIKE` in one direction, popularity, which then need not be found first.
    """
    n, d = shape
    if start is None:
        factors: Float32 = padded(np.zeros((n, 0)), width, np.float32)

        def draw(block: slice) -> None:
            drawn = np.random.default_rng([*seed, block.start]).standard_normal((len(factors[block]), d), np.float32)
            np.multiply(drawn, np.float32(SPREAD / np.sqrt(d)), out=factors[block, :d])
            factors[block, 0] += ALIKE

        spread(draw, slices(n), threads)
        return factors
    if start.shape != shape:
        raise DataError(f"A start needs the shape {shape}; found {start.shape}.")
    finite = np.isfinite(start).all(axis=1)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        raise NumericalError(f"The start of {called(row)} is not finite. Leave the start out, or repair that row.")
    padded_start: Float32 = padded(start, width, np.float32)
    return padded_start
