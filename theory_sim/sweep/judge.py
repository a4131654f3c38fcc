"""Verdicts of the claims on one run, compiled: what the ledger's judges say of the same network.

Each claim is judged as printed (column 0) and as corrected (column 1). Hypotheses are 1 where its premises are met on
this run; the verdict is 1 (holds) or 0 (refuted) where they are and the run can tell, -1 else. Definitions and
tolerances are those of `theory_sim.claims` (theorem1.py, theorem2.py, theorem3.py, gradient_laws.py): wherever a judge
of the ledger gives a number for a network, the verdict is its sign beyond its tolerance. What differs, because a sweep
has one run of any length and no say in what is drawn:

- A network is judged in the regime that its own run shows: a drive of one sign (ReLU), r > 1 without kink crossings
  (the drive swings), or a smooth activation with a positive drive. A run in none of them (say, f < y with crossings) is
  not judged by the theorems. Corrected statements exist for ReLU only.
- What the ledger's samplers avoid by stopping early. Where a drive loses its sign to round-off after training has
  converged, the run ends at its settled step; `thm1_t1` looks at the last steps at which τ grows by more than 1e-10;
  ĝ must be above round-off of the largest |ĝ| so far, not of the whole run's.
- With the logistic loss q has no limit: `thm1_t1` is judged as for Eq. 8 itself, once the q² term outweighs the others.
- `thm2` looks at all pairs of the course's probes, not at every bin with its neighbour and its half.
- `eq13` and `eq14` are judged as exact laws of ReLU, up to the first crossing. As laws of first order (`eq13` as
  printed, both for smooth activations) they need a ladder of learning rates: not judged.
- `lemma1` speaks of attacks and stays -1.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from theory_sim.claims.paths import RESOLVED
from theory_sim.claims.samples import LEAST_ENERGY, MOVED
from theory_sim.claims.theorem3 import TIE
from theory_sim.sweep.course import (
    ACTIVE_NORM2,
    CROSSINGS,
    HIGH_CROSS,
    HIGH_ENERGY,
    LOW_CROSS,
    LOW_ENERGY,
    RESIDUAL,
)
from theory_sim.sweep.schema import CLAIMS

PRINTED, CORRECTED = 0, 1
EQ13, EQ14, T0, T1, GROWTH, KEEPS, MAJORITY, THM2, THM3, THM3_WEAK = (
    CLAIMS.index(name)
    for name in (
        "eq13", "eq14", "thm1_t0", "thm1_t1", "thm1_growth", "thm1_keeps", "thm1_majority", "thm2", "thm3", "thm3_weak",
    )
)  # fmt: skip
ONE_SIGN, SWINGS, SWINGS_AWAY, SMOOTH, NONE = range(5)  # regimes: η^(t) of one sign (ReLU), 1 < r <= 2, r > 2
SLACK = 1e-9  # tolerance of inequalities between energies or crosses, as claims.base.Claim.tolerance
EXACT = 1e-11  # tolerance of exact one-step laws, of the largest energy or cross
PERCEIVED = 1e-7  # of the same: a law is judged where it moves something by more


class Path(NamedTuple):
    """One run as its judges see it, states t = 0 ... last, steps t = 0 ... last-1.

    tau, high_share: L/N and H/N (last+1,); growth: τ^(t+1) - τ^(t) without cancellation; drive: η^(t); drives: Σ η^(t)
    before step t; q: Q_t/P_t of the run's own rates; low_cross, high_cross: Δτ_l, Δτ_h; first_crossing: last+1 if
    there is none.
    """

    tau: NDArray
    high_share: NDArray
    growth: NDArray
    drive: NDArray
    drives: NDArray
    q: NDArray
    low_cross: NDArray
    high_cross: NDArray
    input_tau: float
    eq12_margin: float
    relative_rate: float
    last: int
    settled: int
    first_crossing: int


@nb.njit(nogil=True, cache=True, error_model="numpy")
def judge(course: NDArray, probes: NDArray, probe_start: NDArray, facts: Any, path: Path, verdicts: NDArray) -> None:
    """Fill verdicts, int8 (2, claims, versions), with hypotheses and verdicts; lemma1's stay as they are."""
    verdicts[0, : THM3_WEAK + 1] = 0
    _one_step_laws(course, facts, path, verdicts)
    regime, end = _regime(facts, path)
    if regime == NONE or not facts.input_low > facts.input_high or not _moves(course, path, end):
        return
    sign = 1.0 if path.drive[0] > 0 else -1.0
    linear = min(end, path.first_crossing - 1)  # last state of the linear stretch
    turned = _first_turn(path, sign, linear)
    one_sided = _one_sided(path, sign, linear)
    printed_t0, corrected_t0 = _after_t0(path, 1.0, end), _after_t0(path, sign, turned)
    _t0(course, facts, path, PRINTED, 1.0, end, verdicts)
    _t1(course, facts, path, regime, end, sign, verdicts)
    _growth(path, PRINTED, printed_t0, 1.0, end, verdicts)
    _keeps(path, PRINTED, printed_t0, 1.0, end, verdicts)
    _majority(path, PRINTED, printed_t0, end, verdicts)
    _theorem2(course, probes, probe_start, facts, path, regime, end, one_sided, sign, verdicts)
    _theorem3(path, regime, end, one_sided, sign, verdicts)
    _theorem3_weak(course, path, regime, end, linear, verdicts)
    if regime == SMOOTH:
        return
    _t0(course, facts, path, CORRECTED, sign, turned, verdicts)
    _growth(path, CORRECTED, corrected_t0, sign, turned, verdicts)
    _majority(path, CORRECTED, corrected_t0, turned, verdicts)
    if regime == ONE_SIGN and sign * path.eq12_margin >= 0 and path.tau[0] < path.input_tau:
        _keeps(path, CORRECTED, corrected_t0, sign, turned, verdicts)


