"""Eqs. 4, 7, 8, 13, 14, 15 and the tangent-kernel form of Eq. 8, from the definition of the network.

Appendix A.1 is covered line by line: Eq. 13, the recursion of the inner product, Eq. 14, both lines of Eq. 15.
"""

from __future__ import annotations

from sympy import Abs, Eq, I, Integer, Sum, conjugate, cos, exp, pi, sign

from theory_sim.derivations import operations as op
from theory_sim.derivations.derivation import Derivation, Line, Work
from theory_sim.derivations.symbols import (
    E1,
    FGM,
    H1,
    L1,
    N1,
    W1,
    Dphi,
    G,
    H,
    Hx,
    K,
    L,
    Lx,
    W,
    X,
    a,
    a2,
    ch,
    ch1,
    cl,
    cl1,
    curvature,
    d,
    decay,
    dkernel,
    drive,
    ell,
    epsilon,
    eta,
    f,
    fgm_tau,
    g,
    g1,
    gap,
    gap1,
    gh,
    gh1,
    inner,
    inner1,
    k,
    kc,
    kernel,
    loss,
    m,
    mu,
    norm_g,
    nu,
    phi,
    psi,
    r,
    rate,
    rise,
    s,
    s1,
    sigma,
    slope,
    th,
    tl,
    u,
    w,
    weight_slope,
    x,
    x2,
    xh,
    y,
)  # fmt: skip

BOTH = ("relu", "relu f<y", "softplus")
RELU = ("relu", "relu f<y")
SMOOTH = ("softplus",)
BY_EQ8 = ("relu", "relu f<y", "eq8")


def over_units(body: object) -> Sum:
    """Σ_r."""
    return Sum(body, (r, 1, m))


def over_samples(body: object) -> Sum:
    """Σ_μ."""
    return Sum(body, (mu, 0, d - 1))


def low(body: object) -> Sum:
    """Σ over the low band, one bin for k and −k."""
    return Sum(body, (k, 0, kc))


def high(body: object) -> Sum:
    """Σ over the high band."""
    return Sum(body, (k, kc + 1, K))


OUTPUT = Eq(f, over_units(a[r] * sigma(s[r])))
PREACTIVATION = Eq(s[r], over_samples(W[r, mu] * x[mu]))
GRADIENT = Eq(g[nu], over_units(a[r] * slope(s[r]) * W[r, nu]))
NEXT_PREACTIVATION = Eq(s1[r], over_samples(W1[r, mu] * x[mu]))
NEXT_GRADIENT = Eq(g1[nu], over_units(a[r] * slope(s1[r]) * W1[r, nu]))
LENGTH = Eq(x2, over_samples(x[mu] ** 2))
ACTIVE = Eq(a2, over_units(a[r] ** 2 * slope(s[r]) ** 2))
DRIVE = Eq(drive, eta * ell * a2)
RATE = Eq(rate[r], eta * a[r] * x2 * ell * curvature(s[r]))
DECAY = Eq(decay, over_units(rate[r]) / m)


def eq4(sums: str = "weights") -> Derivation:
    """The step of gradient descent [paper: Eq. 4]."""
    w_ = Work("eq4", "One step of training", "W′ = W − η ℓ′ a′ xᵀ", "[paper: Eq. 4]", claims=(), sums=sums, worlds=BOTH)
    output = w_.define(OUTPUT, "the network [paper: Eq. 1]")
    pre = w_.define(PREACTIVATION)
    whole = w_(op.insert, output, pre)
    by_weight = w_(
        op.differentiated, whole, args=(weight_slope[u, nu], W[u, nu]), note="∂f/∂W_{uν}", key="weight_slope"
    )
    folded = w_(op.fold, by_weight, pre, args=(a[u] * slope(s[u]) * x[nu],))
    square = w_.define(Eq(loss, (f - y) ** 2 / 2), "the loss of one sample")
    residual = w_(op.differentiated, square, args=(ell, f), note="ℓ′ = ∂ℓ/∂f")
    w_.compare(residual, Eq(ell, f - y), 0, "[paper: Assumption 2]", case="∂ℓ/∂f")
    step = w_.define(
        Eq(W1[u, nu], W[u, nu] - eta * ell * weight_slope[u, nu]), "gradient descent: the chain rule gives ℓ′ ∂f/∂W"
    )
    final = w_(op.insert, step, folded, key="step")
    w_.compare(final, Eq(W1[u, nu], W[u, nu] - eta * ell * a[u] * slope(s[u]) * x[nu]), 0, "[paper: Eq. 4]")
    return w_.done()


