"""Wide networks with Gaussian weights: the tangent-kernel law in the limit m → ∞, by Stein's lemma."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import roots_hermite
from sympy import Eq, Integer, exp, pi, sqrt

from theory_sim.derivations import operations as op
from theory_sim.derivations.derivation import Derivation, Work
from theory_sim.derivations.measured import Measured
from theory_sim.derivations.symbols import (
    a2,
    abar,
    density,
    density1,
    drive,
    ell,
    eta,
    g,
    g1,
    m,
    mean_dh,
    mean_dp,
    mean_hs,
    mean_hw,
    mean_s2,
    nu,
    pull,
    s_var,
    ss,
    v_w,
    x,
    x2,
)  # fmt: skip
from theory_sim.descent import run
from theory_sim.network import Activation, sample_network
from theory_sim.training import Training

ACTIVATION = Activation("softplus", 2.0)
NODES = 120
WIDTHS = (1_000, 3_162, 10_000, 31_623, 100_000)
DIM, SEEDS = 6, 12
HALF_RATE = (-0.6, -0.4)  # slope -1/2 of a Monte Carlo error in m, ± 0.1


def infinite_width(sums: str = "weights") -> Derivation:
    """No decay, and a larger drive: what Eq. 8 becomes as m → ∞ [paper: Eq. 8]."""
    w_ = Work(
        "infinite_width",
        "Eq. 8 for infinitely wide networks",
        "Gaussian W, a_r symmetric in sign, m → ∞",
        "[paper: Eq. 8]",
        claims=("eq8_ntk",),
        sums=sums,
        worlds=("wide",),
    )
    # Stein's lemma by integration by parts.
    gauss = w_.define(
        Eq(density, exp(-(ss**2) / (2 * s_var)) / sqrt(2 * pi * s_var)), "s = w·x is Gaussian of variance v‖x‖²"
    )
    slope = w_(op.differentiated, gauss, args=(density1, ss))
    slope = w_(op.fold, slope, gauss, args=(-ss * density / s_var,), note="p′ = −s p/(v‖x‖²)")
    w_.compare(slope, Eq(density1, -ss * density / s_var), 0, "(ours) derivative of the Gaussian density")
    by_slope = w_.define(Eq(mean_dp, -mean_hs / s_var), "∫ h p′ = −E[h s]/(v‖x‖²), by the last line")
    parts = w_.define(
        Eq(Integer(0), mean_dh + mean_dp, evaluate=False), "∫ (h p)′ = 0: h = σ′σ″ is bounded, p vanishes at infinity"
    )
    parts = w_(op.insert, parts, by_slope)
    stein = w_(op.solved, parts, args=(mean_hs,), key="stein", note="Stein's lemma")
    variance = w_.define(Eq(s_var, v_w * x2))
    stein = w_(op.insert, stein, variance)
    # The part of w along x is s x/‖x‖²; the rest is independent of s and has mean 0.
    along = w_.define(Eq(mean_hw[nu], x[nu] * mean_hs / x2), "w = s x/‖x‖² + what is independent of s, with mean 0")
    along = w_(op.insert, along, stein)
    along = w_(op.expanded, along)
    # m → ∞: sums over units become m times means (law of large numbers, error 1/√m).
    half = w_.define(
        Eq(g1[nu], g[nu] - eta * ell * (a2 * x[nu] + x2 * pull[nu])),
        "first order in η, proved in eq8_ntk; Π = Σ a²σ′σ″w",
    )
    sums_ = [
        w_.suppose(Eq(a2, m * abar * mean_s2), "law of large numbers"),
        w_.suppose(Eq(pull[nu], m * abar * mean_hw[nu]), "law of large numbers"),
    ]
    wide = w_(op.insert, half, *sums_, along)
    wide = w_(
        op.rewrite, wide, args=(g[nu] - eta * ell * m * abar * (mean_s2 + v_w * x2 * mean_dh) * x[nu],), key="wide"
    )
    of_drive = w_.define(
        Eq(drive, eta * ell * m * abar * mean_s2), "the paper's drive; η̃ → 0 for a_r symmetric in sign"
    )
    printed = w_(
        op.insert,
        w_.define(Eq(g1[nu], g[nu] - drive * x[nu]), "Eq. 8 in this limit", name="suppose", worlds=()),
        of_drive,
    )
    lost = -eta * ell * m * abar * v_w * x2 * mean_dh * x[nu]
    w_.compare(
        wide,
        printed.expression,
        lost,
        "[paper: Eq. 8]",
        case="m → ∞, smooth activations",
        consequence="The right limit is no decay and a changed drive, η ℓ′ m E[a²](E[σ′²] + v‖x‖²E[h′]); Eq. 8"
        " has the drive"
        " without its second part, which does not shrink with m.",
        stays="ĝ moves along x̂ alone, so the closed form and Theorems 1 to 3 hold with the changed drive. For"
        " ReLU h = 0.",
    )
    w_.check_by(networks_approach_the_limit)
    return w_.done()


def gaussian_mean(function: NDArray, nodes_weights: NDArray) -> float:
    """Σ weights · values / √π."""
    return float(nodes_weights @ function / np.sqrt(np.pi))


@lru_cache(maxsize=4)
def means(variance: float) -> dict[str, float]:
    """E[σ′²], E[h s], E[h′] of the network's Softplus by Gauss–Hermite quadrature, h = σ′σ″."""
    z, weights = roots_hermite(NODES)
    s = np.sqrt(2 * variance) * z
    slope, bend, b = ACTIVATION.slope(s), ACTIVATION.curvature(s), ACTIVATION.sharpness
    third = b * bend * (1 - 2 * slope)  # σ‴ of Softplus
    values = {"mean_s2": slope**2, "mean_hs": slope * bend * s, "mean_dh": bend**2 + slope * third}
    return {name: gaussian_mean(value, weights) for name, value in values.items()}


def _input() -> NDArray:
    x = np.random.default_rng(38).standard_normal(DIM)
    return x / np.linalg.norm(x)


def networks_approach_the_limit() -> list[Measured]:
    """One explicit step of networks up to m = 10⁵ beside the limit, and beside Eq. 8's: error against width."""
    x, found = _input(), means(1.0)
    right, printed = found["mean_s2"] + found["mean_dh"], found["mean_s2"]
    errors = np.zeros((2, len(WIDTHS)))
    for column, width in enumerate(WIDTHS):
        for seed in range(SEEDS):
            net = sample_network(DIM, width, ACTIVATION, np.random.default_rng([39, column, seed]))
            residual = 1.0
            training = Training(net, x, float(net.output(x)) - residual, 1e-5 / width, 1)
            g = run(training, "collapsed").input_gradient
            moved = -(g[1] - g[0]) / (training.learning_rate * residual * width)
            for row, limit in enumerate((right, printed)):
                errors[row, column] += np.sum((moved - limit * x) ** 2) / SEEDS
    slopes = [float(np.polyfit(np.log(WIDTHS), 0.5 * np.log(e), 1)[0]) for e in errors]
    relative = float(np.sqrt(errors[0, -1]) / right)
    return [
        Measured(
            "slope of the limit's error against m, 10³ … 10⁵ (−1/2: Monte Carlo)", slopes[0], HALF_RATE, slopes[1]
        ),
        Measured(
            f"relative error of the limit at m = {WIDTHS[-1]:,}",
            relative,
            (0.0, 0.02),
            float(np.sqrt(errors[1, -1]) / right),
        ),
    ]


FAMILY = {"infinite_width": infinite_width}
