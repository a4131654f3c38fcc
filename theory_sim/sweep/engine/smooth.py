"""Smooth activations by the collapsed recursion, and gradients from a few of its rows [paper: Eq. 4].

s_t = s_0 - ‖x‖² p_t and p_{t+1} = p_t + η ℓ'_t a'_t cost O(m) a step. All gradients are g_t = W_0ᵀ a'_t - (p_t·a'_t) x:
the matrix A of the a'_t, (T+1, m), is a smooth curve of vectors and has a numerical rank of 5 to 20. So A ≈ C·A[rows]
with few rows, found by pivoting on the columns of a few units and checked by random combinations of all units; where
the check fails, the product with W_0 is taken of all rows.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from theory_sim.descent.trajectory import LARGEST
from theory_sim.descent.vector_math import exp_nonpositive, log1p_unit
from theory_sim.sweep.course import (
    ACTIVE_NORM2,
    CROSSINGS,
    HIGH_CROSS,
    HIGH_ENERGY,
    LOW_CROSS,
    LOW_ENERGY,
    MEAN_CURVATURE,
    OUTPUT,
    RESIDUAL,
)
from theory_sim.sweep.engine.bands import FAST, axpy, factor, power_line, weighted_dot

FIRST_COLUMNS, MORE_COLUMNS, N_COLUMNS = 64, 32, 128  # units whose columns the pivoting looks at: at first, at most
N_CHECKS = 2
LARGEST_RANK = 40
PIVOT_TOLERANCE = 1e-14  # of the largest row: what is left after the last pivot
CHECK_BOUND = 1e-11  # of the largest row: a tenth of what is promised
BLOCK = 64  # rows of A whose gradients are taken at once where the low-rank form is not used
PRODUCT = 512  # factors of one product, each at most 2
SQUAREPLUS = 2  # index in network.ACTIVATIONS


@nb.njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _soft_step(
    b: float,
    leak: float,
    s: NDArray,
    outer: NDArray,
    size: float,
    p: NDArray,
    active: NDArray,
    sign: NDArray,
    far: NDArray,
    sums: NDArray,
) -> None:
    """Softplus (leak 0) and its leaky form: a' into `active`; f, p·a', ‖a'‖², Σ a σ'' and sign changes into `sums`.

    size: of `_common_size`; far: (m,) scratch, e^{-b|s|}.
    """
    hinge = line = q = norm2 = bend = flips = 0.0
    for r in range(s.size):
        e = exp_nonpositive(-abs(b * s[r]))
        far[r] = e
        g = 1.0 / (1.0 + e)
        u = outer[r] * (leak + (1.0 - leak) * (g if s[r] >= 0.0 else e * g))
        active[r] = u
        hinge += outer[r] * max(s[r], 0.0)
        line += outer[r] * s[r]
        q += p[r] * u
        norm2 += u * u
        bend += outer[r] * (e * g * g)
        now = 1.0 if s[r] > 0.0 else 0.0
        flips += abs(now - sign[r])
        sign[r] = now
    f = (1.0 - leak) * (hinge + _sum_of_logarithms(outer, size, far) / b)
    if leak > 0.0:
        f += leak * line
    sums[0], sums[1], sums[2], sums[3], sums[4] = f, q, norm2, (1.0 - leak) * b * bend, flips


@nb.njit(nogil=True, cache=True)
def _common_size(outer: NDArray) -> Any:
    """|a_r| if it is the same > 0 for all units, else 0."""
    size = abs(outer[0])
    for r in range(outer.size):
        if abs(outer[r]) != size:
            return 0.0
    return size


@nb.njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _sum_of_logarithms(outer: NDArray, size: float, e: NDArray) -> Any:
    """Σ a_r ln(1 + e_r), 0 <= e_r <= 1; where all |a_r| = size > 0, by the logarithms of a few products."""
    total = 0.0
    if size == 0.0:
        for r in range(e.size):
            total += outer[r] * log1p_unit(e[r])
        return total
    half = 0.5 / size
    for first in range(0, e.size, PRODUCT):
        up = down = 1.0
        for r in range(first, min(first + PRODUCT, e.size)):
            sign = half * outer[r]  # ±½
            up *= 1.0 + (0.5 + sign) * e[r]
            down *= 1.0 + (0.5 - sign) * e[r]
        total += size * (math.log(up) - math.log(down))
    return total


@nb.njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")
def _squareplus_step(
    b: float, s: NDArray, outer: NDArray, p: NDArray, active: NDArray, sign: NDArray, sums: NDArray
) -> None:
    """The same for squareplus."""
    f = q = norm2 = bend = flips = 0.0
    c = 2.0 / b
    for r in range(s.size):
        root = np.sqrt(s[r] * s[r] + c * c)
        far = abs(s[r]) + root
        value = 0.5 * (far if s[r] >= 0.0 else c * (c / far))
        u = outer[r] * (value / root)
        active[r] = u
        f += outer[r] * value
        q += p[r] * u
        norm2 += u * u
        bend += outer[r] * ((c / root) * (c / root) / (2.0 * root))
        now = 1.0 if s[r] > 0.0 else 0.0
        flips += abs(now - sign[r])
        sign[r] = now
    sums[0], sums[1], sums[2], sums[3], sums[4] = f, q, norm2, bend, flips


@nb.njit(nogil=True, cache=True)
def smooth_state(code: int, b: float, leak: float, start: NDArray, outer: NDArray, active: NDArray) -> Any:
    """a' (into `active`), f and ‖a'‖² before training."""
    sums, zero, sign, far = np.empty(5), np.zeros(start.size), np.zeros(start.size), np.empty(start.size)
    if code == SQUAREPLUS:
        _squareplus_step(b, start, outer, zero, active, sign, sums)
    else:
        _soft_step(b, leak, start, outer, _common_size(outer), zero, active, sign, far, sums)
    return sums[0], sums[2]


@nb.njit(nogil=True, cache=True, fastmath=FAST)
def _advance(step: float, active: NDArray, start: NDArray, norm2: float, p: NDArray, s: NDArray) -> None:
    for r in range(p.size):
        p[r] += step * active[r]
        s[r] = start[r] - norm2 * p[r]


@nb.njit(nogil=True, cache=True, fastmath=FAST)
def _combine(check: NDArray, active: NDArray) -> Any:
    total = 0.0
    for r in range(active.size):
        total += check[r] * active[r]
    return total


@nb.njit(nogil=True, cache=True)
def smooth_path(
    code: int,
    b: float,
    leak: float,
    start: NDArray,
    outer: NDArray,
    norm2: float,
    label: float,
    rate: float,
    loss: int,
    x_top: float,
    largest: float,
    checks: NDArray,
    active: NDArray,
    checked: NDArray,
    q: NDArray,
    s: NDArray,
    course: NDArray,
) -> Any:
    """Train: all of `course` but the energies and crosses, A (T+1, m), q_t = p_t·a'_t, A·checksᵀ, and s at the end.

    Stops before a value beyond `largest`; returns the number of steps recorded (n_steps + 1 if none is).
    """
    m = start.size
    p, sign, far, sums = np.zeros(m), np.empty(m), np.empty(m), np.empty(5)
    for r in range(m):
        s[r] = start[r]
        sign[r] = 1.0 if start[r] > 0.0 else 0.0
    flips, size = 0.0, _common_size(outer)
    n = course.shape[1]
    for t in range(n):
        if code == SQUAREPLUS:
            _squareplus_step(b, s, outer, p, active[t], sign, sums)
        else:
            _soft_step(b, leak, s, outer, size, p, active[t], sign, far, sums)
        f = sums[0]
        if loss == 0:
            residual = f - label
        else:
            z = label * f
            residual = -label * math.exp(-(max(z, 0.0) + math.log1p(math.exp(-abs(z)))))
        if not max(abs(f), abs(residual), abs(sums[1]) * x_top) < largest:
            return t
        flips += sums[4]
        course[OUTPUT, t], course[RESIDUAL, t] = f, residual
        course[ACTIVE_NORM2, t], course[MEAN_CURVATURE, t] = sums[2], sums[3] / m
        course[CROSSINGS, t] = flips
        q[t] = sums[1]
        for i in range(checks.shape[0]):
            checked[t, i] = _combine(checks[i], active[t])
        if t + 1 < n:
            _advance(rate * residual, active[t], start, norm2, p, s)
    return n


@nb.njit(nogil=True, cache=True)
def spread_units(start: NDArray, outer: NDArray) -> NDArray:
    """A few units spread evenly over the preactivations, of either sign of a_r."""
    top = np.abs(start).max() + 1.0
    order = np.argsort(np.where(outer > 0.0, start + 2.0 * top, start))
    n = min(FIRST_COLUMNS, start.size)
    out = np.empty(n, np.int64)
    for i in range(n):
        out[i] = order[i * (start.size - 1) // max(n - 1, 1)]
    return out


@nb.njit(nogil=True, cache=True, fastmath=FAST)
def _pivot(columns: NDArray, coefficients: NDArray, rows: NDArray) -> Any:
    """Row-pivoted Gram-Schmidt of the transposed `columns` (c, n), destroyed; returns the rank k.

    On return columns[:, t] = Σ_j coefficients[j, t]·columns[:, rows[j]], j < k, for the columns given.
    """
    c, n = columns.shape
    left, along, direction = np.zeros(n), np.empty(n), np.empty(c)
    for j in range(c):
        for t in range(n):
            left[t] += columns[j, t] * columns[j, t]
    top = left.max()
    k = 0
    while k < min(rows.size, c):
        best = np.argmax(left)
        if not left[best] > PIVOT_TOLERANCE * PIVOT_TOLERANCE * top:
            break
        rows[k] = best
        scale = 1.0 / np.sqrt(left[best])
        along[:] = 0.0
        for j in range(c):
            direction[j] = columns[j, best] * scale
            for t in range(n):
                along[t] += columns[j, t] * direction[j]
        left[:] = 0.0
        for j in range(c):
            for t in range(n):
                rest = columns[j, t] - along[t] * direction[j]
                columns[j, t] = rest
                left[t] += rest * rest
        coefficients[k] = along
        left[best] = 0.0
        k += 1
    # So far columns = directions·coefficients; columns `rows` of it are a triangle: solve with it.
    triangle = np.empty((k, k))
    for i in range(k):
        for j in range(k):
            triangle[i, j] = coefficients[j, rows[i]]
    for j in range(k - 1, -1, -1):
        for i in range(j + 1, k):
            for t in range(n):
                coefficients[j, t] -= coefficients[i, t] * triangle[i, j]
        for t in range(n):
            coefficients[j, t] /= triangle[j, j]
    return k


@nb.njit(nogil=True, cache=True, fastmath=FAST)
def combine_rows(coefficients: NDArray, basis: NDArray, out: NDArray) -> None:
    """out[t] += Σ_j coefficients[j, t]·basis[j]."""
    for j in range(basis.size):
        for t in range(out.size):
            out[t] += coefficients[j, t] * basis[j]


@nb.njit(nogil=True, cache=True)
def compress(
    active: NDArray, checked: NDArray, units: NDArray, norm2: NDArray, columns: NDArray, coefficients: NDArray
) -> Any:
    """Rows with active[t] ≈ Σ_j coefficients[j, t]·active[rows[j]], the checked error as a share of the largest, its t.

    active (n, m); checked (n, N_CHECKS); norm2: ‖row‖² (n,); columns (N_COLUMNS, n): scratch; coefficients
    (LARGEST_RANK, n): filled.
    """
    n, c = active.shape[0], units.size
    for t in range(n):
        for j in range(c):
            columns[j, t] = active[t, units[j]]
    rows = np.empty(LARGEST_RANK, np.int64)
    k = _pivot(columns[:c], coefficients, rows)
    rows = rows[:k].copy()
    worst, where, rest = 0.0, 0, np.empty(n)
    for i in range(checked.shape[1]):
        rest[:] = -checked[:, i]
        combine_rows(coefficients, checked[rows, i], rest)
        t = int(np.argmax(np.abs(rest)))
        if abs(rest[t]) > worst:
            worst, where = abs(rest[t]), t
    top = np.sqrt(norm2.max())
    return rows, worst / top if top > 0.0 else 0.0, where


@nb.njit(nogil=True, cache=True)
def _with_worst(units: NDArray, active: NDArray, coefficients: NDArray, rows: NDArray, t: int) -> NDArray:
    """`units` and those whose entry of row t is farthest from what the low-rank form gives."""
    rest = -active[t]
    for j in range(rows.size):
        rest += coefficients[j, t] * active[rows[j]]
    rest[units] = 0.0
    order = np.argsort(-np.abs(rest))
    more = min(MORE_COLUMNS, N_COLUMNS - units.size, active.shape[1] - units.size)
    return np.concatenate((units, order[:more]))


@nb.njit(nogil=True, cache=True, fastmath=FAST)
def _energies(coefficients: NDArray, q: NDArray, r: NDArray, energy: NDArray, cross: NDArray) -> None:
    """‖y‖² and -2 y·R[:, k] with y = R·(coefficients_t, -q_t), for every t."""
    k = r.shape[0] - 1
    y = np.empty(q.size)
    energy[:] = 0.0
    cross[:] = 0.0
    for i in range(k + 1):
        for t in range(q.size):
            y[t] = -q[t] * r[i, k]
        for j in range(i, k):
            for t in range(q.size):
                y[t] += coefficients[j, t] * r[i, j]
        for t in range(q.size):
            energy[t] += y[t] * y[t]
            cross[t] -= 2.0 * y[t] * r[i, k]


@nb.njit(nogil=True, cache=True)
def low_rank_course(
    rows: NDArray,
    coefficients: NDArray,
    active: NDArray,
    q: NDArray,
    weights: NDArray,
    x: NDArray,
    low: NDArray,
    high: NDArray,
    course: NDArray,
    probe_at: NDArray,
    probes: NDArray,
    record_steps: NDArray,
    recorded: NDArray,
    power: NDArray,
) -> None:
    """Energies and crosses of `course`, R_k² at the probes and the recorded gradients from the low-rank form.

    power: |ĝ|² of 1-D signals at every step, (n or 0, n_bins).
    """
    n, k = q.size, rows.size
    basis = np.dot(active[rows], weights)
    _energies(coefficients, q, factor(low, basis, x), course[LOW_ENERGY, :n], course[LOW_CROSS, :n])
    _energies(coefficients, q, factor(high, basis, x), course[HIGH_ENERGY, :n], course[HIGH_CROSS, :n])
    a, b = np.empty(n), np.empty(n)
    for i in range(probe_at.shape[0]):
        here, mirror = probe_at[i]
        if here < 0:
            break
        a[:] = -q * x[here]
        b[:] = -q * x[mirror]
        combine_rows(coefficients, basis[:, here].copy(), a)
        combine_rows(coefficients, basis[:, mirror].copy(), b)
        size = x[here] * x[here] + x[mirror] * x[mirror]
        probes[:n, i] = (a * a + b * b) / size
    for row in range(recorded.shape[0]):
        t = record_steps[row]
        if 0 <= t < n:
            recorded[row] = 0.0
            for j in range(k):
                axpy(coefficients[j, t], basis[j], recorded[row])
            axpy(-q[t], x, recorded[row])
    for first in range(0, power.shape[0], BLOCK):
        end = min(first + BLOCK, n)
        block = np.dot(coefficients[:k, first:end].T.copy(), basis)
        for t in range(first, end):
            power_line(block[t - first], q[t], x, power[t])


@nb.njit(nogil=True, cache=True)
def matrix_course(
    active: NDArray,
    q: NDArray,
    weights: NDArray,
    x: NDArray,
    low: NDArray,
    high: NDArray,
    course: NDArray,
    probe_at: NDArray,
    probes: NDArray,
    record_steps: NDArray,
    recorded: NDArray,
    power: NDArray,
) -> None:
    """The same from the product of all rows with W_0, a block of steps at a time."""
    n = q.size
    for first in range(0, n, BLOCK):
        end = min(first + BLOCK, n)
        block = np.dot(active[first:end], weights)
        for t in range(first, end):
            g = block[t - first]
            axpy(-q[t], x, g)
            course[LOW_ENERGY, t] = weighted_dot(low, g, g)
            course[HIGH_ENERGY, t] = weighted_dot(high, g, g)
            course[LOW_CROSS, t] = -2.0 * weighted_dot(low, g, x)
            course[HIGH_CROSS, t] = -2.0 * weighted_dot(high, g, x)
            for i in range(probe_at.shape[0]):
                here, mirror = probe_at[i]
                if here < 0:
                    break
                size = x[here] * x[here] + x[mirror] * x[mirror]
                probes[t, i] = (g[here] * g[here] + g[mirror] * g[mirror]) / size
            for row in range(recorded.shape[0]):
                if record_steps[row] == t:
                    recorded[row] = g
            if power.shape[0] > 0:
                power_line(g, 0.0, x, power[t])


@nb.njit(nogil=True, cache=True)
def smooth_course(
    code: int,
    b: float,
    leak: float,
    start: NDArray,
    outer: NDArray,
    norm2: float,
    label: float,
    rate: float,
    loss: int,
    x_top: float,
    checks: NDArray,
    units: NDArray,
    low_rank: bool,
    weights: NDArray,
    x: NDArray,
    low: NDArray,
    high: NDArray,
    buffer: NDArray,
    checked: NDArray,
    columns: NDArray,
    coefficients: NDArray,
    shared: NDArray,
    s: NDArray,
    course: NDArray,
    probe_at: NDArray,
    probes: NDArray,
    record_steps: NDArray,
    recorded: NDArray,
    power: NDArray,
) -> Any:
    """Train and fill `course` (9, T+1), `probes`, `recorded` and `power`, by the low-rank form where its check holds.

    Returns (steps recorded, whether the form was used, its rank, also where it was not). low_rank False: never use it.
    Scratch: buffer (>= (T+1)·m,), checked (>= T+1, N_CHECKS), columns (N_COLUMNS, >= T+1), coefficients (LARGEST_RANK,
    >= T+1), shared (T+1,); s (m,): at the end.
    """
    n, m = course.shape[1], start.size
    active = buffer[: n * m].reshape((n, m))
    n = smooth_path(
        code,
        b,
        leak,
        start,
        outer,
        norm2,
        label,
        rate,
        loss,
        x_top,
        LARGEST,
        checks,
        active,
        checked,
        shared,
        s,
        course,
    )
    if n == 0:
        return 0, False, -1
    active, q = active[:n], shared[:n]
    norms = course[ACTIVE_NORM2, :n]
    rows, error, t = compress(active, checked[:n], units, norms, columns[:, :n], coefficients[:, :n])
    while low_rank and not error < CHECK_BOUND and units.size < min(N_COLUMNS, m):
        units = _with_worst(units, active, coefficients, rows, t)
        rows, error, t = compress(active, checked[:n], units, norms, columns[:, :n], coefficients[:, :n])
    holds = low_rank and error < CHECK_BOUND
    if holds:
        low_rank_course(
            rows, coefficients[:, :n], active, q, weights, x, low, high, course, probe_at, probes, record_steps,
            recorded, power,
        )  # fmt: skip
    else:
        matrix_course(active, q, weights, x, low, high, course, probe_at, probes, record_steps, recorded, power)
    return n, holds, rows.size
