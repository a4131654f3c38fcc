"""Adversarial training on one sample: gradient descent on the loss at x + δ, δ the FGM of the net as it is now.

W <- W - η ℓ'(x+δ) a'(x+δ) (x+δ)ᵀ with δ = ε ∇ₓℓ/‖∇ₓℓ‖ at x, zero where the gradient is [paper: Section 4.3, Fig. 13].
One engine, which updates W itself: δ follows ĝ, so that nothing collapses onto x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theory_sim.descent.trajectory import LARGEST
from theory_sim.errors import require
from theory_sim.training import Training, loss_slope

Array = NDArray[np.float64]


@dataclass(frozen=True)
class AdversarialTrajectory:
    """Quantities at t = 0 ... n_steps, axis 0 the step; NaN after `last_finite_step`.

    At x: output f (T+1,), residual ℓ' (T+1,), input_gradient g (T+1, d), preactivation s (T+1, m). perturbation: δ
    (T+1, d). At x + δ: attacked_residual ℓ' (T+1,), attacked_preactivation (T+1, m). crossings: units whose s at x or
    at x + δ has at any step up to t had another sign than at x at t = 0, (T+1,) int64.
    """

    training: Training
    radius: float
    output: Array
    residual: Array
    input_gradient: Array
    preactivation: Array
    perturbation: Array
    attacked_residual: Array
    attacked_preactivation: Array
    crossings: NDArray[np.int64]
    last_finite_step: int

    @property
    def diverged(self) -> bool:
        """True if the run left the range of finite numbers before its last step."""
        return self.last_finite_step < self.training.n_steps


def run_adversarial(training: Training, radius: float) -> AdversarialTrajectory:
    """Train on x + δ with ‖δ‖₂ = `radius` (ε) and record every step. Raises InputError unless ε is finite and >= 0."""
    require(bool(np.isfinite(radius)) and radius >= 0, f"attack radius {radius}: allowed is a number >= 0")
    net, x, act = training.network, training.x, training.network.activation
    weights, n = net.weights.copy(), training.n_steps + 1
    output, residual, attacked_residual = np.full((3, n), np.nan)
    gradient, perturbation = np.full((2, n, net.dim), np.nan)
    s, attacked_s = np.full((2, n, net.width), np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(n):
            s[t] = weights @ x
            output[t] = act.value(s[t]) @ net.outer
            residual[t] = loss_slope(training.loss, output[t], training.label)
            gradient[t] = (net.outer * act.slope(s[t])) @ weights
            of_loss = residual[t] * gradient[t]
            norm = np.linalg.norm(of_loss)
            perturbation[t] = of_loss * (radius / norm) if norm > 0 else 0.0
            attacked = x + perturbation[t]
            attacked_s[t] = weights @ attacked
            attacked_residual[t] = loss_slope(training.loss, act.value(attacked_s[t]) @ net.outer, training.label)
            step = training.learning_rate * attacked_residual[t]
            if not np.isfinite(step):
                break
            weights -= (step * net.outer * act.slope(attacked_s[t]))[:, None] * attacked
    size = np.maximum(np.abs(output), np.abs(attacked_residual))
    size = np.maximum(size, np.abs(gradient).max(axis=1))
    bad = ~(size < LARGEST)  # also true for NaN
    last = int(np.argmax(bad)) - 1 if bad.any() else training.n_steps
    for recorded in (output, residual, attacked_residual, gradient, perturbation, s, attacked_s):
        recorded[last + 1 :] = np.nan
    active = s[0] > 0
    crossed = ((s > 0) != active) | ((attacked_s > 0) != active)
    crossings = np.logical_or.accumulate(crossed, axis=0).sum(axis=1)
    crossings[last + 1 :] = crossings[max(last, 0)]
    return AdversarialTrajectory(
        training, radius, output, residual, gradient, s, perturbation, attacked_residual, attacked_s, crossings, last
    )
