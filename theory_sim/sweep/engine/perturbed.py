"""The attacks of a sweep, on each network before and after training.

Training never forms W_t; an attack needs the network around x, so W_T = W_0 - p_T xᵀ is formed once for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from theory_sim.drawn import draw_outer, draw_weights
from theory_sim.hartley import signal_of
from theory_sim.network import ACTIVATIONS, OUTER_LAWS, Activation, Network
from theory_sim.simulation.perturbation import Perturbation, attack_results
from theory_sim.spectrum import Band, Mask, parse_convention
from theory_sim.sweep.batch import Group
from theory_sim.training import LOSSES

Array = NDArray[np.float64]
KEYS = tuple(Perturbation.__dataclass_fields__)


def attack_group(
    group: Group, columns: Mapping[str, NDArray], shifts: Array, resolved: Array, finished: NDArray[np.bool_]
) -> Array:
    """τ before and after training, rise of the loss before and after: (n, 4), NaN where nothing was trained.

    shifts: p_T (n, m), resolved: η and y (n, 2), of `run_group`; finished: (n,) False where the run diverged.
    """
    out = np.full((len(group.points), 4), np.nan)
    weights = outer = np.empty(0)
    for i, point in enumerate(group.points):
        if i == 0 or not point["same_network"]:
            seed, width = int(point["seed"]), int(point["width"])
            weights = draw_weights(seed, group.weight_law, group.shape, width, float(point["weight_scale"]))
            outer = draw_outer(seed, OUTER_LAWS[point["outer_law"]], width, float(point["outer_scale"]))
        label = resolved[i, 1]
        if np.isnan(label):
            continue
        row = {key: columns[key][group.index[i]].item() for key in (*KEYS, "cutoff", "convention", "mask")}
        band = Band(
            group.shape, row["cutoff"], parse_convention(row["convention"]), _mask(row["mask"]), group.transform
        )
        perturbation = Perturbation.of(SimpleNamespace(**row))
        x = signal_of(group.inputs[point["input"]], group.shape, group.transform)
        activation = Activation(ACTIVATIONS[point["activation"]], float(point["sharpness"]), float(point["leak"]))
        loss = LOSSES[point["loss"]]
        start = Network(weights, outer, activation)
        out[i, 0], out[i, 2] = attack_results(perturbation, start, x, label, loss, band)
        if finished[i]:
            trained = Network(weights - np.outer(shifts[i, : outer.size], x), outer, activation)
            out[i, 1], out[i, 3] = attack_results(perturbation, trained, x, label, loss, band)
    return out


def _mask(text: str) -> Mask:
    return "square" if text == "square" else "disc"
