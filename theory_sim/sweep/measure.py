"""From the course of one network to one row of results, compiled: t₀, t₁, the closed form, Eqs. 13-14, verdicts.

Every number is that of `theory_sim.simulation` (bounds.py, predictions.py, variables.py) on the same run; judge.py adds
the verdicts. All of it costs O(T) with a small constant, because a sweep measures a million networks.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

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
N_WORK = 12  # arrays of one float a step that `_iterate` makes


class Iterated(NamedTuple):
    """τ of the run and what Eqs. 8, 13 and 14 make of its own rates, each (last finite step + 1,).

    tau, high_share: L/N, H/N; growth: τ^(t+1) - τ^(t) without cancellation; drive: η^(t); drives: its sum so far; keep,
    summed, run_q: P_t, Q_t, Q_t/P_t of Eq. 8; closed_q: q of the closed form; damped, linear, square: Eqs. 13-14
    iterated give the energy damped·E⁰ + linear·Δτ⁰ + factor·square·E_x; scratch: room. ReLU shares arrays, as P_t = 1.
    """

    tau: NDArray
    high_share: NDArray
    growth: NDArray
    drive: NDArray
    drives: NDArray
    keep: NDArray
    summed: NDArray
    run_q: NDArray
    closed_q: NDArray
    damped: NDArray
    linear: NDArray
    square: NDArray
    scratch: NDArray


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
    work = _iterate(course, facts, last, np.empty((N_WORK, last + 1)))
    settled = _settled(course[RESIDUAL], last)
    row.settled_step = settled
    _start(course, facts, row)
    _steps(course, facts, last, settled, work, row)
    _predictions(course, facts, last, work, row)
    _record(course, facts, last, work, record_steps, records)
    first_crossing = last + 1 if math.isnan(row.first_crossing) else int(row.first_crossing)
    path = Path(
        work.tau,
        work.high_share,
        work.growth,
        work.drive,
        work.drives,
        work.run_q,
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
def _iterate(course: NDArray, facts: Any, last: int, space: NDArray) -> Iterated:
    """Fill `space` (N_WORK, last + 1) with shares and growth of τ and with the iterated equations [paper: Eq. 8]."""
    low, high = course[LOW_ENERGY], course[HIGH_ENERGY]
    tau, high_share, growth, drive = space[0], space[1], space[2], space[3]
    keep, summed, square, closed_q, scratch = space[4], space[5], space[6], space[7], space[8]
    for t in range(last + 1):
        total = low[t] + high[t]
        tau[t] = low[t] / total
        high_share[t] = high[t] / total
    for t in range(last):
        growth[t] = tau[t + 1] * high_share[t] - tau[t] * high_share[t + 1]
    residual, norm2 = course[RESIDUAL], course[ACTIVE_NORM2]
    for t in range(last + 1):
        drive[t] = facts.learning_rate * residual[t] * norm2[t]
    if facts.relu:
        keep[:] = 1.0
        _sum_up(drive, summed, square)
        if facts.mse:
            rate = facts.learning_rate * norm2[0] * facts.input_norm2
            _relu_q(residual[0] / facts.input_norm2, rate, closed_q)
        else:
            closed_q = summed
        return Iterated(
            tau, high_share, growth, drive, summed, keep, summed, summed, closed_q, keep, summed, square, scratch
        )
    drives, damped, linear = space[9], space[10], space[11]
    rate = facts.learning_rate * facts.input_norm2
    _sum_damped(drive, residual, course[MEAN_CURVATURE], rate, keep, summed, drives, damped, linear, square)
    for t in range(last + 1):
        closed_q[t] = summed[t] / keep[t]
    return Iterated(
        tau, high_share, growth, drive, drives, keep, summed, closed_q, closed_q, damped, linear, square, scratch
    )


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _sum_up(drive: NDArray, summed: NDArray, square: NDArray) -> None:
    """Σ η^(s) and Σ η^(s) Σ η^(u), u < s < t: no decay."""
    total, squared = 0.0, 0.0
    for t in range(drive.size):
        summed[t], square[t] = total, squared
        squared += drive[t] * total
        total += drive[t]


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _sum_damped(
    drive: NDArray,
    residual: NDArray,
    curvature: NDArray,
    rate: float,
    keep: NDArray,
    summed: NDArray,
    drives: NDArray,
    damped: NDArray,
    linear: NDArray,
    square: NDArray,
) -> None:
    """The same with the decay η̃^(t) = rate·ℓ'·mean(a σ''); 1 - 2η̃ damps energies [paper: Eq. 13]."""
    kept, total, plain, twice_kept, line, squared = 1.0, 0.0, 0.0, 1.0, 0.0, 0.0
    for t in range(drive.size):
        keep[t], summed[t], drives[t] = kept, total, plain
        damped[t], linear[t], square[t] = twice_kept, line, squared
        decay = rate * residual[t] * curvature[t]
        squared = (1 - 2 * decay) * squared + drive[t] * total
        line = (1 - 2 * decay) * line + drive[t] * kept
        twice_kept *= 1 - 2 * decay
        total = (1 - decay) * total + drive[t]
        kept *= 1 - decay
        plain += drive[t]


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _relu_q(limit: float, rate: float, q: NDArray) -> None:
    """q_t = limit·(1 - (1-r)^t), as closed_form.relu_q with one power in RESYNCHRONISED [paper: Eq. 8 iterated]."""
    powers, power = np.empty(RESYNCHRONISED), 1.0
    for i in range(RESYNCHRONISED):
        powers[i] = power
        power = _no_denormal(power * (1 - rate))
    for first in range(0, q.size, RESYNCHRONISED):
        power = _no_denormal((1 - rate) ** first)
        for i in range(min(RESYNCHRONISED, q.size - first)):
            q[first + i] = limit * (1 - power * powers[i])