@nb.njit(nogil=True, cache=True, inline="always")
def _say(verdicts: NDArray, claim: int, version: int, judged: bool, refuted: bool) -> None:
    """Hypotheses met and judged, or neither."""
    if judged:
        verdicts[0, claim, version] = 1
        verdicts[1, claim, version] = 0 if refuted else 1


# The run ------------------------------------------------------------------------------------------------------------


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _regime(facts: Any, path: Path) -> tuple[int, int]:
    """(regime, last step that is judged)."""
    if path.last < 1:
        return NONE, path.last
    crosses = path.first_crossing <= path.last
    if facts.relu and facts.mse and path.relative_rate > 1 and not crosses:
        return (SWINGS if path.relative_rate <= 2 else SWINGS_AWAY), path.last
    sign = 1.0 if path.drive[0] > 0 else -1.0
    end = path.last
    if _first_turn(path, sign, end) < end:
        end = path.settled
        if end < 1 or _first_turn(path, sign, end) < end:
            return NONE, end
    if not facts.relu:
        return (SMOOTH if sign > 0 else NONE), end
    return (ONE_SIGN if sign > 0 or not crosses else NONE), end


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _first_turn(path: Path, sign: float, end: int) -> int:
    """First of the steps before `end` whose drive has not this sign; `end` if there is none."""
    first = end
    for t in range(end):
        first = min(first, end if sign * path.drive[t] > 0 else t)
    return first


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _one_sided(path: Path, sign: float, linear: int) -> int:
    """Number of first states up to `linear` on which q has this sign or is 0, as claims.paths.linear_and_positive."""
    states = linear + 1
    for t in range(linear + 1):
        states = min(states, linear + 1 if sign * path.q[t] >= 0 else t)
    return states


