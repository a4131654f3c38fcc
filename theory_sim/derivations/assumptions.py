"""Assumptions 1 to 4 and Eq. 16: what the definitions make of them."""

from __future__ import annotations

import numpy as np
from sympy import Eq, Ge, Gt, Integer, Rational, S, exp, log, oo

from theory_sim.derivations import operations as op
from theory_sim.derivations.derivation import Derivation, Work
from theory_sim.derivations.gradient_laws import (
    ACTIVE,
    DRIVE,
    GRADIENT,
    OUTPUT,
    RELU,
    over_units,
)  # fmt: skip
from theory_sim.derivations.symbols import (
    W1,
    H,
    Hx,
    L,
    Lx,
    W,
    a,
    a2,
    b,
    below,
    bend_at,
    beta0,
    d,
    drive,
    ell,
    ell1,
    ell_end,
    ellt,
    epsilon,
    eta,
    f,
    f1,
    g,
    g1,
    gamma,
    kc,
    mean_share,
    mean_tau,
    nu,
    nu_,
    outer1,
    r,
    rho,
    room1,
    room2,
    s,
    s1,
    share,
    sharpness,
    sigma,
    slope,
    slope_at,
    t,
    tx,
    value_at,
    x,
    x2,
    y,
    z,
)  # fmt: skip


def assumption1(sums: str = "weights") -> Derivation:
    """How the residual moves in ReLU training [paper: Assumption 1]."""
    w_ = Work(
        "assumption1",
        "The residual of ReLU training",
        "β₀ ≤ |∂ℓ/∂f| ≤ β during training",
        "[paper: Assumption 1]",
        sums=sums,
        worlds=RELU,
    )
    after = w_.define(Eq(f1, over_units(a[r] * sigma(s1[r]))), "the output after a step")
    relu1 = w_.suppose(Eq(sigma(s1[r]), slope(s[r]) * s1[r]), "ReLU, no unit crosses its kink")
    relu = w_.suppose(Eq(sigma(s[r]), slope(s[r]) * s[r]), "ReLU before the step")
    moved = w_.proved("eq8", "s1", "the step seen by a preactivation", worlds=RELU)
    line = w_(op.insert, after, relu1, moved)
    line = w_(op.expanded, line)
    output, active = w_.define(OUTPUT), w_.define(ACTIVE)
    rate = w_.define(Eq(rho, eta * a2 * x2), "the relative rate ϱ")
    line = w_(op.fold, line, output, relu, rate, active, args=(f - rho * ell,))
    residual, residual1 = w_.define(Eq(ell, f - y)), w_.define(Eq(ell1, f1 - y))
    line = w_(op.insert, residual1, line)
    line = w_(op.fold, line, residual, args=((1 - rho) * ell,), key="step")
    recursion = w_(op.specialise, line, args=(Eq(ell1, ellt[t + 1]), Eq(ell, ellt[t])), note="the same at step t")
    claim = Eq(ellt[t], (1 - rho) ** t * ellt[0])
    base = w_.define(Eq(ellt[0], ellt[0], evaluate=False), "the claim at t = 0")
    hypothesis = w_.suppose(claim, "suppose it at t")
    step = w_(op.insert, recursion, hypothesis)
    step = w_(op.rewrite, step, args=((1 - rho) ** (t + 1) * ellt[0],), note="the claim at t + 1")
    final = w_(op.induct, base, step, args=(claim, t), key="all")
    w_.compare(final, claim, 0, "(ours) the residual at every step")
    converging = w_.suppose(Eq(rho, 1 - exp(-b)), "0 < ϱ < 1: training converges", worlds=())
    end = w_(op.insert, final, converging, worlds=())
    end = w_(op.at_limit, end, args=(ell_end, t, oo), note="t → ∞", key="end")
    w_.compare(
        end,
        Eq(ell_end, beta0),
        -beta0,
        "[paper: Assumption 1]",
        case="over infinite time |ℓ′| would have to stay ≥ β₀",
        consequence="Where training converges no β₀ > 0 bounds |ℓ′| for ever, and t₀, which divides by β₀, can"
        " lie beyond"
        " every step.",
        stays="On every finite run β₀ and β exist, and statements about finitely many steps keep them.",
    )
    return w_.done()


