"""What populations draw networks with: activations, Gaussian weights, and starts that keep away from kinks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from theory_sim.claims.sources import Signal
from theory_sim.network import Activation, Network, sample_network

Array = NDArray[np.float64]
Rng = np.random.Generator


def draw_activation(name: str, rng: Rng, sharpest: float = 4.0) -> Activation:
    """The named activation; sharpness log-uniform in 1/4 ... `sharpest`."""
    sharpness = float(np.exp(rng.uniform(np.log(0.25), np.log(sharpest))))
    return Activation(name, sharpness=sharpness, leak=float(rng.uniform(0, 0.5)))


def draw_network(
    signal: Signal, large: bool, activation: Activation, rng: Rng, outer_law: str | None = None
) -> Network:
    """A Gaussian network, 128 ... 144 or 2 ... 32 units wide, preactivations of O(1); outer ±1, ±1/√m or Gaussian."""
    width = int(rng.integers(128, 145) if large else 2 ** rng.uniform(1, 5))
    law = outer_law or str(rng.choice(["signs", "scaled_signs", "gaussian"]))
    scale = float(3 ** rng.uniform(-1, 1)) / float(np.linalg.norm(signal.x))
    return sample_network(signal.x.size, width, activation, rng, outer_law=law, weight_scale=scale)


def keep_from_kinks(network: Network, x: Array, lowest: float, highest: float) -> Network:
    """Move active units along x so that none dies while C = Σ η ℓ' stays in [lowest, highest].

    s_r changes by -‖x‖² a_r C. The moves are balanced between positive and negative a_r where both are active, so that
    g's component along x hardly changes.
    """
    norm2, outer = float(x @ x), network.outer
    s = network.preactivation(x)
    return lift_active(network, x, 1.05 * norm2 * np.maximum(outer * highest, outer * lowest) + 1e-3 * np.abs(s))


def lift_active(network: Network, x: Array, needed: Array) -> Network:
    """Move active units along x until s >= needed (m,), balanced as in `keep_from_kinks`."""
    norm2, outer, s = float(x @ x), network.outer, network.preactivation(x)
    active = s > 0
    push = np.where(active, np.maximum(needed - s, 0.0), 0.0)
    gained = outer * push
    plus, minus = gained[gained > 0].sum(), -gained[gained < 0].sum()
    short = active & (outer > 0 if plus < minus else outer < 0)
    if short.any() and plus != minus:
        push[short] += abs(plus - minus) / np.abs(outer[short]).sum()
    return replace(network, weights=network.weights + np.outer(push, x) / norm2)


def scale_of(network: Network, x: Array) -> float:
    """‖g‖/‖x‖, the q at which the drive has moved ĝ by its own length."""
    return float(np.linalg.norm(network.input_gradient(x)) / np.linalg.norm(x))


def move(network: Network, x: Array, q: float) -> Network:
    """The network that training of a ReLU net would reach at q, no unit crossing its kink."""
    active_norm2 = float(np.sum(network.active_outer(x) ** 2))
    if active_norm2 == 0:
        return network
    shift = q / active_norm2
    network = keep_from_kinks(network, x, min(0.0, shift), max(0.0, shift))
    return replace(network, weights=network.weights - shift * np.outer(network.active_outer(x), x))
