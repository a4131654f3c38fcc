"""Ours, the paper's stated future work: what adversarial training does to τ(δ), Fig. 13's effect in theory.

Training on x + δ with δ = ε sgn(ℓ') g/‖g‖ moves g along -(x + δ), and δ is parallel to g: while no unit crosses between
x and x + δ,

    g^(t+1) = (1 - η̃) g - η^(t) x,   η^(t) = η ℓ'(x+δ) ‖a'‖²,   η̃ = ε |η^(t)|/‖g‖ >= η ε² ‖a'‖²,

Eq. 8 itself, exactly, with a decay. So ĝ stays in the plane of the closed form and τ on the same curve τ(q), q = Q/P;
but P falls geometrically, so that q has no finite limit as it has in normal training, (f₀-y)/‖x‖²: ĝ turns parallel to
x̂ (towards y x/‖x‖², the shortest g with g·x = y) and τ(δ) goes to τ(x). Normal training stops at a τ that Theorem 3
keeps below τ(x): there adversarial training ends higher.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from theory_sim.claims.adversarial_sample import AdversarialSample
from theory_sim.claims.base import FIRST_ORDER, HOLDS, REFUTED, Claim, Outcome, slope
from theory_sim.claims.gradient_laws import OCTAVES, ROUND_OFF
from theory_sim.claims.paths import RESOLVED
from theory_sim.claims.samples import SpectralPath, TrainingSample
from theory_sim.claims.theorem3 import TIE
from theory_sim.closed_form import Plane, plane_coefficients
from theory_sim.recurrences import eq8, eq8_dataset

Array = NDArray[np.float64]
VISIBLE = 1e-6  # decay a step below which adversarial training is normal training
NEAR_END = 0.25  # of the gap between normal training's τ and τ(x): how near the bound must have come to τ(x)


def _norm(path: SpectralPath) -> Array:
    """‖ĝ^(t)‖ with the band's weights, (T+1,)."""
    p = path.planes
    return np.sqrt(np.asarray(p.low_energy) + np.asarray(p.high_energy))


def in_region(sample: AdversarialSample) -> bool:
    """No unit crosses, no divergence, 0 < 1 - η̃, there is a decay, and τ moves: measured on the run."""
    if sample.first_crossing <= sample.steps or sample.trajectory.diverged or not sample.decay.max(initial=0) > VISIBLE:
        return False
    return bool((sample.decay < 1).all() and sample.moves)


def _normal_too(sample: AdversarialSample) -> bool:
    """Normal training from the same start crosses no kink either, and moves τ."""
    normal = sample.normal
    return bool(normal.first_crossing > normal.steps and not normal.trajectory.diverged and normal.moves)


def mirrored(sample: AdversarialSample) -> Plane:
    """The start's plane for a positive drive: crosses with the sign of f - y."""
    p, sign = sample.start, float(np.sign(sample.trajectory.residual[0]))
    return replace(p, low_cross=sign * p.low_cross, high_cross=sign * p.high_cross)


def judge_eq8(sample: AdversarialSample) -> Outcome | None:
    """ĝ' = (1-η̃)ĝ - η x̂ with η = η ℓ'(x+δ)‖a'‖², η̃ = ε|η|/‖g‖: exact [paper: Eq. 8]."""
    if not in_region(sample):
        return None
    g, x_hat = sample.gradient_spectrum, sample.input_spectrum
    size = np.linalg.norm(g, axis=1).max()

    def error(decay: Array) -> float:
        return -float(np.linalg.norm(eq8(g[:-1], x_hat, sample.drive, decay) - g[1:], axis=1).max() / size)

    return Outcome(error(np.zeros_like(sample.decay)), error(sample.decay), error(-sample.decay))


def judge_curve(sample: AdversarialSample) -> Outcome | None:
    """τ(δ^t) = τ(q) of the start with q = Q/P, the curve of normal training."""
    if not in_region(sample):
        return None
    found = sample.planes.tau

    def error(q: Array) -> float:
        return -float(np.abs(sample.start.ratio(q) - found).max())

    undecayed = plane_coefficients(sample.drive, np.zeros_like(sample.decay))[1]
    return Outcome(None, error(sample.q), error(undecayed))


def judge_limit(sample: AdversarialSample) -> Outcome | None:
    """|τ(δ^t) - τ(x)| <= (1 - η ε² ‖a'‖²)^t ‖ĝ⁰‖/‖ĝ^t‖; control: normal training under the same bound."""
    if not in_region(sample) or not _normal_too(sample):
        return None
    bound, target = _bound(sample), sample.start.input_tau
    if not bound[-1] < NEAR_END:
        return None

    def margin(values: Array) -> float:
        return float((bound - np.abs(values - target)).min())

    return Outcome(None, margin(sample.planes.tau), margin(sample.normal.planes.tau))


def _bound(sample: AdversarialSample) -> Array:
    active_norm2 = float(np.sum(sample.training.network.active_outer(sample.training.x) ** 2))
    least = sample.training.learning_rate * sample.radius**2 * active_norm2
    size = _norm(sample)
    return np.asarray((1 - least) ** np.arange(sample.steps + 1) * size[0] / size)


