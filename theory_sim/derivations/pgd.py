"""Appendix B: Lemma 1 by the variational inequality, Eqs. 20 to 23, B.1 line by line."""

from __future__ import annotations

from sympy import Eq, Ge, I, Integer, conjugate, cos, exp

from theory_sim.derivations import operations as op
from theory_sim.derivations import trials
from theory_sim.derivations.derivation import Derivation, Line, Work
from theory_sim.derivations.gradient_laws import GRADIENT, OUTPUT, high, low, over_samples, over_units
from theory_sim.derivations.symbols import (
    B_max,
    B_min,
    Dpk,
    G,
    Hg,
    Hk,
    Hk1,
    Ka,
    Lg,
    Lk,
    Lk1,
    Nk1,
    W,
    a,
    along,
    away,
    beta,
    beta_pos,
    ch2,
    ch2n,
    chi,
    cl2,
    cl2n,
    curvature,
    curve_d,
    dbeta,
    delta,
    dg,
    ell,
    f,
    fd,
    g,
    gap_k,
    gap_k0,
    gap_k1,
    gap_sum,
    gh,
    grad1,
    h,
    j,
    j0,
    k,
    kappa,
    kappa1,
    kh,
    kh1,
    more,
    mu,
    nearer,
    nu,
    phi,
    r,
    rise_k,
    room,
    s,
    sd,
    sigma,
    slope,
    span,
    step2,
    tkh,
    tkl,
    w,
    xi,
    y,
)  # fmt: skip

ATTACK = ("attack",)
SMOOTH = ("attack smooth",)
DG = Eq(dg, over_samples(delta[mu] * g[mu]))
BETA = Eq(beta, ell + dg)


def lemma1(sums: str = "weights") -> Derivation:
    """β stays positive: the variational inequality of the projection [paper: Lemma 1]."""
    w_ = Work(
        "lemma1",
        "Lemma 1 by the variational inequality",
        "if β^(0) > 0 then β^(j) > 0 for all j",
        "[paper: Lemma 1]",
        sums=sums,
        worlds=("projection",),
    )
    line = w_.define(
        Eq(nearer, -2 * h * away + h**2 * span),
        "p is the point of the convex ball nearest to v; p + h(z−p) lies in the ball: expand ‖v−p−h(z−p)‖² − ‖v−p‖²",
    )
    minimal = w_.suppose(Eq(nearer, more), "it is not nearer: χ ≥ 0", worlds=())
    line = w_(op.subtracted, line, minimal)
    line = w_(op.solved, line, args=(away,), note="A = (v−p)·(z−p)", worlds=())
    limit = w_(op.specialise, line, args=(Eq(more, 0),), note="A is largest for χ = 0")
    w_(op.at_limit, limit, args=(away, h, Integer(0)), note="h → 0: A ≤ 0", key="variational")
    inequality = w_.suppose(Eq(away, -more), "hence A = −χ with some χ ≥ 0: the variational inequality", worlds=())
    point = w_.define(Eq(away, -xi * beta * along + step2), "z = δ^(j), v = δ + ξβg: A = (p−δ)·(p−δ) − ξβ g·(p−δ)")
    both = w_(op.subtracted, point, inequality, worlds=())
    moved = w_(op.solved, both, args=(along,))
    gain = w_.define(Eq(dbeta, along), "β′ − β = g·(p−δ) in the linear region")
    gain = w_(op.insert, gain, moved, worlds=())
    gain = w_(op.specialise, gain, args=(Eq(beta, beta_pos),), note="β > 0")
    final = w_(op.decided, gain, args=(Ge(dbeta, 0),), note="β never decreases: from β^(0) > 0 all β^(j) > 0")
    w_.compare(
        final, Ge(dbeta, 0), 0, "[paper: Lemma 1]", case="raw and normalised steps, any convex ball that holds δ⁰"
    )
    w_.check_by(trials.gains_of_attacks)
    return w_.done()


