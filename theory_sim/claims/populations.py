"""The samplers: from which networks, inputs and runs each family of claims draws.

A population is a function (rng, large, sources) -> sample. What it draws is only a proposal: hypotheses are measured on
each sample by the judges, and decide membership. Regimes of the single-sample training run are named by what
theory says of ReLU between kink crossings, with r = η‖a'‖²‖x‖²: monotone for r <= 1, alternating for 1 < r < 2,
diverging for r > 2.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.attacks import random_start
from theory_sim.claims.drawing import draw_activation, draw_network, keep_from_kinks, move, scale_of
from theory_sim.claims.extended_populations import EXTENDED
from theory_sim.claims.samples import AttackSample, Eq8Sample, SignalSample, TrainingSample
from theory_sim.claims.sources import Sources, draw_band
from theory_sim.closed_form import Plane
from theory_sim.network import ACTIVATIONS, Activation, Network
from theory_sim.spectrum import Band, low_pass_filter
from theory_sim.training import Training

Array = NDArray[np.float64]
Rng = np.random.Generator
SMOOTH = ACTIVATIONS[1:]


def _to_small_gap(network: Network, x: Array, band: Band, rng: Rng) -> Network:
    """Moved along the plane to where Δτ_l is just above Δτ_h, so that t₀ = 0 has the least room."""
    plane = Plane.of(band.transform(network.input_gradient(x)), band.transform(x), band)
    gap, room = plane.low_cross - plane.high_cross, plane.input_low - plane.input_high
    if room <= 0 or gap == 0:
        return network
    return move(network, x, -float(gap / (2 * room)) * (1 - np.sign(gap) * 10 ** rng.uniform(-3, -1)))


def _first_death(network: Network, x: Array, sign: float) -> float:
    """The q at which the first ReLU unit dies under a drive of this sign; 0 if none does."""
    s, active = network.preactivation(x), network.active_outer(x)
    dying = (s > 0) & (sign * network.outer > 0)
    if not dying.any():
        return 0.0
    return float((s[dying] / np.abs(network.outer[dying])).min() * np.sum(active**2) / (x @ x))


def relu_run(
    rng: Rng,
    large: bool,
    sources: Sources,
    *,
    rate: tuple[float, float],
    sign: float = 1.0,
    kinks: bool = False,
    ahead: bool = False,
) -> Any:
    """Explicit ReLU training at r in `rate`, drive of sign `sign` at the start.

    kinks: units may die, in half of the runs after a stretch without; ahead: half of the starts lie further along the
    plane, at ĝ⁰ - q x̂ with q > 0, as after earlier training.
    """
    signal = sources.draw(rng, large)
    network = draw_network(signal, large, Activation("relu"), rng)
    r = float(np.exp(rng.uniform(*np.log(rate))))
    norm2 = float(signal.x @ signal.x)
    active_norm2 = float(np.sum(network.active_outer(signal.x) ** 2))
    if active_norm2 == 0:
        return None
    reach_of_drive = 10 ** rng.uniform(-3.5 if r > 2 else -1.5, 1.5)
    limit = sign * scale_of(network, signal.x) * float(reach_of_drive)  # q_∞ = ℓ'₀/‖x‖²
    near = kinks and rng.random() < 0.5  # just far enough for a unit to die: its jump is not lost in the drive
    band = draw_band(signal, rng)
    if near:
        if rng.random() < 0.5:
            network = _to_small_gap(network, signal.x, band, rng)
        limit = sign * _first_death(network, signal.x, sign) * float(rng.uniform(1.02, 3.0)) or limit
    if r > 2:  # the amplitude grows by r - 1 a step: a short run, to be seen before it is astronomical
        far = rng.random() < 0.5  # far enough for the last steps to speak for all
        furthest = 10 ** (rng.uniform(2.5, 4.5) if far else rng.uniform(-1, 2)) / reach_of_drive
        n_steps = int(np.clip(np.log(max(furthest, 1.0)) / np.log(r - 1), 6, 60))
        reach = limit * (1 - (1 - r) ** np.arange(n_steps + 1))
    else:  # until the increments have shrunk by e^12, still well above round-off
        n_steps = int(np.clip(np.ceil(12 / max(-np.log(max(abs(1 - r), 1e-6)), 1e-3)), 4, 240))
        reach = np.array([0.0, limit, r * limit])
    if ahead and rng.random() < 0.5:
        network = move(network, signal.x, scale_of(network, signal.x) * float(10 ** rng.uniform(-1, 1)))
    if not kinks or (not near and rng.random() < 0.5):
        part = float(rng.uniform(0.2, 0.95)) if kinks else 1.0
        network = keep_from_kinks(
            network, signal.x, part * reach.min() / active_norm2, part * reach.max() / active_norm2
        )
    label = float(network.output(signal.x)) - limit * norm2
    training = Training(network, signal.x, label, r / (active_norm2 * norm2), n_steps)
    return TrainingSample(training, band, signal.source)


def smooth_run(rng: Rng, large: bool, sources: Sources) -> Any:
    """Explicit training with a smooth activation, from gently bent to nearly ReLU, at r < 1 and positive drive."""
    signal = sources.draw(rng, large)
    network = draw_network(signal, large, draw_activation(str(rng.choice(SMOOTH)), rng, sharpest=256.0), rng)
    r = float(np.exp(rng.uniform(np.log(0.05), np.log(0.9))))
    norm2 = float(signal.x @ signal.x)
    active_norm2 = float(np.sum(network.active_outer(signal.x) ** 2))
    limit = scale_of(network, signal.x) * float(10 ** rng.uniform(-1.5, 1.0))
    band = draw_band(signal, rng)
    if rng.random() < 0.5:  # as for ReLU: just far enough for a unit to pass its bend
        if rng.random() < 0.5:
            network = _to_small_gap(network, signal.x, band, rng)
            active_norm2 = float(np.sum(network.active_outer(signal.x) ** 2))
        limit = _first_death(network, signal.x, 1.0) * float(rng.uniform(1.02, 3.0)) or limit
    label = float(network.output(signal.x)) - limit * norm2
    n_steps = int(np.clip(np.ceil(12 / r), 8, 120))
    training = Training(network, signal.x, label, r / (active_norm2 * norm2), n_steps)
    return TrainingSample(training, band, signal.source)


def eq8_run(rng: Rng, large: bool, sources: Sources, *, outside: bool = False, constant: bool = False) -> Any:
    """Eq. 8 iterated with positive drives that Assumption 1 keeps from 0 for ever: q grows without bound.

    decay 0 (ReLU) or random in [0, 1/2) for a while; `outside`: constant in (1, 3), where P changes sign;
    `constant`: no decay and the drive at its maximum, Theorem 2's extreme case.
    """
    signal = sources.draw(rng, large)
    network = draw_network(signal, large, Activation("relu"), rng)
    scale = scale_of(network, signal.x)
    if scale == 0:
        return None
    n_steps = 48
    drives = scale * 10 ** rng.uniform(-2, -1) * rng.uniform(0.5, 1.0, n_steps)
    decays = np.zeros(n_steps)
    if constant:
        drives[:] = scale * 10 ** rng.uniform(-2, -1)
    else:
        drives[n_steps // 2 :] *= 1e4  # late steps far along the plane stand for "all t"
        if outside:
            decays[:] = rng.uniform(1.05, 2.95)
        elif rng.random() < 0.5:
            decays = rng.uniform(0, 0.5, n_steps) * (np.arange(n_steps) < rng.integers(1, n_steps))
    g = network.input_gradient(signal.x)
    return Eq8Sample(g, signal.x, drives, decays, draw_band(signal, rng), signal.source, network.width)


def order_run(rng: Rng, large: bool, sources: Sources, *, activation: str) -> Any:
    """A start for a ladder of learning rates: residual small enough for σ to be smooth on the way, r = 0.06."""
    signal = sources.draw(rng, large)
    act = draw_activation(activation, rng)
    network = draw_network(signal, large, act, rng)
    norm2 = float(signal.x @ signal.x)
    active = network.active_outer(signal.x)
    active_norm2 = float(active @ active)
    if active_norm2 == 0:
        return None
    # s_r moves by at most about a_r ℓ'/‖a'‖²: a fraction of the scale 1/sharpness on which σ bends.
    move = rng.uniform(0.1, 0.5) / (act.sharpness if act.smooth else 1.0)
    residual = float(rng.choice([-1.0, 1.0])) * move * active_norm2 / float(np.abs(network.outer).max())
    if not act.smooth:
        shift = residual / active_norm2
        network = keep_from_kinks(network, signal.x, min(0.0, shift), max(0.0, shift))
    label = float(network.output(signal.x)) - residual
    training = Training(network, signal.x, label, 0.06 / (active_norm2 * norm2), 4)
    return TrainingSample(training, draw_band(signal, rng), signal.source)


def start(rng: Rng, large: bool, sources: Sources, *, outer_law: str | None = None) -> Any:
    """A randomly initialised ReLU network, one small step: for claims on initialisation."""
    signal = sources.draw(rng, large)
    network = draw_network(signal, large, Activation("relu"), rng, outer_law)
    norm2 = float(signal.x @ signal.x)
    active_norm2 = float(np.sum(network.active_outer(signal.x) ** 2))
    if active_norm2 == 0:
        return None
    training = Training(network, signal.x, 0.0, 0.1 / (active_norm2 * norm2), 1)
    return TrainingSample(training, draw_band(signal, rng), signal.source)


def attack(
    rng: Rng,
    large: bool,
    sources: Sources,
    *,
    activation: str = "relu",
    steps: tuple[str, ...] = ("raw",),
    balls: tuple[str, ...] = ("l2",),
    zero_start: bool | None = None,
    region: bool = True,
    trained: bool = False,
    ahead: bool = False,
) -> Any:
    """A PGD attack; `region`: ReLU units kept from their kinks by the radius; `trained`: residual O(ε) (Assumption 2).

    zero_start: True, False (random in the ball) or None (either); ahead: g moved along -x, as training does, until its
    own low-frequency ratio is near the input's.
    """
    signal = sources.draw(rng, large)
    name = str(rng.choice(SMOOTH)) if activation == "smooth" else activation
    act = draw_activation(name, rng, sharpest=4.0 if trained else 64.0)
    network = draw_network(signal, large, act, rng)
    step, ball = str(rng.choice(steps)), str(rng.choice(balls))
    if ahead:
        network = move(network, signal.x, scale_of(network, signal.x) * float(10 ** rng.uniform(-0.5, 1)))
    gradient = network.input_gradient(signal.x)
    norm = float(np.linalg.norm(gradient))
    if norm == 0:
        return None
    row_norms = np.linalg.norm(network.weights, axis=1, ord=2 if ball == "l2" else 1)
    s = np.abs(network.preactivation(signal.x))
    size = float(np.linalg.norm(signal.x)) if ball == "l2" else float(np.abs(signal.x).max())
    radius = size * (float(10 ** rng.uniform(-2, 0)) if region else float(10 ** rng.uniform(-1, 1.5)))
    if region:
        radius = min(radius, 0.9 * float((s / row_norms).min()))
        if trained:
            radius = min(radius, 0.02 * size)
    n_steps = int(rng.integers(4, 13))
    push = radius * (norm if ball == "l2" else float(np.abs(gradient).sum()))  # the most that δ·g can be
    residual = float(rng.choice([-1.0, 1.0])) * push * float(10 ** rng.uniform(-1, 0.7))
    if trained:
        residual = abs(residual)
    if step == "raw":  # β grows by the factor 1 + ξ‖g‖² a step
        step_size = float(10 ** rng.uniform(-1.5, 0.3 if region else 1.5)) / norm**2
    else:
        step_size = radius * float(10 ** rng.uniform(-1.5, 0.3))
        if step == "sign" and ball == "l2":
            step_size /= np.sqrt(signal.x.size)
    band = draw_band(signal, rng)
    zero = rng.random() < 0.5 if zero_start is None else zero_start
    delta = np.zeros(signal.x.size) if zero else random_start(signal.x.size, radius, ball, rng)
    if ahead and rng.random() < 0.7:  # against g, in each band as much as it happens: both Δτ_{·,2} negative
        low = low_pass_filter(gradient, band)
        against = -(rng.uniform(0, 1) * low + rng.uniform(0, 1) * (gradient - low))
        length = float(np.linalg.norm(against))
        delta = 0.5 * delta + 0.5 * radius * rng.random() * against / max(length, 1e-300)
        residual = abs(residual) + push
    if step == "sign" and ball == "l2" and not zero and rng.random() < 0.5:  # along g: sign steps turn away from there
        delta = radius * gradient / norm * rng.uniform(0.5, 1.0)
        residual = -float(rng.uniform(0.5, 1.0)) * float(delta @ gradient)
    label = float(network.output(signal.x)) - residual
    return AttackSample(network, signal.x, label, radius, step_size, n_steps, step, ball, delta, band, signal.source)


def power_law_signal_sample(rng: Rng, large: bool, sources: Sources) -> Any:
    """A power-law signal with its band; δ is a random network's FGM direction."""
    return _signal_sample(rng, large, sources, pictures=False)


