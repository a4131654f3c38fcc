"""The compiled loop over the points of a group: draw, train, measure. One call holds no lock and shares no state."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from theory_sim.counter_random import WEIGHTS, fill_normals, fill_outer
from theory_sim.sweep.batch import OPPOSITE, RELATIVE_RATE, RELATIVE_RESIDUAL
from theory_sim.sweep.batch import RESIDUAL as GIVEN_RESIDUAL
from theory_sim.sweep.course import HIGH_ENERGY, LOW_ENERGY, N_PROBES, N_ROWS
from theory_sim.sweep.engine.bands import axpy, dot, weighted_dot
from theory_sim.sweep.engine.relu import last_finite, order_deaths, relu_course
from theory_sim.sweep.engine.smooth import (
    LARGEST_RANK,
    N_CHECKS,
    N_COLUMNS,
    smooth_course,
    smooth_state,
    spread_units,
)
from theory_sim.sweep.measure import measure

EVENTS, STEPS, LOW_RANK, MATRIX = 1, 2, 3, 4  # index in schema.METHODS
RELU = 0  # index in network.ACTIVATIONS


@nb.njit(nogil=True, cache=True)
def draw_rows(seed: int, scale: float, weights: NDArray) -> None:
    """Weight coefficients (m, d) of the Gaussian law."""
    for r in range(weights.shape[0]):
        fill_normals(seed, WEIGHTS, r, scale, weights[r])


@nb.njit(nogil=True, cache=True)
def project(weights: NDArray, x: NDArray, start: NDArray) -> None:
    """s_r = w_r·x of all units [paper: Eq. 1]."""
    for r in range(start.size):
        start[r] = dot(weights[r], x)


@nb.njit(nogil=True, cache=True)
def sum_rows(active: NDArray, weights: NDArray, out: NDArray) -> None:
    """g = Σ_r a'_r w_r."""
    for j in range(out.size):
        out[j] = 0.0
    for r in range(active.size):
        if active[r] != 0.0:
            axpy(active[r], weights[r], out)


@nb.njit(nogil=True, cache=True)
def relu_state(start: NDArray, outer: NDArray, active: NDArray) -> Any:
    """a' (into `active`), f and ‖a'‖² of a ReLU network before training."""
    f = norm2 = 0.0
    for r in range(start.size):
        active[r] = outer[r] if start[r] > 0.0 else 0.0
        f += active[r] * start[r]
        norm2 += active[r] * active[r]
    return f, norm2


@nb.njit(nogil=True, cache=True)
def resolve(point: Any, output: float, active_norm2: float, x_norm2: float, gradient: NDArray) -> Any:
    """(η, y) of a point, as `simulation.start` decides them."""
    rate = point.rate
    if point.rate_kind == RELATIVE_RATE:
        rate = rate / (active_norm2 * x_norm2)
    label = point.label
    if point.label_kind == OPPOSITE:
        label = -1.0 if output >= 0.0 else 1.0
    elif point.label_kind == GIVEN_RESIDUAL:
        label = output - label
    elif point.label_kind == RELATIVE_RESIDUAL:
        label = output - label * np.sqrt(dot(gradient, gradient)) * np.sqrt(x_norm2)
    return rate, label