def eq22(sums: str = "weights") -> Derivation:
    """One step of κ = δ/ξ before the projection [paper: Eq. 22]."""
    w_ = Work(
        "eq22",
        "One step of the attack (B.1, case 1)",
        "κ^(j+1) = κ^(j) + (∂ℓ/∂f + δ·g) g",
        "[paper: Eq. 22]",
        sums=sums,
        worlds=ATTACK + SMOOTH,
    )
    product = w_.define(DG, "δ·g")
    gradient = w_.define(GRADIENT, "g = ∇ₓf at x")
    output = w_.define(OUTPUT, "f at x")
    moved = w_.define(Eq(sd[r], s[r] + over_samples(W[r, mu] * delta[mu])), "preactivation at x + δ")
    shifted = w_.define(Eq(fd, over_units(a[r] * sigma(sd[r]))), "f(x+δ)")
    loss = w_.define(
        Eq(grad1[nu], (fd - y) * over_units(a[r] * slope(sd[r]) * W[r, nu])),
        "∇ℓ(x+δ) = (f(x+δ) − y) ∇f(x+δ)",
        key="loss",
    )
    residual = w_.define(Eq(ell, f - y))
    # ReLU in the linear region
    relu = w_.suppose(Eq(slope(sd[r]), slope(s[r])), "ReLU, no preactivation changes sign", worlds=ATTACK)
    value = w_.suppose(Eq(sigma(sd[r]), slope(s[r]) * sd[r]), "hence", worlds=ATTACK)
    at_x = w_.suppose(Eq(sigma(s[r]), slope(s[r]) * s[r]), "and at x", worlds=ATTACK)
    linear = w_(op.insert, shifted, value, moved)
    linear = w_(op.expanded, linear)
    linear = w_(
        op.fold, linear, product, gradient, output, at_x, args=(f + dg,), note="Σ_r Σ_μ = Σ_μ Σ_r", worlds=ATTACK
    )
    gain = w_.define(BETA, "β")
    attack = w_(op.insert, loss, relu, linear)
    attack = w_(op.fold, attack, gradient, gain, residual, args=(beta * g[nu],), worlds=ATTACK)
    step = w_.define(Eq(kappa1[nu], kappa[nu] + grad1[nu]), "δ ← δ + ξ∇ℓ, over ξ")
    final = w_(op.insert, step, attack, key="relu")
    w_.compare(final, Eq(kappa1[nu], kappa[nu] + beta * g[nu]), 0, "[paper: Eq. 22]", case="ReLU in the linear region")
    # Smooth: first order in δ
    smooth = w_(op.insert, loss, shifted, moved, worlds=SMOOTH)
    smooth = w_(op.truncated, smooth, args=(Integer(2), delta[mu]), note="Taylor in δ")
    along = w_.define(
        Eq(curve_d[nu], over_units(a[r] * curvature(s[r]) * over_samples(W[r, mu] * delta[mu]) * W[r, nu])), "H δ"
    )
    target = ell * g[nu] + ell * curve_d[nu] + dg * g[nu]
    smooth = w_(
        op.fold,
        smooth,
        residual,
        product,
        along,
        gradient,
        output,
        args=(target,),
        note="to first order in δ",
        key="gradient",
    )
    case1 = w_(op.insert, step, smooth, worlds=SMOOTH)
    w_.compare(
        case1,
        Eq(kappa1[nu], kappa[nu] + ell * g[nu] + ell * curve_d[nu] + dg * g[nu]),
        0,
        "[paper: Appendix B.1]",
        case="case 1, with the term of σ″",
    )
    w_.compare(
        case1,
        Eq(kappa1[nu], kappa[nu] + (ell + dg) * g[nu]),
        ell * curve_d[nu],
        "[paper: Eq. 22]",
        case="smooth activations, the term ℓ′Hδ dropped",
        kind="dropped",
        consequence="Without Assumption 2 (ℓ′ not small) the dropped term is as large as δ·g g, which is kept.",
        stays="With |ℓ′| = ε^{1+ν} it is of higher order and Eq. 22 is the first-order law, as the paper"
        " argues; for ReLU it is"
        " absent.",
    )
    return w_.done()


KSPACE = Eq(kh1[k], kh[k] + beta * gh[k])
KPOLAR = (Eq(kh[k], Ka[k] * exp(I * chi[k])), Eq(gh[k], G[k] * exp(I * phi[k])))


