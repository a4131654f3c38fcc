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
    OUTPUT,
    RESIDUAL,
)
from theory_sim.sweep.iterated import N_WORK, Iterated, band_energy, closed_tau, first_order_tau, iterate
from theory_sim.sweep.judge import judge
from theory_sim.sweep.path import Path
from theory_sim.sweep.schema import SCALARS

FILLED_COUNTS = (("last_finite_step", "i8"), ("settled_step", "i8"), ("n_crossings", "i4"), ("diverged", "i1"))
ROW = np.dtype([*((variable.name, "f8") for variable in SCALARS), *FILLED_COUNTS], align=True)


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
    work = iterate(course, facts, last, np.empty((N_WORK, last + 1)))
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
        total = band_energy(here, low, low_cross, facts.input_low) + band_energy(
            here, high, high_cross, facts.input_high
        )
        total *= band_energy(there, low, low_cross, facts.input_low) + band_energy(
            there, high, high_cross, facts.input_high
        )
        growth = (there - here) * (p0 + p1 * (here + there) + p2 * here * there)
        failed = max(failed, -1 if (growth > 0) & (total > 0) & (total < math.inf) else t)
    return failed + 1 if failed < settled - 1 else math.nan


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _predictions(course: NDArray, facts: Any, last: int, work: Iterated, row: Any) -> None:
    """The closed form and Eqs. 13-14 at the end, and their largest errors of τ."""
    row.q_final = work.closed_q[last] if abs(work.closed_q[last]) < math.inf else math.nan
    row.tau_closed_form_final = closed_tau(course, facts, work, last)
    row.tau_printed_final = first_order_tau(course, facts, work, last, 1.0)
    row.tau_corrected_final = first_order_tau(course, facts, work, last, 2.0)
    errors = work.scratch
    for t in range(last + 1):
        errors[t] = _error(closed_tau(course, facts, work, t), work.tau[t])
    row.closed_form_residual = _largest_error(errors)
    for t in range(last + 1):
        errors[t] = _error(first_order_tau(course, facts, work, t, 1.0), work.tau[t])
    row.printed_residual = _largest_error(errors)
    for t in range(last + 1):
        errors[t] = _error(first_order_tau(course, facts, work, t, 2.0), work.tau[t])
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
            records[1, i] = closed_tau(course, facts, work, t)
            records[2, i] = first_order_tau(course, facts, work, t, 1.0)
            records[3, i] = first_order_tau(course, facts, work, t, 2.0)
            records[4, i] = course[RESIDUAL, t]
