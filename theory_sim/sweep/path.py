"""One run as the compiled verdicts of a sweep see it, the regime it shows, and how a verdict is noted down."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba as nb
from numpy.typing import NDArray

from theory_sim.claims.samples import LEAST_ENERGY, MOVED
from theory_sim.sweep.course import HIGH_ENERGY, LOW_ENERGY
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


@nb.njit(nogil=True, cache=True, inline="always")
def say(verdicts: NDArray, claim: int, version: int, met: bool, decided: bool, refuted: bool) -> None:
    """Note down whether the premises are met, and, if they are and the run decides, which way."""
    if met:
        verdicts[0, claim, version] = 1
        if decided:
            verdicts[1, claim, version] = 0 if refuted else 1


@nb.njit(nogil=True, cache=True, error_model="numpy")
def regime_of(facts: Any, path: Path) -> tuple[int, int]:
    """(regime, last step that is judged)."""
    if path.last < 1 or path.drive[0] == 0:
        return NONE, path.last
    crosses = path.first_crossing <= path.last
    if facts.relu and facts.mse and path.relative_rate > 1 and not crosses:
        return (SWINGS if path.relative_rate <= 2 else SWINGS_AWAY), path.last
    sign = 1.0 if path.drive[0] > 0 else -1.0
    end = path.last
    if first_turn(path, sign, end) < end:
        end = path.settled
        if end < 1 or first_turn(path, sign, end) < end:
            return NONE, end
    if not facts.relu:
        return (SMOOTH if sign > 0 else NONE), end
    return (ONE_SIGN if sign > 0 or not crosses else NONE), end


@nb.njit(nogil=True, cache=True, error_model="numpy")
def first_turn(path: Path, sign: float, end: int) -> int:
    """First of the steps before `end` whose drive has not this sign; `end` if there is none."""
    first = end
    for t in range(end):
        first = min(first, end if sign * path.drive[t] > 0 else t)
    return first


@nb.njit(nogil=True, cache=True, error_model="numpy")
def one_sided_states(path: Path, sign: float, linear: int) -> int:
    """Number of first states up to `linear` on which q has this sign or is 0, as claims.paths.linear_and_positive."""
    states = linear + 1
    for t in range(linear + 1):
        states = min(states, linear + 1 if sign * path.q[t] >= 0 else t)
    return states


@nb.njit(nogil=True, cache=True, error_model="numpy")
def moves(course: NDArray, path: Path, end: int) -> bool:
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