@nb.njit(nogil=True, cache=True)
def run_group(
    points: NDArray,
    drawn: bool,
    weights: NDArray,
    outer: NDArray,
    inputs: NDArray,
    tops: NDArray,
    bands: NDArray,
    probes_at: NDArray,
    checks: NDArray,
    record_steps: NDArray,
    reasons: NDArray,
    facts: NDArray,
    rows: NDArray,
    records: NDArray,
    verdicts: NDArray,
    methods: NDArray,
    ranks: NDArray,
    reason: NDArray,
    recorded: NDArray,
    shifts: NDArray,
    resolved: NDArray,
) -> None:
    """Train and measure every point; arrays from `points` on as in `batch.Group`, the others are filled.

    drawn: draw `weights` (m, d) and `outer` (m,), scratch of the largest width; else they are given. checks (N_CHECKS,
    m): random vectors for the low-rank check. record_steps: (n, n_records). reasons: codes for no active unit, zero
    gradient, start out of range. recorded: (n, n_records or 0, d) gradients; shifts: (n, m or 0) p at the end;
    resolved: (n, 2) η and y.
    """
    n, d = points.size, inputs.shape[1]
    longest, widest = 0, 0
    for i in range(n):
        longest = max(longest, points[i].n_steps)
        widest = max(widest, points[i].width)
    tall = largest = 1  # of the smooth points: steps, and entries of A
    for i in range(n):
        if points[i].activation != RELU:
            tall = max(tall, points[i].n_steps + 1)
            largest = max(largest, (points[i].n_steps + 1) * points[i].width)
    course_buffer, shared_buffer = np.empty((N_ROWS, longest + 1)), np.empty(longest + 1)
    probe_buffer = np.empty((longest + 1, N_PROBES))
    no_power = np.empty((0, 0))
    probe_start, gradient = np.empty(N_PROBES), np.empty(d)
    start_buffer, state_buffer, final_buffer = np.empty(widest), np.empty(widest), np.empty(widest)
    active_buffer, checked_buffer = np.empty(largest), np.empty((tall, N_CHECKS))
    column_buffer, coefficient_buffer = np.empty((N_COLUMNS, tall)), np.empty((LARGEST_RANK, tall))
    deaths = order_deaths(np.zeros(1), np.zeros(1), 1.0)
    units = np.zeros(1, np.int64)
    have_state = have_deaths = have_units = False
    output = active_norm2 = 0.0
    for i in range(n):
        point = points[i]
        m, n_steps = point.width, point.n_steps
        w, a, start, active = weights[:m], outer[:m], start_buffer[:m], state_buffer[:m]
        x, low, high = inputs[point.input], bands[point.band, 0], bands[point.band, 1]
        if drawn and (i == 0 or not point.same_network):
            draw_rows(point.seed, point.weight_scale, w)
            fill_outer(point.seed, point.outer_law, point.outer_scale, a)
        if i == 0 or not point.same_input:
            project(w, x, start)
            have_state = have_deaths = have_units = False
        norm2 = dot(x, x)
        relu = point.activation == RELU
        if i > 0:
            before = points[i - 1]
            same = point.activation == before.activation and point.leak == before.leak
            have_state = have_state and same and (relu or point.sharpness == before.sharpness)
        if not have_state:
            if relu:
                output, active_norm2 = relu_state(start, a, active)
            else:
                output, active_norm2 = smooth_state(point.activation, point.sharpness, point.leak, start, a, active)
            sum_rows(active, w, gradient)
            have_state = True
        if point.rate_kind == RELATIVE_RATE and not active_norm2 * norm2 > 0.0:
            reason[i] = reasons[0]
            continue
        rate, label = resolve(point, output, active_norm2, norm2, gradient)
        resolved[i, 0], resolved[i, 1] = rate, label
        if not dot(gradient, gradient) > 0.0:
            reason[i] = reasons[1]
            continue
        course, probes = course_buffer[:, : n_steps + 1], probe_buffer[: n_steps + 1]
        shared, final = shared_buffer[: n_steps + 1], final_buffer[:m]
        probe_at = probes_at[point.input]
        n_probes = 0
        for j in range(N_PROBES):
            probe_start[j] = np.nan
            k, mirror = probe_at[j]
            if k >= 0:
                size = x[k] * x[k] + x[mirror] * x[mirror]
                probe_start[j] = (gradient[k] * x[k] + gradient[mirror] * x[mirror]) / size
                n_probes += 1
        recorded[i] = np.nan
        fact = facts[i]
        fact.learning_rate, fact.label, fact.input_norm2 = rate, label, norm2
        fact.input_low, fact.input_high = weighted_dot(low, x, x), weighted_dot(high, x, x)
        fact.outer_norm2 = dot(a, a)
        fact.relu, fact.mse, fact.n_steps, fact.n_probes = relu, point.loss == 0, n_steps, n_probes
        if relu:
            if not have_deaths:
                deaths = order_deaths(start, a, norm2)
                have_deaths = True
            relu_course(
                deaths, w, a, gradient, x, low, high, fact.input_low, fact.input_high, norm2, label, rate,
                point.loss, shared, course, probe_at, probes, record_steps[i], recorded[i], no_power, final,
            )  # fmt: skip
            methods[i] = EVENTS if point.loss == 0 else STEPS
            last = last_finite(course, shared, tops[point.input])
        else:
            if not have_units:
                units = spread_units(start, a)
                have_units = True
            done, compact, rank = smooth_course(
                point.activation, point.sharpness, point.leak, start, a, norm2, label, rate, point.loss,
                tops[point.input], checks[:, :m], units, True, w, x, low, high, active_buffer, checked_buffer,
                column_buffer, coefficient_buffer, shared, final, course, probe_at, probes, record_steps[i],
                recorded[i], no_power,
            )  # fmt: skip
            last = done - 1
            methods[i], ranks[i] = LOW_RANK if compact else MATRIX, rank
            for r in range(m):
                final[r] = (start[r] - final[r]) / norm2
        if last < 0:
            reason[i] = reasons[2]
            continue
        for t in range(last + 1, n_steps + 1):
            course[:, t] = np.nan
            probes[t] = np.nan
        for j in range(recorded.shape[1]):
            if record_steps[i, j] > last:
                recorded[i, j] = np.nan
        if not course[LOW_ENERGY, 0] + course[HIGH_ENERGY, 0] > 0.0:
            reason[i] = reasons[1]
            continue
        fact.last_finite_step = last
        if shifts.shape[1] > 0:
            shifts[i, :m] = final
        measure(course, probes, probe_start, fact, record_steps[i], rows[i], records[i], verdicts[i])
