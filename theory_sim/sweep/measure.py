"""From the course of one network to one row of results, compiled: t₀, t₁, the closed form, Eqs. 13-14, verdicts.

Every number is that of `theory_sim.simulation` (bounds.py, predictions.py, variables.py) on the same run; judge.py adds
the verdicts. All of it costs O(T) with a small constant, because a sweep measures a million networks.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from theory_sim.simulation.bounds import CONVERGED
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
from theory_sim.sweep.judge import Path, judge
from theory_sim.sweep.schema import SCALARS

FILLED_COUNTS = (("last_finite_step", "i8"), ("settled_step", "i8"), ("n_crossings", "i4"), ("diverged", "i1"))
ROW = np.dtype([*((variable.name, "f8") for variable in SCALARS), *FILLED_COUNTS], align=True)
RESYNCHRONISED = 64  # steps after which (1-r)^t is taken from pow again: a running product loses half an ulp a step
SMALLEST = 1e-300  # powers below count as 0: denormal numbers would cost a hundred times as much

# Rows of the working space of one network, (N_WORK, last finite step + 1). Keep and sum are P_t and Q_t of Eq. 8
# iterated, drives Σ η^(t); Eq. 13 iterated is DAMPED·E⁰ + LINEAR·Δτ⁰ + SQUARE·(factor·E_x).
TAU, HIGH_SHARE, GROWTH, DRIVE, KEEP, SUM, DRIVES, DAMPED, LINEAR, SQUARE, RUN_Q, CLOSED_Q = range(12)
N_WORK = 12


@nb.njit(nogil=True, cache=True, error_model="numpy")
def measure(
    course: NDArray,
    probes: NDArray,
    probe_start: NDArray,
    facts: Any,
    record_steps: NDArray,
    row: Any,
    records: NDArray,
    verdicts: NDArray,
) -> None:
    """Fill `row`, `records` and `verdicts` from one course.

    course: float64 (9, T+1), probes (T+1, 5), probe_start (5,), facts: a record of FACTS, see course.py; record_steps:
    int64 (n_records,), -1 beyond the run; row: a record of ROW; records: float64 (5, n_records), τ, τ by closed form,
    by Eqs. 13-14 as printed and corrected, ℓ'; verdicts: int8 (2, len(CLAIMS), 2), hypotheses and verdict of each
    claim as printed and as corrected, see judge.py. `..._final` is the last finite step. Steps are NaN where nothing of
    the kind happened, and NaN is what is not finite and what lies after the last finite step of a diverging run.
    """
    _blank(row, records, verdicts)
    last = facts.last_finite_step
    row.learning_rate_used, row.label_used = facts.learning_rate, facts.label
    row.input_low, row.input_high = facts.input_low, facts.input_high
    row.input_tau = facts.input_low / (facts.input_low + facts.input_high)
    row.last_finite_step = last
    row.diverged = 1 if last < facts.n_steps else 0
    if last < 0:
        return
    work = np.empty((N_WORK, last + 1))
    _iterate(course, facts, last, work)
    settled = _settled(course[RESIDUAL], last)
    row.settled_step = settled
    _start(course, facts, row)
    _steps(course, facts, last, settled, work, row)
    _predictions(course, facts, last, work, row)
    _record(course, facts, last, work, record_steps, records)
    first_crossing = last + 1 if math.isnan(row.first_crossing) else int(row.first_crossing)
    path = Path(
        work[TAU],
        work[HIGH_SHARE],
        work[GROWTH],
        work[DRIVE],
        work[DRIVES],
        work[RUN_Q],
        course[LOW_CROSS],
        course[HIGH_CROSS],
        row.input_tau,
        row.eq12_margin,
        row.relative_rate_used,
        last,
        settled,
        first_crossing,
    )
    judge(course, probes, probe_start, facts, path, verdicts)


@nb.njit(nogil=True, cache=True)
def _blank(row: Any, records: NDArray, verdicts: NDArray) -> None:
    """Nothing known: NaN and -1."""
    row.learning_rate_used = row.relative_rate_used = row.label_used = np.nan
    row.input_tau = row.input_low = row.input_high = row.tau_start = row.tau_final = np.nan
    row.low_energy_start = row.high_energy_start = row.low_cross_start = row.high_cross_start = np.nan
    row.eq12_margin = row.output_start = row.residual_start = row.residual_final = np.nan
    row.q_final = row.overshoot_q = row.tau_closed_form_final = np.nan
    row.tau_printed_final = row.tau_corrected_final = np.nan
    row.closed_form_residual = row.printed_residual = row.corrected_residual = np.nan
    row.t0_printed = row.t0_corrected = row.t0_observed = row.t1_predicted = row.t1_observed = np.nan
    row.passes_input_tau = row.first_crossing = np.nan
    row.last_finite_step = row.settled_step = row.n_crossings = row.diverged = -1
    records[:] = np.nan
    verdicts[:] = -1


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _iterate(course: NDArray, facts: Any, last: int, work: NDArray) -> None:
    """Fill `work`: shares and growth of τ, Eq. 8 and Eqs. 13-14 iterated with the run's own rates [paper: Eq. 8]."""
    low, high = course[LOW_ENERGY], course[HIGH_ENERGY]
    tau, share, growth, drive = work[TAU], work[HIGH_SHARE], work[GROWTH], work[DRIVE]
    for t in range(last + 1):
        total = low[t] + high[t]
        tau[t] = low[t] / total
        share[t] = high[t] / total
    for t in range(last):  # without cancellation, as samples.SpectralPath.growth
        growth[t] = tau[t + 1] * share[t] - tau[t] * share[t + 1]
    growth[last] = np.nan
    residual, norm2 = course[RESIDUAL], course[ACTIVE_NORM2]
    for t in range(last + 1):
        drive[t] = facts.learning_rate * residual[t] * norm2[t]
    if facts.relu:
        _iterate_undamped(last, work)
    else:
        _iterate_damped(course[RESIDUAL], course[MEAN_CURVATURE], facts, last, work)
    if facts.relu and facts.mse:
        rate = facts.learning_rate * norm2[0] * facts.input_norm2
        _relu_q(residual[0], rate, facts.input_norm2, work[CLOSED_Q])
    else:
        work[CLOSED_Q][:] = work[RUN_Q]


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _iterate_undamped(last: int, work: NDArray) -> None:
    """ReLU: no decay."""
    drive, summed, square = work[DRIVE], work[SUM], work[SQUARE]
    total, squared = 0.0, 0.0
    for t in range(last + 1):
        summed[t], square[t] = total, squared
        squared += drive[t] * total
        total += drive[t]
    work[KEEP][:] = 1.0
    work[DAMPED][:] = 1.0
    work[DRIVES][:] = summed
    work[LINEAR][:] = summed
    work[RUN_Q][:] = summed


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _iterate_damped(residual: NDArray, curvature: NDArray, facts: Any, last: int, work: NDArray) -> None:
    """Smooth activations: with the decay of the run."""
    drive = work[DRIVE]
    rate = facts.learning_rate * facts.input_norm2
    keep, summed, drives, damped, linear, square = 1.0, 0.0, 0.0, 1.0, 0.0, 0.0
    for t in range(last + 1):
        work[KEEP, t], work[SUM, t], work[DRIVES, t] = keep, summed, drives
        work[DAMPED, t], work[LINEAR, t], work[SQUARE, t] = damped, linear, square
        work[RUN_Q, t] = summed / keep
        decay = rate * residual[t] * curvature[t]
        kept, twice = 1 - decay, 1 - 2 * decay
        square = twice * square + drive[t] * summed
        linear = twice * linear + drive[t] * keep
        damped *= twice
        summed = kept * summed + drive[t]
        keep *= kept
        drives += drive[t]


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _relu_q(residual: float, rate: float, input_norm2: float, q: NDArray) -> None:
    """q_t = ℓ'₀ (1 - (1-r)^t)/‖x‖², as closed_form.relu_q without a power per step [paper: Eq. 8 iterated]."""
    factor, power = 1 - rate, 1.0
    for t in range(q.size):
        if t % RESYNCHRONISED == 0:
            power = factor**t
        if abs(power) < SMALLEST:
            power = 0.0
        q[t] = residual * (1 - power) / input_norm2
        power *= factor


