"""Ours, the paper's stated future work: FGSM and ℓ∞ PGD on the two-layer net [paper: Section 5].

FGSM is ε·sgn ĝ. Along training g = g⁰ - q x, so component i changes its sign once, at q_i = g_i/x_i, and τ(FGSM) is
piecewise constant in q with at most d breakpoints; past the last it is τ(sgn x), the input's own only by chance. Inside
of one linear region ℓ∞ PGD ends at FGSM: sign steps at once or from any start in 2ε/ξ steps, raw ones as clip(B g).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from theory_sim.claims.base import HOLDS, REFUTED, Claim, Outcome
from theory_sim.claims.samples import AttackSample, Eq8Sample, TrainingSample
from theory_sim.claims.theorem1 import in_regime
from theory_sim.claims.theorem3 import TIE
from theory_sim.closed_form import sign_breakpoints, signs_at
from theory_sim.spectrum import inverse_transform, low_frequency_ratio

Array = NDArray[np.float64]
FAINT = 1e-9  # of max|g|: the sign of such a component is round-off's
RISE = 1e-6  # τ(FGSM) of d <= 1,024 signs changes by more than that, or not at all


def _clear(g: Array) -> NDArray[np.bool_]:
    """States at which no component of g (T+1, d) is faint without being 0."""
    size = np.abs(g)
    faint = (size > 0) & (size <= FAINT * size.max(axis=1, keepdims=True))
    return np.asarray(~faint.any(axis=1) & (size > 0).all(axis=1))


def judge_breakpoints(path: TrainingSample) -> Outcome | None:
    """τ(sgn g^(t)) of an explicit run from g⁰, x and q alone."""
    if not in_regime(path, "relu"):
        return None
    g, x = path.trajectory.input_gradient[: path.steps + 1], path.training.x
    clear = _clear(g)
    if not clear.any():
        return None
    tau = low_frequency_ratio(np.sign(g[clear]), path.band)
    if np.ptp(tau) <= RISE:
        return None

    def error(gradient: Array, start: Array) -> float:
        signs = signs_at(gradient, start, path.q[clear])
        return -float(np.abs(low_frequency_ratio(signs, path.band) - tau).max())

    return Outcome(None, error(g[0], x), error(g[0], -x))


def _signals(path: Eq8Sample) -> tuple[Array, NDArray[np.bool_], Array]:
    """g (T+1, d) of Eq. 8's own path, which of its states are clear, and τ(sgn g) (T+1,)."""
    g = inverse_transform(path.gradient_spectrum, path.band.shape)
    return g, _clear(g), low_frequency_ratio(np.sign(g), path.band)


def _last_signs(path: Eq8Sample) -> tuple[Array, float]:
    """sgn(g⁰ - q x) for q → ∞, and the last breakpoint."""
    breakpoints = sign_breakpoints(path.start_gradient, path.x)
    last = float(breakpoints[np.isfinite(breakpoints)].max(initial=0.0))
    return np.where(path.x == 0, np.sign(path.start_gradient), -np.sign(path.x)), last


def judge_limit(path: Eq8Sample) -> Outcome | None:
    """Eq. 10 for FGSM: τ rises for ever from some t₁. Corrected: past the last breakpoint it is constant, τ(sgn x)."""
    if not in_regime(path, "eq8"):
        return None
    _, clear, tau = _signals(path)
    signs, last = _last_signs(path)
    past = np.logical_and(clear, path.q > last * (1 + FAINT))
    if past.sum() < 2 or not past[-2:].all() or np.ptp(tau[clear]) <= RISE:
        return None

    def error(level: float) -> float:
        return -float(np.abs(tau[past] - level).max())

    end = float(low_frequency_ratio(signs, path.band))
    return Outcome(float(tau[-1] - tau[-2]) - RISE, error(end), error(float(path.start.input_tau)))


def judge_theorem3(path: Eq8Sample) -> Outcome | None:
    """From τ(sgn g⁰) < τ(x) and Eq. 12: τ(sgn g^(t)) < τ(x) for all t.

    Corrected, of the end: for all late t if and only if τ(sgn x) < τ(x).
    """
    plane = path.start
    if not in_regime(path, "eq8"):
        return None
    size = abs(plane.low_cross) + abs(plane.high_cross)
    _, clear, tau = _signals(path)
    signs, last = _last_signs(path)
    below = float(plane.input_tau) - tau
    end = float(plane.input_tau - low_frequency_ratio(signs, path.band))
    met = float(plane.eq12_margin) > TIE * size and clear[0] and below[0] > 0
    settled = clear[-1] and path.q[-1] > last * (1 + FAINT) and abs(end) > RISE
    printed = float(below[clear].min()) if met and clear.sum() > 1 else None
    corrected, control = (
        (float(np.sign(end) * below[-1]), float(-np.sign(end) * below[-1])) if settled else (None, None)
    )
    return None if printed is None and corrected is None else Outcome(printed, corrected, control)


# ℓ∞ PGD --------------------------------------------------------------------------------------------------------------


def _certain(sample: AttackSample) -> bool:
    """True if neither β⁰ nor a component of g is round-off's."""
    g, gain = sample.gradient, sample.path.gain
    push = sample.radius * float(np.abs(g).sum())
    return bool(g.any() and _clear_or_zero(g) and abs(gain[0]) > FAINT * (push + abs(sample.label)))


def _clear_or_zero(g: Array) -> bool:
    size = np.abs(g)
    return not ((size > 0) & (size <= FAINT * size.max())).any()


