"""What one training run leaves behind: the state before each step and after the last."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theory_sim.training import Training

Array = NDArray[np.float64]
LARGEST = 1e150  # beyond this an energy |ĝ|² would overflow float64: the run counts as diverged


@dataclass(frozen=True)
class Trajectory:
    """Quantities at t = 0 ... n_steps, axis 0 the step; NaN after `last_finite_step`.

    output: f (T+1,); residual: ℓ' = ∂ℓ/∂f (T+1,); active_norm2: ‖a'‖² (T+1,); mean_curvature: mean_r a_r σ''(s_r)
    (T+1,); input_gradient: g = ∇ₓf (T+1, d); preactivation: s (T+1, m); crossings: kink crossings (sign changes of an
    s_r) up to step t, (T+1,) int64. A diverging run (a value beyond 1e150 or NaN) is a result, not an error.
    """

    training: Training
    output: Array
    residual: Array
    active_norm2: Array
    mean_curvature: Array
    input_gradient: Array
    preactivation: Array
    crossings: NDArray[np.int64]
    last_finite_step: int

    @property
    def diverged(self) -> bool:
        """True if the run left the range of finite numbers before its last step."""
        return self.last_finite_step < self.training.n_steps

    @property
    def drive(self) -> Array:
        """η^(t) = η ℓ' ‖a'‖², the composite rate in front of x, (T+1,) [paper: Eq. 8]."""
        return self.training.learning_rate * self.residual * self.active_norm2

    @property
    def decay(self) -> Array:
        """η̃^(t) = η ‖x‖² ℓ' mean_r(a_r σ''(s_r)), the composite rate in front of ĝ, (T+1,) [paper: Eq. 8]."""
        rate = self.training.learning_rate * self.training.input_norm2
        return rate * self.residual * self.mean_curvature


def finish(
    training: Training,
    output: Array,
    residual: Array,
    active_norm2: Array,
    mean_curvature: Array,
    input_gradient: Array,
    preactivation: Array,
) -> Trajectory:
    """Count crossings, find the last finite step and blank what follows it."""
    size = np.maximum(np.abs(output), np.abs(residual))
    size = np.maximum(size, np.abs(input_gradient).max(axis=1))
    bad = ~(size < LARGEST)  # also true for NaN
    last = int(np.argmax(bad)) - 1 if bad.any() else training.n_steps
    for array in (output, residual, active_norm2, mean_curvature, input_gradient, preactivation):
        array[last + 1 :] = np.nan
    active = preactivation > 0
    crossings = np.zeros(len(output), np.int64)
    crossings[1:] = np.cumsum((active[1:] != active[:-1]).sum(axis=1))
    crossings[last + 1 :] = crossings[max(last, 0)]
    return Trajectory(
        training, output, residual, active_norm2, mean_curvature, input_gradient, preactivation, crossings, last
    )
