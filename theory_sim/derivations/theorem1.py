"""Theorem 1 and its Remark: t₀, eventual growth if and only if Eq. 12, growth, persistence; and all of it for f < y."""

from __future__ import annotations

from sympy import Eq, Ge, Gt, Integer, Le, Lt, Rational, S, Sum

from theory_sim.derivations import operations as op
from theory_sim.derivations import trials
from theory_sim.derivations.closed_form import POLYNOMIAL, recursions
from theory_sim.derivations.derivation import Derivation, Line, Work
from theory_sim.derivations.gradient_laws import BY_EQ8
from theory_sim.derivations.symbols import (
    H1,
    L1,
    N1,
    B,
    H,
    Hx,
    L,
    Lx,
    N_q,
    N_q1,
    P,
    Q,
    b,
    beta0,
    c,
    c1,
    c2,
    ch,
    cl,
    decay,
    decays,
    drive,
    drives,
    e,
    eta,
    excess,
    gap,
    gap1,
    gapt,
    i,
    keep,
    margin,
    n_min,
    p0,
    p1,
    p2,
    pos,
    pos1,
    push,
    q,
    q0,
    q1,
    qt,
    rise,
    room,
    step_q,
    t,
    t0,
    tau_q,
    th,
    tl,
    tx,
    v,
    v1,
    zeta,
)  # fmt: skip

POSITIVE = ("relu", "eq8")
NEGATIVE = ("relu f<y",)
MARGIN = Eq(margin, tx * (cl + ch) - cl)
INPUT_RATIO = Eq(tx, Lx / (Lx + Hx))
AHEAD = Eq(zeta, Lx / (Lx + Hx) - L / (L + H))


def gap_of_all_steps(w_: Work) -> Line:
    """Δ_T = Δ₀ + 2(L_x − H_x) Σ η^(i) without decay, by induction over Eq. 14."""
    one = w_.proved("eq14", "gap", "Eq. 14 with its factor 2")
    values = (Eq(gap1, gapt[t + 1]), Eq(gap, gapt[t]), Eq(drive, drives[t]), Eq(decay, 0))
    relu = tuple(name for name in w_.worlds if name != "eq8")
    one = w_(op.specialise, one, args=values, note="ReLU between kink crossings: η̃ = 0, at step t", worlds=relu)
    claim = Eq(gapt[t], gapt[0] + 2 * (Lx - Hx) * Sum(drives[i], (i, 0, t - 1)))
    base = w_.define(Eq(gapt[0], gapt[0], evaluate=False), "the claim at t = 0, where the sum is empty")
    hypothesis = w_.suppose(claim, "suppose it at t", worlds=relu)
    step = w_(op.insert, one, hypothesis)
    step = w_(op.rewrite, step, args=(claim.rhs.subs(t, t + 1),), note="the claim at t + 1")
    return w_(op.induct, base, step, args=(claim, t), key="all")


def thm1_t0(sums: str = "weights") -> Derivation:
    """After how many steps Δτ_l > Δτ_h [paper: Theorem 1, Remark]."""
    w_ = Work(
        "thm1_t0",
        "When the low cross overtakes the high one",
        "t₀ = max{0, −bζ/(n η β₀(L_x−H_x))}",
        "[paper: Theorem 1, Remark]",
        sums=sums,
        worlds=POSITIVE,
    )
    total = gap_of_all_steps(w_)
    least = w_.suppose(
        Eq(drives[i], n_min * eta * beta0 + excess[i]), "η^(t) ≥ n η β₀: χ ≥ 0 is what it has above", worlds=()
    )
    concentrated = w_.suppose(Eq(Lx, Hx + room), "Eq. 2: Λ = L_x − H_x > 0", worlds=())
    line = w_(op.insert, total, concentrated, least)
    line = w_(op.expanded, line)
    bound = gapt[0] + 2 * room * t * n_min * eta * beta0
    line = w_(op.bounded, line, args=(bound,), note="what is dropped is not negative", key="bound")
    zero = w_.define(Eq(Integer(0), bound.subs(t, t0), evaluate=False), "t₀: where the bound passes 0", worlds=())
    final = w_(op.solved, zero, args=(t0,), key="t0")
    printed = -gapt[0] / (n_min * eta * beta0 * room)
    w_.compare(
        final,
        Eq(t0, printed),
        -printed / 2,
        "[paper: Theorem 1, Remark]",
        case="Δτ_l − Δτ_h < 0 at the start",
        consequence="The printed t₀ is twice too late (its proof uses Eq. 14 with the factor 1).",
        stays="The statement holds at the printed t₀ too, and already at half of it, as long as training takes"
        " so many steps.",
    )
    w_.check_by(trials.gap_after_t0)
    return w_.done()


