"""Hypothesis strategies for one's own bounds: small inputs, networks, training runs, paths of ĝ, and attacks.

Every number is drawn from a short decimal grid, simplest first, so that a counterexample shrinks to a network that can
be checked by hand. Needs nothing but Hypothesis, which is a dependency of the package.
"""

from __future__ import annotations

from theory_sim.testing.attacks import attacks
from theory_sim.testing.extensions import adversarial_runs, dataset_runs
from theory_sim.testing.grids import grid, numbers
from theory_sim.testing.inputs import bands, inputs, perturbed_signals, power_law_signals, signals
from theory_sim.testing.networks import activations, networks
from theory_sim.testing.runs import spectral_paths, training_runs

__all__ = [
    "activations",
    "adversarial_runs",
    "attacks",
    "bands",
    "dataset_runs",
    "grid",
    "inputs",
    "networks",
    "numbers",
    "perturbed_signals",
    "power_law_signals",
    "signals",
    "spectral_paths",
    "training_runs",
]