def judge_fig13(sample: AdversarialSample) -> Outcome | None:
    """τ(δ) of the adversarially trained net is above the normally trained one's, late [paper: Fig. 13].

    Corrected: from Theorem 3's hypotheses (Eq. 12, for f < y its mirror image), which keep the latter below τ(x).
    """
    if not in_region(sample) or not _normal_too(sample):
        return None
    plane, normal, end = mirrored(sample), sample.normal.planes.tau, sample.planes.tau[-1]
    if not _bound(sample)[-1] < NEAR_END * abs(plane.input_tau - normal[-1]):
        return None
    higher, eq12 = float(end - normal[-1]), float(plane.eq12_margin)
    clear = abs(eq12) > TIE * (abs(plane.low_cross) + abs(plane.high_cross)) and plane.tau < plane.input_tau
    kept = (np.sign(sample.normal.drive) == np.sign(sample.normal.drive[0])).all()
    if not (clear and kept and eq12 > 0):
        return Outcome(higher)
    return Outcome(higher, higher, -higher)


def judge_same_step(sample: AdversarialSample) -> Outcome | None:
    """τ(δ^t) is at every step at least what it is in normal training.

    Corrected: until f first passes y, if y and f - y have opposite signs (or y = 0), r <= 1, and τ(q) rises for all
    q > 0: it rises at the start, τ(δ⁰) < τ(x), and Eq. 12.
    """
    if not in_region(sample) or not _normal_too(sample):
        return None
    ahead = (sample.planes.tau - sample.normal.planes.tau)[1:]
    printed = float(ahead.min())
    residual, plane = sample.trajectory.residual, mirrored(sample)
    passed = np.flatnonzero(residual * residual[0] <= 0)
    states = int(passed[0]) if passed.size else len(ahead)
    p0, p1, p2 = plane.sign_polynomial
    rises = p0 > 0 and p1 > 0 and p2 > 0
    if not (rises and sample.training.label * residual[0] <= 0 and sample.relative_rate <= 1 and states > 0):
        return Outcome(printed)
    return Outcome(printed, float(ahead[:states].min()), float(-ahead[:states].max()))


def judge_same_loss(sample: AdversarialSample) -> Outcome | None:
    """At the same clean output f, τ(δ) is higher than in normal training.

    Corrected: q differs by -f(1-P)/(P‖x‖²), so adversarial training is further along iff f lies between 0 and y. Normal
    training reaches the same f in one step of its own learning rate: an explicit run too.
    """
    if not in_region(sample):
        return None
    f, residual, training = sample.trajectory.output, sample.trajectory.residual, sample.training
    before = np.flatnonzero((residual * residual[0] > 0) & ((f[0] - f) * residual[0] > 0))
    if not before.size:
        return None
    t, norm2 = int(before[-1]), training.input_norm2
    active_norm2 = float(np.sum(training.network.active_outer(training.x) ** 2))
    one = training.with_rate(float(f[0] - f[t]) / (float(residual[0]) * active_norm2 * norm2), 1)
    normal = TrainingSample(one, sample.band, sample.source, sample.engine)
    if normal.first_crossing <= 1:
        return None
    p = plane_coefficients(sample.drive[:t], sample.decay[:t])[0][-1]
    if not p > VISIBLE:
        return None
    here = float(f[0] - f[t]) / norm2
    further = -float(f[t]) * (1 - float(p)) / (float(p) * norm2)
    ahead = float(sample.planes.tau[t] - normal.planes.tau[1])

    def error(move: float) -> float:
        return -abs(float(sample.start.growth(here, here + move)) - ahead)

    return Outcome(ahead, error(further), error(-further))


# First order ---------------------------------------------------------------------------------------------------------


def ladder(sample: AdversarialSample) -> list[AdversarialSample]:
    """Runs at η, η/2, ... η/2⁵ over the same training time; cached on the sample."""
    cached = sample.__dict__.get("ladder")
    if cached is None:
        t = sample.training
        rates = [(t.learning_rate / 2**k, t.n_steps * 2**k) for k in range(OCTAVES + 1)]
        cached = [
            AdversarialSample(t.with_rate(*rate), sample.band, sample.source, radius=sample.radius) for rate in rates
        ]
        sample.__dict__["ladder"] = cached
    return list(cached)


def tangent_moves(sample: AdversarialSample) -> tuple[Array, Array]:
    """-η ℓ'(x+δ) ∇ₓK(x, x+δ) of every step in two parts, (T, d) each: along x + δ, and through σ''."""
    t, net, x, steps = sample.trajectory, sample.training.network, sample.training.x, sample.steps
    act, attacked = net.activation, x + t.perturbation[:steps]
    attacked_slope = act.slope(t.attacked_preactivation[:steps])
    rate = sample.training.learning_rate * t.attacked_residual[:steps, None]
    pull = rate * (attacked @ x)[:, None] * net.outer**2 * act.curvature(t.preactivation[:steps]) * attacked_slope
    earlier = np.tril(pull @ (rate * net.outer * attacked_slope).T, -1)  # W_t = W_0 - Σ_{s<t} η ℓ' a' (x+δ)ᵀ
    return -sample.drive[:, None] * attacked, -(pull @ net.weights - earlier @ attacked)


