"""Theorem 1 and its Remark: when the low-frequency ratio of FGM perturbations rises along training."""

from __future__ import annotations

from functools import partial

import numpy as np

from theory_sim.claims.base import HOLDS, REFUTED, Claim, Outcome
from theory_sim.claims.paths import RESOLVED, Stretch, least_drive
from theory_sim.claims.samples import SpectralPath, TrainingSample
from theory_sim.closed_form import relu_q_limit

LIMIT = "τ(x) > 1/2 (L_x > H_x), τ moves; "
REGIMES = {
    "eq8": "Eq. 8 itself, drive > 0 for ever, 0 <= decay < 1",
    "relu": "explicit ReLU training, f > y, r <= 1, no kink crossing",
    "relu kinks": "explicit ReLU training, f > y, r <= 1, at least one kink crossing",
    "relu f<y": "explicit ReLU training, f < y, r <= 1, no kink crossing",
    "relu 1<r<2": "explicit ReLU training past the monotone range, no kink crossing",
    "relu r>2": "explicit ReLU training that diverges, no kink crossing",
    "smooth": "explicit training of Softplus, squareplus, leaky softplus, f > y throughout",
    "eq8 outside": "Eq. 8 itself with constant decay in (1, 3)",
}


SWINGS = ("relu 1<r<2", "relu r>2", "eq8 outside")


def in_regime(path: SpectralPath, regime: str) -> bool:
    """Measure that a path is what its regime says: crossings, sign of the drive, and L_x > H_x [paper: Eq. 2]."""
    plane = path.start
    if not plane.input_low > plane.input_high or not path.moves:
        return False
    if isinstance(path, TrainingSample):
        crosses = path.first_crossing <= path.steps
        drive = path.drive
        if regime == "relu kinks" or regime == "smooth":
            return bool((drive > 0).all()) and (crosses or regime == "smooth")
        if crosses:
            return False
        if regime == "relu":
            return bool((drive > 0).all())
        if regime == "relu f<y":
            return bool((drive < 0).all())
    return True


def _outcome(printed: float | None, corrected: float | None, control: float | None) -> Outcome | None:
    """An outcome if the premises of either version are met somewhere on the run."""
    return None if printed is None and corrected is None else Outcome(printed, corrected, control)


def t0(path: SpectralPath, regime: str) -> Outcome | None:
    """After t₀ = max{0, -bζ/(n η β₀ (L_x-H_x))}: Δτ_l > Δτ_h [paper: Theorem 1, Remark].

    Checked at every t >= t₀(t), with n and β₀ the minima over 0 ... t. Control: Δτ_l < Δτ_h there.
    """
    if not in_regime(path, regime):
        return None

    def margin(corrected: bool, share: float, flip: float = 1.0) -> float | None:
        s = Stretch.of(path, corrected=corrected)
        steps = np.arange(len(s.gap))
        room = path.start.input_low - path.start.input_high
        with np.errstate(divide="ignore"):
            bound = share * np.maximum(0.0, -s.gap[0] / (least_drive(path)[: len(s.gap)] * room))
        size = np.abs(s.low_cross) + np.abs(s.high_cross)
        after = (steps >= bound) & (steps > 0) & (size > 0)
        if not after.any():
            return None
        return float((flip * s.gap[after] / size[after]).min())

    return _outcome(margin(False, 1.0), margin(True, 0.5), margin(True, 0.5, flip=-1.0))


def t0_exists(path: TrainingSample) -> Outcome | None:
    """There is a t₀ with Δτ_l > Δτ_h for all t >= t₀; in training that converges iff bζ + 2(L_x-H_x) q_∞ > 0."""
    if not in_regime(path, "relu"):
        return None
    s, plane = Stretch.of(path, corrected=False), path.start
    q_end = relu_q_limit(float(path.trajectory.residual[0]), path.training.input_norm2)
    room = plane.input_low - plane.input_high
    end = float(s.gap[-1] / (abs(s.gap[0]) + abs(2 * room * q_end)))
    remaining = abs(float(path.trajectory.residual[path.steps] / path.trajectory.residual[0]))
    if abs(end) < max(1e-3, 10 * remaining):  # too close to call before training has converged altogether
        return None
    half, whole = s.gap[0] + room * q_end, s.gap[0] + 2 * room * q_end
    return Outcome(end, float(np.sign(whole)) * end, float(np.sign(half)) * end)


