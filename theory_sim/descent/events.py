"""The exact ReLU integrator: closed form between kink crossings, at most m events (MSE loss, one sample).

An inactive unit has no gradient and never moves; an active one has p_r = a_r C with one shared scalar
C_t = Σ_{τ<t} η ℓ'_τ, so s_r = s_r(0) - ‖x‖² a_r C, and the unit dies for good when s_r <= 0. Between deaths
f = A₁ - ‖x‖² A₂ C with A₁ = Σ_alive a_r s_r(0) and A₂ = Σ_alive a_r² = ‖a'‖², hence with r = η ‖a'‖² ‖x‖²
C_{t+k} - C* = (C_t - C*)(1-r)^k around C* = (A₁-y)/(‖x‖² A₂): the step of the next death follows without stepping.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from theory_sim.descent.trajectory import Trajectory, finish
from theory_sim.errors import InputError
from theory_sim.network import Network
from theory_sim.training import Training

NEVER = np.int64(2**62)


@nb.njit(cache=True, nogil=True)
def _first_reach(deviation: float, factor: float, level: float, upwards: bool) -> Any:
    """Smallest k >= 1 with deviation·factor^k >= level (upwards) or <= level (else); NEVER if there is none."""
    if not upwards:
        deviation, level = -deviation, -level
    # From here on: smallest k >= 1 with D_k = deviation·factor^k >= level, where D_0 < level.
    if deviation == 0.0 or factor == 1.0 or not math.isfinite(level):  # factor 1: r is below round-off
        return NEVER
    if factor == 0.0:
        return np.int64(1) if level <= 0.0 else NEVER
    if factor > 0.0:  # towards 0 without changing sign: only a negative level above a negative start is met
        if not (deviation < 0.0 and level < 0.0):
            return NEVER
        stride = 1
    elif factor >= -1.0:  # swings around 0 with shrinking amplitude: the first swing is the largest
        return np.int64(1) if deviation * factor >= level else NEVER
    else:  # swings with growing amplitude: every second k lies above 0
        stride = 2
        if deviation * factor >= level:
            return np.int64(1)
        if level <= 0.0:
            return np.int64(2) if deviation > 0.0 else np.int64(1)
    k = math.ceil(math.log(abs(level / deviation)) / math.log(abs(factor)))
    if k > 1e15:
        return NEVER
    first = 1 if stride == 1 or deviation < 0.0 else 2
    k = max(first, k - 2)
    if stride == 2 and (k - first) % 2:
        k += 1
    while deviation * factor**k < level:  # at most a few turns: rounding of the logarithm
        k += stride
    return np.int64(k)


@nb.njit(cache=True, nogil=True)
def find_segments(
    threshold_up: NDArray,
    threshold_down: NDArray,
    a1_up: NDArray,
    a2_up: NDArray,
    a1_down: NDArray,
    a2_down: NDArray,
    norm2: float,
    label: float,
    rate: float,
    n_steps: int,
) -> Any:
    """Segments between deaths: start step, C and C* there, r, A₂ and the number dead of each kind; n of them used."""
    size = threshold_up.size + threshold_down.size + 1
    step = np.empty(size, np.int64)
    table = np.empty((size, 4))  # C at the start, C*, r, A2
    dead = np.empty((size, 2), np.int64)
    c, t, up, down, n = 0.0, np.int64(0), 0, 0, 0
    while True:
        while up < threshold_up.size and c >= threshold_up[up]:
            up += 1
        while down < threshold_down.size and c <= threshold_down[down]:
            down += 1
        a2 = a2_up[up] + a2_down[down]
        a1 = a1_up[up] + a1_down[down]
        step[n], dead[n, 0], dead[n, 1] = t, up, down
        r = rate * norm2 * a2
        centre = (a1 - label) / (norm2 * a2) if a2 > 0.0 else 0.0
        table[n, 0], table[n, 1], table[n, 2], table[n, 3] = c, centre, r, a2
        n += 1
        if a2 == 0.0:
            return n, step, table, dead
        k_up = k_down = NEVER
        if up < threshold_up.size:
            k_up = _first_reach(c - centre, 1.0 - r, threshold_up[up] - centre, True)
        if down < threshold_down.size:
            k_down = _first_reach(c - centre, 1.0 - r, threshold_down[down] - centre, False)
        k = min(k_up, k_down)
        if k > n_steps - t:
            return n, step, table, dead
        c = centre + (c - centre) * (1.0 - r) ** k
        t += k
        # The closed form says that this threshold is met: do not let rounding say otherwise.
        c = max(c, threshold_up[up]) if k == k_up else min(c, threshold_down[down])


def _suffix_sums(values: NDArray) -> NDArray:
    """s[i] = Σ_{j>=i} values[j], length n+1: what is alive after the first i deaths."""
    return np.append(np.cumsum(values[::-1])[::-1], 0.0)


def run_events(training: Training) -> Trajectory:
    """Exact trajectory at a cost of the number of crossings plus the recorded steps [paper: Eq. 4].

    Raises InputError for an activation other than ReLU or a loss other than MSE.
    """
    net = training.network
    if net.activation.name != "relu" or training.loss != "mse":
        raise InputError("engine 'events' integrates ReLU with the mse loss only: allowed else are collapsed, numba")
    start, norm2, outer = net.weights @ training.x, training.input_norm2, net.outer
    alive = (start > 0) & (outer != 0)
    with np.errstate(divide="ignore"):
        threshold = np.where(alive, start / (norm2 * np.where(outer == 0, 1.0, outer)), np.nan)
    up = np.flatnonzero(alive & (outer > 0))
    up = up[np.argsort(threshold[up], kind="stable")]
    down = np.flatnonzero(alive & (outer < 0))
    down = down[np.argsort(-threshold[down], kind="stable")]
    n, first_step, table, dead = find_segments(
        threshold[up],
        threshold[down],
        _suffix_sums((outer * start)[up]),
        _suffix_sums(outer[up] ** 2),
        _suffix_sums((outer * start)[down]),
        _suffix_sums(outer[down] ** 2),
        norm2,
        float(training.label),
        float(training.learning_rate),
        training.n_steps,
    )
    first_step, table, dead = first_step[:n], table[:n], dead[:n]

    steps = np.arange(training.n_steps + 1)
    segment = np.searchsorted(first_step, steps, side="right") - 1
    c0, centre, r, a2 = table[segment].T
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = (c0 - centre) * (1 - r) ** (steps - first_step[segment])
        c = np.where(a2 > 0, centre + deviation, c0)
        residual = np.where(a2 > 0, -norm2 * a2 * deviation, -training.label)
        alive_sum = _alive_sum(net, up, dead[:, 0]) + _alive_sum(net, down, dead[:, 1])
        input_gradient = alive_sum[segment]
        input_gradient -= (c * a2)[:, None] * training.x
        preactivation = _preactivation(training, start, threshold, (up, down), steps, c, first_step, dead)
    output = residual + training.label
    return finish(training, output, residual, a2.copy(), np.zeros(len(steps)), input_gradient, preactivation)


def _alive_sum(network: Network, units: NDArray, n_dead: NDArray) -> NDArray:
    """Σ a_r w_r(0) over `units` without the first `n_dead` (n,), for each segment: (n, d). n_dead rises."""
    dying, surviving = units[: n_dead[-1]], units[n_dead[-1] :]
    later = np.zeros((dying.size + 1, network.dim))  # [i]: those that die after the i-th
    later[:-1] = np.cumsum((network.outer[dying, None] * network.weights[dying])[::-1], axis=0)[::-1]
    outer_of_surviving = np.zeros(network.width)
    outer_of_surviving[surviving] = network.outer[surviving]
    return np.asarray(outer_of_surviving @ network.weights + later[n_dead])


def _preactivation(
    training: Training,
    start: NDArray,
    threshold: NDArray,
    order: tuple[NDArray, NDArray],
    steps: NDArray,
    c: NDArray,
    first_step: NDArray,
    dead: NDArray,
) -> NDArray:
    """s (T+1, m): alive units follow C, a dead one stays at the value of the step at which it died."""
    outer, norm2 = training.network.outer, training.input_norm2
    death = np.full(outer.size, NEVER)  # step at which each unit is first found dead
    for units, column in zip(order, dead.T, strict=True):
        position = np.searchsorted(column, np.arange(len(units)), side="right")
        hit = position < len(column)
        death[units[hit]] = first_step[position[hit]]
    moves, dies = np.isfinite(threshold), death < NEVER
    s = start - norm2 * np.where(moves, outer, 0.0) * c[:, None]
    at_death = start[dies] - norm2 * outer[dies] * c[np.minimum(steps[:, None], death[dies])]
    s[:, dies] = np.where(steps[:, None] >= death[dies], np.minimum(at_death, 0.0), at_death)
    return s