@nb.njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _largest_size(values: NDArray) -> float:
    """The largest |value|; none is NaN, so that a SIMD maximum is allowed."""
    largest = 0.0
    for value in values:
        largest = max(largest, abs(value))
    return largest


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _moves(course: NDArray, path: Path, end: int) -> bool:
    """ĝ never down at round-off, and τ moves by 100 times its resolution, as samples.SpectralPath.moves."""
    low, high = course[LOW_ENERGY], course[HIGH_ENERGY]
    start = low[0] + high[0]
    share = math.sqrt(LEAST_ENERGY)
    outside = moved = 0
    for t in range(end + 1):
        total = low[t] + high[t]
        outside += not (share * start < total) & (share * total < start)
        moved += abs(path.tau[t] - path.tau[0]) >= MOVED
    if outside > 0:  # not clear at a glance
        largest = 0.0
        for t in range(end + 1):
            total = low[t] + high[t]
            largest = total if total > largest else largest
            if not total > LEAST_ENERGY * largest:
                return False
    return moved > 0


# Theorem 1 ----------------------------------------------------------------------------------------------------------


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _after_t0(path: Path, sign: float, end: int) -> int:
    """First state from which Δτ_l > Δτ_h up to `end`; end + 1 if there is none."""
    failed = -1
    for t in range(end + 1):
        failed = max(failed, -1 if sign * (path.low_cross[t] - path.high_cross[t]) > 0 else t)
    return failed + 1


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _t0(course: NDArray, facts: Any, path: Path, version: int, sign: float, end: int, verdicts: NDArray) -> None:
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
        _say(verdicts, T0, version, judged > 0, refuted > 0)
        return
    least_residual, least_norm2 = abs(residual[0]), norm2[0]
    for t in range(1, end + 1):
        least_residual = abs(residual[t]) if abs(residual[t]) < least_residual else least_residual
        least_norm2 = norm2[t] if norm2[t] < least_norm2 else least_norm2
        size = abs(path.low_cross[t]) + abs(path.high_cross[t])
        after = (t * facts.learning_rate * least_residual * least_norm2 >= needed) & (size > 0)
        judged += after
        refuted += after & (sign * (path.low_cross[t] - path.high_cross[t]) < -SLACK * size)
    _say(verdicts, T0, version, judged > 0, refuted > 0)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _t1(course: NDArray, facts: Any, path: Path, regime: int, end: int, sign: float, verdicts: NDArray) -> None:
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
def _growth(path: Path, version: int, after_t0: int, sign: float, end: int, verdicts: NDArray) -> None:
    """τ grows where L < H, corrected: and Δτ_l >= 0, as claims.theorem1.growth [paper: Theorem 1, Remark]."""
    tau, high_share, growth = path.tau[after_t0:end], path.high_share[after_t0:end], path.growth[after_t0:end]
    low_cross, least = path.low_cross[after_t0:end], 0.0 if version == CORRECTED else -math.inf
    judged = refuted = 0
    for t in range(end - after_t0):
        chosen = (tau[t] < high_share[t]) & (sign * low_cross[t] >= least)
        judged += chosen
        refuted += chosen & (growth[t] < -RESOLVED)
    _say(verdicts, GROWTH, version, judged > 0, refuted > 0)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _keeps(path: Path, version: int, after_t0: int, sign: float, end: int, verdicts: NDArray) -> None:
    """Once Δτ_l τ_h >= Δτ_h τ_l, τ grows for ever, as claims.theorem1.keeps [paper: Theorem 1, Remark]."""
    low_cross, high_cross = path.low_cross[after_t0 + 1 : end], path.high_cross[after_t0 + 1 : end]
    tau, high_share = path.tau[after_t0 + 1 : end], path.high_share[after_t0 + 1 : end]
    first = end
    for t in range(end - after_t0 - 1):
        balance = low_cross[t] * high_share[t] - high_cross[t] * tau[t]
        first = min(first, after_t0 + 1 + t if sign * balance >= 0 else end)
    growth, refuted = path.growth[first:end], 0
    for t in range(end - first):
        refuted += growth[t] < -RESOLVED
    _say(verdicts, KEEPS, version, first < end, refuted > 0)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _majority(path: Path, version: int, after_t0: int, end: int, verdicts: NDArray) -> None:
    """Once L > H after t₀, for ever, as claims.theorem1.majority [paper: Theorem 1, Remark]."""
    tau, high_share = path.tau[after_t0 : end + 1], path.high_share[after_t0 : end + 1]
    first = end - after_t0
    for t in range(end - after_t0):
        first = min(first, t if tau[t] > high_share[t] else end - after_t0)
    refuted = 0
    for t in range(end - after_t0 + 1):
        refuted += (t > first) & (tau[t] - high_share[t] < -SLACK)
    _say(verdicts, MAJORITY, version, first < end - after_t0, refuted > 0)


