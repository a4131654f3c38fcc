"""Strategies for runs beyond one sample: data sets, and adversarial training."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from theory_sim.claims.adversarial_sample import AdversarialSample
from theory_sim.claims.dataset_sample import DatasetSample
from theory_sim.descent import DatasetTraining
from theory_sim.network import Activation
from theory_sim.testing.grids import choice, power_of_two, vectors
from theory_sim.testing.inputs import DRAWN, bands, inputs
from theory_sim.testing.networks import networks
from theory_sim.testing.runs import keep_active, learning_rate
from theory_sim.training import Training

REACH = (1.0, 2.0, 4.0, 0.5, 8.0, 16.0, 0.25)  # residuals over ‖g‖‖x‖, about
SHARES = (0.5, 0.25, 0.75, 0.125)  # ‖δ‖ over ‖x‖, about


@st.composite
def dataset_runs(
    draw: st.DrawFn,
    n: int = 2,
    *,
    max_dim: int = 9,
    max_width: int = 3,
    max_steps: int = 16,
    images: bool = False,
    activation: st.SearchStrategy[Activation] | None = None,
) -> DatasetSample:
    """Full-batch training on n small inputs, seen at the first, whose ℓ' is positive; the others' have any sign.

    activation: a strategy, ReLU if None; images: 2-D bands too.

    >>> from hypothesis import find
    >>> run = find(dataset_runs(2), lambda run: True)
    >>> run.training.inputs.shape, run.rates.shape
    ((2, 4), (1, 2))
    """
    band = draw(bands(max_dim=max_dim, images=images))
    x = draw(inputs(band, concentrated=True))
    others = draw(vectors((n - 1) * x.size)) if n > 1 else np.zeros(0)  # one draw: many are slow
    every = np.concatenate([x[None], others.reshape(n - 1, x.size)])
    network = draw(networks(x.size, max_width=max_width, activation=activation, x=x))
    size = power_of_two(float(np.linalg.norm(network.input_gradient(x)) * np.linalg.norm(x)))
    residual = size * draw(choice(*REACH))
    signs = draw(st.binary(min_size=n, max_size=n))
    residuals = residual * np.array([1.0, *(1.0 - 2.0 * (sign % 2) for sign in signs[1:])])
    if activation is None:
        network = keep_active(network, x, 2 * residual * np.array([-1.0, 0.0, 1.0]))
    curvature = float(np.linalg.norm(every, 2)) ** 2 / (n * float(x @ x))
    rate = learning_rate(network, x, draw(choice(0.5, 1.0, 0.25))) / max(curvature, 1.0)
    steps = draw(st.integers(1, max_steps))
    training = DatasetTraining(network, every, network.output(every) - residuals, rate, steps, every[:1])
    return DatasetSample(training, band, DRAWN)


@st.composite
def adversarial_runs(
    draw: st.DrawFn,
    *,
    max_dim: int = 9,
    max_width: int = 3,
    images: bool = False,
    activation: st.SearchStrategy[Activation] | None = None,
) -> AdversarialSample:
    """Training on x + δ, δ the FGM, ‖δ‖ some part of ‖x‖; f above or below y. `normal` is the run without the attack.

    activation: a strategy, ReLU if None; images: 2-D bands too.

    >>> from hypothesis import find
    >>> run = find(adversarial_runs(), lambda run: True)
    >>> run.training.network.weights.shape, run.radius > 0
    ((1, 4), True)
    """
    band = draw(bands(max_dim=max_dim, images=images))
    x = draw(inputs(band, concentrated=True))
    network = draw(networks(x.size, max_width=max_width, activation=activation, x=x))
    length = power_of_two(float(np.linalg.norm(x)))
    size = power_of_two(float(np.linalg.norm(network.input_gradient(x)))) * length
    residual = size * draw(choice(*REACH)) * draw(choice(1.0, -1.0))
    share, r = draw(choice(*SHARES)), draw(choice(0.5, 1.0, 0.25, 0.75))
    if activation is None:
        network = keep_active(network, x, (abs(residual) + share * size) * np.array([-1.0, 0.0, 1.0]))
    training = Training(
        network, x, float(network.output(x)) - residual, learning_rate(network, x, r), draw(choice(8, 16, 4, 32, 48, 1))
    )
    return AdversarialSample(training, band, DRAWN, radius=share * length)
