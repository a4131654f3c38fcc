"""Theorem 2: its bound, its sharpness, Appendix A.2 line by line; and the case f < y."""

from __future__ import annotations

from sympy import Eq, Gt, I, Integer, Lt, Sum, conjugate, cos, exp

from theory_sim.derivations import operations as op
from theory_sim.derivations import trials
from theory_sim.derivations.closed_form import AT_START
from theory_sim.derivations.derivation import Derivation, Line, Work
from theory_sim.derivations.gradient_laws import BY_EQ8, PHASE
from theory_sim.derivations.symbols import (
    Dphi,
    G,
    P,
    Q,
    R,
    R2t,
    X,
    bracket,
    drive,
    drive_max,
    drives,
    e,
    ght,
    i,
    k,
    kp,
    lead,
    lead0,
    phi,
    pos,
    psi,
    q,
    step_q,
    t,
    t0,
    xh,
)  # fmt: skip


def ratio_of_all_steps(w_: Work) -> Line:
    """R_k² at step t: P²R² − 2PQ R cos Δφ + Q²."""
    plane = w_.proved("closed_form", "plane", "Eq. 8 iterated")
    power = w_.define(Eq(R2t[t, k], ght[t, k] * conjugate(ght[t, k]) / (xh[k] * conjugate(xh[k]))), "R_k² at step t")
    power = w_(op.insert, power, plane)
    polar = [
        w_.define(Eq(AT_START, G[k] * exp(I * phi[k])), "polar form at the start"),
        w_.define(Eq(xh[k], X[k] * exp(I * psi[k]))),
    ]
    power = w_(op.insert, power, *polar)
    names = [w_.define(Eq(R[k], G[k] / X[k]), "R_k at the start"), w_.define(PHASE)]
    written = P[t] ** 2 * R[k] ** 2 - 2 * P[t] * Q[t] * R[k] * cos(Dphi[k]) + Q[t] ** 2
    return w_(op.fold, power, *names, args=(written,), key="power")


def difference_of_two(w_: Work, power: Line) -> Line:
    """R_k² − R_k′²: affine in Q, because Q² is the same at all frequencies."""
    other = w_(op.specialise, power, args=(Eq(k, kp),), note="the same at k′")
    apart = w_(op.subtracted, power, other)
    written = P[t] ** 2 * (R[k] ** 2 - R[kp] ** 2) - 2 * P[t] * Q[t] * (R[k] * cos(Dphi[k]) - R[kp] * cos(Dphi[kp]))
    return w_(op.rewrite, apart, args=(written,), note="Q² cancels", key="difference")