def signs_at_start(w_: Work) -> tuple[Line, Line]:
    """p₁ > 0 from τ(δ⁰) < τ(x), and p₂ by the margin of Eq. 12."""
    definitions = [w_.define(rule) for rule in POLYNOMIAL]
    ahead = w_.define(AHEAD, "ζ = τ(x) − τ(δ⁰), positive by hypothesis")
    p1_line = w_(op.fold, definitions[1], ahead, args=(zeta * (L + H) * (Lx + Hx),))
    p1_line = w_(op.decided, p1_line, args=(Gt(p1, 0),), key="p1", worlds=())
    ratio, of_margin = w_.define(INPUT_RATIO), w_.define(MARGIN, "margin of Eq. 12")
    p2_line = w_(op.fold, definitions[2], of_margin, ratio, args=((Lx + Hx) * margin,), key="p2")
    return p1_line, p2_line


def steps_grow(w_: Work) -> None:
    """q rises at every step while the drive is positive."""
    _, next_p, _, next_q = recursions(w_)
    move = w_.define(Eq(step_q, qt[t + 1] - qt[t]), "one step of q", worlds=())
    ratio_next = w_.define(Eq(qt[t + 1], Q[t + 1] / P[t + 1]), "q = Q/P")
    ratio = w_.define(Eq(qt[t], Q[t] / P[t]))
    move = w_(op.insert, move, ratio_next, ratio, next_p, next_q)
    positive_step = (Eq(decays[t], 1 - keep), Eq(drives[t], push))
    move = w_(op.combined, move)
    move = w_(op.specialise, move, args=positive_step, note="0 ≤ η̃ < 1 and a positive drive")
    w_(op.decided, move, args=(Gt(step_q, 0),), note="q rises at every step, without bound if Σ η^(t) does")


def thm1_t1(sums: str = "weights") -> Derivation:
    """Eventual growth if and only if Eq. 12 with ≤ [paper: Eq. 10]."""
    w_ = Work(
        "thm1_t1",
        "Eventual growth ⇔ Eq. 12",
        "there is t₁ with τ^(t+1) > τ^(t) for all t ≥ t₁",
        "[paper: Eq. 10]",
        sums=sums,
        worlds=POSITIVE,
    )
    w_.proved("sign_polynomial", "growth", "one step takes q to q′ > q: τ rises iff B > 0")
    bracket = w_.define(Eq(B, p0 + p1 * (q + q1) + p2 * q * q1), key="B")
    steps_grow(w_)
    _, p2_line = signs_at_start(w_)
    condition = w_(
        op.equivalent,
        p2_line,
        w_.define(MARGIN),
        args=(Ge(tx * (cl + ch), cl),),
        worlds=(),
        note="p₂ ≥ 0 is Eq. 12 with ≤",
    )

    first = w_(
        op.specialise,
        bracket,
        args=(Eq(p1, c1), Eq(p2, c2), Eq(p0, e - 2 * c1 * q0), Eq(q, q0 + v), Eq(q1, q0 + v1)),
        worlds=(),
        note="p₂ ≥ 0. Any p₀ is e − 2c₁q₀ with some q₀ ≥ 0, e > 0; q, q′ ≥ q₀",
    )
    first = w_(op.expanded, first)
    w_(op.decided, first, args=(Gt(B, 0),), note="τ rises at every step beyond q₀", key="if")

    second = w_(
        op.specialise,
        bracket,
        args=(
            Eq(p1, c1),
            Eq(p2, -b),
            Eq(p0, 2 * c1 * q0 - e),
            Eq(q, 2 * c1 / b + q0 + v),
            Eq(q1, 2 * c1 / b + q0 + v1),
        ),
        worlds=(),
        note="p₂ < 0. Any p₀ is 2c₁q₀ − e with some q₀ ≥ 0, e > 0; q, q′ ≥ q₀ + 2c₁/b",
    )
    second = w_(op.expanded, second)
    w_(op.decided, second, args=(Lt(B, 0),), note="τ falls at every step beyond: no t₁", key="only if")
    example = tuple(Eq(s_, n) for s_, n in ((L, 1), (H, 3), (Lx, 2), (Hx, 1), (cl, 1), (ch, -1), (q, 9), (q1, 10)))
    shown = w_(op.insert, bracket, *[w_.define(rule) for rule in POLYNOMIAL])
    w_(op.witness, shown, args=example, note="Eq. 12 fails: an example in which τ falls from q = 9 to 10", worlds=())
    stop = w_(op.specialise, bracket, args=(Eq(q1, q),), note="training that converges stops at a finite q", worlds=())
    w_.compare(
        stop,
        Eq(B, p0 + 2 * p1 * q + p2 * q**2),
        0,
        "(ours) the sign polynomial",
        case="training that converges to q: growth in the end iff this is positive there",
    )
    w_.compare(
        condition,
        S.true,
        Ge(tx * (cl + ch), cl),
        "[paper: Eq. 10]",
        case="q grows without bound, τ(δ⁰) < τ(x)",
        consequence="Eq. 10 needs Eq. 12 (with ≤), which Theorem 1 does not ask for: without it τ passes τ(x)"
        " at a finite"
        " q and falls back to it from above.",
        stays="With Eq. 12 the growth in the end is certain, for all weights of the band sums alike.",
    )
    w_.check_by(trials.eventual_growth)
    w_.check_by(trials.growth_where_training_stops)
    return w_.done()


