"""The obvious engine: gradient descent on W as Eq. 4 writes it. Every other engine is tested against this one."""

from __future__ import annotations

import numpy as np

from theory_sim.descent.trajectory import Trajectory, finish
from theory_sim.training import Training, loss_slope


def run_reference(training: Training) -> Trajectory:
    """Update the full weight matrix at every step, O(m·d) a step [paper: Eq. 4]."""
    x, outer, act = training.x, training.network.outer, training.network.activation
    weights = training.network.weights.copy()
    n = training.n_steps + 1
    output, residual, active_norm2, mean_curvature = (np.full(n, np.nan) for _ in range(4))
    input_gradient = np.full((n, x.size), np.nan)
    preactivation = np.full((n, outer.size), np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(n):
            s = weights @ x
            active_outer = outer * act.slope(s)
            preactivation[t] = s
            output[t] = outer @ act.value(s)
            residual[t] = loss_slope(training.loss, output[t], training.label)
            active_norm2[t] = active_outer @ active_outer
            mean_curvature[t] = np.mean(outer * act.curvature(s))
            input_gradient[t] = active_outer @ weights
            if not np.isfinite(residual[t]):
                break
            weights -= training.learning_rate * residual[t] * np.outer(active_outer, x)
    return finish(training, output, residual, active_norm2, mean_curvature, input_gradient, preactivation)