@nb.njit(nogil=True, cache=True)
def _settled(residual: NDArray, last: int) -> int:
    """First step with |ℓ'| below 1e-8 of its start, or the last one, as simulation.bounds.settled."""
    done = CONVERGED * abs(residual[0])
    for t in range(last + 1):
        if abs(residual[t]) <= done:
            return t
    return last


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _start(course: NDArray, facts: Any, row: Any) -> None:
    """What the start alone decides."""
    low, high = course[LOW_ENERGY, 0], course[HIGH_ENERGY, 0]
    low_cross, high_cross = course[LOW_CROSS, 0], course[HIGH_CROSS, 0]
    row.relative_rate_used = facts.learning_rate * course[ACTIVE_NORM2, 0] * facts.input_norm2
    row.low_energy_start, row.high_energy_start = low, high
    row.low_cross_start, row.high_cross_start = low_cross, high_cross
    row.output_start, row.residual_start = course[OUTPUT, 0], course[RESIDUAL, 0]
    row.eq12_margin = row.input_tau * (low_cross + high_cross) - low_cross
    gap = row.input_tau * (low + high) - low
    row.overshoot_q = -gap / row.eq12_margin if row.eq12_margin < 0 else np.inf


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _steps(course: NDArray, facts: Any, last: int, settled: int, work: NDArray, row: Any) -> None:
    """What happens when: t₀, t₁, overshoot, crossings, as simulation.bounds and simulation.variables."""
    tau, low_cross, high_cross = work[TAU], course[LOW_CROSS], course[HIGH_CROSS]
    row.tau_start, row.tau_final = tau[0], tau[last]
    row.residual_final = course[RESIDUAL, last]

    room = facts.input_low - facts.input_high
    if facts.relu and course[RESIDUAL, 0] > 0 and room > 0:
        gap = low_cross[0] - high_cross[0]
        bounds = _predicted_t0(course[RESIDUAL, : last + 1], course[ACTIVE_NORM2], gap, facts.learning_rate, room)
        row.t0_printed, row.t0_corrected = bounds
    t = settled
    while t >= 0 and low_cross[t] - high_cross[t] > 0:
        t -= 1
    if t < settled:
        row.t0_observed = t + 1

    t = settled - 1
    while t >= 0 and tau[t + 1] > tau[t]:
        t -= 1
    if t < settled - 1:
        row.t1_observed = t + 1
    row.t1_predicted = _predicted_t1(course, facts, work[CLOSED_Q], settled)

    for t in range(last + 1):
        if tau[t] > row.input_tau:
            row.passes_input_tau = t
            break
    crossings = course[CROSSINGS]
    row.n_crossings = int(crossings[last])
    if row.n_crossings > 0:
        for t in range(last + 1):
            if crossings[t] > 0:
                row.first_crossing = t
                break


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _predicted_t0(
    residual: NDArray, active_norm2: NDArray, cross_gap: float, learning_rate: float, room: float
) -> tuple[float, float]:
    """(t₀ as printed, t₀ corrected), as simulation.bounds.predicted_t0 [paper: Theorem 1, Remark]."""
    least_residual, least_norm2, corrected = math.inf, math.inf, math.nan
    for t in range(residual.size):
        least_residual, least_norm2 = min(least_residual, residual[t]), min(least_norm2, active_norm2[t])
        if not (least_residual > 0 and least_norm2 > 0):
            break
        bound = max(0.0, -cross_gap / (least_norm2 * learning_rate * least_residual * room))
        if bound / 2 <= t and math.isnan(corrected):
            corrected = bound / 2
        if bound <= t:
            return bound, corrected
    return math.nan, corrected


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _predicted_t1(course: NDArray, facts: Any, q: NDArray, settled: int) -> float:
    """t₁ by the sign polynomial along q, as closed_form.Plane.growth without cancellation [paper: Eq. 10]."""
    low, high = course[LOW_ENERGY, 0], course[HIGH_ENERGY, 0]
    low_cross, high_cross = course[LOW_CROSS, 0], course[HIGH_CROSS, 0]
    p0 = low_cross * high - high_cross * low
    p1 = facts.input_low * high - facts.input_high * low
    p2 = facts.input_low * high_cross - facts.input_high * low_cross
    t = settled - 1
    while t >= 0:
        here, there = q[t], q[t + 1]
        total = _energy(here, low, low_cross, facts.input_low) + _energy(here, high, high_cross, facts.input_high)
        total *= _energy(there, low, low_cross, facts.input_low) + _energy(there, high, high_cross, facts.input_high)
        growth = (there - here) * (p0 + p1 * (here + there) + p2 * here * there) / total
        if not growth > 0:
            break
        t -= 1
    return t + 1 if t < settled - 1 else math.nan


