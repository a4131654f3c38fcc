"""What an engine of a sweep hands over, built from the explicit run of the ledger's and simulate's own engines."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from theory_sim.descent import Trajectory
from theory_sim.simulation.bounds import ratio_bins
from theory_sim.simulation.predictions import scalars_of
from theory_sim.spectrum import Band
from theory_sim.sweep.course import FACTS, N_PROBES
from theory_sim.sweep.measure import ROW, measure
from theory_sim.sweep.schema import CLAIMS


class Course(NamedTuple):
    """The arguments of measure that an engine makes."""

    course: NDArray
    probes: NDArray
    probe_start: NDArray
    facts: NDArray  # (1,)


class Measured(NamedTuple):
    """What measure makes of it; row by name, hypotheses and verdicts (claims, versions)."""

    row: dict[str, Any]
    records: NDArray
    hypotheses: NDArray
    verdicts: NDArray


def course_of(trajectory: Trajectory, band: Band, bins: list[int] | None = None) -> Course:
    """bins: those of simulate if not given."""
    training = trajectory.training
    x_hat = band.transform(training.x)
    with np.errstate(invalid="ignore"):
        spectrum = band.transform(trajectory.input_gradient)
        scalars = scalars_of(spectrum, x_hat, band)
    t = trajectory
    states = (t.output, t.residual, t.active_norm2, t.mean_curvature, *scalars, t.crossings.astype(float))
    bins = ratio_bins(x_hat, band) if bins is None else bins
    probes, probe_start = np.full((len(t.output), N_PROBES), np.nan), np.full(N_PROBES, np.nan)
    for i, k in enumerate(bins):
        ratio = spectrum[:, k] / x_hat[k]
        probes[:, i] = np.abs(ratio) ** 2
        probe_start[i] = ratio[0].real
    low, high = band.energies(x_hat)
    network = training.network
    facts = np.zeros(1, FACTS)
    facts[0] = (
        training.learning_rate, training.label, training.input_norm2, low, high, network.outer @ network.outer,
        not network.activation.smooth, training.loss == "mse", training.n_steps, t.last_finite_step, len(bins),
    )  # fmt: skip
    return Course(np.stack(states), probes, probe_start, facts)


def measured(course: Course, record_steps: Any = (0,)) -> Measured:
    """measure() on fresh outputs that hold garbage."""
    steps = np.asarray(record_steps, np.int64)
    row = np.full(1, 7, ROW)
    records = np.full((5, steps.size), 7.0)
    verdicts = np.full((2, len(CLAIMS), 2), 7, np.int8)
    measure(course.course, course.probes, course.probe_start, course.facts[0], steps, row[0], records, verdicts)
    return Measured({name: row[0][name].item() for name in row.dtype.names}, records, verdicts[0], verdicts[1])
