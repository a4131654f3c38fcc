"""The collapsed engine: every update of Eq. 4 is an outer product with the same x, so W_t = W_0 - p_t xᵀ.

s_t = s_0 - ‖x‖² p_t and p_{t+1} = p_t + η ℓ'_t a'_t cost O(m) a step; all input gradients come from one matrix
product at the end, g_t = W_0ᵀ a'_t - (p_t·a'_t) x.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from theory_sim.descent.trajectory import Trajectory, finish
from theory_sim.training import Training, loss_slope

Array = NDArray[np.float64]


def run_collapsed(training: Training) -> Trajectory:
    """Exact in real arithmetic, no approximation; NumPy twin of `run_numba` [paper: Eq. 4]."""
    outer, act = training.network.outer, training.network.activation
    start = training.network.weights @ training.x
    norm2 = training.input_norm2
    n = training.n_steps + 1
    shift = np.full((n, outer.size), np.nan)
    output, residual = np.full(n, np.nan), np.full(n, np.nan)
    p = np.zeros(outer.size)
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(n):
            shift[t] = p
            s = start - norm2 * p
            output[t] = outer @ act.value(s)
            residual[t] = loss_slope(training.loss, output[t], training.label)
            if not np.isfinite(residual[t]):
                break
            p = p + training.learning_rate * residual[t] * outer * act.slope(s)
    return assemble(training, start, shift, output, residual)


def assemble(training: Training, start: Array, shift: Array, output: Array, residual: Array) -> Trajectory:
    """All recorded quantities from p_t = `shift` (T+1, m), f and ℓ' in a few matrix operations."""
    outer, act = training.network.outer, training.network.activation
    with np.errstate(over="ignore", invalid="ignore"):
        s = start - training.input_norm2 * shift
        active_outer = outer * act.slope(s)
        input_gradient = active_outer @ training.network.weights
        input_gradient -= np.einsum("tr,tr->t", shift, active_outer)[:, None] * training.x
        active_norm2 = np.einsum("tr,tr->t", active_outer, active_outer)
        if act.smooth:
            mean_curvature = act.curvature(s) @ outer / outer.size
        else:
            mean_curvature = np.where(np.isfinite(residual), 0.0, np.nan)
    return finish(training, output, residual, active_norm2, mean_curvature, input_gradient, s)
