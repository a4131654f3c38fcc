"""Theorem 3 with necessity, Appendix A.3 line by line, and the case f < y."""

from __future__ import annotations

from sympy import Eq, Ge, Gt, Le, Lt, Sum

from theory_sim.derivations import operations as op
from theory_sim.derivations import trials
from theory_sim.derivations.closed_form import CURVE_ALL, CURVE_LOW
from theory_sim.derivations.derivation import Derivation, Line, Work
from theory_sim.derivations.gradient_laws import RELU
from theory_sim.derivations.symbols import (
    H,
    L,
    Lx,
    N_q,
    P,
    Q,
    T,
    b,
    below,
    c,
    ch,
    cl,
    drives,
    e,
    i,
    margin,
    pos,
    q,
    t,
    tx,
    zeta,
)  # fmt: skip
from theory_sim.derivations.symbols import (
    Lt as Low,
)
from theory_sim.derivations.theorem1 import AHEAD, INPUT_RATIO, MARGIN

POSITIVE = ("relu", "eq8")


def room_below(w_: Work) -> Line:
    """τ(x) N(q) − L(q) = ζ(L+H) + q M₁₂: the q² terms cancel."""
    total = w_.define(Eq(N_q, CURVE_ALL), "the closed form's denominator")
    line = w_.define(Eq(below, tx * N_q - CURVE_LOW), "τ(x) N(q) − L(q): positive iff τ(q) < τ(x)")
    line = w_(op.insert, line, total)
    names = [
        w_.define(AHEAD, "ζ = τ(x) − τ(δ⁰)"), w_.define(MARGIN, "margin of Eq. 12"), w_.define(INPUT_RATIO),
    ]  # fmt: skip
    return w_(op.fold, line, *names, args=(zeta * (L + H) + q * margin,), key="room", note="q² cancels")


def thm3(sums: str = "weights") -> Derivation:
    """τ(δ) stays below τ(x) iff Eq. 12 [paper: Theorem 3]."""
    w_ = Work(
        "thm3",
        "Theorem 3, with necessity",
        "τ(δ^(t)) < τ(x) for all t > 0 if Eq. 12 holds",
        "[paper: Theorem 3]",
        sums=sums,
        worlds=POSITIVE,
    )
    w_.proved("closed_form", "tau", "τ at every step", worlds=())
    line = room_below(w_)
    good = w_(
        op.specialise,
        line,
        args=(Eq(margin, c), Eq(q, pos)),
        note="Eq. 12 (with ≤): M₁₂ = c ≥ 0, and q = p ≥ 0",
        worlds=(),
    )
    final = w_(op.decided, good, args=(Gt(below, 0),), note="τ(q) < τ(x) for all q ≥ 0: sufficient")
    beyond = w_(
        op.specialise,
        line,
        args=(Eq(margin, -b), Eq(q, zeta * (L + H) / b + e)),
        worlds=(),
        note="M₁₂ = −b < 0, and q beyond ζ(L+H)/b",
    )
    beyond = w_(op.expanded, beyond)
    w_(op.decided, beyond, args=(Lt(below, 0),), note="τ(q) > τ(x): Eq. 12 with ≤ is necessary too")
    condition = w_.define(Ge(margin, 0), "hence: all q > 0 iff M₁₂ ≥ 0", name="suppose", worlds=())
    w_.compare(
        condition,
        Gt(margin, 0),
        Ge(margin, 0),
        "[paper: Eq. 12]",
        case="the condition itself",
        kind="stronger",
        consequence="None for the theorem: Eq. 12 is sufficient as printed. With = in addition it is also"
        " necessary as soon"
        " as q is not bounded.",
        stays="All of Theorem 3 for f > y.",
    )
    w_.compare(final, Gt(below, 0), 0, "[paper: Theorem 3]")
    w_.check_by(trials.below_input)
    return w_.done()