def judge_smooth(sample: AdversarialSample) -> Outcome | None:
    """g' = g - η ℓ'(x+δ) ∇ₓK(x, x+δ) + O(η²), K the tangent kernel, the first step by the function users call."""
    g = sample.trajectory.input_gradient
    size = np.linalg.norm(g[0])
    if not np.linalg.norm(g[1] - g[0]) < size or not np.linalg.norm(g[-1] - g[0]) > 1e-3 * size:
        return None
    if (sample.trajectory.residual * sample.trajectory.residual[0] <= 0).any():
        return None
    rates, errors = [], []
    for rung in ladder(sample):
        t, training = rung.trajectory, rung.training
        g, (moves, bends) = t.input_gradient, tangent_moves(rung)
        attacked = (training.x + t.perturbation[0])[None]
        law = eq8_dataset(training.network, training.x, attacked, training.learning_rate, t.attacked_residual[:1])
        whole = (moves + bends)[1:].sum(axis=0)
        predicted = ((law, law + whole), (g[0] + moves[0], g[0] + moves.sum(axis=0)))
        errors.append([[np.linalg.norm(one - g[1]), np.linalg.norm(end - g[-1])] for one, end in predicted])
        rates.append(training.learning_rate)
    steps, found = np.array(rates), np.array(errors) / size
    words = [(slope(steps, found[:, v, 0], ROUND_OFF), slope(steps, found[:, v, 1], ROUND_OFF)) for v in (0, 1)]
    return Outcome(None, words[0], words[1])


# Rows ----------------------------------------------------------------------------------------------------------------


def _claims() -> list[Claim]:
    source = "[ours; paper: Section 5, Fig. 13]"
    setting = "ReLU, one sample, f above or below y, no unit crosses between x and x + δ, decay below 1"
    both = setting + ", nor in normal training"
    row = partial(Claim, id="adv_training", source=source, ours=True)
    return [
        row(
            case="eq8",
            statement="training on x + δ: ĝ' = ĝ - η x̂, as without an attack, with η^(t) = η ℓ'(x+δ)‖a'‖²",
            correction="ĝ' = (1-η̃)ĝ - η x̂ exactly, η̃ = ε|η^(t)|/‖g‖: Eq. 8's form, with a decay that is real",
            hypotheses=setting,
            judge=judge_eq8,
            known=(REFUTED, HOLDS),
            tolerance=1e-11,
            population="adversarial",
        ),
        row(
            case="one curve",
            statement="(ours; the paper's future work)",
            correction="τ(δ_t) = τ(q), the closed form of normal training, with q = Q/P; P = Π(1-η̃)",
            hypotheses=setting,
            judge=judge_curve,
            known=(None, HOLDS),
            population="adversarial",
        ),
        row(
            case="limit",
            statement="(ours; the paper's future work)",
            correction="|τ(δ_t) - τ(x)| <= (1 - ηε²‖a'‖²)^t ‖ĝ0‖/‖ĝ_t‖: τ(δ) goes to the input's own",
            hypotheses=both + ", the bound falls below 1/4",
            judge=judge_limit,
            known=(None, HOLDS),
            tolerance=RESOLVED,
            population="adversarial",
        ),
        row(
            case="Fig. 13",
            statement="τ(δ) of the adversarially trained net is higher than of the normally trained one",
            correction="late in training, from τ(δ0) < τ(x) and Eq. 12 (f < y: mirrored)",
            hypotheses=both + ", trained until the bound of `limit` is 1/4 of normal training's distance to τ(x)",
            judge=judge_fig13,
            known=(REFUTED, HOLDS),
            tolerance=RESOLVED,
            population="adversarial",
        ),
        row(
            case="same step",
            statement="at every step τ(δ_t) is at least normal training's",
            correction="until f passes y, if y(f-y) <= 0, r <= 1, and τ(q) rises for all q > 0 (now, and Eq. 12)",
            hypotheses=both,
            judge=judge_same_step,
            known=(REFUTED, HOLDS),
            tolerance=RESOLVED,
            population="adversarial",
        ),
        row(
            case="same loss",
            statement="at the same clean output f, τ(δ) is higher than in normal training",
            correction="q is larger by -f(1-P)/(P‖x‖²) exactly: further along if and only if f lies between 0 and y",
            hypotheses=setting + ", the last step before f passes y",
            judge=judge_same_loss,
            known=(REFUTED, HOLDS),
            population="adversarial",
        ),
        row(
            case="softplus",
            statement="(ours; the paper's future work)",
            correction="g' = g - η ℓ'(x+δ) ∇ₓK(x, x+δ) + O(η²), K the tangent kernel",
            hypotheses="Softplus, six learning rates over five octaves",
            population="order adversarial",
            judge=judge_smooth,
            known=(None, FIRST_ORDER),
            kind="order",
            times=0.05,
        ),
    ]


CLAIMS = _claims()
