"""Theorem 1 and its Remark on one run, compiled, as `theory_sim.claims.theorem1` judges them.

Each judge is called where the premises hold that all theorems share, see judge.py, and adds those of its own claim.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
from numpy.typing import NDArray

from theory_sim.claims.paths import RESOLVED
from theory_sim.sweep.course import (
    ACTIVE_NORM2,
    CROSSINGS,
    HIGH_CROSS,
    HIGH_ENERGY,
    LOW_CROSS,
    LOW_ENERGY,
    RESIDUAL,
)
from theory_sim.sweep.path import (
    CORRECTED,
    GROWTH,
    KEEPS,
    MAJORITY,
    PRINTED,
    SLACK,
    SMOOTH,
    SWINGS,
    SWINGS_AWAY,
    T0,
    T1,
    Path,
    say,
)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def after_t0(path: Path, sign: float, end: int) -> int:
    """First state from which Δτ_l > Δτ_h up to `end`; end + 1 if there is none."""
    failed = -1
    for t in range(end + 1):
        failed = max(failed, -1 if sign * (path.low_cross[t] - path.high_cross[t]) > 0 else t)
    return failed + 1


@nb.njit(nogil=True, cache=True, error_model="numpy")
def judge_t0(course: NDArray, facts: Any, path: Path, version: int, sign: float, end: int, verdicts: NDArray) -> None:
    """Δτ_l > Δτ_h after t₀, corrected: already after t₀/2, as claims.theorem1.t0 [paper: Theorem 1, Remark]."""
    residual, norm2 = course[RESIDUAL], course[ACTIVE_NORM2]
    judged = refuted = 0
    needed = -sign * (path.low_cross[0] - path.high_cross[0]) / (facts.input_low - facts.input_high)
    if version == CORRECTED:
        needed /= 2
    if not needed > 0:
        for t in range(1, end + 1):
            size = abs(path.low_cross[t]) + abs(path.high_cross[t])
            judged += size > 0
            refuted += (size > 0) & (sign * (path.low_cross[t] - path.high_cross[t]) < -SLACK * size)
        say(verdicts, T0, version, True, judged > 0, refuted > 0)
        return
    least_residual, least_norm2 = abs(residual[0]), norm2[0]
    for t in range(1, end + 1):
        least_residual = abs(residual[t]) if abs(residual[t]) < least_residual else least_residual
        least_norm2 = norm2[t] if norm2[t] < least_norm2 else least_norm2
        size = abs(path.low_cross[t]) + abs(path.high_cross[t])
        after = (t * facts.learning_rate * least_residual * least_norm2 >= needed) & (size > 0)
        judged += after
        refuted += after & (sign * (path.low_cross[t] - path.high_cross[t]) < -SLACK * size)
    say(verdicts, T0, version, True, judged > 0, refuted > 0)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def judge_t1(course: NDArray, facts: Any, path: Path, regime: int, end: int, sign: float, verdicts: NDArray) -> None:
    """τ rises at the end, as claims.theorem1.t1 [paper: Eq. 10]."""
    if not path.tau[0] < path.input_tau:
        return
    verdicts[0, T1, PRINTED] = 1
    if regime != SMOOTH:
        verdicts[0, T1, CORRECTED] = 1
    resolved = 100 * RESOLVED
    n = end
    while n > 0 and not abs(path.growth[n - 1]) >= resolved:
        n -= 1
    if n < 6:
        return
    least, size, weakest = math.inf, 0.0, math.inf
    for t in range(n - (6 if regime in (SWINGS, SWINGS_AWAY) else 3), n):
        growth = path.growth[t]
        least, size, weakest = min(least, growth), max(size, abs(growth)), min(weakest, abs(growth))
    if not weakest >= resolved:
        return
    rises = -1 if regime == SMOOTH else _rises_in_the_end(course, facts, path, regime, n, sign)
    if rises < 0 and regime != SMOOTH:
        return
    verdicts[1, T1, PRINTED] = 0 if least < -SLACK * size else 1
    if rises == 1:
        verdicts[1, T1, CORRECTED] = verdicts[1, T1, PRINTED]
    elif rises == 0:
        verdicts[1, T1, CORRECTED] = 0 if least > SLACK * size else 1


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _rises_in_the_end(course: NDArray, facts: Any, path: Path, regime: int, n: int, sign: float) -> int:
    """1 or 0 by the closed form from the last crossing on, -1 if step n is not near enough to the end."""
    if regime == SWINGS:
        return 0
    crossings, base = course[CROSSINGS], 0  # base: the first state after the last crossing
    if path.first_crossing <= path.last:
        for t in range(path.last):
            base = max(base, 0 if crossings[t] == crossings[path.last] else t + 1)
    if base > n - 6:
        return -1
    low_cross, high_cross = course[LOW_CROSS, base], course[HIGH_CROSS, base]
    p0 = low_cross * course[HIGH_ENERGY, base] - high_cross * course[LOW_ENERGY, base]
    p1 = facts.input_low * course[HIGH_ENERGY, base] - facts.input_high * course[LOW_ENERGY, base]
    p2 = facts.input_low * high_cross - facts.input_high * low_cross
    if regime == SWINGS_AWAY or not facts.mse:  # q without bound
        for t in range(n - 3, n + 1):
            q = path.q[t] - path.q[base]
            if not abs(p2 * q * q) > 10 * (abs(2 * p1 * q) + abs(p0)):
                return -1
        return 1 if regime != SWINGS_AWAY and sign * p2 >= 0 else 0
    first = path.q[n - 3] - path.q[base]
    limit = course[RESIDUAL, base] / facts.input_norm2
    rising = falling = 0
    for i in range(16):
        q = first + (limit - first) * i / 15
        slope = math.copysign(1.0, limit) * (p0 + 2 * p1 * q + p2 * q * q)
        rising += slope > 0
        falling += slope < 0
    return 1 if rising == 16 else 0 if falling == 16 else -1


@nb.njit(nogil=True, cache=True, error_model="numpy")
def judge_growth(path: Path, version: int, after_t0: int, sign: float, end: int, verdicts: NDArray) -> None:
    """τ grows where L < H, corrected: and Δτ_l >= 0, as claims.theorem1.growth [paper: Theorem 1, Remark]."""
    tau, high_share = path.tau[after_t0 : end + 1], path.high_share[after_t0 : end + 1]
    growth, low_cross = path.growth[after_t0:end], path.low_cross[after_t0 : end + 1]
    least = 0.0 if version == CORRECTED else -math.inf
    judged = refuted = 0
    for t in range(end - after_t0):
        chosen = (tau[t] < high_share[t]) & (sign * low_cross[t] >= least)
        judged += chosen
        refuted += chosen & (growth[t] < -RESOLVED)
    n = end - after_t0  # the last state, from which no step is seen
    met = judged > 0 or (n >= 0 and tau[n] < high_share[n] and sign * low_cross[n] >= least)
    say(verdicts, GROWTH, version, met, judged > 0, refuted > 0)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def judge_keeps(path: Path, version: int, after_t0: int, sign: float, end: int, verdicts: NDArray) -> None:
    """Once Δτ_l τ_h >= Δτ_h τ_l, τ grows for ever, as claims.theorem1.keeps [paper: Theorem 1, Remark]."""
    states = slice(after_t0 + 1, end + 1)
    low_cross, high_cross = path.low_cross[states], path.high_cross[states]
    tau, high_share = path.tau[states], path.high_share[states]
    first = end + 1
    for t in range(end - after_t0):
        balance = low_cross[t] * high_share[t] - high_cross[t] * tau[t]
        first = min(first, after_t0 + 1 + t if sign * balance >= 0 else end + 1)
    growth, refuted = path.growth[first:end], 0
    for t in range(end - first):
        refuted += growth[t] < -RESOLVED
    say(verdicts, KEEPS, version, first <= end, first < end, refuted > 0)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def judge_majority(path: Path, version: int, after_t0: int, end: int, verdicts: NDArray) -> None:
    """Once L > H after t₀, for ever, as claims.theorem1.majority [paper: Theorem 1, Remark]."""
    tau, high_share = path.tau[after_t0 : end + 1], path.high_share[after_t0 : end + 1]
    states = end - after_t0 + 1
    first = states
    for t in range(states):
        first = min(first, t if tau[t] > high_share[t] else states)
    refuted = 0
    for t in range(states):
        refuted += (t > first) & (tau[t] - high_share[t] < -SLACK)
    say(verdicts, MAJORITY, version, first < states, first < states - 1, refuted > 0)
