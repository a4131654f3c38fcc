"""One run as an xarray Dataset: the explicit course, the predictions, their errors and the theorems' bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from theory_sim.closed_form import Plane
from theory_sim.configuration import Configuration
from theory_sim.descent import Trajectory, run
from theory_sim.errors import require
from theory_sim.network import Network
from theory_sim.provenance import provenance
from theory_sim.simulation import bounds, variables
from theory_sim.simulation.perturbation import Perturbation, attack_results
from theory_sim.simulation.predictions import predict, scalars_of
from theory_sim.simulation.start import Start, prepare


def simulate(configuration: Configuration) -> xr.Dataset:
    """Train, predict, compare. Dimensions step (0 ... n_steps), frequency, prediction, pair.

    Same configuration, same machine: same bits. NaN after the last finite step of a diverging run (attributes
    `diverged`, `last_finite_step`). Raises InputError as `prepare`, and if the gradient is zero at the start.
    """
    start = prepare(configuration)
    trajectory = run(start.training, start.configuration.engine)
    band = start.band
    require(trajectory.last_finite_step >= 0, "the start is out of range: weights, label or input exceed 1e150")
    require(
        bool(np.any(trajectory.input_gradient[0])),
        "the input gradient is zero at the start (no active unit): τ is undefined, allowed is another seed or width",
    )
    input_spectrum = band.transform(start.training.x)
    with np.errstate(invalid="ignore"):  # NaN after the last finite step of a diverging run
        spectrum = band.transform(trajectory.input_gradient)
        explicit = scalars_of(spectrum, input_spectrum, band)
        predictions = predict(trajectory, spectrum, input_spectrum, band)

    units = variables.spectrum_units(band)
    plane = Plane.of(spectrum[0], input_spectrum, band)
    data = (
        variables.courses(trajectory, explicit, predictions, units)
        | variables.spectra(spectrum, input_spectrum, band, units)
        | variables.theorem_bounds(trajectory, explicit, plane, units)
        | variables.pairs(trajectory, spectrum, input_spectrum, band)
    )
    if start.configuration.attack != "fgm":
        data |= variables.attacked(*_attacked(start, trajectory))
    coordinates = variables.coordinates(trajectory, band, predictions)
    return xr.Dataset(data, coordinates, _attributes(start, trajectory))


def _attacked(start: Start, trajectory: Trajectory) -> list[tuple[float, float]]:
    """(τ(δ), rise of the loss) of the attack before training, and after it unless it diverged."""
    training, perturbation = start.training, Perturbation.of(start.configuration)
    networks = [training.network]
    if not trajectory.diverged:
        shift = (trajectory.preactivation[0] - trajectory.preactivation[-1]) / training.input_norm2
        weights = training.network.weights - np.outer(shift, training.x)
        networks.append(Network(weights, training.network.outer, training.network.activation))
    found = []
    for network in networks:
        sample = (network, training.x, training.label, training.loss)
        found.append(attack_results(perturbation.delta(*sample), *sample, start.band))
    return [*found, (np.nan, np.nan)][:2]


def _attributes(start: Start, trajectory: Trajectory) -> dict[str, Any]:
    """Everything that is needed to run it again and to judge it; ints for flags, as NetCDF has no booleans."""
    training = start.training
    return {
        "title": "one training run of the two-layer net beside the theory's predictions",
        "configuration": start.configuration.toml(),
        "seed": start.configuration.seed,
        "learning_rate": float(training.learning_rate),
        "relative_rate": float(start.relative_rate),
        "label": float(training.label),
        "residual_at_start": float(trajectory.residual[0]),
        "input_norm2": training.input_norm2,
        "diverged": int(trajectory.diverged),
        "last_finite_step": trajectory.last_finite_step,
        "settled_step": bounds.settled(trajectory),
        "positive_drive": int(bounds.positive_drive(trajectory)),
        **provenance(),
    }
