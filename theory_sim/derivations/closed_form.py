"""All steps at once: the closed form of τ, its sign polynomial, and how far q gets in ReLU training."""

from __future__ import annotations

from sympy import Eq, conjugate

from theory_sim.derivations import operations as op
from theory_sim.derivations.derivation import Derivation, Line, Work
from theory_sim.derivations.gradient_laws import BY_EQ8, RELU, high, low
from theory_sim.derivations.symbols import (
    B,
    H,
    Ht,
    Hx,
    L,
    Lt,
    Lx,
    N_q,
    N_q1,
    P,
    Q,
    a2,
    ch,
    cl,
    decays,
    drives,
    dtau,
    ellt,
    eta,
    ght,
    k,
    lift,
    p0,
    p1,
    p2,
    q,
    q1,
    qt,
    rho,
    t,
    tau_q,
    tau_q1,
    taut,
    w,
    x2,
    xh,
)  # fmt: skip

AT_START = ght[0, k]
P_RULES = (Eq(P[0], 1, evaluate=False), Eq(P[t + 1], (1 - decays[t]) * P[t]))
Q_RULES = (Eq(Q[0], 0, evaluate=False), Eq(Q[t + 1], (1 - decays[t]) * Q[t] + drives[t]))
CURVE_LOW = L + cl * q + Lx * q**2
CURVE_ALL = L + H + (cl + ch) * q + (Lx + Hx) * q**2
POLYNOMIAL = (Eq(p0, cl * H - ch * L), Eq(p1, Lx * H - Hx * L), Eq(p2, Lx * ch - Hx * cl))


def recursions(w_: Work) -> tuple[Line, Line, Line, Line]:
    """P₀, P_{t+1}, Q₀, Q_{t+1} as definitions."""
    lines = [w_.define(rule) for rule in (*P_RULES, *Q_RULES)]
    return lines[0], lines[1], lines[2], lines[3]


def closed_form(sums: str = "weights") -> Derivation:
    """Eq. 8 iterated, and τ as a rational function of one number."""
    w_ = Work(
        "closed_form",
        "All steps at once",
        "τ after any number of steps is a rational function of q = Q/P",
        "(ours) Eq. 8 iterated",
        claims=("thm1_t1", "thm3"),
        sums=sums,
        worlds=BY_EQ8,
    )
    law = w_.suppose(
        Eq(ght[t + 1, k], (1 - decays[t]) * ght[t, k] - drives[t] * xh[k]),
        "Eq. 8 at step t (ReLU: proved in eq8, η̃ = 0)",
    )
    first_p, next_p, first_q, next_q = recursions(w_)
    claim = Eq(ght[t, k], P[t] * AT_START - Q[t] * xh[k])
    start = w_.define(Eq(AT_START, AT_START, evaluate=False), "the start")
    base = w_(op.fold, start, first_p, first_q, args=(claim.rhs.subs(t, 0),), note="the claim at t = 0")
    hypothesis = w_.suppose(claim, "suppose it at t")
    step = w_(op.insert, law, hypothesis)
    step = w_(op.fold, step, next_p, next_q, args=(P[t + 1] * AT_START - Q[t + 1] * xh[k],), note="the claim at t + 1")
    plane = w_(op.induct, base, step, args=(claim, t), key="plane", note="ĝ stays in the plane of ĝ⁰ and x̂")

    energies = []
    for name, energy, cross, of_input, band in ((Lt, L, cl, Lx, low), (Ht, H, ch, Hx, high)):
        rules = [
            w_.define(Eq(energy, band(w[k] * AT_START * conjugate(AT_START))), "energy at the start"),
            w_.define(
                Eq(cross, -band(w[k] * (AT_START * conjugate(xh[k]) + conjugate(AT_START) * xh[k]))),
                "−2 Re Σ w ĝ conj x̂",
            ),
            w_.define(Eq(of_input, band(w[k] * xh[k] * conjugate(xh[k]))), "energy of the input"),
        ]
        line = w_.define(Eq(name[t], band(w[k] * ght[t, k] * conjugate(ght[t, k]))), "energy at step t")
        line = w_(op.insert, line, plane)
        line = w_(op.expanded, line)
        target = P[t] ** 2 * energy + P[t] * Q[t] * cross + Q[t] ** 2 * of_input
        energies.append(w_(op.fold, line, *rules, args=(target,), key="low" if band is low else "high"))
    ratio = w_.define(Eq(taut[t], Lt[t] / (Lt[t] + Ht[t])))
    share = w_.define(Eq(qt[t], Q[t] / P[t]), "q_t")
    curve = (CURVE_LOW / CURVE_ALL).subs(q, qt[t])
    final = w_(op.fold, ratio, *energies, share, args=(curve,), key="tau", note="both sides of the fraction over P²")
    w_.compare(final, Eq(taut[t], curve), 0, "(ours) the closed form")

    # How far q gets: ReLU between kink crossings.
    residual = w_.proved("assumption1", "all", "ReLU between kink crossings", worlds=RELU)
    relu_drive = w_.define(Eq(drives[t], eta * a2 * ellt[t]), worlds=RELU)
    rate = w_.define(Eq(rho, eta * a2 * x2), worlds=RELU)
    relu_q = Eq(Q[t], ellt[0] * (1 - (1 - rho) ** t) / x2)
    no_decay = w_(op.specialise, next_q, args=(Eq(decays[t], 0),), note="ReLU: η̃ = 0", worlds=RELU)
    base = w_(op.fold, first_q, args=(relu_q.rhs.subs(t, 0),), note="the claim at t = 0", worlds=RELU)
    hypothesis = w_.suppose(relu_q, "suppose it at t", worlds=RELU)
    step = w_(op.insert, no_decay, hypothesis, relu_drive, residual)
    step = w_(op.fold, step, rate, args=(relu_q.rhs.subs(t, t + 1),), note="the claim at t + 1")
    final = w_(op.induct, base, step, args=(relu_q, t), key="relu_q", note="(Q = q, because P = 1)")
    w_.compare(final, relu_q, 0, "(ours) q of ReLU training between kink crossings")
    return w_.done()


