"""ReLU networks exactly: an alive unit has p_r = a_r·C with one shared scalar C, and a unit can only die.

The cost is that of the deaths, not of the steps: `descent.events` finds the step of each, and between two deaths every
scalar of the course is elementary in q = C·Σ_alive a_r² [paper: Eq. 4].
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from theory_sim.descent.events import find_segments
from theory_sim.descent.trajectory import LARGEST
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
from theory_sim.sweep.engine.bands import axpy, power_line, split

RENEWED = 64  # steps after which the running power (1-r)^k is taken anew: its round-off stays that of 64 products


@nb.njit(nogil=True, cache=True)
def order_deaths(start: NDArray, outer: NDArray, norm2: float) -> Any:
    """Alive units by the C at which they die, a_r > 0 (C rising) and a_r < 0 (C falling), with the sums that remain.

    Returns (up, down, thresholds of both, Σ a_r s_r and Σ a_r² over the units left after the first i deaths of each).
    """
    n_up = n_down = 0
    for r in range(start.size):
        if start[r] > 0.0:
            n_up += outer[r] > 0.0
            n_down += outer[r] < 0.0
    up, down = np.empty(n_up, np.int64), np.empty(n_down, np.int64)
    level_up, level_down = np.empty(n_up), np.empty(n_down)
    i = j = 0
    for r in range(start.size):
        if start[r] > 0.0 and outer[r] > 0.0:
            up[i], level_up[i] = r, start[r] / (norm2 * outer[r])
            i += 1
        elif start[r] > 0.0 and outer[r] < 0.0:
            down[j], level_down[j] = r, start[r] / (norm2 * outer[r])
            j += 1
    order = np.argsort(level_up, kind="mergesort")
    up, level_up = up[order], level_up[order]
    order = np.argsort(-level_down, kind="mergesort")
    down, level_down = down[order], level_down[order]
    a1_up, a2_up = _remaining(up, start, outer)
    a1_down, a2_down = _remaining(down, start, outer)
    return up, down, level_up, level_down, a1_up, a2_up, a1_down, a2_down


@nb.njit(nogil=True, cache=True)
def _remaining(units: NDArray, start: NDArray, outer: NDArray) -> Any:
    a1, a2 = np.zeros(units.size + 1), np.zeros(units.size + 1)
    for i in range(units.size - 1, -1, -1):
        r = units[i]
        a1[i] = a1[i + 1] + outer[r] * start[r]
        a2[i] = a2[i + 1] + outer[r] * outer[r]
    return a1, a2


@nb.njit(nogil=True, cache=True)
def _path_mse(
    label: float, norm2: float, n: int, first_step: NDArray, table: NDArray, residual: NDArray, shared: NDArray
) -> None:
    """ℓ' and C at every step from the closed form of each segment."""
    n_steps = residual.size - 1
    for i in range(n):
        end = first_step[i + 1] if i + 1 < n else n_steps + 1
        c0, centre, r, a2 = table[i]
        if a2 == 0.0:
            for t in range(first_step[i], end):
                residual[t], shared[t] = -label, c0
            continue
        factor = 1.0 - r
        for block in range(first_step[i], end, RENEWED):
            deviation = c0 - centre
            if deviation != 0.0:
                deviation *= factor ** (block - first_step[i])
            for t in range(block, min(block + RENEWED, end)):
                residual[t], shared[t] = -norm2 * a2 * deviation, centre + deviation
                deviation *= factor


@nb.njit(nogil=True, cache=True)
def _path_logistic(
    deaths: Any, label: float, norm2: float, rate: float, residual: NDArray, shared: NDArray, output: NDArray
) -> Any:
    """The same by stepping: O(1) a step. Returns the segments as `find_segments` does (of its table A₂ alone)."""
    _, _, level_up, level_down, a1_up, a2_up, a1_down, a2_down = deaths
    size = level_up.size + level_down.size + 1
    first_step, table, dead = np.empty(size, np.int64), np.empty((size, 4)), np.empty((size, 2), np.int64)
    c, up, down, n = 0.0, 0, 0, 0
    for t in range(residual.size):
        while up < level_up.size and c >= level_up[up]:
            up += 1
        while down < level_down.size and c <= level_down[down]:
            down += 1
        if n == 0 or up != dead[n - 1, 0] or down != dead[n - 1, 1]:
            first_step[n], dead[n, 0], dead[n, 1] = t, up, down
            table[n, 3] = a2_up[up] + a2_down[down]
            n += 1
        output[t] = a1_up[up] + a1_down[down] - norm2 * table[n - 1, 3] * c
        z = label * output[t]
        residual[t] = -label * math.exp(-(max(z, 0.0) + math.log1p(math.exp(-abs(z)))))
        shared[t] = c
        c += rate * residual[t]
    return n, first_step, table, dead


