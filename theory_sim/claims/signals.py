"""Claims on signals alone: Eq. 2 (inputs are concentrated low) and Eq. 3 (the log-spectrum difference)."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.typing import NDArray

from theory_sim.claims.base import FIRST_ORDER, HOLDS, REFUTED, Claim, Outcome, slope
from theory_sim.claims.samples import SignalSample
from theory_sim.inputs.power_law import eq2_margin

Array = NDArray[np.float64]
EQ2_ROOM = 2 - math.pi**2 / 6  # 1 - Σ_{k>=2} k^-2: the least margin of Eq. 2 at α = 1, α₀ = 0, k_c = 1
RUNGS = 2.0 ** -np.arange(6)


def judge_eq2(sample: SignalSample) -> Outcome | None:
    """Eq. 2 and τ(x ∈ S_l) > τ(x ∈ S_h) for power-law inputs, in the sample's own band convention [paper: Eq. 2]."""
    low, high = sample.band.energies(sample.band.transform(sample.x))
    lead = float((low - high) / (low + high))
    room = eq2_margin(sample.x.size, sample.alpha, sample.alpha0, sample.band.cutoff)
    return Outcome(min(lead, room), room - EQ2_ROOM, -lead)


def judge_eq2_image(sample: SignalSample) -> Outcome | None:
    """L_x > H_x for pieces of real images and any cut-off [paper: Eq. 2]."""
    low, high = sample.band.energies(sample.band.transform(sample.x))
    lead = float((low - high) / (low + high))
    return Outcome(lead, None, -lead)


def _bins(sample: SignalSample, self_conjugate: bool) -> tuple[NDArray, NDArray] | None:
    """x̂ and δ̂ on the bins that are (not) their own mirror image and vanish in neither; ρ = |δ̂|/|x̂| scaled to <= 1."""
    x_hat, d_hat = sample.band.transform(sample.x), sample.band.transform(sample.delta)
    alive = (np.abs(x_hat) > 1e-6 * np.abs(x_hat).max()) & (np.abs(d_hat) > 1e-6 * np.abs(d_hat).max())
    chosen = alive & (sample.band.self_conjugate == self_conjugate)
    if not chosen.any():
        return None
    x_hat, d_hat = x_hat[chosen], d_hat[chosen]
    return x_hat, d_hat / np.abs(d_hat / x_hat).max()


def _difference(x_hat: NDArray, d_hat: NDArray) -> Array:
    """|20 ln|x̂+δ̂| - 20 ln|x̂||, the left side of Eq. 3, without cancellation [paper: Eq. 3]."""
    u = d_hat / x_hat
    return np.asarray(np.abs(10 * np.log1p(2 * u.real + u.real**2 + u.imag**2)))


def judge_eq3(sample: SignalSample, self_conjugate: bool) -> Outcome | None:
    """20|ln|F(x+δ)| - ln|F(x)|| ≈ 20 ln(1+ρ) ≈ 20ρ; corrected: 20ρ|cos φ| + O(ρ²) [paper: Eq. 3]."""
    bins = _bins(sample, self_conjugate)
    if bins is None:
        return None
    x_hat, d_hat = bins
    scales = RUNGS / 32
    printed, corrected, control = [], [], []
    for scale in scales:
        u = scale * d_hat / x_hat
        rho, left = np.abs(u), _difference(x_hat, scale * d_hat)
        printed.append(np.linalg.norm(left - 20 * np.log1p(rho)) + np.linalg.norm(left - 20 * rho))
        corrected.append(np.linalg.norm(left - 20 * np.abs(u.real)))
        control.append(np.linalg.norm(left - 20 * np.abs(u.imag)))
    words = [(slope(scales, np.array(errors), 1e-13), math.nan) for errors in (printed, corrected, control)]
    return Outcome(words[0], None if self_conjugate else words[1], words[2])


def judge_eq3_mean(sample: SignalSample) -> Outcome | None:
    """Over a uniformly random relative phase the left side of Eq. 3 averages (2/π)·20ρ for ρ << 1 [paper: Eq. 3]."""
    bins = _bins(sample, False)
    if bins is None:
        return None
    x_hat, d_hat = bins
    tiny = 1e-6 * d_hat
    share = _difference(x_hat, tiny) / (20 * np.abs(tiny / x_hat))
    return Outcome(None, float(share.mean()) - 2 / math.pi, float(share.mean()) - 1.0)


CLAIMS = [
    Claim(
        "eq2",
        "power-law",
        "Σ_{k<=k_c} k^-2α + α0² > Σ_{k>k_c} k^-2α, hence τ(x∈S_l) > τ(x∈S_h); easily satisfied for small k_c",
        "always satisfied: the margin is at least 2 - π²/6 = 0.355 for every α >= 1, k_c >= 1",
        "|x̂[k]| = k^-α, α >= 1, any α0, 1 <= k_c < (d-1)/2, both band conventions",
        "[paper: Eq. 2]",
        "signal power-law",
        judge_eq2,
        (HOLDS, HOLDS),
    ),
    Claim(
        "eq2",
        "images",
        "natural images are concentrated low: L_x > H_x",
        None,
        "rows and tiles of real images, in [0, 1] or normalised, any cut-off",
        "[paper: Eq. 2]",
        "signal image",
        judge_eq2_image,
        (REFUTED, None),
        times=3,
    ),
    Claim(
        "eq3",
        "complex bins",
        "20|ln|F(x+δ)| - ln|F(x)|| ≈ 20 ln(1+ρ) ≈ 20ρ",
        "= 20ρ|cos φ| + O(ρ²), φ the relative phase; at most -20 ln(1-ρ), which is above 20 ln(1+ρ)",
        "δ a random network's FGM, bins with x̂, δ̂ not zero that have a mirror image, ρ <= 1/32",
        "[paper: Eq. 3]",
        "signal",
        partial(judge_eq3, self_conjugate=False),
        (REFUTED, FIRST_ORDER),
        kind="order",
    ),
    Claim(
        "eq3",
        "self-conjugate bins",
        "20|ln|F(x+δ)| - ln|F(x)|| ≈ 20 ln(1+ρ) ≈ 20ρ",
        None,
        "k = 0 and Nyquist, where both spectra are real: φ is 0 or π",
        "[paper: Eq. 3]",
        "signal",
        partial(judge_eq3, self_conjugate=True),
        (FIRST_ORDER, None),
        kind="order",
    ),
    Claim(
        "eq3",
        "mean over phase",
        "(the mean of the left side is not stated; ≈ 20ρ is read off)",
        "the mean over a uniformly random phase is (2/π)·20ρ for ρ << 1",
        "δ white noise, bins that have a mirror image",
        "[paper: Eq. 3]",
        "signal noise",
        judge_eq3_mean,
        (None, HOLDS),
        kind="value",
        tolerance=0.0,
    ),
]