def assumption2(sums: str = "weights") -> Derivation:
    """The end stage of training [paper: Assumption 2]."""
    w_ = Work(
        "assumption2",
        "The end stage of training",
        "|∂ℓ/∂f| = ε^{1+ν} in the end stage",
        "[paper: Assumption 2]",
        sums=sums,
        worlds=RELU,
    )
    w_.proved("assumption1", "all", "the residual at every step of ReLU training")
    end = w_.proved("assumption1", "end", "and in the end, for 0 < ϱ < 1", worlds=())
    size = epsilon ** (1 + nu_)
    w_.compare(
        end,
        Eq(ell_end, size),
        -size,
        "[paper: Assumption 2]",
        consequence="|ℓ′| passes through every size on its way to 0: the equality holds at one step at most.",
        stays="|ℓ′| ≤ ε^{1+ν} from some step on, which is all that Appendix B uses.",
    )
    return w_.done()


def assumption3(sums: str = "weights") -> Derivation:
    """Bounds of σ′ and σ″ [paper: Assumption 3]."""
    w_ = Work(
        "assumption3",
        "Softplus meets Assumption 3, ReLU does not",
        "0 ≤ σ′ ≤ λ, 0 ≤ σ″ ≤ γ",
        "[paper: Assumption 3]",
        sums=sums,
        worlds=("activation",),
    )
    jump = w_.define(Eq(bend_at, (1 - 0) / (2 * share)), "ReLU: (σ′(h) − σ′(−h))/2h, a difference quotient", worlds=())
    jump = w_(op.at_limit, jump, args=(bend_at, share, Integer(0)), note="h → 0")
    w_.compare(
        jump,
        Eq(bend_at, gamma),
        oo,
        "[paper: Assumption 3]",
        case="ReLU at its kink",
        consequence="ReLU has no γ: Taylor expansions in the weights fail at steps at which a unit crosses its kink.",
        stays="Away from the kink ReLU has σ″ = 0 and 0 ≤ σ′ ≤ 1.",
    )
    value = w_.define(Eq(value_at, log(1 + exp(sharpness * z)) / sharpness), "Softplus of sharpness b")
    first = w_(op.differentiated, value, args=(slope_at, z))
    small = w_.define(Eq(share, exp(-sharpness * z)), "h > 0")
    inside = w_(op.fold, first, small, args=(1 / (1 + share),))
    w_(op.decided, inside, args=(Gt(slope_at, 0),))
    upper = w_.define(Eq(room1, 1 - slope_at), "room below λ = 1")
    upper = w_(op.insert, upper, inside)
    upper = w_(op.combined, upper)
    w_(op.decided, upper, args=(Gt(room1, 0),), note="σ′ < 1")
    second = w_(op.differentiated, first, args=(bend_at, z))
    second = w_(op.fold, second, first, args=(sharpness * slope_at * (1 - slope_at),))
    bent = w_.define(Eq(room2, sharpness / 4 - bend_at), "room below γ = b/4")
    bent = w_(op.insert, bent, second)
    bent = w_(op.rewrite, bent, args=(sharpness * (slope_at - Rational(1, 2)) ** 2,))
    w_(op.decided, bent, args=(Ge(room2, 0),), note="σ″ ≤ b/4, reached where σ′ = 1/2, at z = 0")
    values = (Eq(slope_at, Rational(1, 2)), Eq(sharpness, 1))
    top = w_(op.specialise, second, args=values, note="b = 1 at z = 0", worlds=())
    w_.compare(top, Eq(bend_at, Rational(1, 4)), 0, "[paper: Assumption 3]", case="the footnote's γ of ln(1 + e^x)")
    return w_.done()