@nb.njit(nogil=True, cache=True, inline="always")
def _energy(q: float, energy: float, cross: float, input_energy: float) -> float:
    """A band's energy of ĝ⁰ - q x̂."""
    return energy + cross * q + input_energy * q * q


@nb.njit(nogil=True, cache=True, inline="always")
def _ratio(low: float, high: float) -> float:
    """τ, NaN where an energy is not finite."""
    total = low + high
    return low / total if abs(total) < math.inf else math.nan


@nb.njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _closed_tau(course: NDArray, facts: Any, work: NDArray, t: int) -> float:
    """τ by the closed form P(ĝ⁰ - q x̂) [paper: Eq. 8 iterated]."""
    q, p2 = work[CLOSED_Q, t], work[KEEP, t] * work[KEEP, t]
    low = _energy(q, course[LOW_ENERGY, 0], course[LOW_CROSS, 0], facts.input_low)
    high = _energy(q, course[HIGH_ENERGY, 0], course[HIGH_CROSS, 0], facts.input_high)
    return _ratio(p2 * low, p2 * high)


@nb.njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _first_order_tau(course: NDArray, facts: Any, work: NDArray, t: int, factor: float) -> float:
    """τ by Eqs. 13-14 iterated; factor 1 as printed, 2 as corrected [paper: Eq. 13] [paper: Eq. 14]."""
    damped, linear, square = work[DAMPED, t], work[LINEAR, t], factor * work[SQUARE, t]
    low = damped * course[LOW_ENERGY, 0] + linear * course[LOW_CROSS, 0] + square * facts.input_low
    high = damped * course[HIGH_ENERGY, 0] + linear * course[HIGH_CROSS, 0] + square * facts.input_high
    return _ratio(low, high)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _predictions(course: NDArray, facts: Any, last: int, work: NDArray, row: Any) -> None:
    """The closed form and Eqs. 13-14 at the end, and their largest errors of τ."""
    row.q_final = _finite(work[CLOSED_Q, last])
    row.tau_closed_form_final = _closed_tau(course, facts, work, last)
    row.tau_printed_final = _first_order_tau(course, facts, work, last, 1.0)
    row.tau_corrected_final = _first_order_tau(course, facts, work, last, 2.0)
    closed, printed, corrected = -1.0, -1.0, -1.0
    for t in range(last + 1):
        tau = work[TAU, t]
        closed = _larger(closed, abs(_closed_tau(course, facts, work, t) - tau))
        printed = _larger(printed, abs(_first_order_tau(course, facts, work, t, 1.0) - tau))
        corrected = _larger(corrected, abs(_first_order_tau(course, facts, work, t, 2.0) - tau))
    row.closed_form_residual = closed if closed >= 0 else math.nan
    row.printed_residual = printed if printed >= 0 else math.nan
    row.corrected_residual = corrected if corrected >= 0 else math.nan


@nb.njit(nogil=True, cache=True, inline="always")
def _larger(worst: float, error: float) -> float:
    """The larger one; NaN does not count."""
    return error if error > worst else worst


@nb.njit(nogil=True, cache=True, inline="always")
def _finite(value: float) -> float:
    return value if abs(value) < math.inf else math.nan


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _record(course: NDArray, facts: Any, last: int, work: NDArray, record_steps: NDArray, records: NDArray) -> None:
    """τ, its predictions and ℓ' at the steps to be kept."""
    for i in range(record_steps.size):
        t = record_steps[i]
        if 0 <= t <= last:
            records[0, i] = work[TAU, t]
            records[1, i] = _closed_tau(course, facts, work, t)
            records[2, i] = _first_order_tau(course, facts, work, t, 1.0)
            records[3, i] = _first_order_tau(course, facts, work, t, 2.0)
            records[4, i] = course[RESIDUAL, t]