def _one_step(w_: Work) -> Line:
    """The exact change of τ in one step under Eq. 8, with the ratios written out."""
    line = w_.proved("eq15", "exact", "the exact change of τ in one step")
    ratios = [w_.define(Eq(tl, L / (L + H))), w_.define(Eq(th, H / (L + H)))]
    line = w_(op.insert, line, *ratios)
    written = (drive * (1 - decay) * (cl * H - ch * L) + drive**2 * (Lx * H - Hx * L)) / (N1 * (L + H))
    return w_(op.rewrite, line, args=(written,), key="one step")


def thm1_growth(sums: str = "weights") -> Derivation:
    """Growth while L < H [paper: Theorem 1, Remark]."""
    w_ = Work(
        "thm1_growth",
        "Growth while L < H",
        "after t₀, τ^(t+1) > τ^(t) at every step at which L < H",
        "[paper: Theorem 1, Remark]",
        sums=sums,
        worlds=BY_EQ8,
    )
    line = _one_step(w_)
    values = (Eq(cl, c), Eq(ch, c - b), Eq(H, L + e), Eq(Lx, Hx + room), Eq(decay, 1 - keep), Eq(drive, push))
    good = w_(
        op.specialise, line, args=values, note="Δτ_l = c ≥ 0, Δτ_l − Δτ_h = b > 0 (after t₀), H − L = e > 0", worlds=()
    )
    positive_form = (push * keep * (c * e + b * L) + push**2 * (room * L + (Hx + room) * e)) / (N1 * (2 * L + e))
    good = w_(op.rewrite, good, args=(positive_form,))
    w_(op.decided, good, args=(Gt(rise, 0),), note="τ rises if Δτ_l ≥ 0")
    numbers = tuple(
        Eq(s_, n)
        for s_, n in (
            (L, 1),
            (H, 3),
            (Lx, 2),
            (Hx, 1),
            (cl, -1),
            (ch, -2),
            (decay, 0),
            (drive, Rational(1, 10)),
            (N1, Rational(373, 100)),
        )
    )
    w_(op.witness, line, args=numbers, worlds=(), note="Δτ_l = −1 > Δτ_h = −2 and L < H, but τ falls (N′ from Eq. 13)")
    needed = w_.define(Eq(B, cl), "what the proof needs besides Δτ_l > Δτ_h", name="suppose", worlds=())
    condition = w_(op.equivalent, needed, args=(Ge(cl, 0),))
    w_.compare(
        condition,
        S.true,
        Ge(cl, 0),
        "[paper: Theorem 1, Remark]",
        consequence="With both crosses negative and Δτ_l > Δτ_h the ratio can fall at a step at which L < H.",
        stays="It rises at every such step once Δτ_l ≥ 0, also with the terms of second order; and Δτ_l, too, grows by"
        " 2ηL_x a step.",
    )
    return w_.done()


