"""Seeded random trainings: one place that decides what "any run" means in the tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from theory_sim.network import ACTIVATIONS, Activation, sample_network
from theory_sim.training import LOSSES, Training

DIMS = (1, 2, 3, 8, 17, 32, 65)
WIDTHS = (1, 2, 5, 16, 33)
RATES = (0.01, 0.1, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 10.0)
LAWS = ("signs", "scaled_signs", "gaussian")


def random_training(
    seed: int,
    *,
    activation: str | None = None,
    loss: str | None = None,
    dim: int | None = None,
    width: int | None = None,
    rate: float | None = None,
    n_steps: int = 60,
) -> Training:
    """A run of any kind; `rate` is r = η‖a'‖²‖x‖² at the start, 2 the edge of stability of a linear model."""
    rng = np.random.default_rng([2, seed])
    name = activation or ACTIVATIONS[seed % len(ACTIVATIONS)]
    loss = loss or LOSSES[seed // len(ACTIVATIONS) % len(LOSSES)]
    dim = dim or int(rng.choice(DIMS))
    width = width or int(rng.choice(WIDTHS))
    rate = rate or float(rng.choice(RATES))
    act = Activation(name, sharpness=float(rng.choice([0.3, 1.0, 5.0, 20.0])), leak=float(rng.choice([0.0, 0.1, 0.9])))
    net = sample_network(dim, width, act, rng, outer_law=str(rng.choice(LAWS)))
    x = rng.standard_normal(dim)
    label = float(rng.choice([-1.0, 1.0])) * (1.0 if loss == "logistic" else float(rng.uniform(0, 3)))
    active = net.active_outer(x)
    stiffness = float(active @ active) * float(x @ x)
    eta = rate / (stiffness if stiffness > 1e-6 else float(x @ x))  # a dead net still gets a learning rate
    return Training(net, x, label, eta, n_steps, loss)


def nudged(training: Training, rng: np.random.Generator) -> Training:
    """The same run with every weight and input moved by one unit in the last place, up or down."""

    def nudge(v: np.ndarray) -> np.ndarray:
        return np.nextafter(v, np.where(rng.random(v.shape) < 0.5, -np.inf, np.inf))

    net = training.network
    return replace(training, network=replace(net, weights=nudge(net.weights)), x=nudge(training.x))
