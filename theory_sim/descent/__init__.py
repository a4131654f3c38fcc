"""Explicit gradient descent of the two-layer net, four engines with one interface [paper: Eq. 4].

`run(training, engine)` returns a `Trajectory`. The engines: `reference` (plain NumPy, updates W itself), `collapsed`
(W_t = W_0 - p_t xᵀ, O(m) a step), `numba` (the same recursion, compiled) and `events` (ReLU with MSE: closed form
between kink crossings). `run_dataset` trains on many samples, `run_adversarial` on one that is attacked. This package
knows nothing of recurrences, closed forms or claims: that is what makes its agreement with them evidence.
"""

from __future__ import annotations

from theory_sim.descent.adversarial import AdversarialTrajectory, run_adversarial
from theory_sim.descent.collapsed import run_collapsed
from theory_sim.descent.collapsed_numba import run_numba
from theory_sim.descent.dataset import DatasetTraining, DatasetTrajectory, coefficients, run_dataset
from theory_sim.descent.events import run_events
from theory_sim.descent.reference import run_reference
from theory_sim.descent.trajectory import Trajectory
from theory_sim.errors import InputError
from theory_sim.training import Training

ENGINES = {"reference": run_reference, "collapsed": run_collapsed, "numba": run_numba, "events": run_events}


def run(training: Training, engine: str = "auto") -> Trajectory:
    """Train and record every step. `auto` takes `events` for ReLU with MSE and `numba` otherwise.

    Raises InputError on an unknown engine, or on `events` for a smooth activation or the logistic loss.
    """
    if engine == "auto":
        exact = training.network.activation.name == "relu" and training.loss == "mse"
        engine = "events" if exact else "numba"
    if engine not in ENGINES:
        raise InputError(f"engine {engine!r}: allowed are auto, {', '.join(ENGINES)}")
    return ENGINES[engine](training)


__all__ = [
    "ENGINES",
    "AdversarialTrajectory",
    "DatasetTraining",
    "DatasetTrajectory",
    "Trajectory",
    "coefficients",
    "run",
    "run_adversarial",
    "run_dataset",
]