def thm1_keeps(sums: str = "weights") -> Derivation:
    """Growth goes on [paper: Theorem 1, Remark]."""
    w_ = Work(
        "thm1_keeps",
        "Once rising, always rising",
        "if Δτ_l τ_h ≥ Δτ_h τ_l at some t₁ > t₀, τ rises at all t > t₁",
        "[paper: Theorem 1, Remark]",
        sums=sums,
        worlds=POSITIVE,
    )
    bracket = w_.define(Eq(B, p0 + p1 * (q + q1) + p2 * q * q1), "one step from q to q′, counted from t₁")
    w_.proved("sign_polynomial", "invariant", "p₂ is the same at t₁ as at the start")
    _, p2_line = signs_at_start(w_)
    condition = w_(op.equivalent, p2_line, w_.define(MARGIN), args=(Ge(tx * (cl + ch), cl),), worlds=())
    values = (Eq(p0, c), Eq(p1, c1), Eq(p2, c2), Eq(q, v), Eq(q1, v + b))
    good = w_(
        op.specialise,
        bracket,
        args=values,
        worlds=(),
        note="p₀ ≥ 0 at t₁, p₁ > 0 (τ < τ(x), thm3), p₂ ≥ 0: Eq. 12 with ≤",
    )
    good = w_(op.expanded, good)
    w_(op.decided, good, args=(Gt(B, 0),), note="τ rises at every later step")
    shown = w_(op.insert, bracket, *[w_.define(rule) for rule in POLYNOMIAL])
    numbers = tuple(Eq(s_, n) for s_, n in ((L, 1), (H, 3), (Lx, 2), (Hx, 1), (cl, 1), (ch, -1), (q, 9), (q1, 10)))
    w_(
        op.witness,
        shown,
        args=numbers,
        worlds=(),
        note="p₀ = 4 > 0 and Δτ_l > Δτ_h at the start; Eq. 12 fails and τ falls later",
    )
    w_.compare(
        condition,
        S.true,
        Ge(tx * (cl + ch), cl),
        "[paper: Theorem 1, Remark]",
        consequence="Without Eq. 12 a rising τ turns round after it has passed τ(x).",
        stays="From τ(δ⁰) < τ(x) and with Eq. 12 (≤) it holds, below and above 1/2.",
    )
    w_.check_by(trials.eventual_growth)
    return w_.done()


def thm1_majority(sums: str = "weights") -> Derivation:
    """L > H stays [paper: Theorem 1, Remark]."""
    w_ = Work(
        "thm1_majority",
        "Once the low band leads, it leads for ever",
        "if L > H at some step after t₀, then at all later steps",
        "[paper: Theorem 1, Remark]",
        sums=sums,
        worlds=BY_EQ8,
    )
    from theory_sim.derivations.gradient_laws import band_energies

    low1, high1 = band_energies(w_, first_order=False)
    difference = w_(op.subtracted, low1, high1)
    values = (
        Eq(L, H + b),
        Eq(cl, ch + e),
        Eq(Lx, Hx + room),
        Eq(decay, 1 - keep),
        Eq(drive, push),
    )
    after = w_(
        op.specialise, difference, args=values, note="L > H, Δτ_l > Δτ_h, L_x > H_x, 0 ≤ η̃ < 1, η^(t) > 0", worlds=()
    )
    after = w_(op.rewrite, after, args=(keep**2 * b + keep * push * e + push**2 * room,))
    final = w_(op.decided, after, args=(Gt(L1 - H1, 0),), note="and Δτ_l > Δτ_h stays, by Eq. 14")
    w_.compare(final, Gt(L1 - H1, 0), 0, "[paper: Theorem 1, Remark]")
    return w_.done()