def eq23(sums: str = "weights") -> Derivation:
    """The energy of κ̂ after a step [paper: Eq. 23]."""
    w_ = Work(
        "eq23",
        "Energy of one frequency of the attack",
        "|κ̂′|² ∝ |κ̂|² + 2β|κ̂||ĝ| cos Δφ",
        "[paper: Eq. 23]",
        sums=sums,
        worlds=ATTACK,
    )
    from theory_sim.derivations.symbols import E1

    law = w_.suppose(KSPACE, "Eq. 22, transformed")
    energy = w_.define(Eq(E1[k], kh1[k] * conjugate(kh1[k])), "energy after the step")
    energy = w_(op.insert, energy, law)
    polar = [w_.define(rule) for rule in KPOLAR]
    energy = w_(op.insert, energy, *polar)
    phase = w_.define(Eq(Dpk[k], phi[k] - chi[k]))
    written = Ka[k] ** 2 + 2 * beta * Ka[k] * G[k] * cos(Dpk[k]) + beta**2 * G[k] ** 2
    exact = w_(op.fold, energy, phase, args=(written,), key="exact", note="e^{iφ} + e^{−iφ} = 2 cos φ")
    printed = Eq(E1[k], Ka[k] ** 2 + 2 * beta * Ka[k] * G[k] * cos(Dpk[k]))
    w_.compare(
        exact,
        printed,
        beta**2 * G[k] ** 2,
        "[paper: Eq. 23]",
        case="as an equality",
        kind="dropped",
        consequence="From a zero start the dropped β²|ĝ|² is all there is: the first step cannot be seen by Eq. 23.",
        stays="To first order in β it is right (next line), which is all the paper claims.",
    )
    first = w_(op.truncated, exact, args=(Integer(2), beta), note="first order in β", worlds=())
    w_.compare(first, printed, 0, "[paper: Eq. 23]", case="to first order")
    zero = w_(op.specialise, exact, args=(Eq(Ka[k], 0),), note="a zero start: κ = 0", worlds=())
    w_.compare(
        zero, Eq(E1[k], beta**2 * G[k] ** 2), 0, "(ours) from a zero start κ̂′ has ĝ's spectrum: PGD and FGM agree"
    )
    return w_.done()


def attack_energies(w_: Work) -> tuple[Line, Line]:
    """L_κ′ and H_κ′."""
    law = w_.suppose(KSPACE, "Eq. 22, transformed")
    out = []
    for energy, after, cross, of_g, band in ((Lk, Lk1, cl2, Lg, low), (Hk, Hk1, ch2, Hg, high)):
        rules = [
            w_.define(Eq(energy, band(w[k] * kh[k] * conjugate(kh[k])))),
            w_.define(
                Eq(cross, band(w[k] * (kh[k] * conjugate(gh[k]) + conjugate(kh[k]) * gh[k]))), "2 Re Σ w κ̂ conj ĝ"
            ),
            w_.define(Eq(of_g, band(w[k] * gh[k] * conjugate(gh[k])))),
        ]
        line = w_.define(Eq(after, band(w[k] * kh1[k] * conjugate(kh1[k]))), "after the step")
        line = w_(op.insert, line, law)
        line = w_(op.expanded, line)
        out.append(w_(op.fold, line, *rules, args=(energy + beta * cross + beta**2 * of_g,)))
    return out[0], out[1]


