"""The attacks of a sweep, on each network before and after training.

Training never forms W_t; an attack needs the network around x, so W_T = W_0 - p_T xᵀ is formed once for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from theory_sim.attacks import PgdPath
from theory_sim.claims.pgd import lemma1
from theory_sim.drawn import draw_outer, draw_weights
from theory_sim.hartley import signal_of
from theory_sim.network import ACTIVATIONS, OUTER_LAWS, Activation, Network
from theory_sim.simulation.perturbation import Perturbation, attack_results
from theory_sim.spectrum import Band, Mask, parse_convention
from theory_sim.sweep.batch import Group
from theory_sim.training import LOSSES

Array = NDArray[np.float64]
KEYS = tuple(Perturbation.__dataclass_fields__)
TOLERANCE = 1e-9  # of the ledger's row


def attack_group(
    group: Group, columns: Mapping[str, NDArray], filled: Mapping[str, NDArray]
) -> tuple[Array, NDArray[np.int8]]:
    """τ before and after training, rise of the loss before and after: (n, 4), NaN where nothing was trained.

    Also Lemma 1 on the iterates of PGD, (n, 2, 2): hypotheses and verdict, as printed and as corrected. filled:
    by `run_group`, with p_T of all points.
    """
    out = np.full((len(group.points), 4), np.nan)
    verdicts = np.full((len(group.points), 2, 2), -1, np.int8)
    weights = outer = np.empty(0)
    for i, point in enumerate(group.points):
        if i == 0 or not point["same_network"]:
            seed, width = int(point["seed"]), int(point["width"])
            weights = draw_weights(seed, group.weight_law, group.shape, width, float(point["weight_scale"]))
            outer = draw_outer(seed, OUTER_LAWS[point["outer_law"]], width, float(point["outer_scale"]))
        if filled["reason"][i] != 0:
            continue
        label = float(filled["resolved"][i, 1])
        row = {key: columns[key][group.index[i]].item() for key in (*KEYS, "cutoff", "convention", "mask")}
        band = Band(
            group.shape, row["cutoff"], parse_convention(row["convention"]), _mask(row["mask"]), group.transform
        )
        perturbation = Perturbation.of(SimpleNamespace(**row))
        x = signal_of(group.inputs[point["input"]], group.shape, group.transform)
        activation = Activation(ACTIVATIONS[point["activation"]], float(point["sharpness"]), float(point["leak"]))
        networks = [Network(weights, outer, activation)]
        if not filled["rows"]["diverged"][i]:
            shift = filled["shifts"][i, : outer.size]
            networks.append(Network(weights - np.outer(shift, x), outer, activation))
        paths = []
        for column, network in enumerate(networks):
            sample = (network, x, label, LOSSES[point["loss"]])
            if perturbation.attack == "pgd":
                paths.append(perturbation.path(*sample))
                delta = paths[-1].delta[-1]
            else:
                delta = perturbation.delta(*sample)
            out[i, column], out[i, 2 + column] = attack_results(delta, *sample, band)
        verdicts[i] = _lemma1(paths, activation, perturbation)
    return out, verdicts


def _lemma1(paths: list[PgdPath], activation: Activation, perturbation: Perturbation) -> NDArray[np.int8]:
    """Hypotheses and verdict of Lemma 1, as printed and as corrected, on all paths together [paper: Lemma 1]."""
    out = np.array([[0, 0], [-1, -1]], np.int8)
    for path in paths:
        if activation.smooth:
            case = "smooth"
        elif path.region_left.any():
            case = "far"
        else:
            sign = perturbation.attack_step == "sign" and perturbation.attack_ball == "l2"
            case = "sign, l2" if sign else "linear"
        outcome = lemma1(SimpleNamespace(path=path), case)  # type: ignore[arg-type]
        margins = (None, None) if outcome is None else (outcome.printed, outcome.corrected)
        for version, margin in enumerate(margins):
            if margin is not None:
                held = out[1, version] != 0 and margin >= -TOLERANCE
                out[0, version], out[1, version] = 1, int(held)
    return out


def _mask(text: str) -> Mask:
    return "square" if text == "square" else "disc"