@nb.njit(nogil=True, cache=True, inline="always")
def _no_denormal(power: float) -> float:
    return power if abs(power) >= SMALLEST else 0.0


@nb.njit(nogil=True, cache=True)
def _settled(residual: NDArray, last: int) -> int:
    """First step with |ℓ'| below 1e-8 of its start, or the last one, as simulation.bounds.settled."""
    done = CONVERGED * abs(residual[0])
    for t in range(last):
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
def _steps(course: NDArray, facts: Any, last: int, settled: int, work: Iterated, row: Any) -> None:
    """What happens when: t₀, t₁, overshoot, crossings, as simulation.bounds and simulation.variables."""
    tau, low_cross, high_cross = work.tau, course[LOW_CROSS], course[HIGH_CROSS]
    row.tau_start, row.tau_final = tau[0], tau[last]
    row.residual_final = course[RESIDUAL, last]

    room = facts.input_low - facts.input_high
    if facts.relu and course[RESIDUAL, 0] > 0 and room > 0:
        gap = low_cross[0] - high_cross[0]
        bounds = _predicted_t0(course[RESIDUAL, : last + 1], course[ACTIVE_NORM2], gap, facts.learning_rate, room)
        row.t0_printed, row.t0_corrected = bounds
    # Last step at which the statement fails, as a maximum: LLVM makes SIMD code of that, but not of an early exit.
    failed = -1
    for t in range(settled + 1):
        failed = max(failed, -1 if low_cross[t] - high_cross[t] > 0 else t)
    if failed < settled:
        row.t0_observed = failed + 1
    failed = -1
    for t in range(settled):
        failed = max(failed, -1 if tau[t + 1] > tau[t] else t)
    if failed < settled - 1:
        row.t1_observed = failed + 1
    row.t1_predicted = _predicted_t1(course, facts, work.closed_q, settled)

    passed = last + 1
    for t in range(last + 1):
        passed = min(passed, t if tau[t] > row.input_tau else last + 1)
    if passed <= last:
        row.passes_input_tau = passed
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
        least_residual = residual[t] if residual[t] < least_residual else least_residual
        least_norm2 = active_norm2[t] if active_norm2[t] < least_norm2 else least_norm2
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
    failed = -1
    for t in range(settled):
        here, there = q[t], q[t + 1]
        total = _energy(here, low, low_cross, facts.input_low) + _energy(here, high, high_cross, facts.input_high)
        total *= _energy(there, low, low_cross, facts.input_low) + _energy(there, high, high_cross, facts.input_high)
        growth = (there - here) * (p0 + p1 * (here + there) + p2 * here * there)
        failed = max(failed, -1 if (growth > 0) & (total > 0) & (total < math.inf) else t)
    return failed + 1 if failed < settled - 1 else math.nan


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
def _closed_tau(course: NDArray, facts: Any, work: Iterated, t: int) -> float:
    """τ by the closed form P(ĝ⁰ - q x̂) [paper: Eq. 8 iterated]."""
    q, p2 = work.closed_q[t], work.keep[t] * work.keep[t]
    low = _energy(q, course[LOW_ENERGY, 0], course[LOW_CROSS, 0], facts.input_low)
    high = _energy(q, course[HIGH_ENERGY, 0], course[HIGH_CROSS, 0], facts.input_high)
    return _ratio(p2 * low, p2 * high)


