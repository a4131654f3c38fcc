"""Verdicts of the claims on one run, compiled: what the ledger's judges say of the same network.

Each claim is judged as printed (column 0) and as corrected (column 1). Hypotheses are 1 exactly where its premises are
met on this run; the verdict is 1 (holds) or 0 (refuted) where they are and the run can tell, -1 else: where it is too
short, where τ does not move beyond round-off, where an inequality is too close to call.

claim          premises as printed                              premises as corrected
eq13, eq14     a step                                           ReLU, first step without a crossing
thm*           a step, L_x > H_x, a regime (below)              and ReLU; but for thm1_t1: first step without a crossing
thm1_t0        no more                                          no more
thm1_t1        τ(δ⁰) < τ(x)                                     as printed
thm1_growth    L < H at a state after t₀                        and Δτ_l >= 0 there
thm1_keeps     Δτ_l τ_h >= Δτ_h τ_l at a state t₁ > t₀          and τ(δ⁰) < τ(x), Eq. 12 with <=, drive of one sign
thm1_majority  L > H at a state after t₀                        as printed
thm2           R_k > R_k' at the start for a pair of probes     as printed
thm3           τ(δ⁰) < τ(x), Eq. 12                             as printed
thm3_weak      τ(δ⁰) < τ(x), Eq. 17 at a step t >= 1            τ(δ⁰) < τ(x): an equivalence, it speaks of either case

Regimes: a drive of one sign until training has settled (ReLU; f < y, "similar" in the paper, without crossings only);
ReLU with r > 1 without crossings (MSE: the drive swings); a smooth activation with a positive drive. A run in none of
them (say, f < y with crossings) meets no premises of a theorem. "After t₀" is observed: Δτ_l > Δτ_h from there on.
Corrected, crosses and Eq. 12 are mirrored for f < y, and states are those of the stretch before the first crossing and
up to the first turn of the drive. A premise met at the last state only is met and undecided. Hypotheses are -1, not
known, for `thm2` where an engine gives no probes, and for `lemma1`: engine/perturbed.py judges it on attacked networks.

Definitions and tolerances are those of `theory_sim.claims` (theorem1.py, theorem2.py, theorem3.py, gradient_laws.py):
wherever a judge of the ledger gives a number for a network, the verdict is its sign beyond its tolerance. What differs,
because a sweep has one run of any length and no say in what is drawn:

- What the ledger's samplers avoid by stopping early. Where a drive loses its sign to round-off after training has
  converged, the run ends at its settled step; `thm1_t1` looks at the last steps at which τ grows by more than 1e-10;
  ĝ must be above round-off of the largest |ĝ| so far, not of the whole run's.
- With the logistic loss q has no limit: `thm1_t1` is judged as for Eq. 8 itself, once the q² term outweighs the others.
- `thm2` looks at all pairs of the course's probes, not at every bin with its neighbour and its half.
- `eq13` and `eq14` are judged as exact laws of ReLU, up to the first crossing. As laws of first order (`eq13` as
  printed, both for smooth activations) they need a ladder of learning rates: not judged.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from theory_sim.claims.paths import RESOLVED
from theory_sim.claims.theorem3 import TIE
from theory_sim.sweep.course import HIGH_ENERGY, LOW_ENERGY, RESIDUAL
from theory_sim.sweep.judge_theorem1 import after_t0, judge_growth, judge_keeps, judge_majority, judge_t0, judge_t1
from theory_sim.sweep.path import (
    CORRECTED,
    EQ13,
    EQ14,
    EXACT,
    NONE,
    ONE_SIGN,
    PERCEIVED,
    PRINTED,
    SLACK,
    SMOOTH,
    T0,
    THM2,
    THM3,
    THM3_WEAK,
    Path,
    first_turn,
    moves,
    one_sided_states,
    regime_of,
    say,
)


@nb.njit(nogil=True, cache=True, error_model="numpy")
def judge(course: NDArray, probes: NDArray, probe_start: NDArray, facts: Any, path: Path, verdicts: NDArray) -> None:
    """Fill verdicts, int8 (2, claims, versions), with hypotheses and verdicts; lemma1's stay as they are."""
    verdicts[0, : THM3_WEAK + 1] = 0
    _one_step_laws(course, facts, path, verdicts)
    regime, end = regime_of(facts, path)
    if regime == NONE or not facts.input_low > facts.input_high:
        return
    _theorems(course, probes, probe_start, facts, path, regime, end, verdicts)
    if not moves(course, path, end):
        verdicts[1, T0 : THM3_WEAK + 1] = -1