def picture_signal_sample(rng: Rng, large: bool, sources: Sources) -> Any:
    """A real image with its band; δ is a random network's FGM direction."""
    return _signal_sample(rng, large, sources, pictures=True)


def signal_sample(rng: Rng, large: bool, sources: Sources) -> Any:
    """Either kind of input with its band; δ is a random network's FGM direction."""
    return _signal_sample(rng, large, sources, pictures=None)


def noise_sample(rng: Rng, large: bool, sources: Sources) -> Any:
    """Either kind of input; δ is white noise: its phases relative to x are uniform."""
    signal = sources.draw(rng, large)
    noise = rng.standard_normal(signal.x.size)
    width = 128 if large else 8  # no network: counted with the size class it was drawn for
    band = draw_band(signal, rng)
    return SignalSample(signal.x, noise, band, signal.source, width, signal.alpha, signal.alpha0)


def _signal_sample(rng: Rng, large: bool, sources: Sources, *, pictures: bool | None) -> Any:
    signal = sources.draw(rng, large, pictures=pictures)
    network = draw_network(signal, large, Activation("relu"), rng)
    g = network.input_gradient(signal.x)
    if not g.any():
        return None
    band = draw_band(signal, rng)
    delta = g / np.linalg.norm(g)
    return SignalSample(signal.x, delta, band, signal.source, network.width, signal.alpha, signal.alpha0)


