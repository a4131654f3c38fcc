"""One strategy for every population of the claims: what the ledger samples in thousands, drawn small."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from theory_sim.claims.adversarial_sample import AdversarialSample
from theory_sim.claims.dataset_sample import DatasetSample
from theory_sim.claims.extended_populations import SIZES as SET_SIZES
from theory_sim.claims.samples import TrainingSample
from theory_sim.descent import DatasetTraining
from theory_sim.network import ACTIVATIONS
from theory_sim.testing import (
    activations,
    adversarial_runs,
    attacks,
    bands,
    dataset_runs,
    inputs,
    networks,
    perturbed_signals,
    signals,
    spectral_paths,
)
from theory_sim.testing.runs import DRAWN, SMOOTH, learning_rate
from theory_sim.training import Training

SIZES: dict[str, Any] = {"max_dim": 9, "max_width": 3}
GENTLE = 4.0  # sharper activations need smaller steps than the ladders take to show their order


@st.composite
def starts(draw: st.DrawFn, *names: str, rate: float, n_steps: int) -> TrainingSample:
    """A network with a residual of either sign, and one learning rate: for laws of single steps and of starts."""
    band = draw(bands(max_dim=SIZES["max_dim"]))
    x = draw(inputs(band, concentrated=True))
    network = draw(networks(x.size, max_width=SIZES["max_width"], activation=activations(*names, sharpest=GENTLE), x=x))
    label = float(network.output(x)) - draw(st.sampled_from((0.25, -0.25, 0.125, -0.125, 1.0, -1.0)))
    return TrainingSample(Training(network, x, label, learning_rate(network, x, rate), n_steps), band, DRAWN)


@st.composite
def dataset_starts(draw: st.DrawFn) -> DatasetSample:
    """The same on three samples, for the law of one step on a data set."""
    one = draw(starts("softplus", rate=1 / 16, n_steps=2))
    x, net = one.training.x, one.training.network
    every = np.array([x, draw(signals(x.size)), draw(signals(x.size))])
    residuals = (float(net.output(x)) - one.training.label) * np.array([1.0, draw(st.sampled_from((1.0, -1.0))), 0.5])
    most = float(np.linalg.norm(every, 2)) ** 2 / float(x @ x)
    training = DatasetTraining(
        net, every, net.output(every) - residuals, one.training.learning_rate / most, 2, every[:1]
    )
    return DatasetSample(training, one.band, one.source)


@st.composite
def adversarial_starts(draw: st.DrawFn) -> AdversarialSample:
    """The same with an attack, for the law of one step of adversarial training."""
    one = draw(starts("softplus", rate=1 / 16, n_steps=2))
    radius = draw(st.sampled_from((0.25, 0.125))) * float(np.linalg.norm(one.training.x))
    return AdversarialSample(one.training, one.band, one.source, radius=radius)


def strategies(*, short: bool = False, images: bool = False, **sizes: Any) -> dict[str, st.SearchStrategy[Any]]:
    """Population -> strategy; short: ReLU runs may stop early; images: 2-D bands too."""
    sizes = SIZES | sizes | {"images": images}
    both: dict[str, Any] = {"steps": ("raw", "normalised"), "balls": ("l2", "linf")}
    smooth: dict[str, Any] = {"activation": activations(*SMOOTH)}
    signals: dict[str, Any] = {"max_dim": sizes["max_dim"], "images": images}
    of_paths = ("eq8", "eq8 constant", "eq8 outside", "smooth")
    of_runs = ("relu", "relu kinks", "relu f<y", "relu 1<r<2", "relu r>2")
    return {
        **{name: spectral_paths(name, **sizes) for name in of_paths},
        **{name: spectral_paths(name, short=short, **sizes) for name in of_runs},
        **{f"order {name}": starts(name, rate=1 / 16, n_steps=4) for name in ACTIVATIONS},
        "start": starts("relu", rate=0.1, n_steps=1),
        "signal": perturbed_signals(**signals),
        "signal power-law": perturbed_signals(power_law=True, **signals),
        "attack linear": attacks(**both, **sizes),
        "attack sign linf": attacks(steps=("sign",), balls=("linf",), **sizes),
        "attack sign l2": attacks(steps=("sign",), zero_start=False, **sizes),
        "attack far": attacks(**both, region=False, **sizes),
        "attack smooth": attacks(**both, **smooth, region=False, **sizes),
        "attack zero start": attacks(steps=("raw", "normalised"), zero_start=True, **sizes),
        "attack zero start sign": attacks(steps=("sign",), balls=("linf", "l2"), zero_start=True, **sizes),
        "attack random start": attacks(zero_start=False, **sizes),
        "attack ahead": attacks(zero_start=False, **sizes),
        "attack trained": attacks(zero_start=False, **sizes),
        **{f"dataset n = {n}": dataset_runs(n, **sizes) for n in SET_SIZES},
        "order dataset": dataset_starts(),
        "adversarial": adversarial_runs(**sizes),
        "order adversarial": adversarial_starts(),
        "attack raw linf zero start": attacks(steps=("raw", "normalised"), balls=("linf",), zero_start=True, **sizes),
        "attack far sign linf": attacks(steps=("sign",), balls=("linf",), zero_start=True, region=False, **sizes),
        "attack trained smooth": attacks(zero_start=False, activation=activations(*SMOOTH, sharpest=GENTLE), **sizes),
    }