def thm3_weak(sums: str = "weights") -> Derivation:
    """Appendix A.3: the sums a, b, c, d and the condition at step t [paper: Eq. 17]."""
    w_ = Work(
        "thm3_weak",
        "Appendix A.3 line by line",
        "the condition of Eq. 17 at step t",
        "[paper: Appendix A.3]",
        claims=("thm3_weak", "eq16"),
        sums=sums,
        worlds=RELU,
    )
    no_decay = [w_.suppose(Eq(P[t], 1, evaluate=False), "ReLU: no decay")]
    energy = w_.proved("closed_form", "low", "low-band energy at every step")
    energy = w_(op.insert, energy, *no_decay)
    sum_of_drives = Sum(drives[i], (i, 0, t - 1))
    total = w_.suppose(Eq(Q[t], sum_of_drives), "Q is the sum of the drives")
    exact = w_(op.insert, energy, total, key="energy")
    nested = Sum(drives[i] * Sum(drives[T], (T, 0, i)), (i, 0, t - 1))
    printed = Eq(Low[t], L + cl * sum_of_drives + Lx * nested)
    w_.compare(
        exact,
        printed,
        Lx * sum_of_drives**2 - Lx * nested,
        "[paper: Appendix A.3]",
        case="a = L_x Σ η Σ η, the inner sum up to and including t′",
        consequence="The printed a and b are about half of what they are: (Σ η)² = 2 Σ η Σ η less the squares."
        " The path of"
        " τ between start and end is misdrawn.",
        stays="Theorem 3 and Eq. 17: a/(a+b) = τ(x) either way, and only this ratio is used.",
    )
    line = room_below(w_)
    line = w_(op.insert, line, w_.define(MARGIN))
    weak = tx * (cl + ch) * q - cl * q + zeta * (L + H)
    line = w_(op.rewrite, line, args=(weak,), note="c = q Δτ_l, d = q Δτ_h")
    condition = w_(op.equivalent, line, args=(Gt(zeta * (L + H), q * cl - tx * (q * cl + q * ch)),), worlds=())
    w_.compare(
        condition,
        Gt(zeta * (L + H), q * cl - tx * (q * cl + q * ch)),
        0,
        "[paper: Eq. 17]",
        case="c − τ(x)(c+d) < ζ(L⁰+H⁰): also necessary",
    )
    return w_.done()


def thm3_negative(sums: str = "weights") -> Derivation:
    """Theorem 3 for f < y: Eq. 12 turns round."""
    w_ = Work(
        "thm3_negative",
        "Theorem 3 for f < y",
        'the case of negative η, "similar" in the paper',
        "[paper: Appendix A.3]",
        claims=("thm3", "thm3_weak"),
        sums=sums,
        worlds=("relu f<y",),
    )
    line = room_below(w_)
    mirrored = w_(op.specialise, line, args=(Eq(q, -pos),), note="a negative drive: q = −p, p ≥ 0", worlds=())
    good = w_(op.specialise, mirrored, args=(Eq(margin, -c),), note="M₁₂ = −c ≤ 0")
    good = w_(op.expanded, good)
    w_(op.decided, good, args=(Gt(below, 0),), note="τ < τ(x) for all p ≥ 0: sufficient")
    bad = w_(
        op.specialise,
        mirrored,
        args=(Eq(margin, b), Eq(pos, zeta * (L + H) / b + e)),
        note="M₁₂ = b > 0, p beyond ζ(L+H)/b",
    )
    bad = w_(op.expanded, bad)
    w_(op.decided, bad, args=(Lt(below, 0),), note="τ > τ(x): necessary")
    opposite = w_.define(Eq(-margin, -tx * (cl + ch) + cl), "−M₁₂ ≥ 0", worlds=())
    condition = w_(op.equivalent, opposite, args=(Le(tx * (cl + ch), cl),))
    w_.compare(
        condition,
        Gt(tx * (cl + ch), cl),
        Le(tx * (cl + ch), cl),
        "[paper: Eq. 12]",
        case="Eq. 12, whose direction turns round",
        consequence="For f < y Theorem 3 holds under the opposite of Eq. 12, and fails under Eq. 12 itself once"
        " training"
        " has gone far enough.",
        stays="With Eq. 12 turned round (≥) the theorem holds for f < y, and is sharp.",
    )
    w_.check_by(trials.below_input_negative)
    return w_.done()


FAMILY = {"thm3": thm3, "thm3_weak": thm3_weak, "thm3_negative": thm3_negative}