def eq7(sums: str = "weights") -> Derivation:
    """The FGM perturbation has the spectrum of the gradient [paper: Eq. 7]."""
    w_ = Work(
        "eq7",
        "The perturbation's ratio is the gradient's",
        "τ(δ̂[k]) = τ(∇f[k])",
        "[paper: Eq. 7]",
        claims=(),
        sums=sums,
        worlds=BOTH,
    )
    delta = w_.define(Eq(FGM[k], epsilon * sign(ell) * gh[k] / norm_g), "FGM: δ = ε ∇ℓ/‖∇ℓ‖, ∇ℓ = ℓ′ g [paper: Eq. 6]")
    total = Sum(w[k] * Abs(FGM[k]) ** 2, (k, 0, K))
    tau = w_.define(Eq(fgm_tau, low(w[k] * Abs(FGM[k]) ** 2) / total), "the low-frequency ratio of δ")
    inserted = w_(op.insert, tau, delta)
    final = w_(
        op.rewrite,
        inserted,
        args=(low(w[k] * Abs(gh[k]) ** 2) / Sum(w[k] * Abs(gh[k]) ** 2, (k, 0, K)),),
        note="the factor ε sgn(ℓ′)/‖g‖ is the same at all frequencies",
    )
    printed = Eq(fgm_tau, low(w[k] * Abs(gh[k]) ** 2) / Sum(w[k] * Abs(gh[k]) ** 2, (k, 0, K)))
    w_.compare(final, printed, 0, "[paper: Eq. 7]")
    return w_.done()