@nb.njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _first_order_tau(course: NDArray, facts: Any, work: Iterated, t: int, factor: float) -> float:
    """τ by Eqs. 13-14 iterated; factor 1 as printed, 2 as corrected [paper: Eq. 13] [paper: Eq. 14]."""
    damped, linear, square = work.damped[t], work.linear[t], factor * work.square[t]
    low = damped * course[LOW_ENERGY, 0] + linear * course[LOW_CROSS, 0] + square * facts.input_low
    high = damped * course[HIGH_ENERGY, 0] + linear * course[HIGH_CROSS, 0] + square * facts.input_high
    return _ratio(low, high)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _predictions(course: NDArray, facts: Any, last: int, work: Iterated, row: Any) -> None:
    """The closed form and Eqs. 13-14 at the end, and their largest errors of τ."""
    row.q_final = work.closed_q[last] if abs(work.closed_q[last]) < math.inf else math.nan
    row.tau_closed_form_final = _closed_tau(course, facts, work, last)
    row.tau_printed_final = _first_order_tau(course, facts, work, last, 1.0)
    row.tau_corrected_final = _first_order_tau(course, facts, work, last, 2.0)
    errors = work.scratch
    for t in range(last + 1):
        errors[t] = _error(_closed_tau(course, facts, work, t), work.tau[t])
    row.closed_form_residual = _largest_error(errors)
    for t in range(last + 1):
        errors[t] = _error(_first_order_tau(course, facts, work, t, 1.0), work.tau[t])
    row.printed_residual = _largest_error(errors)
    for t in range(last + 1):
        errors[t] = _error(_first_order_tau(course, facts, work, t, 2.0), work.tau[t])
    row.corrected_residual = _largest_error(errors)


@nb.njit(nogil=True, cache=True, inline="always")
def _error(predicted: float, actual: float) -> float:
    """|predicted - actual|, -1 if either is not finite."""
    error = abs(predicted - actual)
    return error if error < math.inf else -1.0


@nb.njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _largest_error(errors: NDArray) -> float:
    """The largest of `errors`, which hold no NaN (so that a SIMD maximum is allowed); NaN if all of them are -1."""
    largest = -1.0
    for error in errors:
        largest = max(largest, error)
    return largest if largest >= 0 else math.nan


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _record(course: NDArray, facts: Any, last: int, work: Iterated, record_steps: NDArray, records: NDArray) -> None:
    """τ, its predictions and ℓ' at the steps to be kept."""
    for i in range(record_steps.size):
        t = record_steps[i]
        if 0 <= t <= last:
            records[0, i] = work.tau[t]
            records[1, i] = _closed_tau(course, facts, work, t)
            records[2, i] = _first_order_tau(course, facts, work, t, 1.0)
            records[3, i] = _first_order_tau(course, facts, work, t, 2.0)
            records[4, i] = course[RESIDUAL, t]
