"""Theorem 2: how long the log-spectrum difference stays larger at the higher of two frequencies."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from theory_sim.claims.base import HOLDS, REFUTED, Claim, Outcome
from theory_sim.claims.paths import largest_drive, linear_and_positive
from theory_sim.claims.samples import SpectralPath
from theory_sim.claims.theorem1 import REGIMES, in_regime
from theory_sim.closed_form import theorem2_t0

Array = NDArray[np.float64]


def frequency_pairs(path: SpectralPath) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of bins |k| > |k'| > 0 with R_k > R_k' and x̂ not (nearly) zero: each k with its neighbour and its half."""
    x_hat, radius = path.input_spectrum, path.band.radius
    usable = np.flatnonzero((radius > 0) & (np.abs(x_hat) > 1e-9 * np.abs(x_hat).max()))
    usable = usable[np.argsort(radius[usable], kind="stable")]
    i = np.arange(1, usable.size)
    k = np.concatenate([usable[i], usable[i]])
    k_low = np.concatenate([usable[i - 1], usable[i // 2]])
    spectral_ratio = np.abs(path.gradient_spectrum[0, usable] / x_hat[usable])
    lookup = np.zeros(x_hat.size)
    lookup[usable] = spectral_ratio
    chosen = (radius[k] > radius[k_low]) & (lookup[k] > lookup[k_low] * (1 + 1e-6))
    return k[chosen], k_low[chosen]


def _lead(path: SpectralPath, k: NDArray[np.intp], k_low: NDArray[np.intp]) -> Array:
    """(R_k² - R_k'²)/(R_k² + R_k'²) at every step, (T+1, pairs)."""
    power = np.abs(path.gradient_spectrum) ** 2
    high = power[:, k] / np.abs(path.input_spectrum[k]) ** 2
    low = power[:, k_low] / np.abs(path.input_spectrum[k_low]) ** 2
    return (high - low) / (high + low)


def _bounds(path: SpectralPath, k: NDArray[np.intp], k_low: NDArray[np.intp], sign: float = 1.0) -> Array:
    """t₀ of every pair; sign = -1: for a negative drive (ĝ -> -ĝ) [paper: Eq. 11]."""
    drive = largest_drive(path)
    return np.asarray(theorem2_t0(sign * path.gradient_spectrum[0], path.input_spectrum, k, k_low, 1.0, drive, 1.0))


def theorem2(path: SpectralPath, regime: str) -> Outcome | None:
    """R_k > R_k' for all t < t₀ [paper: Theorem 2]; margin: the least (R_k²-R_k'²)/(R_k²+R_k'²) before t₀."""
    if not (path.moves if regime == "eq8 constant" else in_regime(path, regime)):
        return None
    k, k_low = frequency_pairs(path)
    if not k.size:
        return None
    lead, bounds = _lead(path, k, k_low), _bounds(path, k, k_low)
    steps = np.arange(len(lead))[:, None]
    printed = _least(lead, steps < bounds)
    control = _least(lead, (steps < bounds) | np.isfinite(bounds))  # the bound forgotten
    if regime in ("eq8", "eq8 decay", "eq8 constant") and path.decay.any() != (regime == "eq8 decay"):
        return None
    if regime == "eq8 decay":  # the exact bound is on q = Q/P, which decay makes larger than Σ η
        drive = largest_drive(path)
        return Outcome(printed, _least(lead, path.q[:, None] < drive * bounds), control)
    if regime == "eq8 constant":  # sharp: after t₀ the order is reversed
        late = np.isfinite(bounds) & (steps > bounds * (1 + 1e-9))
        sharp = _least(-lead, late)
        corrected = None if sharp is None or printed is None else min(printed, sharp)
        # Control: a bound without the factor 2 in its denominator.
        return Outcome(printed, corrected, _least(lead, steps < 2 * bounds))
    sign = 1.0 if path.drive[0] > 0 else -1.0
    states = linear_and_positive(path, sign)
    valid = (steps < states) & (steps < _bounds(path, k, k_low, sign))
    return Outcome(printed, _least(lead, valid), control)


def _least(lead: Array, where: NDArray[np.bool_]) -> float | None:
    chosen = where & np.isfinite(lead)
    chosen[0] &= False  # t = 0 is the premise
    return float(lead[chosen].min()) if chosen.any() else None


def _claims() -> list[Claim]:
    statement = "R_k > R_k' at the start stays so for t < t0 = (R_k²-R_k'²)/(2ηβ‖a‖²(R_k cosΔφ_k - R_k' cosΔφ_k'))"
    correction = "with λ² in the denominator, while Σ η^(t) has its sign and no unit crosses (f < y: bracket negated)"
    claims = []
    regimes = REGIMES | {"eq8": "Eq. 8 itself, drive > 0 for ever, no decay"}
    regimes["eq8 decay"] = "Eq. 8 itself, drive > 0 for ever, 0 < decay < 1"
    for regime, description in regimes.items():
        holds = regime in ("relu", "relu 1<r<2", "eq8")
        corrected = None if regime in ("smooth", "eq8 outside") else HOLDS
        claims.append(
            Claim(
                id="thm2",
                case=regime,
                statement=statement,
                correction=(
                    None
                    if corrected is None
                    else "while Q_t/P_t < t0 η_max, with Q/P in place of Σ η"
                    if regime == "eq8 decay"
                    else correction
                ),
                hypotheses="pairs k > k' > 0 with R_k > R_k', x̂ not zero; " + description,
                source="[paper: Theorem 2]",
                population="eq8" if regime == "eq8 decay" else regime,
                judge=partial(theorem2, regime=regime),
                known=(HOLDS if holds else REFUTED, corrected),
            )
        )
    claims.append(
        Claim(
            id="thm2",
            case="eq8 constant",
            statement=statement,
            correction="and sharp: with the drive at its maximum R_k < R_k' at every t > t0",
            hypotheses="pairs k > k' > 0 with R_k > R_k', x̂ not zero; Eq. 8 itself, drive constant, no decay",
            source="[paper: Theorem 2]",
            population="eq8 constant",
            judge=partial(theorem2, regime="eq8 constant"),
            known=(HOLDS, HOLDS),
        )
    )
    return claims


CLAIMS = _claims()
