"""Batches of networks for the CUDA engine, and the same networks trained by theory_sim's own engines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.descent import Trajectory, run
from theory_sim.drawn import draw_outer, draw_weights
from theory_sim.hartley import band_weights, half_spectrum, partners, power_scale, signal_of
from theory_sim.network import ACTIVATIONS, OUTER_LAWS, Activation, Network
from theory_sim.simulation.bounds import ratio_bins
from theory_sim.spectrum import Band
from theory_sim.sweep.batch import (
    LABEL,
    OPPOSITE,
    POINT,
    RATE,
    RELATIVE_RATE,
    RELATIVE_RESIDUAL,
    RESIDUAL,
    Group,
)
from theory_sim.sweep.course import N_PROBES
from theory_sim.training import LOSSES, Training

DEFAULTS: dict[str, Any] = {
    "seed": 3, "width": 40, "activation": "relu", "sharpness": 2.0, "leak": 0.2, "outer_law": "gaussian",
    "outer_scale": 0.7, "weight_scale": 1.1, "loss": "mse", "rate_kind": RELATIVE_RATE, "rate": 0.4,
    "label_kind": RELATIVE_RESIDUAL, "label": 0.8, "n_steps": 30, "input": 0, "band": 0,
}  # fmt: skip


def group_of(dim: int, changes: Sequence[dict[str, Any]]) -> Group:
    """One point for each of `changes` to DEFAULTS, on two inputs of size `dim` and two bands."""
    points = np.zeros(len(changes), POINT)
    for point, change in zip(points, changes, strict=True):
        values = DEFAULTS | change
        for name, words in (("activation", ACTIVATIONS), ("outer_law", OUTER_LAWS), ("loss", LOSSES)):
            values[name] = words.index(values[name])
        for name, value in values.items():
            point[name] = value
    inputs = np.random.default_rng(dim).standard_normal((2, dim)) / np.sqrt(1.0 + np.arange(dim))
    probes = np.full((2, N_PROBES, 2), -1)
    first, second = partners((dim,))
    for row, spectrum in zip(probes, half_spectrum(inputs, (dim,)), strict=True):
        bins = ratio_bins(spectrum, band_of(dim, 0))
        row[: len(bins)] = np.stack([first[bins], second[bins]], axis=1)
    bands = np.array([band_weights(band_of(dim, number)) for number in (0, 1)])
    top = np.abs(signal_of(inputs, (dim,))).max(axis=1)
    return Group(
        np.arange(len(points)), points, "gaussian", (dim,), "dft", inputs, top, bands, probes, power_scale((dim,))
    )


def band_of(dim: int, number: int) -> Band:
    """Two bands that differ in cut-off and convention."""
    return Band((dim,), min(3.0, dim // 2), "two-sided") if number == 0 else Band((dim,), 1.0, "one-sided")


def network_of(group: Group, i: int) -> Network:
    """The network of point i, as signals."""
    point = group.points[i]
    seed, width = int(point["seed"]), int(point["width"])
    weights = draw_weights(seed, "gaussian", group.shape, width, float(point["weight_scale"]))
    outer = draw_outer(seed, OUTER_LAWS[point["outer_law"]], width, float(point["outer_scale"]))
    activation = Activation(ACTIVATIONS[point["activation"]], float(point["sharpness"]), float(point["leak"]))
    return Network(weights, outer, activation)


def train_on_host(group: Group, i: int, engine: str = "collapsed") -> Trajectory:
    """Point i by an engine of `descent`, η and y decided in NumPy as simulation/start.py does."""
    point, network = group.points[i], network_of(group, i)
    x = signal_of(group.inputs[point["input"]], group.shape)
    active, gradient, output = network.active_outer(x), network.input_gradient(x), float(network.output(x))
    rate = float(point["rate"])
    if point["rate_kind"] != RATE:
        rate /= float(active @ active) * float(x @ x)
    label = {
        LABEL: float(point["label"]),
        RESIDUAL: output - float(point["label"]),
        RELATIVE_RESIDUAL: output - float(point["label"]) * float(np.linalg.norm(gradient) * np.linalg.norm(x)),
        OPPOSITE: -1.0 if output >= 0 else 1.0,
    }[int(point["label_kind"])]
    return run(Training(network, x, label, rate, int(point["n_steps"]), LOSSES[point["loss"]]), engine)


def weights_of(group: Group, i: int) -> NDArray[np.float64]:
    """Coefficients of the weights of point i."""
    point = group.points[i]
    return draw_weights(
        int(point["seed"]), "gaussian", group.shape, int(point["width"]), float(point["weight_scale"]), "dft"
    )