def eq8(sums: str = "weights") -> Derivation:
    """How one step of training moves the input gradient [paper: Eq. 8]."""
    w_ = Work(
        "eq8",
        "One step of the input gradient",
        "ĝ^(t+1) = (1−η̃)ĝ^(t) − η^(t) x̂ + O(η²)",
        "[paper: Eq. 8]",
        claims=("eq8", "eq8_ntk"),
        sums=sums,
        worlds=BOTH,
    )
    output, pre = w_.define(OUTPUT, "the network [paper: Eq. 1]"), w_.define(PREACTIVATION)
    whole = w_(op.insert, output, pre)
    gradient = w_(op.differentiated, whole, args=(g[nu], x[nu]), note="g = ∇ₓf")
    gradient = w_(op.fold, gradient, pre, args=(GRADIENT.rhs,), key="gradient")
    step = w_.proved("eq4", "step")
    after_pre = w_.define(NEXT_PREACTIVATION, "the same network after the step")
    length = w_.define(LENGTH)
    moved = w_(op.insert, after_pre, step)
    moved = w_(op.fold, moved, pre, length, args=(s[r] - eta * ell * a[r] * slope(s[r]) * x2,), key="s1")
    after = w_.define(NEXT_GRADIENT)
    after = w_(op.insert, after, step)

    # ReLU: σ′ does not change while no unit crosses its kink.
    still = w_.suppose(Eq(slope(s1[r]), slope(s[r])), "ReLU, no unit crosses its kink", worlds=RELU)
    active, rates = w_.define(ACTIVE), w_.define(DRIVE)
    relu = w_(op.insert, after, still)
    relu = w_(op.expanded, relu)
    relu = w_(op.fold, relu, gradient, rates, active, args=(g[nu] - drive * x[nu],), key="relu")
    w_.compare(relu, Eq(g1[nu], g[nu] - drive * x[nu]), 0, "[paper: Eq. 8]", case="ReLU between kink crossings, η̃ = 0")

    # Smooth: first order in η.
    smooth = w_(op.insert, after, moved, worlds=SMOOTH)
    smooth = w_(op.truncated, smooth, args=(Integer(2), eta), note="Taylor in η: σ′(s − η …) = σ′(s) − η … σ″(s)")
    unit = w_.define(RATE)
    own = over_units((1 - rate[r]) * a[r] * slope(s[r]) * W[r, nu]) - drive * x[nu]
    smooth = w_(op.fold, smooth, unit, rates, active, args=(own,), key="units")
    w_.compare(
        smooth, Eq(g1[nu], own), 0, "[paper: Eq. 8]", case="the line above Eq. 8: every unit with its own rate η_r"
    )
    w_.define(DECAY, "the paper's η̃: the mean of η_r over the units")
    split = (
        (1 - decay) * over_units(a[r] * slope(s[r]) * W[r, nu])
        - over_units((rate[r] - decay) * a[r] * slope(s[r]) * W[r, nu])
        - drive * x[nu]
    )
    parts = w_(op.rewrite, smooth, args=(split,), note="around the mean")
    spread = over_units((rate[r] - decay) * a[r] * slope(s[r]) * W[r, nu])
    parts = w_(op.fold, parts, gradient, args=((1 - decay) * g[nu] - spread - drive * x[nu],), key="smooth")
    w_.compare(
        parts,
        Eq(g1[nu], (1 - decay) * g[nu] - drive * x[nu]),
        -spread,
        "[paper: Eq. 8]",
        case="smooth activations: the mean rate η̃ in place of η_r",
        consequence="What is left out is of order η, like what is kept: for Softplus Eq. 8 is not a first-order"
        " law, and"
        " with it Eqs. 13 to 15 and Theorems 1 to 3 lose their proof.",
        stays="The line above Eq. 8 is right, and for ReLU between kink crossings Eq. 8 is exact.",
    )
    # Fourier: both sides transformed, a linear operation.
    wave = exp(2 * pi * I * k * mu / d)
    exact = w_(op.specialise, relu, args=(Eq(nu, mu),), note="ReLU again; each sample by its own index")
    transform = [
        w_.define(Eq(name[k], over_samples(base[mu] * wave)), "discrete Fourier transform", worlds=())
        for name, base in ((gh1, g1), (gh, g), (xh, x))
    ]
    spectral = w_(op.summed, exact, args=(wave, mu, Integer(0), d - 1), worlds=())
    spectral = w_(op.named, spectral, transform[0], args=(gh1[k],), worlds=())
    spectral = w_(op.fold, spectral, transform[1], transform[2], args=(gh[k] - drive * xh[k],), worlds=RELU)
    w_.compare(spectral, Eq(gh1[k], gh[k] - drive * xh[k]), 0, "[paper: Eq. 8]", case="ReLU, in the frequency domain")
    return w_.done()


