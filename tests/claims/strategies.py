"""One strategy for every population of the claims: what the ledger samples in thousands, drawn small."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from theory_sim.claims.samples import TrainingSample
from theory_sim.network import ACTIVATIONS
from theory_sim.testing import activations, attacks, bands, inputs, networks, perturbed_signals, spectral_paths
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
        "attack trained smooth": attacks(zero_start=False, activation=activations(*SMOOTH, sharpest=GENTLE), **sizes),
    }