@nb.njit(nogil=True, cache=True, error_model="numpy")
def _theorems(
    course: NDArray,
    probes: NDArray,
    probe_start: NDArray,
    facts: Any,
    path: Path,
    regime: int,
    end: int,
    verdicts: NDArray,
) -> None:
    """Theorems 1-3 on a run with L_x > H_x in one of the regimes, whether or not τ moves."""
    sign = 1.0 if path.drive[0] > 0 else -1.0
    linear = min(end, path.first_crossing - 1)  # last state of the linear stretch
    turned = first_turn(path, sign, linear)
    one_sided = one_sided_states(path, sign, linear)
    printed_t0, corrected_t0 = after_t0(path, 1.0, end), after_t0(path, sign, turned)
    judge_t0(course, facts, path, PRINTED, 1.0, end, verdicts)
    judge_t1(course, facts, path, regime, end, sign, verdicts)
    judge_growth(path, PRINTED, printed_t0, 1.0, end, verdicts)
    judge_keeps(path, PRINTED, printed_t0, 1.0, end, verdicts)
    judge_majority(path, PRINTED, printed_t0, end, verdicts)
    _theorem2(course, probes, probe_start, facts, path, regime, end, one_sided, sign, verdicts)
    _theorem3(path, regime, end, one_sided, sign, verdicts)
    _theorem3_weak(course, path, regime, end, linear, verdicts)
    if regime == SMOOTH or linear < 1:
        return
    judge_t0(course, facts, path, CORRECTED, sign, turned, verdicts)
    judge_growth(path, CORRECTED, corrected_t0, sign, turned, verdicts)
    judge_majority(path, CORRECTED, corrected_t0, turned, verdicts)
    if regime == ONE_SIGN and sign * path.eq12_margin >= 0 and path.tau[0] < path.input_tau:
        judge_keeps(path, CORRECTED, corrected_t0, sign, turned, verdicts)


@nb.njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _largest_size(values: NDArray) -> float:
    """The largest |value|; none is NaN, so that a SIMD maximum is allowed."""
    largest = 0.0
    for value in values:
        largest = max(largest, abs(value))
    return largest


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
    if facts.n_probes < 1:
        verdicts[0, THM2] = -1
        return
    drive = facts.learning_rate * _largest_size(course[RESIDUAL, : end + 1]) * facts.outer_norm2
    powers = np.empty((facts.n_probes, end + 1))  # R_k² with the steps side by side, for SIMD
    for t in range(end + 1):
        for i in range(facts.n_probes):
            powers[i, t] = probes[t, i]
    met = judged_printed = judged_corrected = refuted_printed = refuted_corrected = False
    for high in range(1, facts.n_probes):
        for low in range(high):
            u2, v2 = probes[0, high], probes[0, low]
            met |= u2 > v2
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
    say(verdicts, THM2, PRINTED, met, judged_printed, refuted_printed)
    if regime != SMOOTH:
        say(verdicts, THM2, CORRECTED, met and one_sided > 1, judged_corrected, refuted_corrected)


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
        say(verdicts, THM3, PRINTED, True, not tie, _passes(path, end + 1))
    if regime != SMOOTH and sign * path.eq12_margin > 0 and one_sided > 1:
        say(verdicts, THM3, CORRECTED, True, not tie, _passes(path, one_sided))


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
    met = judged = refuted = 0
    for t in range(1, end + 1):
        total = path.drives[t]
        premise = room + total * path.eq12_margin
        certain = premise > 1e-6 * (room + abs(total) * size)
        met += premise > 0
        judged += certain
        refuted += certain & (path.input_tau - path.tau[t] < -RESOLVED)
    say(verdicts, THM3_WEAK, PRINTED, met > 0, judged > 0, refuted > 0)
    if regime == SMOOTH:
        return
    judged = refuted = 0
    for t in range(1, linear + 1):
        q, below = path.q[t], path.input_tau - path.tau[t]
        premise = room + q * path.eq12_margin
        certain = abs(premise) > 1e-6 * (room + abs(q) * size)
        judged += certain
        refuted += certain & (((premise > 0) & (below < -RESOLVED)) | ((premise < 0) & (below > RESOLVED)))
    say(verdicts, THM3_WEAK, CORRECTED, linear >= 1, judged > 0, refuted > 0)


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