def t1(path: SpectralPath, regime: str) -> Outcome | None:
    """From τ(δ⁰) < τ(x): there is t₁ with τ^(t+1) > τ^(t) for all t >= t₁ [paper: Eq. 10].

    Judged on the last steps of a run that has nearly reached its limit (Eq. 8 itself: gone 10³ times as far): six
    where q swings, three otherwise.
    """
    if not in_regime(path, regime) or not path.start.tau < path.start.input_tau:
        return None
    last = path.growth[-6 if regime in SWINGS else -3 :]
    size = float(np.abs(last).max())
    if len(path.growth) < 6 or np.abs(last).min() < 100 * RESOLVED:
        return None
    end = float(last.min()) / size
    rises, control = _rises_in_the_end(path, regime)
    if control is None:
        return None
    corrected = None if rises is None else (end if rises else -end)
    swapped = None if control is None else (end if control else -end)
    return Outcome(end, corrected, swapped)


def _far_along(path: SpectralPath) -> bool:
    """True if the q² term of the sign polynomial outweighs the others tenfold: the last steps speak for all t."""
    p0, p1, p2 = path.start.sign_polynomial
    q = path.q[-4:]
    return bool((np.abs(p2 * q**2) > 10 * (np.abs(2 * p1 * q) + abs(p0))).all())


def _rises_in_the_end(path: SpectralPath, regime: str) -> tuple[bool | None, bool | None]:
    """The closed form's answer and its opposite, the negative control; (None, None): not near enough to the end."""
    if regime == "smooth":
        return None, True
    if regime in ("eq8", "relu r>2") and not _far_along(path):
        return None, None
    if regime in SWINGS:  # q swings to both sides for ever
        return False, True
    if regime == "eq8":
        rises = path.start.sign_polynomial[2] >= 0
        return bool(rises), not rises
    assert isinstance(path, TrainingSample)
    crossings = path.trajectory.crossings[: path.steps + 1]
    base = int(np.argmax(crossings == crossings[-1]))  # after the last crossing: re-based there
    if base > path.steps - 6:
        return None, None
    plane = path.state(base)
    q_end = relu_q_limit(float(path.trajectory.residual[base]), path.training.input_norm2)
    still = np.linspace(path.q[-4] - path.q[base], q_end, 16)
    signs = np.sign(np.sign(q_end) * plane.slope_sign(still))
    if not (signs == signs[-1]).all():
        return None, None
    return bool(signs[-1] > 0), not signs[-1] > 0


def growth(path: SpectralPath, regime: str) -> Outcome | None:
    """After t₀, τ^(t+1) > τ^(t) at every step at which L < H; corrected: if also Δτ_l >= 0 [paper: Theorem 1, Remark].

    Control: that τ falls there.
    """
    if not in_regime(path, regime):
        return None

    def margin(corrected: bool, flip: float = 1.0) -> float | None:
        s = Stretch.of(path, corrected=corrected)
        n = len(s.growth)
        chosen = (np.arange(n) >= s.after_t0) & (s.low[:n] < s.high[:n])
        if corrected:
            chosen &= s.low_cross[:n] >= 0
        return float((flip * s.growth)[chosen].min()) if chosen.any() else None

    return _outcome(margin(False), margin(True), margin(True, flip=-1.0))