def thm2(sums: str = "weights") -> Derivation:
    """How long the order of two frequencies lasts [paper: Theorem 2]."""
    w_ = Work(
        "thm2",
        "Theorem 2: the bound and its sharpness",
        "R_k > R_k′ for all t < t₀",
        "[paper: Theorem 2]",
        sums=sums,
        worlds=BY_EQ8,
    )
    power = ratio_of_all_steps(w_)
    one_step = w_(
        op.specialise,
        power,
        args=(Eq(t, 1), Eq(P[1], 1), Eq(Q[1], drive)),
        note="one step of ReLU: P = 1, Q = η^(t)",
        worlds=("relu", "relu f<y"),
    )
    w_.compare(
        one_step,
        Eq(R2t[1, k], R[k] ** 2 - 2 * drive * R[k] * cos(Dphi[k])),
        drive**2,
        "[paper: Appendix A.2]",
        case="A.2's first line, R_k² after one step",
        kind="dropped",
        consequence="None: the dropped (η^(t))² is the same at all frequencies and cancels in R_k² − R_k′².",
        stays="A.2's last line, and with it the theorem.",
    )
    apart = difference_of_two(w_, power)
    relu = ("relu", "relu f<y")
    sum_of_drives = Sum(drives[i], (i, 0, t - 1))
    total = w_.suppose(Eq(Q[t], sum_of_drives), "ReLU: P = 1, Q is the sum of the drives", worlds=relu)
    plain = w_(op.specialise, apart, args=(Eq(P[t], 1),), note="ReLU: P = 1", worlds=relu)
    plain = w_(op.insert, plain, total)
    appendix = R[k] ** 2 - R[kp] ** 2 - 2 * sum_of_drives * (R[k] * cos(Dphi[k]) - R[kp] * cos(Dphi[kp]))
    w_.compare(
        plain,
        Eq(R2t[t, k] - R2t[t, kp], appendix),
        0,
        "[paper: Appendix A.2]",
        case="A.2's last line, the telescoped sum",
    )
    # The bound.
    scaled = w_.define(
        Eq(lead, lead0 - 2 * q * bracket), "the same over P²: D₀ > 0, C > 0 stand for the two differences", worlds=()
    )
    room = w_(op.specialise, scaled, args=(Eq(q, t * drive_max - pos),), note="q_t ≤ t η_max: p ≥ 0 is what is missing")
    bound = w_.define(
        Eq(Integer(0), lead0 - 2 * t0 * drive_max * bracket, evaluate=False), "where D is 0 if q = t₀ η_max", worlds=()
    )
    at_t0 = w_(op.solved, bound, args=(t0,), key="t0")
    w_.compare(
        at_t0, Eq(t0, lead0 / (2 * drive_max * bracket)), 0, "[paper: Eq. 11]", case="η_max = η β λ²‖a‖² (ReLU: λ = 1)"
    )
    earlier = w_(op.solved, bound, args=(lead0,), note="D₀ by t₀")
    room = w_(op.insert, room, earlier)
    before = w_(op.specialise, room, args=(Eq(t0, t + e),), note="t < t₀")
    before = w_(op.expanded, before)
    final = w_(op.decided, before, args=(Gt(lead, 0),), note="R_k > R_k′ at every t < t₀")
    sharp = w_(
        op.specialise, room, args=(Eq(t, t0 + e), Eq(pos, 0)), note="t > t₀ with the drive at its maximum: p = 0"
    )
    sharp = w_(op.expanded, sharp)
    w_(op.decided, sharp, args=(Lt(lead, 0),), note="R_k < R_k′: the bound is sharp")
    never = w_(
        op.specialise, scaled, args=(Eq(bracket, -pos, evaluate=False), Eq(q, step_q)), note="a bracket ≤ 0", worlds=()
    )
    never = w_(op.specialise, never, args=(Eq(step_q, drive_max * t),), note="and q ≥ 0")
    w_(op.decided, never, args=(Gt(lead, 0),), note="t₀ = ∞")
    w_.compare(final, Gt(lead, 0), 0, "[paper: Theorem 2]")
    w_.check_by(trials.order_of_two)
    return w_.done()


def thm2_negative(sums: str = "weights") -> Derivation:
    """Theorem 2 for f < y."""
    w_ = Work(
        "thm2_negative",
        "Theorem 2 for f < y",
        'the case of negative η, "similar" in the paper',
        "[paper: Appendix A.2]",
        claims=("thm2",),
        sums=sums,
        worlds=("relu f<y",),
    )
    w_.proved("thm2", "power", "R_k² at every step, for any sign of the drive")
    w_.proved("thm2", "difference")
    scaled = w_.define(Eq(lead, lead0 - 2 * q * bracket), "over P², with D₀ > 0 and the bracket C", worlds=())
    mirrored = w_(op.specialise, scaled, args=(Eq(q, -pos),), note="q = −p, p ≥ 0")
    w_(op.decided, mirrored, args=(Gt(lead, 0),), note="C > 0, where f > y had a finite t₀: now t₀ = ∞")
    turned = w_(op.specialise, mirrored, args=(Eq(bracket, -bracket, evaluate=False),), note="C < 0, written −C")
    turned = w_(op.specialise, turned, args=(Eq(pos, t0 * drive_max),), note="p at its largest, t₀ η_max")
    zero = w_.define(Eq(lead, Integer(0)), "where the order turns round", name="suppose", worlds=())
    level = w_(op.subtracted, turned, zero)
    final = w_(op.solved, level, args=(t0,), key="t0")
    w_.compare(
        final,
        Eq(t0, lead0 / (2 * drive_max * -bracket)),
        lead0 / (drive_max * bracket),
        "[paper: Appendix A.2]",
        case="t₀ with C < 0: the bracket of Eq. 11 negated",
        consequence="For f < y the bracket of Eq. 11 changes its sign: pairs with a finite t₀ have t₀ = ∞ and"
        " the reverse.",
        stays="With the bracket negated bound and sharpness are the same.",
    )
    w_.check_by(trials.order_of_two_negative)
    return w_.done()


FAMILY = {"thm2": thm2, "thm2_negative": thm2_negative}
