"""Assumptions 1-4 and Eq. 16: hypotheses, each measured and judged as the general statement it is."""

from __future__ import annotations

from functools import partial

import numpy as np

from theory_sim.claims.base import HOLDS, REFUTED, Claim, Outcome
from theory_sim.claims.paths import RESOLVED
from theory_sim.claims.samples import TrainingSample
from theory_sim.network import ACTIVATIONS
from theory_sim.recurrences import eq8
from theory_sim.spectrum import Band

END_SHARE = 1e-3
RADIUS = 8 / 255  # ε of Assumption 2, the paper's attack budget
SECANT = 1e-3  # h of the difference quotient that stands for σ'' at a kink
DEVIATIONS = 6.0


def assumption1(sample: TrainingSample) -> Outcome | None:
    """β₀ <= |ℓ'| <= β; between crossings |ℓ'_t| = |ℓ'₀| |1-r|^t [paper: Assumption 1].

    As printed, for all of training: |ℓ'| must keep a thousandth of its start and stay below a thousand times it.
    """
    if sample.first_crossing <= sample.steps:
        return None
    size = np.abs(sample.trajectory.residual[: sample.steps + 1])
    if size[0] == 0:  # nothing to train
        return None
    share, r = size / size[0], sample.relative_rate
    steps = np.arange(share.size)
    top = float(share.max())
    printed = min(float(share.min()) - END_SHARE, float(1 / top - END_SHARE)) if top > 0 else None

    def error(rate: float) -> float:
        return -float(np.abs(share - np.abs(1 - rate) ** steps).max() / top)

    return Outcome(printed, error(r), error(r / 2))


def assumption2(sample: TrainingSample) -> Outcome | None:
    """|ℓ'| = ε^(1+ν), 0 < ν < 1, in the end stage; corrected: <= ε^(1+ν) from some step on [paper: Assumption 2]."""
    size = np.abs(sample.trajectory.residual[: sample.steps + 1])
    small = np.flatnonzero(size < RADIUS)
    if size[0] < RADIUS or not small.size or size[-1] > RADIUS**2:  # not trained to the end
        return None
    end = size[small[0] :]
    printed = float((end - RADIUS**2).min() / RADIUS)
    bound = RADIUS**1.5
    return Outcome(printed, float((bound - end[-1]) / bound), float((bound - size[0]) / bound))


def assumption3(sample: TrainingSample, name: str) -> Outcome | None:
    """0 <= σ' <= λ and 0 <= σ'' <= γ on a run's preactivations and across s = 0 [paper: Assumption 3]."""
    act = sample.training.network.activation
    s = np.concatenate([sample.trajectory.preactivation[: sample.steps + 1].ravel(), np.linspace(-3, 3, 61)])
    steps = SECANT / (1 if name == "relu" else act.sharpness) * np.array([1.0, -1.0])[:, None]
    secant = (act.slope(s + steps) - act.slope(s)) / steps  # difference quotients of σ'
    slope, curvature = act.slope(s), act.curvature(s)
    bound = 1.0 / SECANT / 2 if name == "relu" else act.curvature_bound

    def margin(gamma: float) -> float:
        within = min(slope.min(), (act.slope_bound - slope).min())
        bent = min(curvature.min(), secant.min(), (gamma - curvature).min(), (gamma * (1 + 1e-9) - secant).min())
        return float(min(within, bent / gamma))

    def straight(farther_than: float) -> float:
        return -float(np.abs(secant[:, np.abs(s) > farther_than]).max())

    if name == "relu":
        return Outcome(margin(bound), straight(SECANT), straight(-SECANT))
    sharp = float(act.curvature(np.zeros(1))[0] / bound - 0.999)
    return Outcome(margin(bound), sharp, margin(bound / 2))


def assumption4(sample: TrainingSample) -> Outcome | None:
    """a fixed: Eq. 8 is exact for ReLU; the control trains a as well, and Eq. 8 fails [paper: Assumption 4]."""
    if sample.first_crossing <= 1:
        return None
    training, g = sample.training, sample.gradient_spectrum
    net, x, residual = training.network, training.x, float(sample.trajectory.residual[0])
    if residual == 0:
        return None
    predicted = eq8(g[0], sample.input_spectrum, sample.drive[0], sample.decay[0])
    size = float(np.linalg.norm(g[0]) + np.linalg.norm(g[1]))
    terms = np.linalg.norm(sample.band.transform(net.weights), axis=1) @ np.abs(net.outer)
    if size < 1e-4 * terms:  # the units cancel: ĝ is round-off
        return None

    def error(outer: np.ndarray) -> float:
        s, rate = net.preactivation(x), training.learning_rate * residual
        active = net.activation.slope(s) * net.outer
        weights = net.weights - rate * np.outer(active, x)
        after = (outer * net.activation.slope(weights @ x)) @ weights
        return -float(np.linalg.norm(sample.band.transform(after) - predicted) / size)

    moved = net.outer - training.learning_rate * residual * net.activation.value(net.preactivation(x))
    return Outcome(error(net.outer), None, error(moved))