def sign_polynomial(sums: str = "weights") -> Derivation:
    """Where τ(q) rises: a polynomial of degree 2."""
    w_ = Work(
        "sign_polynomial",
        "Where τ(q) rises",
        "sign τ′(q) = sign(p₀ + 2p₁q + p₂q²)",
        "(ours) the closed form",
        claims=("thm1_t1", "thm1_growth", "thm1_keeps"),
        sums=sums,
        worlds=BY_EQ8,
    )
    total = w_.define(Eq(N_q, CURVE_ALL), "whole energy over P²")
    total1 = w_.define(Eq(N_q1, CURVE_ALL.subs(q, q1)), "the same at q′")
    rules = [w_.define(rule) for rule in POLYNOMIAL]
    curve = w_.define(Eq(tau_q, CURVE_LOW / CURVE_ALL), "the closed form, proved in closed_form", key="curve")
    derivative = w_(op.differentiated, curve, args=(dtau, q))
    final = w_(op.fold, derivative, total, *rules, args=((p0 + 2 * p1 * q + p2 * q**2) / N_q**2,), key="slope")
    w_.compare(final, Eq(dtau, (p0 + 2 * p1 * q + p2 * q**2) / N_q**2), 0, "(ours) the sign polynomial")

    # A finite step, without any limit.
    change = w_.define(Eq(lift, tau_q1 - tau_q), "one step of training takes q to q′")
    curve1 = w_.define(Eq(tau_q1, (CURVE_LOW / CURVE_ALL).subs(q, q1)), key="curve1")
    change = w_(op.insert, change, curve1, curve)
    value = p0 + p1 * (q + q1) + p2 * q * q1
    change = w_(op.fold, change, total, total1, *rules, args=((q1 - q) * value / (N_q * N_q1),))
    bracket = w_.define(Eq(B, value))
    change = w_(op.fold, change, bracket, args=((q1 - q) * B / (N_q * N_q1),), key="growth")
    w_.compare(change, Eq(lift, (q1 - q) * B / (N_q * N_q1)), 0, "(ours) the change of τ in one finite step")

    # p₂ belongs to the run, not to the step from which one looks.
    moved = Lx * (ch + 2 * Hx * q) - Hx * (cl + 2 * Lx * q)
    invariant = w_.define(
        Eq(p2, moved), "p₂ with the crosses Δτ + 2L_x q that a later start would have", name="suppose", key="moved"
    )
    invariant = w_(op.rewrite, invariant, args=(Lx * ch - Hx * cl,), key="invariant")
    w_.compare(invariant, POLYNOMIAL[2], 0, "(ours) p₂ is the same from every step")
    return w_.done()


FAMILY = {"closed_form": closed_form, "sign_polynomial": sign_polynomial}