@nb.njit(nogil=True, cache=True)
def relu_path(deaths: Any, norm2: float, label: float, rate: float, loss: int, shared: NDArray, course: NDArray) -> Any:
    """f and ℓ' of `course`, and C (T+1,); returns the segments' number, first steps, A₂, and dead of either sign."""
    _, _, level_up, level_down, a1_up, a2_up, a1_down, a2_down = deaths
    residual = course[RESIDUAL]
    if loss == 0:
        n, first_step, table, dead = find_segments(
            level_up, level_down, a1_up, a2_up, a1_down, a2_down, norm2, label, rate, course.shape[1] - 1
        )
        _path_mse(label, norm2, n, first_step, table, residual, shared)
        course[OUTPUT] = residual + label
    else:
        n, first_step, table, dead = _path_logistic(deaths, label, norm2, rate, residual, shared, course[OUTPUT])
    return n, first_step, table[:, 3], dead


@nb.njit(nogil=True, cache=True)
def fill_segment(
    first: int,
    end: int,
    a2: float,
    c_low: float,
    rest_low: float,
    x_low: float,
    c_high: float,
    rest_high: float,
    x_high: float,
    n_dead: int,
    shared: NDArray,
    course: NDArray,
) -> None:
    """The rows of `course` that follow from C between two deaths; c and rest of both bands as from `bands.split`."""
    for t in range(first, end):
        q = shared[t] * a2
        to_low, to_high = c_low - q, c_high - q
        course[ACTIVE_NORM2, t] = a2
        course[MEAN_CURVATURE, t] = 0.0
        course[LOW_ENERGY, t] = rest_low + x_low * to_low * to_low
        course[HIGH_ENERGY, t] = rest_high + x_high * to_high * to_high
        course[LOW_CROSS, t] = -2.0 * x_low * to_low
        course[HIGH_CROSS, t] = -2.0 * x_high * to_high
        course[CROSSINGS, t] = n_dead


@nb.njit(nogil=True, cache=True)
def relu_course(
    deaths: Any,
    weights: NDArray,
    outer: NDArray,
    gradient: NDArray,
    x: NDArray,
    low: NDArray,
    high: NDArray,
    x_low: float,
    x_high: float,
    norm2: float,
    label: float,
    rate: float,
    loss: int,
    shared: NDArray,
    course: NDArray,
    probe_at: NDArray,
    probes: NDArray,
    record_steps: NDArray,
    recorded: NDArray,
    power: NDArray,
    p: NDArray,
) -> None:
    """Fill `course` (9, T+1), R_k² at the probes (T+1, 5), g at the steps of the rows of `recorded` (n_records, d).

    gradient: g at the start (d,); shared: C on return (T+1,); power: |ĝ|² of 1-D signals at every step, (T+1 or 0,
    n_bins); p: p_r at the end (m,). Beyond float64 the course holds inf or NaN.
    """
    up, down = deaths[0], deaths[1]
    n_steps = course.shape[1] - 1
    n, first_step, a2_of, dead = relu_path(deaths, norm2, label, rate, loss, shared, course)
    v = gradient.copy()
    for r in range(p.size):
        p[r] = 0.0
    n_up = n_down = 0
    for i in range(n):
        while n_up < dead[i, 0]:
            r = up[n_up]
            axpy(-outer[r], weights[r], v)
            p[r] = outer[r] * shared[first_step[i]]
            n_up += 1
        while n_down < dead[i, 1]:
            r = down[n_down]
            axpy(-outer[r], weights[r], v)
            p[r] = outer[r] * shared[first_step[i]]
            n_down += 1
        end = first_step[i + 1] if i + 1 < n else n_steps + 1
        a2 = a2_of[i]
        if a2 == 0.0:  # nothing is left, not even the round-off of the subtractions
            v[:] = 0.0
        c_low, rest_low = split(low, v, x, x_low)
        c_high, rest_high = split(high, v, x, x_high)
        fill_segment(
            first_step[i], end, a2, c_low, rest_low, x_low, c_high, rest_high, x_high, n_up + n_down, shared, course
        )
        for i_probe in range(probe_at.shape[0]):
            k, mirror = probe_at[i_probe]
            if k < 0:
                break
            size = x[k] * x[k] + x[mirror] * x[mirror]
            for t in range(first_step[i], end):
                q = shared[t] * a2
                a, b = v[k] - q * x[k], v[mirror] - q * x[mirror]
                probes[t, i_probe] = (a * a + b * b) / size
        if power.shape[0] > 0:
            for t in range(first_step[i], end):
                power_line(v, shared[t] * a2, x, power[t])
        for row in range(recorded.shape[0]):
            t = record_steps[row]
            if first_step[i] <= t < end:
                recorded[row] = v
                axpy(-shared[t] * a2, x, recorded[row])
    for i in range(n_up, up.size):
        p[up[i]] = outer[up[i]] * shared[n_steps]
    for i in range(n_down, down.size):
        p[down[i]] = outer[down[i]] * shared[n_steps]


@nb.njit(nogil=True, cache=True)
def last_finite(course: NDArray, shared: NDArray, x_top: float) -> int:
    """The last step before one beyond LARGEST, -1 if there is none. x_top: max |x_i|."""
    for t in range(course.shape[1]):
        size = max(abs(course[OUTPUT, t]), abs(course[RESIDUAL, t]))
        if not max(size, abs(shared[t]) * course[ACTIVE_NORM2, t] * x_top) < LARGEST:
            return t - 1
    return course.shape[1] - 1