def eq8_ntk(sums: str = "weights") -> Derivation:
    """The exact first-order law: the gradient of the tangent kernel [paper: Eq. 8]."""
    w_ = Work(
        "eq8_ntk",
        "Eq. 8 by the tangent kernel",
        "g′ = g − (ηℓ′/2) ∇ₓK(x,x) + O(η²), K(x,x) = ‖a′‖²‖x‖²",
        "[paper: Eq. 8]",
        sums=sums,
        worlds=BOTH,
    )
    weight = w_.define(Eq(weight_slope[r, mu], a[r] * slope(s[r]) * x[mu]), "∂f/∂W, as in Eq. 4")
    tangent = w_.define(Eq(kernel, over_units(over_samples(weight_slope[r, mu] ** 2))), "the tangent kernel at (x, x)")
    tangent = w_(op.insert, tangent, weight)
    active, length, pre = w_.define(ACTIVE), w_.define(LENGTH), w_.define(PREACTIVATION)
    product = w_(op.fold, tangent, active, length, args=(a2 * x2,), key="kernel")
    whole = w_(op.insert, product, active, length)
    whole = w_(op.insert, whole, pre)
    slope_of = w_(op.differentiated, whole, args=(dkernel[nu], x[nu]), note="∂K/∂x_ν; s_r depends on x")
    half = a2 * x[nu] + x2 * over_units(a[r] ** 2 * slope(s[r]) * curvature(s[r]) * W[r, nu])
    slope_of = w_(op.fold, slope_of, active, length, pre, args=(2 * half,), key="dkernel")
    units, unit, rates = w_.proved("eq8", "units", worlds=SMOOTH), w_.define(RATE), w_.define(DRIVE)
    gradient = w_.define(GRADIENT)
    law = w_(op.insert, units, unit, rates)
    law = w_(op.expanded, law)
    moved = g[nu] - eta * ell * half
    law = w_(op.fold, law, gradient, active, args=(moved,), note="up to O(η²)")
    law = w_(op.fold, law, slope_of, active, args=(g[nu] - eta * ell * dkernel[nu] / 2,), key="ntk")
    w_.compare(law, Eq(g1[nu], g[nu] - eta * ell * dkernel[nu] / 2), 0, "(ours) the first-order law of the gradient")
    return w_.done()


# Energies and crosses -------------------------------------------------------------------------------------------------

EQ8 = Eq(gh1[k], (1 - decay) * gh[k] - drive * xh[k])
POLAR = (Eq(gh[k], G[k] * exp(I * phi[k])), Eq(xh[k], X[k] * exp(I * psi[k])))
PHASE = Eq(Dphi[k], phi[k] - psi[k])


def eq13(sums: str = "weights") -> Derivation:
    """The energy of one frequency after a step [paper: Eq. 13]."""
    w_ = Work(
        "eq13",
        "Energy of one frequency",
        "|ĝ^(t+1)[k]|² ∝ (1−2η̃)|ĝ[k]|² − 2η|ĝ[k]||x̂[k]| cos Δφ_k",
        "[paper: Eq. 13]",
        sums=sums,
        worlds=BY_EQ8,
    )
    law = w_.suppose(EQ8, "Eq. 8 (from the definition of the network in eq8: exact for ReLU, with η̃ = 0)")
    energy = w_.define(Eq(E1[k], gh1[k] * conjugate(gh1[k])), "energy of one frequency after the step")
    energy = w_(op.insert, energy, law)
    polar = [w_.define(rule, "polar form: the paper's plane vectors") for rule in POLAR]
    energy = w_(op.insert, energy, *polar)
    written = (
        (1 - decay) ** 2 * G[k] ** 2
        - 2 * (1 - decay) * drive * G[k] * X[k] * cos(phi[k] - psi[k])
        + drive**2 * X[k] ** 2
    )
    energy = w_(op.rewrite, energy, args=(written,), note="e^{iφ} + e^{−iφ} = 2 cos φ")
    phase = w_.define(PHASE)
    written = written.subs(phi[k] - psi[k], Dphi[k])
    exact = w_(op.fold, energy, phase, args=(written,), key="exact")
    printed = Eq(E1[k], (1 - 2 * decay) * G[k] ** 2 - 2 * drive * G[k] * X[k] * cos(Dphi[k]))
    dropped = decay**2 * G[k] ** 2 + 2 * decay * drive * G[k] * X[k] * cos(Dphi[k]) + drive**2 * X[k] ** 2
    w_.compare(
        exact,
        printed,
        dropped,
        "[paper: Eq. 13]",
        case="as an equality",
        kind="dropped",
        consequence="The dropped term |x̂|²(η^(t))² is largest at low frequencies: it helps τ to rise.",
        stays="The paper claims first order only, and to first order Eq. 13 is right (next line).",
    )
    first = w_(op.truncated, exact, args=(Integer(2), decay, drive), note="η̃ and η^(t) are both of order η")
    first = w_(op.collected, first, args=(G[k] ** 2,), key="first")
    w_.compare(first, printed, 0, "[paper: Eq. 13]", case="to first order")
    return w_.done()