def thm1_negative(sums: str = "weights") -> Derivation:
    """Theorem 1 for f < y, which the paper calls similar."""
    w_ = Work(
        "thm1_negative",
        "Theorem 1 for f < y",
        'the case f < y, "similar" in the paper',
        "[paper: Appendix A.1]",
        claims=("thm1_t0", "thm1_t1", "thm1_growth", "thm1_keeps", "thm1_majority"),
        sums=sums,
        worlds=NEGATIVE,
    )
    curve = w_.proved("sign_polynomial", "curve", "the closed form; a negative drive makes q = −p, p ≥ 0")
    mirrored = w_(op.specialise, curve, args=(Eq(q, -pos),), worlds=())
    flipped = (L - cl * pos + Lx * pos**2) / (L + H - (cl + ch) * pos + (Lx + Hx) * pos**2)
    mirrored = w_(op.rewrite, mirrored, args=(flipped,), note="the same curve with Δτ_l, Δτ_h replaced by −Δτ_l, −Δτ_h")
    w_.compare(mirrored, Eq(tau_q, flipped), 0, "(ours) f < y", case="everything with Δτ → −Δτ")

    growth = w_.proved("sign_polynomial", "growth", "one step")
    bracket = w_.define(Eq(B, p0 + p1 * (q + q1) + p2 * q * q1))
    step = w_(op.insert, growth, bracket)
    values = (Eq(q, -pos), Eq(q1, -pos1))
    step = w_(op.specialise, step, args=values, note="from −p to −p′", worlds=())
    falling = (pos1 - pos) * (-p0 + p1 * (pos + pos1) - p2 * pos * pos1) / (N_q * N_q1)
    step = w_(
        op.rewrite, step, args=(falling,), note="growth iff the bracket is positive: p₀ and p₂ with the other sign"
    )
    mirror = w_.define(Eq(B, -p0 + p1 * (pos + pos1) - p2 * pos * pos1), "its bracket", worlds=())
    _, p2_line = signs_at_start(w_)
    opposite = w_(op.multiplied, p2_line, args=(Integer(-1),))
    condition = w_(
        op.equivalent,
        opposite,
        w_.define(MARGIN),
        args=(Le(tx * (cl + ch), cl),),
        worlds=(),
        note="−p₂ ≥ 0: Eq. 12 with ≥",
    )
    good = w_(
        op.specialise,
        mirror,
        args=(Eq(p1, c1), Eq(p2, -c2), Eq(p0, 2 * c1 * q0 - e), Eq(pos, q0 + v), Eq(pos1, q0 + v1)),
        worlds=(),
        note="p₂ ≤ 0",
    )
    good = w_(op.expanded, good)
    w_(op.decided, good, args=(Gt(B, 0),), note="τ rises in the end")
    bad = w_(
        op.specialise,
        mirror,
        args=(
            Eq(p1, c1),
            Eq(p2, b),
            Eq(p0, e - 2 * c1 * q0),
            Eq(pos, 2 * c1 / b + q0 + v),
            Eq(pos1, 2 * c1 / b + q0 + v1),
        ),
        worlds=(),
        note="p₂ > 0: where f > y would rise for ever",
    )
    bad = w_(op.expanded, bad)
    w_(
        op.decided,
        bad,
        args=(Lt(B, 0),),
        note="τ falls in the end: for one network and both labels, one rises and one falls",
    )
    total = gap_of_all_steps(w_)
    least = w_.suppose(Eq(drives[i], -n_min * eta * beta0 - excess[i]), "η^(t) ≤ −n η β₀", worlds=())
    concentrated = w_.suppose(Eq(Lx, Hx + room), "Eq. 2", worlds=())
    opposite_gap = w_(op.multiplied, total, args=(Integer(-1),))
    line = w_(op.insert, opposite_gap, concentrated, least)
    line = w_(op.expanded, line)
    w_(
        op.bounded,
        line,
        args=(-gapt[0] + 2 * room * t * n_min * eta * beta0,),
        note="Δτ_h overtakes Δτ_l: t₀ with −bζ in place of bζ",
    )
    w_.compare(
        condition,
        Ge(tx * (cl + ch), cl),
        None,
        "[paper: Appendix A.1]",
        case="Eq. 12, whose direction turns round",
        consequence='For f < y the condition of eventual growth is Eq. 12 with ≥ in place of ≤: "similar" hides that'
        " whoever meets one fails the other.",
        stays="With Δτ → −Δτ everywhere every statement for f > y carries over, with the same proof.",
    )
    w_.check_by(trials.eventual_growth_negative)
    return w_.done()


FAMILY = {
    "thm1_t0": thm1_t0, "thm1_t1": thm1_t1, "thm1_growth": thm1_growth, "thm1_keeps": thm1_keeps,
    "thm1_majority": thm1_majority, "thm1_negative": thm1_negative,
}  # fmt: skip