POPULATIONS: dict[str, Callable[..., Any]] = {
    "eq8": eq8_run,
    "eq8 constant": partial(eq8_run, constant=True),
    "eq8 outside": partial(eq8_run, outside=True),
    "relu": partial(relu_run, rate=(0.1, 1.0)),
    "relu kinks": partial(relu_run, rate=(0.1, 1.0), kinks=True),
    "relu f<y": partial(relu_run, rate=(0.1, 1.0), sign=-1.0, ahead=True),
    "relu 1<r<2": partial(relu_run, rate=(1.02, 1.95), ahead=True),
    "relu r>2": partial(relu_run, rate=(2.05, 3.0), ahead=True),
    "smooth": smooth_run,
    **{f"order {name}": partial(order_run, activation=name) for name in ACTIVATIONS},
    "start": start,
    "start bernoulli": partial(start, outer_law="bernoulli"),
    "signal": signal_sample,
    "signal noise": noise_sample,
    "signal power-law": power_law_signal_sample,
    "signal image": picture_signal_sample,
    "attack linear": partial(attack, steps=("raw", "normalised"), balls=("l2", "linf")),
    "attack sign linf": partial(attack, steps=("sign",), balls=("linf",)),
    "attack sign l2": partial(attack, steps=("sign",), balls=("l2",), zero_start=False),
    "attack far": partial(attack, steps=("raw", "normalised"), balls=("l2", "linf"), region=False),
    "attack smooth": partial(
        attack, activation="smooth", steps=("raw", "normalised"), balls=("l2", "linf"), region=False
    ),
    "attack zero start": partial(attack, steps=("raw", "normalised"), zero_start=True),
    "attack zero start sign": partial(attack, steps=("sign",), balls=("linf", "l2"), zero_start=True),
    "attack random start": partial(attack, zero_start=False),
    "attack ahead": partial(attack, zero_start=False, ahead=True),
    "attack trained": partial(attack, zero_start=False, trained=True),
    "attack trained smooth": partial(attack, activation="smooth", zero_start=False, trained=True),
    "attack raw linf zero start": partial(attack, steps=("raw", "normalised"), balls=("linf",), zero_start=True),
    "attack far sign linf": partial(attack, steps=("sign",), balls=("linf",), zero_start=True, region=False),
    **EXTENDED,
}
