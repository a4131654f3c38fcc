"""What an engine hands over for each network: the course of its training, and the constants needed to judge it."""

from __future__ import annotations

import numpy as np

# Rows of a course, float64 (N_ROWS, n_steps + 1), column t the state before step t and after the last step. As
# in `descent.Trajectory` and `simulation.predictions.Scalars`: NaN after the last finite step, Δτ = -2 Re Σ wĝx̂*.
OUTPUT, RESIDUAL, ACTIVE_NORM2, MEAN_CURVATURE, LOW_ENERGY, HIGH_ENERGY, LOW_CROSS, HIGH_CROSS, CROSSINGS = range(9)
N_ROWS = 9

# Probes: bins of `simulation.bounds.ratio_bins`, ascending. The engine gives R_k² at every step, (n_steps + 1,
# N_PROBES), and Re(ĝ[k] conj(x̂[k]))/|x̂[k]|² = R_k cos Δφ_k at the start, (N_PROBES,); NaN in columns beyond `n_probes`.
N_PROBES = 5

# Constants of one run. Times are steps; energies use the band's weights and the unnormalised DFT.
FACTS = np.dtype(
    [
        ("learning_rate", "f8"),  # η
        ("label", "f8"),  # y
        ("input_norm2", "f8"),  # ‖x‖²
        ("input_low", "f8"),  # L_x
        ("input_high", "f8"),  # H_x
        ("outer_norm2", "f8"),  # ‖a‖²
        ("relu", "i8"),  # 1 for ReLU, 0 for a smooth activation
        ("mse", "i8"),  # 1 for the mean squared error, 0 for the logistic loss
        ("n_steps", "i8"),
        ("last_finite_step", "i8"),  # n_steps unless the run diverges
        ("n_probes", "i8"),  # 0 where the engine gives no spectra at single bins
    ]
)