def judge_one_spectrum(sample: AttackSample) -> Outcome | None:
    """From a zero start: τ(δ^(j)) = τ(sgn g) for j >= 1; corrected: up to the first iterate outside of the region."""
    if not _certain(sample):
        return None
    delta = sample.path.delta[1:]
    if not delta.any(axis=1).all():
        return None
    left = np.flatnonzero(sample.path.region_left)
    states = min(len(delta), int(left[0])) if left.size else len(delta)
    tau = low_frequency_ratio(delta, sample.band)

    def error(of: Array, n: int) -> float | None:
        return -float(np.abs(tau[:n] - low_frequency_ratio(of, sample.band)).max()) if n else None

    signs = np.sign(sample.gradient)
    return Outcome(error(signs, len(delta)), error(signs, states), error(sample.gradient, states))


def judge_saturation(sample: AttackSample) -> Outcome | None:
    """δ^(j) = clip(δ⁰ + jξ s, ±ε) with s = sgn(β⁰ g) in the linear region: ε s, FGSM's, from j = 2ε/ξ on."""
    if not _certain(sample) or sample.path.region_left.any():
        return None
    delta, s = sample.path.delta, np.sign(sample.path.gain[0] * sample.gradient)
    j = np.arange(len(delta))[:, None]

    def error(direction: Array) -> float:
        predicted = np.clip(sample.start + j * sample.step_size * direction, -sample.radius, sample.radius)
        return -float(np.abs(predicted - delta).max()) / sample.radius

    return Outcome(None, error(s), error(-s))


def judge_raw(sample: AttackSample) -> Outcome | None:
    """From a zero start raw and normalised steps in the ℓ∞ ball: δ^(j) = clip(B_j g, ±ε), B_j the sum of the steps."""
    if not _certain(sample) or sample.path.region_left.any():
        return None
    g, gain, delta = sample.gradient, sample.path.gain[:-1], sample.path.delta
    push = gain if sample.step == "raw" else np.sign(gain) / float(np.linalg.norm(g))
    reached = np.concatenate([[0.0], np.cumsum(sample.step_size * push)])[:, None] * g
    clipped = np.clip(reached, -sample.radius, sample.radius)

    def error(predicted: Array) -> float:
        return -float(np.abs(predicted - delta).max()) / sample.radius

    return Outcome(None, error(clipped), error(reached))


# Rows ----------------------------------------------------------------------------------------------------------------

REGION = "no preactivation changes sign between x and x+δ"
CLAIMS = [
    Claim(
        "fgsm",
        "breakpoints",
        "(ours; the paper's future work)",
        "sgn g_t = sgn(g0 - q x): component i turns at q_i = g_i/x_i > 0, τ(FGSM) is constant between breakpoints",
        "explicit ReLU training, f > y, r <= 1, no kink crossing, τ(FGSM) changes",
        "[ours; paper: Section 5]",
        "relu",
        judge_breakpoints,
        (None, HOLDS),
        ours=True,
    ),
    Claim(
        "fgsm",
        "thm1_t1",
        "Eq. 10 for FGSM: there is t1 with τ(sgn g_t+1) > τ(sgn g_t) for all t >= t1",
        "past the last breakpoint τ(FGSM) is constant: τ(sgn x), not τ(x)",
        "Eq. 8 itself, drive > 0 for ever, 0 <= decay < 1, all breakpoints passed",
        "[ours; paper: Theorem 1]",
        "eq8",
        judge_limit,
        (REFUTED, HOLDS),
        ours=True,
    ),
    Claim(
        "fgsm",
        "thm3",
        "from τ(sgn g0) < τ(x) and Eq. 12: τ(sgn g_t) < τ(x) for all t",
        "for all late t if and only if τ(sgn x) < τ(x), whatever the start and Eq. 12",
        "Eq. 8 itself, drive > 0 for ever, 0 <= decay < 1",
        "[ours; paper: Theorem 3]",
        "eq8",
        judge_theorem3,
        (REFUTED, HOLDS),
        ours=True,
    ),
    Claim(
        "linf_pgd",
        "sign steps, zero start",
        "ℓ∞ PGD and FGSM have one spectrum: τ(δ(j)) = τ(sgn g)",
        "up to the first iterate that leaves the linear region: δ(j) = min(jξ, ε) sgn(ℓ'g)",
        "sign steps in the ℓ∞ ball from δ = 0, ReLU, any radius",
        "[ours; paper: Section 5]",
        "attack far sign linf",
        judge_one_spectrum,
        (REFUTED, HOLDS),
        ours=True,
    ),
    Claim(
        "linf_pgd",
        "sign steps, any start",
        "(ours; the paper's future work)",
        "δ(j) = clip(δ0 + jξ sgn(β0 g), ±ε): FGSM itself from j = 2ε/ξ on, whatever the start",
        f"sign steps in the ℓ∞ ball, ReLU; {REGION}",
        "[ours; paper: Section 5]",
        "attack sign linf",
        judge_saturation,
        (None, HOLDS),
        ours=True,
    ),
    Claim(
        "linf_pgd",
        "raw steps, zero start",
        "(ours; the paper's future work)",
        "δ(j) = clip(B g, ±ε), B = Σ ξβ (normalised steps: jξ/‖g‖): from FGM's spectrum towards FGSM's",
        f"raw and normalised steps in the ℓ∞ ball from δ = 0, ReLU; {REGION}",
        "[ours; paper: Section 5]",
        "attack raw linf zero start",
        judge_raw,
        (None, HOLDS),
        ours=True,
    ),
]
