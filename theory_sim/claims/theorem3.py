"""Theorem 3: the perturbation's low-frequency ratio stays below the input's."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from theory_sim.claims.base import HOLDS, REFUTED, Claim, Outcome
from theory_sim.claims.paths import RESOLVED, linear_and_positive
from theory_sim.claims.samples import SpectralPath, TrainingSample
from theory_sim.claims.theorem1 import REGIMES, in_regime
from theory_sim.spectrum import ratio

TIE = 1e-9  # conditions closer to equality than this (relative) are left out


def _tau_below(path: SpectralPath) -> np.ndarray:
    """τ(x) - τ(δ^(t)) at t = 1 ... T."""
    p = path.planes
    return path.start.input_tau - ratio(np.asarray(p.low_energy), np.asarray(p.high_energy))[1:]


def theorem3(path: SpectralPath, regime: str) -> Outcome | None:
    """From τ(δ⁰) < τ(x) and Eq. 12: τ(δ^t) < τ(x) for all t > 0 [paper: Theorem 3].

    Corrected: Eq. 12 for a positive drive, its mirror image for a negative one, while q keeps its sign and no unit
    crosses. For Eq. 8 itself with unbounded q: if and only if (Eq. 12 with <=).
    """
    plane = path.start
    if not in_regime(path, regime) or not plane.tau < plane.input_tau:
        return None
    below, eq12 = _tau_below(path), float(plane.eq12_margin)
    size = abs(plane.low_cross) + abs(plane.high_cross)
    if abs(eq12) < TIE * size:
        return None
    printed = float(below.min()) if eq12 > 0 else None
    sign = 1.0 if path.drive[0] > 0 else -1.0
    control = float(below.min()) if sign * eq12 < 0 else None
    if regime == "eq8":
        past = path.q[1:] * (1 - 1e-9) > plane.overshoot
        corrected: float | None = float(np.where(past, -below, below)[_clear(path)].min())
    else:
        states = linear_and_positive(path, sign)
        corrected = float(below[: states - 1].min()) if sign * eq12 > 0 and states > 1 else None
    if printed is None and corrected is None and control is None:
        return None
    return Outcome(printed, corrected, control)


def _clear(path: SpectralPath) -> np.ndarray:
    """Steps whose q is not within 1e-6 of the overshoot."""
    q = path.q[1:]
    return np.asarray(np.abs(q - path.start.overshoot) > 1e-6 * np.abs(q))


def theorem3_weak(path: SpectralPath, regime: str) -> Outcome | None:
    """At step t: c - τ(x)(c+d) < ζ(L⁰+H⁰) implies τ(δ^t) < τ(x), c = Σ η Δτ_l⁰, d = Σ η Δτ_h⁰ [paper: Eq. 17].

    Corrected: if and only if, with q_t = Q_t/P_t in place of Σ η (equal for ReLU), up to the first crossing.
    """
    plane = path.start
    if not in_regime(path, regime) or not plane.tau < plane.input_tau:
        return None
    below = _tau_below(path)
    room = (plane.input_tau - plane.tau) * (plane.low_energy + plane.high_energy)
    steps = len(path.drive)
    summed = np.cumsum(path.drive)

    def premise(total: np.ndarray, flip: float = 1.0) -> np.ndarray:
        c, d = total * plane.low_cross, total * plane.high_cross
        return np.asarray(room - flip * (c - plane.input_tau * (c + d)))

    clear = 1e-6 * (room + np.abs(summed) * (abs(plane.low_cross) + abs(plane.high_cross)))
    met = premise(summed) > clear
    printed = float(below[met].min()) if met.any() else None
    wrong = premise(summed, flip=-1.0) > clear
    control = float(below[wrong].min()) if wrong.any() else None
    states = min(steps + 1, path.first_crossing)
    q = path.q[1:states]
    both = premise(q)
    certain = np.abs(both) > 1e-6 * (room + np.abs(q) * (abs(plane.low_cross) + abs(plane.high_cross)))
    agreed = (np.sign(both) * below[: states - 1])[certain]
    corrected = float(agreed.min()) if agreed.size else None
    if printed is None and corrected is None:
        return None
    return Outcome(printed, corrected, control)


def appendix_sum(path: TrainingSample) -> Outcome | None:
    """τ(δ^t) = (L⁰+a+c)/(L⁰+H⁰+a+b+c+d), a = Σ_{t'<t} η Σ_{t''<=t'} η L_x; corrected a = L_x (Σ η)² [paper: Eq. 17]."""
    if not in_regime(path, "relu"):
        return None
    plane, drive = path.start, path.drive
    total = np.cumsum(drive)
    nested = np.cumsum(drive * total)
    actual = plane.input_tau - _tau_below(path)

    def error(square: np.ndarray, cross: float = 1.0) -> float:
        low = plane.low_energy + plane.input_low * square + cross * plane.low_cross * total
        high = plane.high_energy + plane.input_high * square + cross * plane.high_cross * total
        return -float(np.abs(low / (low + high) - actual).max())

    return Outcome(error(nested), error(total**2), error(total**2, cross=-1.0))


def remark_both_positive(path: SpectralPath) -> Outcome | None:
    """P(Eq. 12 | Δτ_l, Δτ_h > 0) = (2/π) arctan √(L_x/H_x) for a random network with sign-symmetric outer weights."""
    plane = path.start
    ready = path.is_large and path.band.convention == "two-sided"  # type: ignore[attr-defined]
    if not ready or not plane.input_low > plane.input_high or not (plane.low_cross > 0 and plane.high_cross > 0):
        return None
    chance = 2 / math.pi * math.atan(math.sqrt(plane.input_low / plane.input_high))
    met = float(plane.eq12_margin > 0)
    return Outcome(None, met - chance, met - 0.5)


def remark_share(path: SpectralPath) -> Outcome | None:
    """P(Eq. 12) = 1/2 for a random network with sign-symmetric outer weights: a -> -a turns Eq. 12 round."""
    plane = path.start
    if not plane.input_low > plane.input_high or plane.eq12_margin == 0:
        return None
    met = float(plane.eq12_margin > 0)
    return Outcome(None, met - 0.5, met - 1.0)


def _claims() -> list[Claim]:
    statement = "from τ(δ0) < τ(x) and Eq. 12: τ(δ_t) < τ(x) for all t > 0"
    weak = "at step t: c - τ(x)(c+d) < ζ(L0+H0) implies τ(δ_t) < τ(x)"
    claims = []
    for regime, description in REGIMES.items():
        hypotheses = "τ(δ0) < τ(x) (Eq. 16), τ moves; " + description
        ours: str | None = "while q keeps its sign and no unit crosses; f < y: Eq. 12 with > in place of <"
        if regime == "eq8":
            ours = "if and only if Eq. 12 with <="
        elif regime in ("smooth", "eq8 outside"):
            ours = None
        claims.append(
            Claim(
                id="thm3",
                case=regime,
                statement=statement,
                correction=ours,
                hypotheses=hypotheses,
                source="[paper: Theorem 3]",
                population=regime,
                judge=partial(theorem3, regime=regime),
                known=(HOLDS if regime in ("eq8", "relu", "relu 1<r<2") else REFUTED, HOLDS if ours else None),
                tolerance=RESOLVED,
            )
        )
        ours = None if regime == "smooth" else "if and only if, with q_t in place of Σ η, while no unit crosses"
        exact = regime in ("relu", "relu f<y", "relu 1<r<2", "relu r>2")
        claims.append(
            Claim(
                id="thm3_weak",
                case=regime,
                statement=weak,
                correction=ours,
                hypotheses=hypotheses,
                source="[paper: Eq. 17]",
                population=regime,
                judge=partial(theorem3_weak, regime=regime),
                known=(HOLDS if exact else REFUTED, HOLDS if ours else None),
                tolerance=RESOLVED,
            )
        )
    claims += [
        Claim(
            id="thm3_weak",
            case="relu, sums",
            statement="τ(δ_t) = (L0+a+c)/(L0+H0+a+b+c+d) with a = Σ η Σ η L_x, the inner sum up to t'",
            correction="a = L_x (Σ η)², b = H_x (Σ η)²: the printed double sum is about half of it",
            hypotheses=REGIMES["relu"],
            source="[paper: Eq. 17]",
            population="relu",
            judge=appendix_sum,
            known=(REFUTED, HOLDS),
            tolerance=1e-10,
        ),
        Claim(
            id="thm3",
            case="Eq. 12 at random",
            statement="Eq. 12 can be easily satisfied for a randomly initialised network (no number: not testable)",
            correction="it holds for one half of random networks: P = 1/2 exactly",
            hypotheses="Gaussian W, sign-symmetric outer weights, L_x > H_x",
            source="[paper: Theorem 3]",
            population="start",
            judge=remark_share,
            known=(None, HOLDS),
            kind="value",
            tolerance=0.0,
            precision=0.1,
        ),
        Claim(
            id="thm3",
            case="Eq. 12 at random, both crosses > 0",
            statement="when Δτ_l, Δτ_h > 0, Eq. 12 can be easily satisfied (no number given: not testable)",
            correction="given Δτ_l, Δτ_h > 0 it holds with probability (2/π) arctan √(L_x/H_x)",
            hypotheses="Gaussian W, sign-symmetric outer weights, L_x > H_x, width >= 128, two-sided weights",
            source="[paper: Theorem 3]",
            population="start",
            judge=remark_both_positive,
            known=(None, HOLDS),
            large_only=True,
            kind="value",
            tolerance=0.0,
            precision=0.1,
        ),
    ]
    return claims


CLAIMS = _claims()
