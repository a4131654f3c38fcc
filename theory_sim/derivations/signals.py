"""Eq. 2 and Eq. 3: what holds for inputs and spectra alone."""

from __future__ import annotations

import numpy as np
from sympy import Abs, Eq, Ge, Gt, Integer, Sum, cos, log, pi
from sympy import zeta as riemann

from theory_sim.derivations import operations as op
from theory_sim.derivations.derivation import Derivation, Work
from theory_sim.derivations.measured import Measured
from theory_sim.derivations.symbols import (
    alpha,
    alpha0,
    angle,
    eq2_room,
    k,
    kc,
    log_change,
    log_size,
    mean_change,
    more,
    q0,
    ratio,
    room1,
    spectrum_change,
    tail,
)  # fmt: skip
from theory_sim.spectrum import Band


def eq2(sums: str = "weights") -> Derivation:
    """Power-law inputs are always concentrated low [paper: Eq. 2]."""
    w_ = Work(
        "eq2",
        "Eq. 2 always holds",
        "Σ_{k≤k_c} k^{−2α} + α₀² > Σ_{k>k_c} k^{−2α}",
        "[paper: Eq. 2]",
        sums=sums,
        worlds=("power law",),
    )
    line = w_.define(
        Eq(eq2_room, Sum(k ** (-2 * alpha), (k, 1, kc)) + alpha0**2 - tail), "the margin; S is the sum over k > k_c"
    )
    least = w_.suppose(
        Eq(Sum(k ** (-2 * alpha), (k, 1, kc)), 1 + more, evaluate=False),
        "its first term is 1 (k_c ≥ 1), the others χ ≥ 0",
        worlds=(),
    )
    line = w_(op.insert, line, least, worlds=())
    series = w_.define(Eq(room1, riemann(2) - 1), "Σ_{k≥2} k^{−2} = ζ(2) − 1")
    series = w_(op.rewrite, series, args=(pi**2 / 6 - 1,))
    most = w_.suppose(
        Eq(tail, room1 - q0), "k^{−2α} ≤ k^{−2} for α ≥ 1, and k > k_c ≥ 1: S is less than that by q₀ ≥ 0", worlds=()
    )
    line = w_(op.insert, line, most, series)
    line = w_(op.expanded, line)
    line = w_(op.bounded, line, args=(2 - pi**2 / 6,), note="≥ 0.355")
    w_.compare(
        line,
        Ge(eq2_room, 0),
        pi**2 / 6 - 2,
        "[paper: Eq. 2]",
        case="an assumption in the paper, a theorem here",
        kind="stronger",
        consequence="Eq. 2 need not be assumed: the margin is at least 2 − π²/6 for all α ≥ 1, α₀ and k_c ≥ 1.",
        stays="Eq. 2, and with it L_x > H_x, for every power-law input.",
    )
    w_.check_by(_margins)
    return w_.done()


def _margins() -> list[Measured]:
    """The least margin over a grid of power laws, and what it would be without the first term."""
    from theory_sim.inputs.power_law import eq2_margin

    grid = [
        eq2_margin(dim, a, b, cut)
        for dim in (5, 33, 1025)
        for a in (1.0, 1.5, 3.0)
        for b in (0.0, 2.0)
        for cut in (1, 2)
    ]
    return [Measured("least margin of Eq. 2 over power laws", min(grid), (2 - np.pi**2 / 6, np.inf), min(grid) - 1)]


def eq3(sums: str = "weights") -> Derivation:
    """The log-spectrum difference, and its mean over a random phase [paper: Eq. 3]."""
    w_ = Work(
        "eq3",
        "The log-spectrum difference",
        "20|ln|F(x+δ)| − ln|F(x)|| ≈ 20 ln(1+ρ) ≈ 20ρ",
        "[paper: Eq. 3]",
        sums=sums,
        worlds=("log spectrum",),
    )
    line = w_.define(
        Eq(log_change, log(1 + 2 * ratio * cos(angle) + ratio**2) / 2), "|x̂ + δ̂| = |x̂||1 + ρe^{iφ}|, ρ = |δ̂|/|x̂|"
    )
    first = w_(op.expanded_in, line, args=(ratio, Integer(2)), order=2, note="series in ρ", key="series")
    size = w_.define(Eq(log_size, Abs(log_change)))
    size = w_(op.insert, size, first)
    size = w_(op.rewrite, size, args=(ratio * Abs(cos(angle)),), note="ρ > 0")
    final = w_.define(Eq(spectrum_change, 20 * log_size))
    final = w_(op.insert, final, size, key="phase")
    gap = 20 * ratio * (Abs(cos(angle)) - 1)
    w_.compare(
        final,
        Eq(spectrum_change, 20 * ratio),
        gap,
        "[paper: Eq. 3]",
        case="at one phase φ",
        consequence="The ratio ρ is the largest that the difference can be to first order, not its size: where"
        " δ̂ is at right"
        " angles to x̂ it vanishes.",
        stays="The left side is proportional to ρ at a given phase: high where x̂ is small. Where φ = 0 Eq. 3 is right.",
    )
    w_(op.specialise, line, args=(Eq(angle, pi),), note="opposed: φ = π", worlds=())
    above = w_.define(Eq(room1, -log_change - log(1 + ratio)), "|ln(1−ρ)| above ln(1+ρ)", worlds=())
    inside = w_.suppose(Eq(log_change, log(1 - ratio)), "for ρ < 1 the square root of (1−ρ)²", worlds=())
    above = w_(op.insert, above, inside)
    above = w_(
        op.expanded_in, above, args=(ratio, Integer(4)), note="ρ² + O(ρ⁴): the left side exceeds 20 ln(1+ρ)", worlds=()
    )
    w_(op.decided, above, args=(Gt(room1, 0),))
    mean = w_(
        op.averaged,
        final,
        args=(mean_change, angle, Integer(0), 2 * pi),
        note="φ uniform on a circle",
        worlds=(),
        key="mean",
    )
    w_.compare(
        mean,
        Eq(mean_change, 20 * ratio),
        40 * ratio / pi - 20 * ratio,
        "[paper: Eq. 3]",
        case="the mean over a random phase",
        consequence="Averaged over images the log-spectrum difference is 2/π = 0.64 of what Eq. 3 says.",
        stays="The factor is the same at all frequencies, so the picture of Fig. 4(b) keeps its shape.",
    )
    w_.check_by(_mean_over_phase)
    return w_.done()


def _mean_over_phase() -> list[Measured]:
    """Explicit spectra of x + δ for white noise δ: the mean over bins beside 20ρ·2/π."""
    from theory_sim.spectrum import log_spectrum

    dim, n, rng = 257, 200, np.random.default_rng(34)
    band = Band((dim,), 8)
    shares = []
    for _ in range(n):
        x, delta = rng.standard_normal((2, dim))
        xh, dh = band.transform(x), 1e-6 * band.transform(delta)
        left = np.abs(log_spectrum(xh + dh) - log_spectrum(xh))
        shares.append((left / (20 * np.abs(dh / xh)))[~band.self_conjugate].mean())
    error = float(np.std(shares) / np.sqrt(n))
    bias = (float(np.mean(shares)) - np.array([2 / np.pi, 1.0])) / error
    return [
        Measured(
            f"mean of Δ/(20ρ) over {n} spectra minus 2/π, in standard errors", float(bias[0]), (-4, 4), float(bias[1])
        )
    ]


FAMILY = {"eq2": eq2, "eq3": eq3}
