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
from longtail.core.errors import DataError
from longtail.core.extras import require

#: Pairs, padding included, that one batch gathers: 4 d bytes each. A single longer row is a batch of its own.
BATCH_PAIRS = 1 << 20


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
    torch = require("torch", extra="text", purpose="Solving on a torch device")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise DataError(
            f"Device {device!r} was asked for, but torch sees no CUDA device. Use device='cpu', or leave it."
        )
    dtype = np.dtype(np.float64 if fixed.dtype == np.float64 else np.float32)
    indptr = np.ascontiguousarray(indptr, np.int64)
    n, (m, d) = len(indptr) - 1, fixed.shape
    begin = start if start is not None else prior
    x = np.zeros((n, d), dtype) if begin is None else np.array(begin, dtype)
    check_shapes(indptr, indices, quadratic, linear, fixed, x, prior, prior_precision)
    unobserved = per_row(row_exposure, n, dtype, "row exposure", 1.0) * dtype.type(unobserved_weight)
    precision = per_row(prior_precision, n, dtype, "prior precision", 0.0)
    ridge = per_row(regularization, n, dtype, "regularization") + precision
    exposure = per_row(fixed_exposure, m, dtype, "fixed exposure", 1.0)

    def put(array: Any) -> Any:
        return torch.as_tensor(np.ascontiguousarray(array, dtype), device=device)

    V = put(fixed)
    shared = (V.T @ (put(exposure)[:, None] * V)).double()
    if not bool(torch.isfinite(shared).all()):
        explain(indptr, indices, quadratic, linear, fixed, x, prior, name_row, name_fixed, np.full(n, np.nan))
    spectrum, basis = torch.linalg.eigh(shared)
    spectrum, basis = spectrum.clamp(min=0).to(V.dtype), basis.to(V.dtype)
    V = torch.cat([V @ basis, V.new_zeros((1, d))])  # the last row is what padding points to
    D, b = put(np.asarray(quadratic, dtype) - dtype.type(quadratic_offset)), put(linear)
    columns = torch.as_tensor(np.ascontiguousarray(indices, np.int64), device=device)
    X = put(x) @ basis
    H = torch.zeros_like(X) if prior is None else (put(precision)[:, None] * put(prior)) @ basis
    value = torch.zeros(n, dtype=torch.float64, device=device)
    alpha, slope = put(unobserved), put(ridge)
    least = 1e-7 * float(spectrum.max()) if d else 0.0
    for rows, width in batches(indptr, batch_pairs):
        first = torch.as_tensor(indptr[rows], device=device)
        count = torch.as_tensor(indptr[rows + 1] - indptr[rows], device=device)
        at = torch.as_tensor(rows, device=device)
        place = torch.arange(width, device=device)[None, :]
        real = place < count[:, None]
        if width:
            pair = torch.where(real, first[:, None] + place, 0)
            G = V[torch.where(real, columns[pair], m)]
            D_, b_ = torch.where(real, D[pair], 0), torch.where(real, b[pair], 0)
        else:
            G, D_, b_ = V.new_zeros((len(rows), 0, d)), V.new_zeros((len(rows), 0)), V.new_zeros((len(rows), 0))
        diagonal = alpha[at, None] * spectrum + slope[at, None]
        diagonal = diagonal.clamp(min=least * max(float(alpha[at].max()), 1.0) if width else 1e-30)
        y = torch.einsum("rnd,rn->rd", G, b_) + H[at]
        if solver == "exact":
            A = torch.einsum("rnd,rn,rne->rde", G, D_, G) + torch.diag_embed(diagonal)
            factor, bad = torch.linalg.cholesky_ex(A)
            solved = torch.cholesky_solve(y[:, :, None], factor)[:, :, 0]
            solved[bad > 0] = torch.nan
        else:
            sample = D_.sum(dim=1, keepdim=True).clamp(min=0) * spectrum / max(m, 1)
            solved = _conjugate_gradients(torch, G, D_, y, diagonal, diagonal + sample, X[at], cg_steps, tolerance)
        X[at] = solved
        image = diagonal * solved + torch.einsum("rnd,rn->rd", G, D_ * torch.einsum("rnd,rd->rn", G, solved))
        value[at] = (solved.double() * (image.double() - 2 * y.double())).sum(dim=1)
    values, factors = value.cpu().numpy(), (X @ basis.T).cpu().numpy()
    if not np.isfinite(values).all():
        explain(indptr, indices, quadratic, linear, fixed, x, prior, name_row, name_fixed, values)
    total = float(values.sum())
    if prior is not None:
        total += float(precision @ np.einsum("ij,ij->i", prior, prior, dtype=np.float64))
        bare = (np.diff(indptr) == 0) & (unobserved == 0) & (precision > 0)
        factors[bare] = np.asarray(prior)[bare] * (precision[bare] / ridge[bare])[:, None]
    return HalfStep(factors, total)


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