def keeps(path: SpectralPath, regime: str) -> Outcome | None:
    """If at some t₁ > t₀ Δτ_l τ_h >= Δτ_h τ_l, then τ rises at all t > t₁ [paper: Theorem 1, Remark].

    Corrected: if moreover τ(δ⁰) < τ(x) and Eq. 12 (with <=) holds at the start. Control: that τ falls there.
    """
    if not in_regime(path, regime):
        return None

    def margin(corrected: bool, flip: float = 1.0) -> float | None:
        s = Stretch.of(path, corrected=corrected)
        n = len(s.growth)
        balance = s.low_cross[:n] * s.high[:n] - s.high_cross[:n] * s.low[:n]
        chosen = np.flatnonzero((balance >= 0) & (np.arange(n) > s.after_t0))
        if not chosen.size:
            return None
        if corrected:
            eq12 = s.sign * path.start.eq12_margin
            if not (eq12 >= 0 and path.start.tau < path.start.input_tau):
                return None
        return float((flip * s.growth)[chosen[0] :].min())

    return _outcome(margin(False), margin(True), margin(True, flip=-1.0))


def majority(path: SpectralPath, regime: str) -> Outcome | None:
    """Once L > H after t₀, for ever [paper: Theorem 1, Remark]. Control: that L < H from the next step on."""
    if not in_regime(path, regime):
        return None

    def margin(corrected: bool, flip: float = 1.0) -> float | None:
        s = Stretch.of(path, corrected=corrected)
        lead = (s.low - s.high) / (s.low + s.high)
        chosen = np.flatnonzero((lead > 0) & (np.arange(len(lead)) >= s.after_t0))
        if not chosen.size or chosen[0] + 1 >= len(lead):
            return None
        return float((flip * lead)[chosen[0] + 1 :].min())

    return _outcome(margin(False), margin(True), margin(True, flip=-1.0))


def _claims() -> list[Claim]:
    keep = "while the drive keeps its sign and no unit crosses its kink (f < y: Δτ -> -Δτ)"
    rows = [
        (
            "thm1_t0",
            t0,
            "after t0 = max{0, -bζ/(n η β0 (L_x-H_x))}: Δτ_l > Δτ_h",
            f"already after t0/2, {keep}",
            {"eq8": HOLDS, "relu": HOLDS},
            1e-9,
        ),
        (
            "thm1_t1",
            t1,
            "from τ(δ0) < τ(x) there is t1 with τ(t+1) > τ(t) for all t >= t1",
            "q unbounded: iff Eq. 12 with <=; converging: iff the sign polynomial is > 0 at q_∞; swinging q: never",
            {},
            1e-9,
        ),
        (
            "thm1_growth",
            growth,
            "after t0, τ(t+1) > τ(t) at every step at which L < H",
            f"if also Δτ_l >= 0, {keep}",
            {},
            RESOLVED,
        ),
        (
            "thm1_keeps",
            keeps,
            "if Δτ_l τ_h >= Δτ_h τ_l at some t1 > t0, τ rises at all t > t1",
            f"if also τ(δ0) < τ(x) and Eq. 12 with <= at the start, {keep}",
            {},
            RESOLVED,
        ),
        (
            "thm1_majority",
            majority,
            "once L > H after t0, for ever",
            keep,
            {"eq8": HOLDS, "relu": HOLDS},
            1e-9,
        ),
    ]
    claims = []
    for name, judge, statement, correction, holds, tolerance in rows:
        for regime, description in REGIMES.items():
            corrected: str | None = HOLDS
            vacuous = name == "thm1_keeps" and regime in SWINGS  # the drive turns at the second step
            if regime == "smooth" or vacuous or (regime == "eq8 outside" and name != "thm1_t1"):
                corrected = None
            claims.append(
                Claim(
                    id=name,
                    case=regime,
                    statement=statement,
                    correction=correction if corrected else None,
                    hypotheses=LIMIT + description,
                    source="[paper: Theorem 1]",
                    population=regime,
                    judge=partial(judge, regime=regime),
                    known=(holds.get(regime, REFUTED), corrected),
                    tolerance=tolerance,
                )
            )
    claims.append(
        Claim(
            id="thm1_t0",
            case="relu, existence",
            statement="there is a t0 with Δτ_l > Δτ_h for all t >= t0",
            correction="in training that converges iff bζ + 2(L_x-H_x) q_∞ > 0",
            hypotheses=LIMIT + REGIMES["relu"],
            source="[paper: Theorem 1]",
            population="relu",
            judge=t0_exists,
            known=(REFUTED, HOLDS),
        )
    )
    return claims


CLAIMS = _claims()