# Theorem 2 ----------------------------------------------------------------------------------------------------------


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _theorem2(
    course: NDArray,
    probes: NDArray,
    probe_start: NDArray,
    facts: Any,
    path: Path,
    regime: int,
    end: int,
    one_sided: int,
    sign: float,
    verdicts: NDArray,
) -> None:
    """R_k > R_k' before t₀, for all pairs of probes, as claims.theorem2.theorem2 [paper: Theorem 2]."""
    if facts.n_probes < 2:
        return
    drive = facts.learning_rate * _largest_size(course[RESIDUAL, : end + 1]) * facts.outer_norm2
    powers = np.empty((facts.n_probes, end + 1))  # R_k² with the steps side by side, for SIMD
    for t in range(end + 1):
        for i in range(facts.n_probes):
            powers[i, t] = probes[t, i]
    judged_printed = judged_corrected = refuted_printed = refuted_corrected = False
    for high in range(1, facts.n_probes):
        for low in range(high):
            u2, v2 = probes[0, high], probes[0, low]
            if not math.sqrt(u2) > math.sqrt(v2) * (1 + 1e-6):
                continue
            scale = (u2 - v2) / (2 * drive)
            bracket = probe_start[high] - probe_start[low]
            # states 1 ... stop-1 lie before t₀
            printed = _states_before(scale, bracket, end + 1)
            corrected = _states_before(scale, sign * bracket, one_sided)
            lost = _order_lost(powers[high], powers[low], max(printed, corrected))
            judged_printed |= printed > 1
            judged_corrected |= corrected > 1
            refuted_printed |= lost < printed
            refuted_corrected |= lost < corrected
    _say(verdicts, THM2, PRINTED, judged_printed, refuted_printed)
    if regime != SMOOTH:
        _say(verdicts, THM2, CORRECTED, judged_corrected, refuted_corrected)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _states_before(scale: float, bracket: float, states: int) -> int:
    """Number of states t = 0, 1, ... with t < t₀ = scale/bracket (infinite for a bracket <= 0), at most `states`."""
    if not bracket > 0 or scale / bracket >= states:
        return states
    return math.ceil(scale / bracket)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _order_lost(higher: NDArray, lower: NDArray, states: int) -> int:
    """First state t >= 1 with R_k < R_k' beyond round-off, `states` if there is none; R_k², R_k'² of every state."""
    lost = states
    for t in range(1, states):
        u2, v2 = higher[t], lower[t]
        lost = min(lost, t if u2 - v2 < -SLACK * (u2 + v2) else states)
    return lost


