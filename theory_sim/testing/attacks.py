"""Strategies for PGD attacks on small networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from theory_sim.claims.samples import AttackSample
from theory_sim.network import Activation, Network
from theory_sim.testing.grids import choice, power_of_two
from theory_sim.testing.inputs import DRAWN, bands, inputs, signals
from theory_sim.testing.networks import networks

Array = NDArray[np.float64]
GAINS = (1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 0.125, -0.125, 2**-6, -(2**-6))  # β⁰ over the most that δ·g can be
ALONG_G = (0.0, 0.0, 0.0, 0.0, 1.0, -1.0, 4.0, -4.0)


@st.composite
def attacks(
    draw: st.DrawFn,
    *,
    steps: tuple[str, ...] = ("raw",),
    balls: tuple[str, ...] = ("l2",),
    activation: st.SearchStrategy[Activation] | None = None,
    zero_start: bool | None = None,
    region: bool = True,
    max_dim: int = 9,
    max_width: int = 3,
    max_steps: int = 8,
    images: bool = False,
) -> AttackSample:
    """A PGD attack with a band: `path` holds all its iterates, `planes` the band scalars of δ^(j)/ξ.

    steps: of raw, normalised, sign; balls: of l2, linf; activation: a strategy, ReLU if None; zero_start: True, False
    (any start in the ball) or None (either); region: the ball is so small that no ReLU unit changes sign in it.

    >>> from hypothesis import find
    >>> attack = find(attacks(zero_start=True), lambda attack: attack.path.gain[-1] > attack.path.gain[0])
    >>> attack.network.weights.tolist(), attack.x.tolist(), attack.n_steps, bool(attack.path.region_left.any())
    ([[0.0, 0.0, 0.0, 1.0]], [0.0, 0.0, 0.0, 1.0], 1, False)
    """
    band = draw(bands(max_dim=max_dim, images=images))
    x = draw(inputs(band))
    network = draw(networks(x.size, max_width=max_width, activation=activation, x=x))
    step, ball = draw(choice(*steps)), draw(choice(*balls))
    size = power_of_two(float(np.linalg.norm(x) if ball == "l2" else np.abs(x).max()))
    if region:
        network = off_kinks(network, x)
        radius = min(size, power_of_two(0.9 * _room(network, x, ball)))
        radius *= draw(choice(1.0, 0.5, 0.125))
    else:
        radius = size * draw(choice(1.0, 4.0, 16.0, 0.25))
    g = network.input_gradient(x)
    norm = float(np.linalg.norm(g)) or 1.0
    push = power_of_two(radius * (norm if ball == "l2" else float(np.abs(g).sum())))  # the most that δ·g can be, about
    share = draw(choice(0.5, 0.25, 1.0, 2.0, *(() if region else (4.0, 16.0))))
    step_size = share * (power_of_two(norm**-2) if step == "raw" else radius)
    n_steps = draw(st.integers(1, max_steps))
    zero = draw(st.booleans()) if zero_start is None else zero_start
    anywhere, noisy, along = draw(signals(x.size)), draw(choice(True, False)), draw(choice(*ALONG_G))
    start = along * g + (anywhere if noisy or not (along and g.any()) else 0.0)
    start = np.zeros(x.size) if zero else inside(start, radius, ball)
    gain = push * draw(choice(*GAINS))
    label = float(network.output(x)) - (gain - float(start @ g))
    return AttackSample(network, x, label, radius, step_size, n_steps, step, ball, start, band, DRAWN)


def off_kinks(network: Network, x: Array) -> Network:
    """The network with x added to the weights of every unit that sits on its kink, w ≠ 0 but w·x = 0.

    >>> network = Network(np.array([[1.0, -1.0], [0.0, 0.0]]), np.ones(2), Activation("relu"))
    >>> off_kinks(network, np.array([1.0, 1.0])).weights.tolist()
    [[2.0, 0.0], [0.0, 0.0]]
    """
    rows, s = np.linalg.norm(network.weights, axis=1), network.preactivation(x)
    stuck = (rows > 0) & (np.abs(s) < 1e-6 * rows * np.linalg.norm(x))
    return replace(network, weights=network.weights + np.outer(stuck, x))


def _room(network: Network, x: Array, ball: str) -> float:
    """The least size of a δ at which a unit changes sign."""
    rows = np.linalg.norm(network.weights, axis=1, ord=2 if ball == "l2" else 1)
    alive = rows > 0
    return float((np.abs(network.preactivation(x))[alive] / rows[alive]).min(initial=1e6))


def inside(start: Array, radius: float, ball: str) -> Array:
    """`start` times the largest power of two that brings it into the ball.

    >>> inside(np.array([3.0, 4.0]), 1.0, "l2").tolist()
    [0.375, 0.5]
    """
    norm = float(np.linalg.norm(start) if ball == "l2" else np.abs(start).max())
    return start * power_of_two(radius / norm) if norm > 0 else start