def thm4(sums: str = "weights") -> Derivation:
    """The change of the perturbation's ratio in one step [paper: Eq. 20]."""
    w_ = Work(
        "thm4",
        "Theorem 4",
        "τ′ = τ + β(Δτ_{l,2} τ_h − Δτ_{h,2} τ_l)/Σ|κ̂′|²",
        "[paper: Eq. 20]",
        sums=sums,
        worlds=ATTACK,
    )
    low1, high1 = attack_energies(w_)
    ratios = [w_.define(Eq(tkl, Lk / (Lk + Hk))), w_.define(Eq(tkh, Hk / (Lk + Hk)))]
    change = w_.define(Eq(rise_k, Lk1 / (Lk1 + Hk1) - Lk / (Lk + Hk)), "a scale factor of the projection cancels here")
    total = w_.define(Eq(Nk1, Lk1 + Hk1))
    first, second = beta * (cl2 * tkh - ch2 * tkl) / Nk1, beta**2 * (Lg * tkh - Hg * tkl) / Nk1
    exact = w_(op.fold, change, total, *ratios, low1, high1, args=(first + second,), key="exact")
    w_.compare(
        exact,
        Eq(rise_k, first),
        second,
        "[paper: Eq. 20]",
        case="as an equality",
        kind="dropped",
        consequence="From a zero start the first-order term vanishes and the dropped one decides.",
        stays="To first order in β it is right, with or without projection.",
    )
    law = w_(op.truncated, exact, args=(Integer(2), beta), note="Σ|κ̂′|² kept whole, as printed", worlds=())
    w_.compare(law, Eq(rise_k, first), 0, "[paper: Theorem 4]", case="to first order")
    return w_.done()


def eq21(sums: str = "weights") -> Derivation:
    """After how many steps of the attack the low cross leads [paper: Eq. 21]."""
    w_ = Work(
        "eq21",
        "j₀ of the attack",
        "j₀ = −(Δτ_{l,2}−Δτ_{h,2})/(B(L_g−H_g)), B = max β",
        "[paper: Eq. 21]",
        sums=sums,
        worlds=ATTACK,
    )
    law = w_.suppose(KSPACE, "Eq. 22, transformed")
    bands = []
    for cross, after, of_g, band in ((cl2, cl2n, Lg, low), (ch2, ch2n, Hg, high)):
        rules = [
            w_.define(
                Eq(cross, band(w[k] * (kh[k] * conjugate(gh[k]) + conjugate(kh[k]) * gh[k]))), "2 Re Σ w κ̂ conj ĝ"
            ),
            w_.define(Eq(of_g, band(w[k] * gh[k] * conjugate(gh[k])))),
        ]
        line = w_.define(
            Eq(after, band(w[k] * (kh1[k] * conjugate(gh[k]) + conjugate(kh1[k]) * gh[k]))), "after the step"
        )
        line = w_(op.insert, line, law)
        line = w_(op.expanded, line)
        bands.append(w_(op.fold, line, *rules, args=(cross + 2 * beta * of_g,)))
    both = w_(op.subtracted, *bands)
    before, after = w_.define(Eq(gap_k, cl2 - ch2)), w_.define(Eq(gap_k1, cl2n - ch2n))
    both = w_(op.named, both, after, args=(gap_k1,))
    both = w_(op.fold, both, before, args=(gap_k + 2 * beta * (Lg - Hg),), key="gap")
    least = w_(
        op.specialise,
        both,
        args=(Eq(beta, B_min + more), Eq(Lg, Hg + room)),
        worlds=(),
        note="β ≥ min β, and L_g > H_g: each step adds at least 2 min β Λ",
    )
    least = w_(op.expanded, least)
    w_(op.bounded, least, args=(gap_k + 2 * B_min * room,))
    after_j = w_.define(
        Eq(gap_sum, gap_k0 + 2 * j * B_min * room), "hence after j steps at least", name="suppose", worlds=()
    )
    zero = w_.define(Eq(gap_sum, Integer(0)), "j₀: where this passes 0", name="suppose", worlds=())
    level = w_(op.subtracted, w_(op.specialise, after_j, args=(Eq(j, j0),)), zero)
    final = w_(op.solved, level, args=(j0,))
    printed = -gap_k0 / (B_max * room)
    w_.compare(
        final,
        Eq(j0, printed),
        -gap_k0 / (2 * B_min * room) + gap_k0 / (B_max * room),
        "[paper: Eq. 21]",
        case="L_g − H_g = Λ",
        consequence="B must be the least gain, not the largest: with max β the printed j₀ can be too early,"
        " while the missing"
        " factor 2 makes it too late. Growth after it also needs Δτ_{l,2} ≥ 0, as in thm1_growth.",
        stays="A finite j₀ exists whenever β^(0) > 0 and L_g > H_g, because β never decreases (Lemma 1).",
    )
    return w_.done()


FAMILY = {"lemma1": lemma1, "eq22": eq22, "eq23": eq23, "thm4": thm4, "eq21": eq21}