def assumption4(sums: str = "weights") -> Derivation:
    """Fixed outer weights are needed [paper: Assumption 4]."""
    w_ = Work(
        "assumption4",
        "Why the outer weights must be fixed",
        "a_r is not updated during training",
        "[paper: Assumption 4]",
        sums=sums,
        worlds=("outer",),
    )
    after = w_.define(
        Eq(g1[nu], over_units(outer1[r] * slope(s1[r]) * W1[r, nu])), "the gradient after a step of all weights"
    )
    still = w_.suppose(Eq(slope(s1[r]), slope(s[r])), "ReLU, no unit crosses its kink")
    inner = w_.proved("eq4", "step", "step of the inner weights", worlds=("outer",))
    outer = w_.define(Eq(outer1[r], a[r] - eta * ell * sigma(s[r])), "step of the outer weights: ∂f/∂a_r = σ(s_r)")
    line = w_(op.insert, after, still, inner, outer)
    line = w_(op.expanded, line)
    gradient, rates, active = w_.define(GRADIENT), w_.define(DRIVE), w_.define(ACTIVE)
    first = -eta * ell * over_units(sigma(s[r]) * slope(s[r]) * W[r, nu])
    second = eta**2 * ell**2 * over_units(a[r] * sigma(s[r]) * slope(s[r]) ** 2) * x[nu]
    line = w_(op.fold, line, gradient, rates, active, args=(g[nu] - drive * x[nu] + first + second,))
    w_.compare(
        line,
        Eq(g1[nu], g[nu] - drive * x[nu]),
        first + second,
        "[paper: Eq. 8]",
        case="if the outer weights are trained too",
        kind="hypothetical",
        consequence="Training a as well adds a term of order η to Eq. 8, which is not along x.",
        stays="With a fixed, as Assumption 4 says, the term is absent.",
    )
    return w_.done()


def eq16(sums: str = "weights") -> Derivation:
    """Where a random network starts [paper: Eq. 16]."""
    w_ = Work(
        "eq16",
        "Where a random network starts",
        "the start always satisfies τ(δ⁰) < τ(x)",
        "[paper: Eq. 16]",
        sums=sums,
        worlds=RELU,
    )
    even = w_.suppose(
        Eq(Integer(1), d * mean_share, evaluate=False),
        "g isotropic (Gaussian W): the d real coordinates of its spectrum have one mean share, and all shares"
        " add up to 1",
        worlds=(),
    )
    one = w_(op.solved, even, args=(mean_share,))
    mean = w_.define(
        Eq(mean_tau, (2 * kc + 1) * mean_share), "the low band has 2k_c + 1 coordinates (two-sided sums)", worlds=()
    )
    mean = w_(op.insert, mean, one)
    w_.compare(mean, Eq(mean_tau, (2 * kc + 1) / d), 0, "[paper: Section 3.1]", case="no bias towards either band")
    ratio = w_.define(Eq(tx, Lx / (Lx + Hx)))
    behind = w_.define(Eq(below, tx * (L + H) - L), "positive iff τ(δ⁰) < τ(x)", worlds=())
    behind = w_(op.insert, behind, ratio, worlds=())
    behind = w_(op.combined, behind)
    condition = w_(op.equivalent, behind, args=(Gt(Lx * H, Hx * L),))
    values = tuple(Eq(v, n) for v, n in ((L, 3), (H, 1), (Lx, 2), (Hx, 1)))
    w_(op.witness, behind, args=values, note="one unit whose weights are x, low frequencies louder")
    w_.compare(
        condition,
        S.true,
        Gt(Lx * H, Hx * L),
        "[paper: Eq. 16]",
        case="always",
        consequence="It is a hypothesis of Theorems 1 and 3, not a property of every network.",
        stays="On average a random network's ratio is (2k_c+1)/d, well below τ(x) for inputs concentrated low.",
    )
    w_.check_by(_mean_ratio)
    return w_.done()


def _mean_ratio() -> list:
    """The mean of τ over random Gaussian networks beside (2k_c+1)/d."""
    from theory_sim.derivations.measured import Measured
    from theory_sim.network import Activation, sample_network
    from theory_sim.spectrum import Band, low_frequency_ratio

    dim, cutoff, n = 33, 5, 1500
    band, rng = Band((dim,), cutoff), np.random.default_rng(33)
    x = rng.standard_normal(dim)
    networks = (sample_network(dim, 24, Activation("relu"), rng) for _ in range(n))
    tau = low_frequency_ratio(np.array([network.input_gradient(x) for network in networks]), band)
    error = float(tau.std() / np.sqrt(n))
    bias = (float(tau.mean()) - np.array([2 * cutoff + 1, cutoff + 1]) / dim) / error
    return [
        Measured(
            f"mean τ(δ⁰) of {n} networks minus (2k_c+1)/d, in standard errors", float(bias[0]), (-4, 4), float(bias[1])
        )
    ]


FAMILY = {
    "assumption1": assumption1, "assumption2": assumption2, "assumption3": assumption3, "assumption4": assumption4,
    "eq16": eq16,
}  # fmt: skip
