"""The samplers of our extensions: data sets, widths, adversarial training. See `populations` for what a sampler is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from theory_sim.claims.adversarial_sample import AdversarialSample
from theory_sim.claims.dataset_sample import DatasetSample
from theory_sim.claims.drawing import Rng, draw_activation, draw_network, lift_active, move, scale_of
from theory_sim.claims.samples import TrainingSample
from theory_sim.claims.sources import Sources, draw_band
from theory_sim.descent import DatasetTraining
from theory_sim.network import Activation, Network, sample_network
from theory_sim.training import Training

Array = NDArray[np.float64]


def dataset_run(rng: Rng, large: bool, sources: Sources, *, n: int, activation: str = "relu", kept: bool = True) -> Any:
    """Training on n inputs of one kind; residuals of one size and random sign, positive at x_1.

    ReLU: r = η λ_max(G)‖a'‖²/n in 0.1 ... 1 for 24 steps, `kept`: units kept from their kinks at x_1; smooth: two
    gentle steps for a ladder of rates.
    """
    signals = sources.draw_set(rng, large, n)
    inputs = np.array([signal.x for signal in signals])
    act = draw_activation(activation, rng)
    network, x = draw_network(signals[0], large, act, rng), inputs[0]
    active_norm2 = float(np.sum(network.active_outer(x) ** 2))
    if active_norm2 == 0:
        return None
    signs = np.concatenate([[1.0], rng.choice([-1.0, 1.0], n - 1)])
    largest = float(np.linalg.norm(inputs, 2)) ** 2 / n
    if act.smooth:
        residual = rng.uniform(0.1, 0.5) / act.sharpness * active_norm2 / float(np.abs(network.outer).max())
        rate, n_steps = 0.06, 2
    else:
        residual = scale_of(network, x) * float(10 ** rng.uniform(-1.0, 1.5)) * float(x @ x)
        rate, n_steps = float(np.exp(rng.uniform(np.log(0.1), 0.0))), 24
        reach = residual * np.abs(network.outer) * (np.abs(inputs @ x).max() / float(x @ x)) / active_norm2
        network = keep_apart(network, x, 3.0 * reach) if kept else network
    labels = network.output(inputs) - residual * signs
    training = DatasetTraining(network, inputs, labels, rate / (active_norm2 * largest), n_steps, inputs[:1])
    return DatasetSample(training, draw_band(signals[0], rng), signals[0].source)


def kink_run(rng: Rng, large: bool, sources: Sources, *, width: int | None = None, kappa: float | None = None) -> Any:
    """ReLU training to the point at which every active unit has moved by κσ/√m, σ the spread of s, κ in 1/2 ... 4.

    The point is chosen before the weights, so that how many units die on the way is binomial. width: m, None for
    128 ... 1023 (large) or 16 ... 127, log-uniform; kappa: κ if not drawn.
    """
    signal = sources.draw(rng, large)
    x = signal.x
    m = width or int(2 ** (rng.uniform(7, 10) if large else rng.uniform(4, 7)))
    spread = float(3 ** rng.uniform(-1, 1))  # of s
    shift = (kappa or float(rng.uniform(0.5, 4.0))) * spread / np.sqrt(m)
    network = sample_network(x.size, m, Activation("relu"), rng, weight_scale=spread / float(np.linalg.norm(x)))
    s = network.preactivation(x)
    active = s > 0
    if not active.any():
        return None
    moved = np.maximum(s - shift * network.outer, 0.0) * active
    rate = float(rng.uniform(0.3, 0.9))
    step = rate / (float(np.sum(active)) * float(x @ x))
    training = Training(network, x, float(network.outer @ moved), step, int(np.ceil(14 / rate)))
    return TrainingSample(training, draw_band(signal, rng), signal.source)


def adversarial_run(rng: Rng, large: bool, sources: Sources, *, activation: str = "relu") -> Any:
    """Training on x + δ, ‖δ‖ = 0.1 ... 0.6 ‖x‖, f above or below y, y of either sign; ReLU units kept from kinks."""
    signal = sources.draw(rng, large)
    act = draw_activation(activation, rng)
    network, x = draw_network(signal, large, act, rng), signal.x
    norm2, active_norm2 = float(x @ x), float(np.sum(network.active_outer(x) ** 2))
    if active_norm2 == 0:
        return None
    band, share = draw_band(signal, rng), float(rng.uniform(0.1, 0.6))
    radius, sign = share * float(np.sqrt(norm2)), float(rng.choice([-1.0, 1.0]))
    if act.smooth:
        radius *= 0.3 / act.sharpness / max(1.0, float(np.abs(network.preactivation(x)).max()))
        residual = sign * rng.uniform(0.1, 0.5) / act.sharpness * active_norm2 / float(np.abs(network.outer).max())
        rate, n_steps = 0.06, 2
    else:
        along = float(rng.choice([-1.0, 0.0, 1.0]) * 10 ** rng.uniform(-1, 1))
        network = move(network, x, scale_of(network, x) * along)
        residual = sign * scale_of(network, x) * norm2 * float(10 ** rng.uniform(-1.0, 1.5))
        rate = float(rng.uniform(0.2, 1.0))
        n_steps = int(np.clip(np.ceil(5 / (rate * share**2)), 8, 120))
        network = _keep_from_attack(network, x, share, 1.5 * residual / active_norm2)
    label = float(network.output(x)) - residual
    training = Training(network, x, label, rate / (active_norm2 * norm2), n_steps)
    return AdversarialSample(training, band, signal.source, radius=radius)


def _keep_from_attack(network: Network, x: Array, share: float, reach: float) -> Network:
    """Every unit moved along x, away from its kink, by what training and an attack of ‖δ‖ = share·‖x‖ may do to s."""
    length = float(np.linalg.norm(x))
    g, s = network.input_gradient(x), network.preactivation(x)
    across = np.linalg.norm(network.weights - np.outer(s, x) / length**2, axis=1)
    along_g = np.abs(network.weights @ g) / max(float(np.linalg.norm(g)), 1e-300)
    attack = 1.3 * share * length * (along_g + 2 * across / np.sqrt(x.size))
    moves = network.outer * reach
    return keep_apart(network, x, attack + 2.0 * np.maximum(moves, 0.3 * np.abs(moves)))


def keep_apart(network: Network, x: Array, needed: Array) -> Network:
    """Move active units along x until s >= needed (m,), balanced, and idle ones until s <= -needed."""
    s = network.preactivation(x)
    idle = np.where(s > 0, 0.0, -np.maximum(needed + s, 0.0)) / float(x @ x)
    return lift_active(replace(network, weights=network.weights + np.outer(idle, x)), x, needed)


def died(share: float) -> float:
    """Probability that a unit of random sign dies when active units have moved by `share` spreads: (Φ - 1/2)/2."""
    return float(norm.cdf(share) - 0.5) / 2


SIZES = (2, 8, 32)
EXTENDED: dict[str, Callable[..., Any]] = {
    **{f"dataset n = {n}": partial(dataset_run, n=n) for n in SIZES},
    "order dataset": partial(dataset_run, n=4, activation="softplus"),
    "kinks by width": kink_run,
    "adversarial": adversarial_run,
    "order adversarial": partial(adversarial_run, activation="softplus"),
}
