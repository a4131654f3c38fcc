"""Eqs. 8, 13 and 14 iterated with a run's own rates, and the closed form, compiled: τ at every step by each of them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from theory_sim.sweep.course import (
    ACTIVE_NORM2,
    HIGH_CROSS,
    HIGH_ENERGY,
    LOW_CROSS,
    LOW_ENERGY,
    MEAN_CURVATURE,
    RESIDUAL,
)

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
def iterate(course: NDArray, facts: Any, last: int, space: NDArray) -> Iterated:
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
            relu_closed_q(residual[0] / facts.input_norm2, rate, closed_q)
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
def relu_closed_q(limit: float, rate: float, q: NDArray) -> None:
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


@nb.njit(nogil=True, cache=True, inline="always")
def band_energy(q: float, energy: float, cross: float, input_energy: float) -> float:
    """A band's energy of ĝ⁰ - q x̂."""
    return energy + cross * q + input_energy * q * q


@nb.njit(nogil=True, cache=True, inline="always")
def _ratio(low: float, high: float) -> float:
    """τ, NaN where an energy is not finite."""
    total = low + high
    return low / total if abs(total) < math.inf else math.nan


@nb.njit(nogil=True, cache=True, error_model="numpy", inline="always")
def closed_tau(course: NDArray, facts: Any, work: Iterated, t: int) -> float:
    """τ by the closed form P(ĝ⁰ - q x̂) [paper: Eq. 8 iterated]."""
    q, p2 = work.closed_q[t], work.keep[t] * work.keep[t]
    low = band_energy(q, course[LOW_ENERGY, 0], course[LOW_CROSS, 0], facts.input_low)
    high = band_energy(q, course[HIGH_ENERGY, 0], course[HIGH_CROSS, 0], facts.input_high)
    return _ratio(p2 * low, p2 * high)


@nb.njit(nogil=True, cache=True, error_model="numpy", inline="always")
def first_order_tau(course: NDArray, facts: Any, work: Iterated, t: int, factor: float) -> float:
    """τ by Eqs. 13-14 iterated; factor 1 as printed, 2 as corrected [paper: Eq. 13] [paper: Eq. 14]."""
    damped, linear, square = work.damped[t], work.linear[t], factor * work.square[t]
    low = damped * course[LOW_ENERGY, 0] + linear * course[LOW_CROSS, 0] + square * facts.input_low
    high = damped * course[HIGH_ENERGY, 0] + linear * course[HIGH_CROSS, 0] + square * facts.input_high
    return _ratio(low, high)