def _cross_law(w_: Work) -> tuple[Line, Line]:
    """⟨ĝ,x̂⟩ of one frequency and what it is after the step under Eq. 8."""
    law = w_.suppose(EQ8, "Eq. 8 (from the definition of the network in eq8: exact for ReLU, with η̃ = 0)")
    half = Integer(1) / 2
    now = w_.define(
        Eq(inner[k], half * (gh[k] * conjugate(xh[k]) + conjugate(gh[k]) * xh[k])),
        "Re ĝ conj x̂ = |ĝ||x̂| cos Δφ: the inner product of the paper's plane vectors",
    )
    then = w_.define(Eq(inner1[k], half * (gh1[k] * conjugate(xh[k]) + conjugate(gh1[k]) * xh[k])), "after the step")
    then = w_(op.insert, then, law)
    polar = w_.define(POLAR[1])
    then = w_(op.fold, then, now, polar, args=((1 - decay) * inner[k] - drive * X[k] ** 2,), key="inner")
    w_.compare(
        then,
        Eq(inner1[k], (1 - decay) * inner[k] - drive * X[k] ** 2),
        0,
        "[paper: Appendix A.1]",
        case="the recursion of ⟨ĝ,x̂⟩, printed with + O(η²): exact under Eq. 8",
    )
    return now, then


def eq14(sums: str = "weights") -> Derivation:
    """The factor in front of η(L_x − H_x) [paper: Eq. 14]."""
    w_ = Work(
        "eq14",
        "The two crosses drift apart",
        "(Δτ_l−Δτ_h)^(t+1) = (1−η̃)(Δτ_l−Δτ_h)^(t) + η^(t)(L_x−H_x)",
        "[paper: Eq. 14]",
        claims=("eq14", "thm1_t0"),
        sums=sums,
        worlds=BY_EQ8,
    )
    _, law = _cross_law(w_)
    bands = []
    for name, after, energy, band, word in ((cl, cl1, Lx, low, "low"), (ch, ch1, Hx, high, "high")):
        definition = w_.define(Eq(name, -2 * band(w[k] * inner[k])), f"Δτ of the {word} band: −2 Σ w|ĝ||x̂| cos Δφ")
        of_input = w_.define(Eq(energy, band(w[k] * X[k] ** 2)), f"energy of the input's {word} band [paper: Eq. 5]")
        line = w_.define(Eq(after, -2 * band(w[k] * inner1[k])))
        line = w_(op.insert, line, law)
        line = w_(op.expanded, line)
        line = w_(
            op.fold, line, definition, of_input, args=((1 - decay) * name + 2 * drive * energy,), key=f"{word}_cross"
        )
        bands.append(line)
    both = w_(op.subtracted, *bands)
    before, after = w_.define(Eq(gap, cl - ch)), w_.define(Eq(gap1, cl1 - ch1))
    both = w_(op.named, both, after, args=(gap1,))
    both = w_(op.fold, both, before, args=((1 - decay) * gap + 2 * drive * (Lx - Hx),), key="gap")
    w_.compare(
        both,
        Eq(gap1, (1 - decay) * gap + drive * (Lx - Hx)),
        drive * (Lx - Hx),
        "[paper: Eq. 14]",
        consequence="The gap between the crosses grows twice as fast as printed: t₀ of the Remark is twice too"
        " late, and"
        " the same factor is missing in Eq. 21.",
        stays="The sign: the gap grows at every step because L_x > H_x, and once Δτ_l > Δτ_h this stays so.",
    )
    return w_.done()