# Theorem 3 ----------------------------------------------------------------------------------------------------------


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _theorem3(path: Path, regime: int, end: int, one_sided: int, sign: float, verdicts: NDArray) -> None:
    """From τ(δ⁰) < τ(x) and Eq. 12 τ stays below τ(x), as claims.theorem3.theorem3 [paper: Theorem 3]."""
    if not path.tau[0] < path.input_tau:
        return
    tie = abs(path.eq12_margin) < TIE * (abs(path.low_cross[0]) + abs(path.high_cross[0]))
    if path.eq12_margin > 0:
        verdicts[0, THM3, PRINTED] = 1
        if not tie:
            verdicts[1, THM3, PRINTED] = not _passes(path, end + 1)
    if regime != SMOOTH and sign * path.eq12_margin > 0 and one_sided > 1:
        verdicts[0, THM3, CORRECTED] = 1
        if not tie:
            verdicts[1, THM3, CORRECTED] = not _passes(path, one_sided)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _passes(path: Path, states: int) -> bool:
    """True if τ exceeds τ(x) at one of the states 1 ... states-1."""
    above = 0
    for t in range(1, states):
        above += path.input_tau - path.tau[t] < -RESOLVED
    return above > 0


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _theorem3_weak(course: NDArray, path: Path, regime: int, end: int, linear: int, verdicts: NDArray) -> None:
    """The condition at step t, corrected: if and only if, as claims.theorem3.theorem3_weak [paper: Eq. 17]."""
    if not path.tau[0] < path.input_tau:
        return
    room = (path.input_tau - path.tau[0]) * (course[LOW_ENERGY, 0] + course[HIGH_ENERGY, 0])
    size = abs(path.low_cross[0]) + abs(path.high_cross[0])
    judged = refuted = 0
    for t in range(1, end + 1):
        total = path.drives[t]
        met = room + total * path.eq12_margin > 1e-6 * (room + abs(total) * size)
        judged += met
        refuted += met & (path.input_tau - path.tau[t] < -RESOLVED)
    _say(verdicts, THM3_WEAK, PRINTED, judged > 0, refuted > 0)
    if regime == SMOOTH:
        return
    judged = refuted = 0
    for t in range(1, linear + 1):
        q, below = path.q[t], path.input_tau - path.tau[t]
        premise = room + q * path.eq12_margin
        certain = abs(premise) > 1e-6 * (room + abs(q) * size)
        judged += certain
        refuted += certain & (((premise > 0) & (below < -RESOLVED)) | ((premise < 0) & (below > RESOLVED)))
    _say(verdicts, THM3_WEAK, CORRECTED, judged > 0, refuted > 0)


# Eqs. 13 and 14 -----------------------------------------------------------------------------------------------------


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _one_step_laws(course: NDArray, facts: Any, path: Path, verdicts: NDArray) -> None:
    """Eqs. 13 and 14 step by step up to the first crossing, as gradient_laws.judge_eq13_exact and judge_eq14_exact."""
    steps = min(path.last, path.first_crossing - 1)
    if path.last >= 1:
        verdicts[0, EQ13, PRINTED] = verdicts[0, EQ14, PRINTED] = 1
    if not facts.relu or steps < 1:
        return
    verdicts[0, EQ13, CORRECTED] = verdicts[0, EQ14, CORRECTED] = 1
    low, high = course[LOW_ENERGY], course[HIGH_ENERGY]
    low_cross, high_cross = path.low_cross, path.high_cross
    room = facts.input_low - facts.input_high
    energy, cross = _largest_sum(low, high, steps + 1), _largest_sum(low_cross, high_cross, steps + 1)
    moved = pushed = wrong_energy = wrong_printed = wrong_cross = 0
    for t in range(steps):
        drive = path.drive[t]
        low_error = abs(low[t] + drive * low_cross[t] + drive * drive * facts.input_low - low[t + 1])
        high_error = abs(high[t] + drive * high_cross[t] + drive * drive * facts.input_high - high[t + 1])
        wrong_energy += (low_error > EXACT * energy) | (high_error > EXACT * energy)
        moved += (abs(low[t + 1] - low[t]) > PERCEIVED * energy) | (abs(high[t + 1] - high[t]) > PERCEIVED * energy)
        gap_error = low_cross[t] - high_cross[t] + drive * room - (low_cross[t + 1] - high_cross[t + 1])
        wrong_printed += abs(gap_error) > EXACT * cross
        wrong_cross += abs(gap_error + drive * room) > EXACT * cross
        pushed += abs(drive * room) > PERCEIVED * cross
    if moved > 0:
        verdicts[1, EQ13, CORRECTED] = 0 if wrong_energy > 0 else 1
    if pushed > 0:
        verdicts[1, EQ14, PRINTED] = 0 if wrong_printed > 0 else 1
        verdicts[1, EQ14, CORRECTED] = 0 if wrong_cross > 0 else 1


@nb.njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _largest_sum(low: NDArray, high: NDArray, states: int) -> float:
    """The largest |low| + |high| of the first states; none is NaN, so that a SIMD maximum is allowed."""
    largest = 0.0
    for t in range(states):
        largest = max(largest, abs(low[t]) + abs(high[t]))
    return largest
