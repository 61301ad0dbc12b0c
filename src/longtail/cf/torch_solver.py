"""The half-step in torch, for machines with a CUDA device: the same mathematics, rows solved in batches.

Rows are sorted by length and padded to the longest of their batch, so every pass is a batched matrix product: no
atomics, the same result every time on one device. A batch gathers its vectors once for all its passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from longtail.cf.solver.checks import explain
from longtail.cf.solver.step import HalfStep, Solver, check_shapes, per_row, row_name
from longtail.core.arrays import Int64
from longtail.core.errors import DataError, MissingExtraError
from longtail.core.extras import require

#: Pairs, padding included, that one batch gathers: 4 d bytes each. A single longer row is a batch of its own.
BATCH_PAIRS = 1 << 20


def find_device(wanted: str) -> str | None:
    """The torch device that ``AlsSettings.device`` means here; None: the compiled solver.

    "cpu" is None without a look at torch; "auto" is None where torch is not installed or sees no CUDA device.

    Raises:
        DataError: "cuda" was asked for and torch sees none.
        MissingExtraError: "cuda" was asked for and torch is not installed.
    """
    if wanted == "cpu":
        return None
    try:
        torch = _torch()
    except MissingExtraError:
        if wanted == "auto":
            return None
        raise
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else None
    return _available(torch, wanted)


def half_step(
    indptr: Any,
    indices: Any,
    quadratic: Any,
    linear: Any,
    fixed: Any,
    *,
    unobserved_weight: float,
    regularization: Any,
    quadratic_offset: float = 0.0,
    fixed_exposure: Any = None,
    row_exposure: Any = None,
    prior: Any = None,
    prior_precision: Any = None,
    start: Any = None,
    solver: Solver = "auto",
    cg_steps: int = 3,
    tolerance: float = 0.0,
    device: str | None = None,
    batch_pairs: int = BATCH_PAIRS,
    name_row: Callable[[int], str] = row_name,
    name_fixed: Callable[[int], str] = row_name,
) -> HalfStep:
    """As `longtail.cf.solver.half_step`, on a torch device.

    Args:
        indptr: as there, and so are all arguments that are not named here.
        solver: "exact": Cholesky of every row; "auto" and "cg": conjugate gradients.
        device: a torch device; "cuda" where torch sees one, else "cpu", by default.
        batch_pairs: pairs a batch gathers at most, padding included.

    Raises:
        DataError: shapes that do not fit together, or a device torch does not have.
        NumericalError: a NaN or infinite number came in or came out; names the row, the cause and the remedy.
        MissingExtraError: torch is not installed.
    """
    torch = _torch()
    device = _available(torch, device or ("cuda" if torch.cuda.is_available() else "cpu"))
    dtype = np.dtype(np.float64 if fixed.dtype == np.float64 else np.float32)
    d = fixed.shape[1]
    begin = start if start is not None else prior
    x = np.zeros((len(indptr) - 1, d), dtype) if begin is None else np.array(begin, dtype)
    solved = TorchStep(
        indptr, indices, quadratic, linear, np.array(fixed, dtype), x, d, unobserved_weight=unobserved_weight,
        regularization=regularization, quadratic_offset=quadratic_offset, fixed_exposure=fixed_exposure,
        row_exposure=row_exposure, prior=prior, prior_precision=prior_precision, solver=solver, cg_steps=cg_steps,
        tolerance=tolerance, name_row=name_row, name_fixed=name_fixed, device=device, batch_pairs=batch_pairs,
    )  # fmt: skip
    x = x @ solved.basis.T
    if prior is not None:
        bare = (np.diff(indptr) == 0) & (solved.unobserved == 0) & (solved.precision > 0)
        x[bare] = np.asarray(prior)[bare] * (solved.precision[bare] / solved.ridge[bare])[:, None]
    return HalfStep(x, solved.value)


class DevicePairs:
    """The pairs of one side on a device, with the batches of its rows; made once for all half-steps of a fit."""

    def __init__(self, indptr: Any, indices: Any, quadratic: Any, linear: Any, device: str, batch_pairs: int) -> None:
        torch = _torch()
        self.columns = torch.as_tensor(np.ascontiguousarray(indices, np.int32), device=device)
        self.linear = torch.as_tensor(np.ascontiguousarray(linear), device=device)
        same = quadratic is linear
        self.quadratic = self.linear if same else torch.as_tensor(np.ascontiguousarray(quadratic), device=device)
        self.batches = list(batches(np.ascontiguousarray(indptr, np.int64), batch_pairs))


class TorchStep:
    """`longtail.cf.solver.RotatedStep` on a torch device: its arguments and attributes, its use of ``fixed`` and ``x``.

    Args:
        device: a torch device.
        pairs: the pairs where they are on the device already.
        batch_pairs: see `half_step`.
    """

    def __init__(
        self, indptr: Any, indices: Any, quadratic: Any, linear: Any, fixed: Any, x: Any, d: int, *,
        unobserved_weight: float, regularization: Any, quadratic_offset: float, fixed_exposure: Any, row_exposure: Any,
        prior: Any, prior_precision: Any, solver: Solver, cg_steps: int, tolerance: float,
        name_row: Callable[[int], str], name_fixed: Callable[[int], str], device: str,
        pairs: DevicePairs | None = None, batch_pairs: int = BATCH_PAIRS, **_: Any,
    ) -> None:  # fmt: skip
        torch = _torch()
        dtype = fixed.dtype
        indptr = np.ascontiguousarray(indptr, np.int64)
        n, m = len(indptr) - 1, len(fixed)
        check_shapes(indptr, indices, quadratic, linear, fixed, x, prior, prior_precision)
        self.unobserved = per_row(row_exposure, n, dtype, "row exposure", 1.0) * dtype.type(unobserved_weight)
        self.precision = per_row(prior_precision, n, dtype, "prior precision", 0.0)
        self.ridge = per_row(regularization, n, dtype, "regularization") + self.precision
        exposure = per_row(fixed_exposure, m, dtype, "fixed exposure", 1.0)
        problem = (indptr, indices, quadratic, linear, fixed, x, prior, name_row, name_fixed)

        def put(array: Any) -> Any:
            return torch.as_tensor(np.ascontiguousarray(array, dtype), device=device)

        V = put(fixed[:, :d])
        shared = (V.T @ (put(exposure)[:, None] * V)).double()
        if not bool(torch.isfinite(shared).all()):
            explain(*problem, np.full(n, np.nan))
        spectrum, basis = torch.linalg.eigh(shared)
        spectrum, basis = spectrum.clamp(min=0).to(V.dtype), basis.to(V.dtype)
        V = torch.cat([V @ basis, V.new_zeros((1, d))])  # the last row is what padding points to
        pairs = pairs or DevicePairs(indptr, indices, quadratic, linear, device, batch_pairs)
        X = put(x[:, :d]) @ basis
        H = torch.zeros_like(X) if prior is None else (put(self.precision)[:, None] * put(prior)) @ basis
        value = torch.zeros(n, dtype=torch.float64, device=device)
        alpha, slope = put(self.unobserved), put(self.ridge)
        least = 1e-7 * float(spectrum.max()) if d else 0.0
        starts, lengths = torch.as_tensor(indptr, device=device), torch.as_tensor(np.diff(indptr), device=device)
        for rows, width in pairs.batches:
            at = torch.as_tensor(rows, device=device)
            place = torch.arange(width, device=device)[None, :]
            real = place < lengths[at, None]
            pair = torch.where(real, starts[at, None] + place, 0)
            if width:
                G = V[torch.where(real, pairs.columns[pair].long(), m)]
                D = torch.where(real, pairs.quadratic[pair].to(V.dtype) - quadratic_offset, 0)
                b = torch.where(real, pairs.linear[pair].to(V.dtype), 0)
            else:
                G, D, b = V.new_zeros((len(rows), 0, d)), V.new_zeros((len(rows), 0)), V.new_zeros((len(rows), 0))
            diagonal = alpha[at, None] * spectrum + slope[at, None]
            diagonal = diagonal.clamp(min=least * max(float(alpha[at].max()), 1.0) if width else 1e-30)
            y = torch.einsum("rnd,rn->rd", G, b) + H[at]
            if solver == "exact":
                A = torch.einsum("rnd,rn,rne->rde", G, D, G) + torch.diag_embed(diagonal)
                factor, bad = torch.linalg.cholesky_ex(A)
                solved = torch.cholesky_solve(y[:, :, None], factor)[:, :, 0]
                solved[bad > 0] = torch.nan
            else:
                sample = D.sum(dim=1, keepdim=True).clamp(min=0) * spectrum / max(m, 1)
                solved = _conjugate_gradients(torch, G, D, y, diagonal, diagonal + sample, X[at], cg_steps, tolerance)
            X[at] = solved
            image = diagonal * solved + torch.einsum("rnd,rn->rd", G, D * torch.einsum("rnd,rd->rn", G, solved))
            value[at] = (solved.double() * (image.double() - 2 * y.double())).sum(dim=1)
        values = value.cpu().numpy()
        if not np.isfinite(values).all():
            explain(*problem, values)
        fixed[:, :d], x[:, :d] = V[:m].cpu().numpy(), X.cpu().numpy()
        self.basis = np.eye(fixed.shape[1], dtype=dtype)
        self.basis[:d, :d] = basis.cpu().numpy()
        self.value = float(values.sum())
        if prior is not None:
            self.value += float(self.precision @ np.einsum("ij,ij->i", prior, prior, dtype=np.float64))


def steps_on(device: str) -> Callable[..., TorchStep]:
    """A `TorchStep` for every call, the pairs of each side sent to the device once; for the half-steps of one fit."""
    there: dict[int, tuple[Any, DevicePairs]] = {}

    def step(indptr: Any, indices: Any, quadratic: Any, linear: Any, *more: Any, **how: Any) -> TorchStep:
        if id(indices) not in there:  # kept beside its pairs, so that the number stays its own
            there[id(indices)] = (indices, DevicePairs(indptr, indices, quadratic, linear, device, BATCH_PAIRS))
        pairs = there[id(indices)][1]
        return TorchStep(indptr, indices, quadratic, linear, *more, device=device, pairs=pairs, **how)

    return step


def _torch() -> Any:
    return require("torch", extra="gpu", purpose="Solving on a torch device")


def _available(torch: Any, device: str) -> str:
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise DataError(
            f"Device {device!r} was asked for, but torch sees no CUDA device. Use device='cpu', or leave it."
        )
    return device


def _conjugate_gradients(
    torch: Any, G: Any, D: Any, y: Any, diagonal: Any, preconditioner: Any, x: Any, steps: int, tolerance: float
) -> Any:
    """At most ``steps`` steps for every row of a batch, from ``x``."""

    def apply(p: Any) -> Any:
        return diagonal * p + torch.einsum("rnd,rn->rd", G, D * torch.einsum("rnd,rd->rn", G, p))

    residual = y - apply(x)
    z = residual / preconditioner
    p = z
    size = (residual * z).sum(dim=1, keepdim=True)
    scale = (y * y / preconditioner).sum(dim=1, keepdim=True)
    for _ in range(steps):
        running = size > tolerance**2 * scale
        if not bool(running.any()):
            break
        image = apply(p)
        curvature = (p * image).sum(dim=1, keepdim=True)
        length = torch.where(running & (curvature > 0), size / curvature, 0.0)
        x = x + length * p
        residual = residual - length * image
        z = residual / preconditioner
        after = (residual * z).sum(dim=1, keepdim=True)
        p = z + torch.where(running, after / size, 0.0) * p
        size = torch.where(running, after, size)
    return x


def batches(indptr: Int64, batch_pairs: int) -> Iterator[tuple[Int64, int]]:
    """Rows by length, in batches of at most so many pairs, padding included; each with its longest row's length."""
    lengths = np.diff(indptr)
    order = np.argsort(lengths, kind="stable")
    begin = 0
    while begin < len(order):
        widths = np.maximum(lengths[order[begin : begin + batch_pairs]], 1)
        fits = np.flatnonzero(widths * np.arange(1, len(widths) + 1) <= batch_pairs)
        size = int(fits[-1]) + 1 if len(fits) else 1
        rows = order[begin : begin + size]
        if lengths[rows[0]] == 0 < lengths[rows[-1]]:  # rows without pairs have no floor under their diagonal: apart
            rows = rows[lengths[rows] == 0]
        begin += len(rows)
        yield rows, int(lengths[rows[-1]])