def eq16_always(sample: TrainingSample) -> Outcome | None:
    """τ(δ⁰) < τ(x) for a randomly initialised network [paper: Eq. 16]."""
    plane = sample.start
    if not plane.input_low > plane.input_high or not plane.low_energy + plane.high_energy > 0:
        return None
    lead = float(plane.input_tau - plane.tau)
    return Outcome(lead, None, -lead)


def low_share(band: Band) -> float:
    """The low band's share of all frequencies, Σ_low w_k / Σ w_k: what an isotropic g has on average."""
    return float(band.weights[band.is_low].sum() / band.weights.sum())


def eq16_unbiased(sample: TrainingSample) -> Outcome | None:
    """No bias at initialisation: τ(δ⁰) lies within 6 standard deviations of the low band's share [paper: Section 3.1].

    For g isotropic τ has a Beta law of variance 2 p (1-p)/(d+2), p the share.
    """
    if not sample.is_large or sample.band.convention != "two-sided":
        return None
    share, dim = low_share(sample.band), sample.training.x.size
    deviation = np.sqrt(2 * share * (1 - share) / (dim + 2))
    tau, input_tau = float(sample.start.tau), float(sample.start.input_tau)
    if abs(input_tau - share) < 2 * DEVIATIONS * deviation:  # τ(x) itself would pass: no power
        return None
    return Outcome(
        float(DEVIATIONS * deviation - abs(tau - share)), None, float(DEVIATIONS * deviation - abs(input_tau - share))
    )


def _claims() -> list[Claim]:
    claims = [
        Claim(
            "assumption1",
            regime,
            "there are β0, β > 0 with β0 <= |∂ℓ/∂f| <= β in training",
            "|ℓ'_t| = |ℓ'_0| |1-r|^t: bounds exist on every finite run and, unless r = 2, on no infinite one",
            f"explicit ReLU training without kink crossing, {regime}; β0, β within a factor 1,000 of the start",
            "[paper: Assumption 1]",
            population,
            assumption1,
            (REFUTED, HOLDS),
        )
        for regime, population in (("0 < r <= 1", "relu"), ("1 < r < 2", "relu 1<r<2"), ("r > 2", "relu r>2"))
    ]
    claims.append(
        Claim(
            "assumption2",
            "",
            "|∂ℓ/∂f| = ε^(1+ν), 0 < ν < 1, in the end stage of training",
            "|∂ℓ/∂f| <= ε^(1+ν) from some step on, wherever training converges",
            "explicit ReLU training, 0 < r <= 1, until |ℓ'| < ε², ε = 8/255",
            "[paper: Assumption 2]",
            "relu",
            assumption2,
            (REFUTED, HOLDS),
        )
    )
    for name in ACTIVATIONS:
        relu = name == "relu"
        claims.append(
            Claim(
                "assumption3",
                name,
                "there are λ, γ > 0 with 0 <= σ' <= λ, 0 <= σ'' <= γ",
                "σ'' = 0 and 0 <= σ' <= 1 at every s ≠ 0; at the kink no γ exists" if relu else "γ is reached at s = 0",
                "preactivations of a run and s in -3 ... 3, difference quotients of σ'",
                "[paper: Assumption 3]",
                f"order {name}",
                partial(assumption3, name=name),
                (REFUTED if relu else HOLDS, HOLDS),
            )
        )
    claims += [
        Claim(
            "assumption4",
            "",
            "a_r i.i.d. and not updated (then Eq. 8 is exact for ReLU; training a too breaks it)",
            None,
            "explicit ReLU training, first step, no kink crossing",
            "[paper: Assumption 4]",
            "relu",
            assumption4,
            (HOLDS, None),
            tolerance=1e-11,
        ),
        Claim(
            "eq16",
            "always",
            "the initialisation of the network always satisfies τ(δ0) < τ(x)",
            None,
            "Gaussian W, sign-symmetric outer weights, L_x > H_x, any cut-off",
            "[paper: Eq. 16]",
            "start",
            eq16_always,
            (REFUTED, None),
            times=10,
            tolerance=RESOLVED,
        ),
        Claim(
            "eq16",
            "no bias",
            "a random network's FGM perturbation has no bias towards either band",
            None,
            "Gaussian W, outer weights ±1, ±1/√m or Gaussian, width >= 128, two-sided weights",
            "[paper: Eq. 16]",
            "start",
            eq16_unbiased,
            (HOLDS, None),
            large_only=True,
        ),
        Claim(
            "eq16",
            "no bias, outer 0/1",
            "a random network's FGM perturbation has no bias towards either band",
            None,
            "as above, but outer weights 0 or 1 (the footnote's Bernoulli law): g has a mean along x",
            "[paper: Eq. 16]",
            "start bernoulli",
            eq16_unbiased,
            (REFUTED, None),
            large_only=True,
        ),
    ]
    return claims


CLAIMS = _claims()
