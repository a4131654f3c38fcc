"""Strategies for two-layer networks: few units, weights that can be read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from theory_sim.network import ACTIVATIONS, Activation, Network
from theory_sim.testing.grids import choice, vectors

Array = NDArray[np.float64]
SHARPNESS = (1.0, 4.0, 0.5, 16.0, 64.0, 256.0)
OUTER = (1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
ALONG = (0, 1, -1, 2, 3, 4, -2, 8)  # multiples of x


@st.composite
def activations(draw: st.DrawFn, *names: str, sharpest: float = 256.0) -> Activation:
    """One of the named activations (default: all), sharpness 1/2 ... sharpest, leak 0, 1/4 or 1/2.

    >>> from hypothesis import find
    >>> find(activations("softplus", "relu"), lambda activation: True)
    Activation(name='softplus', sharpness=1.0, leak=0.0)
    """
    name = draw(choice(*(names or ACTIVATIONS)))
    sharpness, leak = draw(choice(*(b for b in SHARPNESS if b <= sharpest))), draw(choice(0.0, 0.25, 0.5))
    if name == "relu":
        return Activation("relu")
    return Activation(name, sharpness, leak if name == "leaky_softplus" else 0.0)


@st.composite
def networks(
    draw: st.DrawFn,
    dim: int,
    *,
    min_width: int = 1,
    max_width: int = 3,
    activation: st.SearchStrategy[Activation] | None = None,
    x: Array | None = None,
    n_active: int = 1,
) -> Network:
    """A network with inputs (dim,): weights multiples of 1/4 in -2 ... 2, outer weights ±1, ±2, ±1/2.

    Some units repeat an earlier one, and some are zero. activation: a strategy, ReLU if None. x: an input at which at
    least n_active units (of as many as there are) are active; units may then also be moved by whole multiples of x.

    >>> from hypothesis import find
    >>> network = find(networks(4), lambda network: network.output(np.ones(4)) < 0)
    >>> network.weights.tolist(), network.outer.tolist()
    ([[0.0, 0.0, 0.0, 1.0]], [-1.0])
    """
    width = draw(st.integers(min_width, max_width))
    act = draw(activation) if activation is not None else Activation("relu")
    rows: list[Array] = []
    outer = []
    for _ in range(max_width):  # the last `width` are used: see `grids.vectors`
        row, along, kind, a = draw(_units(dim))
        if kind == "repeated" and rows:
            row = rows[-1].copy()
        rows.append(row if x is None else row + along * x)
        outer.append(a)
    network = Network(np.array(rows[-width:]), np.array(outer[-width:]), act)
    return network if x is None else activate(network, x, n_active)


@st.composite
def _units(draw: st.DrawFn, dim: int) -> tuple[Array, int, str, float]:
    """Weights, how often x is added to them, what kind of unit it is, and its outer weight."""
    row, along, outer = draw(vectors(dim)), draw(choice(*ALONG)), draw(choice(*OUTER))
    kind = draw(choice("fresh", "fresh", "fresh", "fresh", "repeated", "zero"))
    return (np.zeros(dim) if kind == "zero" else row), along, kind, outer


def activate(network: Network, x: Array, n_active: int) -> Network:
    """The network with its first idle units turned round, or moved along x, until n_active of them have s > 0.

    >>> idle = Network(np.array([[-1.0, -2.0], [0.0, 0.0]]), np.ones(2), Activation("relu"))
    >>> activate(idle, np.array([1.0, 1.0]), 2).weights.tolist()
    [[1.0, 2.0], [1.0, 1.0]]
    """
    s = network.preactivation(x)
    weights = network.weights.copy()
    for r in range(network.width):
        if (weights @ x > 0).sum() >= n_active:
            break
        if s[r] <= 0:
            weights[r] = -weights[r] if s[r] < 0 else weights[r] + x
    return replace(network, weights=weights)
