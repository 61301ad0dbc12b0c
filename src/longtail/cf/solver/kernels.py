"""The compiled row solvers of training. Everything happens in the basis in which the shared part is diagonal.

For one row with observed rows ``v_j`` of the fixed side, weights ``D_j`` (quadratic, less an offset) and ``b_j``
(linear), a diagonal
``a`` and a constant right-hand side ``h`` (precision times prior), both find the minimum of

    q(x) = x'(diag(a) + Σ D_j v_j v_j') x - 2 x'(Σ b_j v_j + h)

and return ``q(x)``, so that the loss costs no second pass over the data. Matrices are flat and ``d``, the length of
their rows, is a multiple of LANES: callers pad with zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from longtail.cf.solver.compile import compiled, inlined
from longtail.cf.solver.vector import LANES, load, multiply_add, prefetch, spread, store, sums, total, zeros

#: The most that one pair may outweigh the penalty, ``D v'diag(a)^-1 v``, for the dual to be accurate in float32.
LEVERAGE = 1000.0
#: Such a row takes so many gradient steps a pair, since rounding delays the end, or stops at this relative error.
RELIABLE, ROUNDING = 8, 1e-7


@inlined
def _stream_eight(
    begin: Any, end: Any, indices: Any, quadratic: Any, offset: Any, linear: Any, fixed: Any, d: Any, x: Any, out: Any,
    first: Any,
) -> Any:  # fmt: skip
    """See `_stream`: eight pairs at a time, read again for the sum."""
    inner = 0.0
    last = len(indices) - 1
    ahead = max(8, 1024 // d)
    j = begin
    while j + 8 <= end:
        if first:
            for a in range(j + ahead, j + ahead + 8):
                at = np.intp(indices[min(a, last)]) * d
                for k in range(0, d, LANES):
                    prefetch(fixed, at + k)
        i0 = np.intp(indices[j]) * d
        i1 = np.intp(indices[j + 1]) * d
        i2 = np.intp(indices[j + 2]) * d
        i3 = np.intp(indices[j + 3]) * d
        i4 = np.intp(indices[j + 4]) * d
        i5 = np.intp(indices[j + 5]) * d
        i6 = np.intp(indices[j + 6]) * d
        i7 = np.intp(indices[j + 7]) * d
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = zeros(fixed)
        for k in range(0, d, LANES):
            p = load(x, k)
            s0 = multiply_add(load(fixed, i0 + k), p, s0)
            s1 = multiply_add(load(fixed, i1 + k), p, s1)
            s2 = multiply_add(load(fixed, i2 + k), p, s2)
            s3 = multiply_add(load(fixed, i3 + k), p, s3)
            s4 = multiply_add(load(fixed, i4 + k), p, s4)
            s5 = multiply_add(load(fixed, i5 + k), p, s5)
            s6 = multiply_add(load(fixed, i6 + k), p, s6)
            s7 = multiply_add(load(fixed, i7 + k), p, s7)
        t0, t1, t2, t3 = sums(s0, s1, s2, s3)
        t4, t5, t6, t7 = sums(s4, s5, s6, s7)
        w0 = (offset - quadratic[j]) * t0
        w1 = (offset - quadratic[j + 1]) * t1
        w2 = (offset - quadratic[j + 2]) * t2
        w3 = (offset - quadratic[j + 3]) * t3
        w4 = (offset - quadratic[j + 4]) * t4
        w5 = (offset - quadratic[j + 5]) * t5
        w6 = (offset - quadratic[j + 6]) * t6
        w7 = (offset - quadratic[j + 7]) * t7
        if first:
            b0 = linear[j]
            b1 = linear[j + 1]
            b2 = linear[j + 2]
            b3 = linear[j + 3]
            b4 = linear[j + 4]
            b5 = linear[j + 5]
            b6 = linear[j + 6]
            b7 = linear[j + 7]
            inner += np.float64(b0 * t0 + b1 * t1 + b2 * t2 + b3 * t3 + b4 * t4 + b5 * t5 + b6 * t6 + b7 * t7)
            w0 += b0
            w1 += b1
            w2 += b2
            w3 += b3
            w4 += b4
            w5 += b5
            w6 += b6
            w7 += b7
        p0 = spread(w0)
        p1 = spread(w1)
        p2 = spread(w2)
        p3 = spread(w3)
        p4 = spread(w4)
        p5 = spread(w5)
        p6 = spread(w6)
        p7 = spread(w7)
        for k in range(0, d, LANES):
            o = multiply_add(load(fixed, i0 + k), p0, load(out, k))
            o = multiply_add(load(fixed, i1 + k), p1, o)
            o = multiply_add(load(fixed, i2 + k), p2, o)
            o = multiply_add(load(fixed, i3 + k), p3, o)
            o = multiply_add(load(fixed, i4 + k), p4, o)
            o = multiply_add(load(fixed, i5 + k), p5, o)
            o = multiply_add(load(fixed, i6 + k), p6, o)
            o = multiply_add(load(fixed, i7 + k), p7, o)
            store(out, k, o)
        j += 8
    while j < end:
        at = np.intp(indices[j]) * d
        s = zeros(fixed)
        for k in range(0, d, LANES):
            s = multiply_add(load(fixed, at + k), load(x, k), s)
        t = total(s)
        w = (offset - quadratic[j]) * t
        if first:
            inner += np.float64(linear[j] * t)
            w += linear[j]
        p = spread(w)
        for k in range(0, d, LANES):
            store(out, k, multiply_add(load(fixed, at + k), p, load(out, k)))
        j += 1
    return inner


@inlined
def _four(array: Any, at: Any) -> Any:
    """4 LANES numbers."""
    return load(array, at), load(array, at + 16), load(array, at + 32), load(array, at + 48)


@inlined
def _times(v: Any, x: Any, zero: Any) -> Any:
    """Their products with others, added up to one vector."""
    return multiply_add(v[3], x[3], multiply_add(v[2], x[2], multiply_add(v[1], x[1], multiply_add(v[0], x[0], zero))))


@inlined
def _plus(out: Any, v: Any, p: Any) -> Any:
    """``out + p v``."""
    return (
        multiply_add(v[0], p, out[0]), multiply_add(v[1], p, out[1]), multiply_add(v[2], p, out[2]),
        multiply_add(v[3], p, out[3]),
    )  # fmt: skip


@inlined
def _stream_four(
    begin: Any, end: Any, indices: Any, quadratic: Any, offset: Any, linear: Any, fixed: Any, x: Any, out: Any,
    first: Any,
) -> Any:  # fmt: skip
    """See `_stream`: vectors of 64 numbers, four at a time, which then stay in the registers of AVX-512."""
    inner = 0.0
    last = len(indices) - 1
    zero = zeros(fixed)
    factors, total_out = _four(x, 0), _four(out, 0)
    j = begin
    while j + 4 <= end:
        if first:
            for a in range(j + 16, j + 20):
                at = np.intp(indices[min(a, last)]) * 64
                prefetch(fixed, at)
                prefetch(fixed, at + 16)
                prefetch(fixed, at + 32)
                prefetch(fixed, at + 48)
        v0 = _four(fixed, np.intp(indices[j]) * 64)
        v1 = _four(fixed, np.intp(indices[j + 1]) * 64)
        v2 = _four(fixed, np.intp(indices[j + 2]) * 64)
        v3 = _four(fixed, np.intp(indices[j + 3]) * 64)
        t0, t1, t2, t3 = sums(
            _times(v0, factors, zero), _times(v1, factors, zero), _times(v2, factors, zero), _times(v3, factors, zero)
        )
        w0 = (offset - quadratic[j]) * t0
        w1 = (offset - quadratic[j + 1]) * t1
        w2 = (offset - quadratic[j + 2]) * t2
        w3 = (offset - quadratic[j + 3]) * t3
        if first:
            b0, b1, b2, b3 = linear[j], linear[j + 1], linear[j + 2], linear[j + 3]
            inner += np.float64(b0 * t0 + b1 * t1 + b2 * t2 + b3 * t3)
            w0 += b0
            w1 += b1
            w2 += b2
            w3 += b3
        total_out = _plus(_plus(total_out, v0, spread(w0)), v1, spread(w1))
        total_out = _plus(_plus(total_out, v2, spread(w2)), v3, spread(w3))
        j += 4
    while j < end:
        v0 = _four(fixed, np.intp(indices[j]) * 64)
        t = total(_times(v0, factors, zero))
        w = (offset - quadratic[j]) * t
        if first:
            inner += np.float64(linear[j] * t)
            w += linear[j]
        total_out = _plus(total_out, v0, spread(w))
        j += 1
    store(out, 0, total_out[0])
    store(out, 16, total_out[1])
    store(out, 32, total_out[2])
    store(out, 48, total_out[3])
    return inner


@compiled
def _stream(
    begin: Any, end: Any, indices: Any, quadratic: Any, offset: Any, linear: Any, fixed: Any, d: Any, x: Any, out: Any,
    first: Any,
) -> Any:  # fmt: skip
    """``out += Σ (first b_j - D_j v_j·x) v_j`` over the pairs of one row; returns ``Σ b_j v_j·x``.

    The first look at a row's vectors waits for memory, so vectors further on are asked for. The usual lengths are
    constants to the compiler, which is worth a sixth of the time.
    """
    if d == 64:
        return _stream_four(begin, end, indices, quadratic, offset, linear, fixed, x, out, first)
    if d == 128:
        return _stream_eight(begin, end, indices, quadratic, offset, linear, fixed, 128, x, out, first)
    return _stream_eight(begin, end, indices, quadratic, offset, linear, fixed, d, x, out, first)


@compiled
def _dot(x: Any, y: Any, d: Any) -> Any:
    s = zeros(x)
    for k in range(0, d, LANES):
        s = multiply_add(load(x, k), load(y, k), s)
    return np.float64(total(s))


@compiled
def _conjugate_gradients(
    begin: Any, end: Any, indices: Any, quadratic: Any, offset: Any, linear: Any, fixed: Any, d: Any, diagonal: Any,
    inverse: Any,
    constant: Any, x: Any, steps: Any, tolerance: Any, residual: Any, direction: Any, image: Any,
) -> Any:  # fmt: skip
    """At most ``steps`` steps from ``x``, preconditioned by ``inverse``; writes ``x`` and returns ``q(x)``."""
    value = 0.0
    size = 0.0
    for k in range(d):
        direction[k] = x[k]
        image[k] = constant[k] - diagonal[k] * x[k]
    for step in range(steps + 1):  # the pass before the first step finds the residual
        if step > 0:
            if not size > tolerance * tolerance * abs(value):
                break
            for k in range(d):
                image[k] = -diagonal[k] * direction[k]
        inner = _stream(begin, end, indices, quadratic, offset, linear, fixed, d, direction, image, step == 0)
        before = size
        if step == 0:
            for k in range(d):
                residual[k] = image[k]
            value = -inner - _dot(x, residual, d) - _dot(x, constant, d)
        else:
            curvature = -_dot(direction, image, d)
            if not curvature > 0.0:
                break
            value -= size * size / curvature
            length = x.dtype.type(size / curvature)
            for k in range(d):
                x[k] += length * direction[k]
                residual[k] += length * image[k]
        for k in range(d):
            image[k] = residual[k] * inverse[k]
        size = _dot(residual, image, d)
        ratio = x.dtype.type(size / before) if step > 0 else x.dtype.type(0)
        for k in range(d):
            direction[k] = image[k] + ratio * direction[k]
    return value


@compiled
def _dual(
    begin: Any, end: Any, indices: Any, quadratic: Any, offset: Any, linear: Any, fixed: Any, d: Any, diagonal: Any,
    scale: Any,
    constant: Any, x: Any, rows: Any, matrix: Any, multiplier: Any,
) -> Any:  # fmt: skip
    """The exact minimum through the ``n x n`` dual (Woodbury), all ``D_j >= 0``; writes ``x`` and returns ``q(x)``.

    With ``w_j = sqrt(D_j) v_j / sqrt(a)``, ``y = (Σ b_j v_j + h) / sqrt(a)``:
    ``x = (y - W'(I + WW')^-1 Wy) / sqrt(a)``. NaN where a pair
    outweighs the penalty so much that this difference would lose its digits.
    """
    n = end - begin
    for k in range(d):
        x[k] = constant[k]
    for j in range(n):
        at = np.intp(indices[begin + j]) * d
        root = spread(np.sqrt(quadratic[begin + j] - offset))
        b = spread(linear[begin + j])
        for k in range(0, d, LANES):
            v = load(fixed, at + k)
            store(x, k, multiply_add(v, b, load(x, k)))
            store(rows, j * d + k, multiply_add(multiply_add(v, root, zeros(x)), load(scale, k), zeros(x)))
    for k in range(d):
        x[k] *= scale[k]
    for i in range(n):
        for j in range(0, i + 1, 4):  # four at a time; beyond the diagonal is scratch
            s0 = s1 = s2 = s3 = zeros(x)
            for k in range(0, d, LANES):
                left = load(rows, i * d + k)
                s0 = multiply_add(load(rows, j * d + k), left, s0)
                s1 = multiply_add(load(rows, (j + 1) * d + k), left, s1)
                s2 = multiply_add(load(rows, (j + 2) * d + k), left, s2)
                s3 = multiply_add(load(rows, (j + 3) * d + k), left, s3)
            matrix[i, j], matrix[i, j + 1], matrix[i, j + 2], matrix[i, j + 3] = sums(s0, s1, s2, s3)
        matrix[i, i] += x.dtype.type(1)
        if not matrix[i, i] < LEVERAGE:
            return np.nan
        s = zeros(x)
        for k in range(0, d, LANES):
            s = multiply_add(load(rows, i * d + k), load(x, k), s)
        multiplier[i] = total(s)
    for i in range(n):  # Cholesky, then both substitutions
        for j in range(i + 1):
            s = matrix[i, j]
            for k in range(j):
                s -= matrix[i, k] * matrix[j, k]
            if j < i:
                matrix[i, j] = s / matrix[j, j]
            elif s > 0:
                matrix[i, i] = np.sqrt(s)
            else:
                return np.nan
        s = multiplier[i]
        for k in range(i):
            s -= matrix[i, k] * multiplier[k]
        multiplier[i] = s / matrix[i, i]
    for i in range(n - 1, -1, -1):
        value = multiplier[i] / matrix[i, i]
        multiplier[i] = value
        for k in range(i):
            multiplier[k] -= value * matrix[i, k]
    for j in range(n):
        q = spread(-multiplier[j])
        for k in range(0, d, LANES):
            store(x, k, multiply_add(load(rows, j * d + k), q, load(x, k)))
    result = 0.0
    for k in range(d):
        x[k] *= scale[k]
        result += np.float64(x[k]) * (np.float64(diagonal[k]) * x[k] - 2.0 * np.float64(constant[k]))
    for j in range(begin, end):
        at = np.intp(indices[j]) * d
        s = zeros(x)
        for k in range(0, d, LANES):
            s = multiply_add(load(fixed, at + k), load(x, k), s)
        t = np.float64(total(s))
        result += t * ((quadratic[j] - offset) * t - 2.0 * np.float64(linear[j]))
    return result


@compiled
def solve_rows(
    rows: Any, indptr: Any, indices: Any, quadratic: Any, offset: Any, linear: Any, fixed: Any, spectrum: Any,
    mean_square: Any,
    unobserved: Any, ridge: Any, constant: Any, x: Any, value: Any, dual_below: Any, steps: Any, tolerance: Any,
) -> None:  # fmt: skip
    """Solve some rows: short ones exactly, long ones by conjugate gradients.

    Args:
        rows: which rows, int64.
        indptr: ``(n + 1,) int64``, where the pairs of each row begin.
        indices: ``(nnz,) int32``, the fixed row of each pair.
        quadratic: ``(nnz,)`` D + offset.
        offset: subtracted from every quadratic weight, of the dtype of the spectrum.
        linear: ``(nnz,)`` b.
        fixed: ``(m * d,)`` the rotated fixed side, flat.
        spectrum: ``(d,)`` eigenvalues of its weighted Gram.
        mean_square: ``(d,)`` mean of the squares of its columns, for the preconditioner.
        unobserved: ``(n,)`` what multiplies the spectrum in each row.
        ridge: ``(n,)`` what is added to it.
        constant: ``(n * d,)`` precision times prior, flat; or ``(0,)`` for none.
        x: ``(n * d,)`` start on entry (conjugate gradients), solution on return, flat.
        value: ``(n,) float64`` the minimum reached; NaN where the row could not be solved.
        dual_below: rows with at most so many pairs are solved exactly, if no weight D is negative.
        steps: of the conjugate gradients, at most.
        tolerance: they stop at this relative error.
    """
    d = len(spectrum)
    dtype = spectrum.dtype
    zero, one = dtype.type(0), dtype.type(1)
    longest = 0
    for r in rows:
        n = indptr[r + 1] - indptr[r]
        if n <= dual_below:
            longest = max(longest, n)
    longest = (longest + 3) // 4 * 4
    scaled = np.zeros(longest * d, dtype)
    small = np.zeros((longest, longest), dtype)
    multiplier = np.empty(longest, dtype)
    diagonal = np.empty(d, dtype)
    inverse = np.empty(d, dtype)
    residual = np.empty(d, dtype)
    direction = np.empty(d, dtype)
    image = np.empty(d, dtype)
    h = np.zeros(d, dtype)
    least = dtype.type(1e-30)
    for k in range(d):
        least = max(least, dtype.type(1e-7) * spectrum[k])
    for r in rows:
        begin, end = indptr[r], indptr[r + 1]
        if len(constant) > 0:
            h = constant[r * d : (r + 1) * d]
        solution = x[r * d : (r + 1) * d]
        lowest, mass = zero, zero
        for j in range(begin, end):
            lowest = min(lowest, quadratic[j] - offset)
            mass += quadratic[j] - offset
        # Without any penalty the flattest directions still need a slope.
        floor = least * max(unobserved[r], one)
        for k in range(d):
            diagonal[k] = max(unobserved[r] * spectrum[k] + ridge[r], floor)
        if begin == end:
            value[r] = 0.0
            for k in range(d):
                diagonal[k] = unobserved[r] * spectrum[k] + ridge[r]
                solution[k] = h[k] / diagonal[k] if h[k] != zero else zero
                value[r] -= np.float64(solution[k]) * h[k]
            continue
        few = end - begin <= dual_below and lowest >= zero
        if few:
            for k in range(d):
                inverse[k] = one / np.sqrt(diagonal[k])
            value[r] = _dual(
                begin, end, indices, quadratic, offset, linear, fixed, d, diagonal, inverse, h, solution, scaled, small,
                multiplier,
            )  # fmt: skip
        if not few or not np.isfinite(value[r]):
            if few:  # nearly no penalty: gradients are safer, and end after about as many steps as there are pairs
                for k in range(d):
                    solution[k] = zero
            # The row's own pairs, taken for a fair sample of the fixed side, sharpen the preconditioner.
            mass = max(mass, zero)
            for k in range(d):
                inverse[k] = one / (diagonal[k] + mass * mean_square[k])
            value[r] = _conjugate_gradients(
                begin, end, indices, quadratic, offset, linear, fixed, d, diagonal, inverse, h, solution,
                max(steps, RELIABLE * (end - begin)) if few else steps, max(tolerance, ROUNDING) if few else tolerance,
                residual, direction, image,
            )  # fmt: skip
