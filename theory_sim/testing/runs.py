"""Strategies for training runs, and for paths of ĝ in the regimes in which the theorems are judged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from theory_sim.claims.samples import Eq8Sample, SpectralPath, TrainingSample
from theory_sim.errors import require
from theory_sim.network import Activation, Network
from theory_sim.testing.grids import choice, power_of_two
from theory_sim.testing.inputs import DRAWN, bands, inputs, signals
from theory_sim.testing.networks import activations, networks
from theory_sim.training import Training

Array = NDArray[np.float64]
SMOOTH = ("softplus", "squareplus", "leaky_softplus")
REACH = (1.0, 2.0, 4.0, 0.5, 0.25, 8.0, 16.0, 64.0)  # how far the drive may move ĝ, in lengths of ĝ (about)
DEATHS = (2.0, 1.5, 4.0, 1.25, 1.125, 8.0)  # residuals over the one at which the first unit just dies
SHARP = 256.0
FAR = 1000.0  # the late steps of Eq. 8 by itself are this much longer: they stand for "all t"
STEPS = (1, 2, 3, 4, 6, 8)
RATES = {
    "relu": (0.75, 0.5, 0.875, 1.0, 0.25),
    "relu kinks": (0.75, 0.5, 0.875),
    "relu f<y": (0.75, 0.5, 0.875, 1.0, 0.25),
    "relu 1<r<2": (1.5, 1.25, 1.75, 1.875),
    "relu r>2": (3.0, 2.5, 2.25),
}


@st.composite
def training_runs(
    draw: st.DrawFn,
    *,
    max_dim: int = 9,
    max_width: int = 3,
    activation: st.SearchStrategy[Activation] | None = None,
    max_steps: int = 12,
    max_rate: float = 1.0,
) -> Training:
    """Gradient descent on one sample: any small network, input and label, r = η‖a'‖²‖x‖² up to max_rate.

    activation: a strategy, ReLU if None; max_rate: r above 2 makes runs that diverge.

    >>> from hypothesis import find
    >>> from theory_sim import run
    >>> training = find(training_runs(), lambda training: run(training).crossings[-1] > 0)
    >>> training.network.weights.tolist(), training.x.tolist(), training.n_steps
    ([[0.0, 0.0, 0.0, 1.0]], [0.0, 0.0, 0.0, 1.0], 1)
    """
    band = draw(bands(max_dim=max_dim))
    x = draw(inputs(band))
    network = draw(networks(x.size, max_width=max_width, activation=activation, x=x))
    residual = draw(choice(1.0, -1.0, 2.0, -2.0, 4.0, -4.0, 0.5, -0.5))
    r = max_rate * draw(choice(0.5, 1.0, 0.25, 0.75))
    label = float(network.output(x)) - residual
    return Training(network, x, label, learning_rate(network, x, r), draw(st.integers(1, max_steps)))


def spectral_paths(
    regime: str = "relu", *, max_dim: int = 9, max_width: int = 3, images: bool = False, short: bool = False
) -> st.SearchStrategy[SpectralPath]:
    """ĝ along a run in one regime of `theory_sim.claims.theorem1.REGIMES`, with L_x > H_x.

    `relu` (r <= 1, f > y), `relu f<y`, `relu 1<r<2` and `relu r>2` are explicit runs on which no unit crosses its kink;
    on those of `relu kinks` one does. `smooth`: explicit runs of the other activations; `eq8`: Eq. 8 itself, without or
    with decay; `eq8 constant`: with one drive and no decay; `eq8 outside`: with a decay in (1, 3). images: 2-D bands
    too. short: runs may stop long before training has converged.

    >>> from hypothesis import find
    >>> path = find(spectral_paths("relu"), lambda path: path.start.input_tau > 0.5)
    >>> path.training.network.weights.tolist(), path.planes.tau.shape
    ([[0.0, 0.0, 0.0, 2.0]], (10,))
    """
    if regime in RATES:
        return relu_paths(regime, max_width=max_width, max_dim=max_dim, images=images, short=short)
    if regime == "smooth":
        return smooth_paths(max_width=max_width, max_dim=max_dim, images=images)
    require(
        regime in ("eq8", "eq8 constant", "eq8 outside"),
        f"regime {regime!r}: allowed are {', '.join(RATES)}, smooth, eq8, eq8 constant, eq8 outside",
    )
    return eq8_paths(regime, max_dim=max_dim, images=images)


@st.composite
def relu_paths(
    draw: st.DrawFn, regime: str, *, max_dim: int = 9, max_width: int = 3, images: bool = False, short: bool = False
) -> TrainingSample:
    """Explicit ReLU runs of `spectral_paths`.

    Without kinks every active unit is moved along x by the least whole multiple of it that keeps the unit active on
    the whole run; with kinks the residual is a multiple of the one at which the first unit just dies.
    """
    kinks = regime == "relu kinks"
    band = draw(bands(max_dim=max_dim, images=images))
    x = draw(inputs(band, concentrated=True))
    n_active = 2 if kinks else 1
    network = draw(networks(x.size, min_width=n_active, max_width=max_width, x=x, n_active=n_active))
    r = draw(choice(*RATES[regime]))
    n_steps = _steps(draw, r, regime, short)
    if kinks:
        network, least = _first_death(network, x)
        residual = least * draw(choice(*DEATHS))
    else:
        size = power_of_two(float(np.linalg.norm(network.input_gradient(x)) * np.linalg.norm(x)))
        residual = size * draw(choice(*REACH))
        if regime == "relu r>2":
            residual /= draw(choice(1.0, 16.0, 128.0))
        residual = -residual if regime == "relu f<y" else residual
        network = keep_active(network, x, residual * (1 - (1 - r) ** np.arange(n_steps + 1)))
    label = float(network.output(x)) - residual
    return TrainingSample(Training(network, x, label, learning_rate(network, x, r), n_steps), band, DRAWN)


@st.composite
def smooth_paths(
    draw: st.DrawFn, *, max_dim: int = 9, max_width: int = 3, images: bool = False, names: tuple[str, ...] = SMOOTH
) -> TrainingSample:
    """Explicit runs of smooth activations at r < 1 and f > y, from gently bent to nearly ReLU."""
    band = draw(bands(max_dim=max_dim, images=images))
    x = draw(inputs(band, concentrated=True))
    network = draw(networks(x.size, max_width=max_width, activation=activations(*names), x=x))
    r = draw(choice(0.5, 0.25, 0.75, 0.125))
    size = power_of_two(float(np.linalg.norm(network.input_gradient(x)) * np.linalg.norm(x)))
    residual = size * draw(choice(*REACH))
    if draw(st.booleans()):  # nearly ReLU, and a unit all but dies
        network, residual = _first_death(replace(network, activation=replace(network.activation, sharpness=SHARP)), x)
        residual *= draw(choice(*DEATHS))
    label = float(network.output(x)) - residual
    n_steps = draw(choice(8, 12, 16, 24, 48))
    return TrainingSample(Training(network, x, label, learning_rate(network, x, r), n_steps), band, DRAWN)


@st.composite
def eq8_paths(draw: st.DrawFn, regime: str = "eq8", *, max_dim: int = 9, images: bool = False) -> Eq8Sample:
    """Eq. 8 iterated from any small ĝ⁰ with drives η^(t) > 0, late ones mostly a thousand times as large."""
    band = draw(bands(max_dim=max_dim, images=images))
    x = draw(inputs(band, concentrated=True))
    g = draw(signals(x.size))
    size = power_of_two(float(np.linalg.norm(g) / np.linalg.norm(x)))
    n_steps = draw(choice(8, 12, 24))
    steps: dict[str, Any] = {"min_size": n_steps, "max_size": n_steps}
    fractions = choice(1.0, 0.5, 0.25, 2.0)
    drives, decays = np.ones(n_steps), np.zeros(n_steps)
    if regime == "eq8 constant":
        drives *= draw(fractions)
    else:
        drives = np.array(draw(st.lists(fractions, **steps)))
        drives[n_steps // 2 :] *= draw(choice(FAR, 1.0))
        if regime == "eq8 outside":
            decays += draw(choice(2.0, 1.5, 1.25, 2.5))
        elif draw(st.booleans()):
            decays = np.array(draw(st.lists(choice(0.5, 0.25, 0.0, 0.125), **steps)))
    drives *= size * draw(choice(1.0, 0.25, 0.0625))
    return Eq8Sample(g, x, drives, decays, band, DRAWN, 1)


def keep_active(network: Network, x: Array, reach: NDArray) -> Network:
    """Active units moved along x, the least that keeps all of them active while Σ η ℓ'‖a'‖²‖x‖² is in `reach`.

    Where outer weights of both signs are active the moves balance, and g stays.

    >>> network = Network(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([1.0, -2.0]), Activation("relu"))
    >>> kept = keep_active(network, np.array([1.0, 0.0]), np.array([0.0, 9.0]))
    >>> kept.weights.tolist(), kept.input_gradient(np.array([1.0, 0.0])).tolist()
    ([[2.0, 0.0], [1.5, 1.0]], [-1.0, -2.0])
    """
    s, outer = network.preactivation(x), network.outer
    active, plus, minus = s > 0, (s > 0) & (outer > 0), (s > 0) & (outer < 0)
    per_unit = outer / max(float(outer[active] @ outer[active]), 1e-300)
    lost = np.maximum(per_unit * reach.max(), per_unit * reach.min()) * 1.05
    share = active.astype(float)
    if plus.any() and minus.any():  # Σ a_r share_r = 0: g stays
        share = plus / (np.abs(outer) * plus.sum()) + minus / (np.abs(outer) * minus.sum())
    needed = ((lost - s)[active] / share[active]).max(initial=-1.0) / float(x @ x)
    return replace(network, weights=network.weights + np.outer(share * max(np.floor(needed) + 1, 0.0), x))


def _first_death(network: Network, x: Array) -> tuple[Network, float]:
    """The network with an active positive outer weight, and the residual > 0 at which the first unit just dies."""
    s, outer = network.preactivation(x), network.outer.copy()
    active = s > 0
    if not (outer[active] > 0).any():
        outer[np.argmax(active)] *= -1
    dying = active & (outer > 0)
    norm2 = float(outer[active] @ outer[active])
    return replace(network, outer=outer), float((s[dying] / outer[dying]).min()) * norm2


def learning_rate(network: Network, x: Array, r: float) -> float:
    """η = r/(‖a'‖²‖x‖²); r/‖x‖² if no unit is active."""
    active = network.active_outer(x)
    return r / ((float(active @ active) or 1.0) * float(x @ x))


def _steps(draw: st.DrawFn, r: float, regime: str, short: bool) -> int:
    """Steps until the increments have shrunk by e^12 (twice as many with kinks); few if they grow."""
    if regime == "relu r>2":
        return draw(choice(8, 6, 10, 12))
    if short:
        return draw(choice(*STEPS))
    n_steps = max(6, int(np.ceil(12 / -np.log(abs(1 - r))))) if r != 1 else 6
    return 2 * n_steps if regime == "relu kinks" else n_steps
