"""Whether, and where exactly, a frequency-domain theory of gradient-based adversarial examples is true.

The names below are the public API; everything works on float64 NumPy arrays and raises `InputError` on bad input.
"""

from __future__ import annotations

import theory_sim.compiled_code  # noqa: F401 - takes effect before any kernel is declared
from theory_sim.attacks import fgm, fgsm, pgd
from theory_sim.closed_form import Plane
from theory_sim.descent import Trajectory, run
from theory_sim.errors import InputError
from theory_sim.inputs import power_law_signal
from theory_sim.network import Activation, Network, sample_network
from theory_sim.spectrum import Band, low_frequency_ratio, low_pass_filter
from theory_sim.training import Training

__version__ = "0.1.0"

__all__ = [
    "Activation",
    "Band",
    "InputError",
    "Network",
    "Plane",
    "Training",
    "Trajectory",
    "__version__",
    "fgm",
    "fgsm",
    "low_frequency_ratio",
    "low_pass_filter",
    "pgd",
    "power_law_signal",
    "run",
    "sample_network",
]