def band_energies(w_: Work, first_order: bool) -> tuple[Line, Line]:
    """L′ and H′ under Eq. 8, from the energy of one frequency."""
    law = w_.proved("eq13", "first" if first_order else "exact", "energy of one frequency")
    product = w_.define(Eq(inner[k], G[k] * X[k] * cos(Dphi[k])))
    out = []
    for energy, after, cross, of_input, band, word in (
        (L, L1, cl, Lx, low, "low"),
        (H, H1, ch, Hx, high, "high"),
    ):
        rules = [
            w_.define(Eq(energy, band(w[k] * G[k] ** 2)), f"energy of ĝ in the {word} band"),
            w_.define(Eq(cross, -2 * band(w[k] * inner[k]))),
            product,
        ]
        target = (1 - 2 * decay) * energy + drive * cross
        if not first_order:
            rules.append(w_.define(Eq(of_input, band(w[k] * X[k] ** 2))))
            target = (1 - decay) ** 2 * energy + (1 - decay) * drive * cross + drive**2 * of_input
        line = w_.define(Eq(after, band(w[k] * E1[k])), "after the step")
        line = w_(op.insert, line, law)
        line = w_(op.expanded, line)
        out.append(w_(op.fold, line, *rules, args=(target,), key=f"{word}_energy"))
    return out[0], out[1]


def eq15(sums: str = "weights") -> Derivation:
    """The change of the ratio in one step [paper: Eq. 15], [paper: Eq. 9]."""
    w_ = Work(
        "eq15",
        "Change of the low-frequency ratio in one step",
        "τ^(t+1) − τ^(t) = η (Δτ_l τ_h − Δτ_h τ_l)/N^(t+1), also Theorem 1's display (Eq. 9)",
        "[paper: Eq. 15]",
        sums=sums,
        worlds=BY_EQ8,
    )
    low1, high1 = band_energies(w_, first_order=False)
    ratios = [w_.define(Eq(tl, L / (L + H))), w_.define(Eq(th, H / (L + H)))]
    change = w_.define(Eq(rise, L1 / (L1 + H1) - L / (L + H)), "the ratio after and before the step")
    total = w_.define(Eq(N1, L1 + H1), "whole energy after the step")
    first = (1 - decay) * drive * (cl * th - ch * tl)
    second = drive**2 * (Lx * th - Hx * tl)
    exact = w_(
        op.fold,
        change,
        total,
        *ratios,
        low1,
        high1,
        args=((first + second) / N1,),
        note="common denominator",
        key="exact",
    )
    printed = drive * (cl * th - ch * tl) / N1
    w_.compare(
        exact,
        Eq(rise, printed),
        (second - decay * drive * (cl * th - ch * tl)) / N1,
        "[paper: Eq. 9]",
        case="as the equality that Theorem 1 prints",
        kind="dropped",
        consequence="Where Δτ_l τ_h is close to Δτ_h τ_l the sign of one step may differ from the printed bracket's.",
        stays="For τ(δ) < τ(x) the dropped term is positive: it only adds to the growth. To first order Eq. 9"
        " is right.",
    )
    law = w_(op.truncated, exact, args=(Integer(2), decay, drive), note="N^(t+1) kept whole, as printed", key="first")
    w_.compare(law, Eq(rise, printed), 0, "[paper: Eq. 15]", case="to first order")

    # The first line of Eq. 15: the quotient of first-order energies.
    numerator = (1 - 2 * decay) * L + drive * cl
    denominator = (1 - 2 * decay) * (L + H) + drive * (cl + ch)
    quotient = w_.define(
        Eq(rise, numerator / denominator - L / (L + H)), "Eq. 15's first line: energies to first order", order=2
    )
    shares = w_(
        op.fold,
        quotient,
        *ratios,
        args=(drive * (cl * th - ch * tl) / denominator,),
        note="its second line, exactly",
        key="quotient",
    )
    w_.compare(
        shares, Eq(rise, drive * (cl * th - ch * tl) / denominator), 0, "[paper: Eq. 15]", case="first to second line"
    )
    return w_.done()


FAMILY = {"eq4": eq4, "eq7": eq7, "eq8": eq8, "eq8_ntk": eq8_ntk, "eq13": eq13, "eq14": eq14, "eq15": eq15}
