"""Gradient descent on n samples, full batch: W <- W - (η/n) Σ_i ℓ'_i a'(x_i) x_iᵀ. n = 1 is the theory's case.

Every update lies in the span of the samples, W_t = W_0 - P_t X with P (m, n), so s_t = W_0 Xᵀ - P_t G with the Gram
matrix G = X Xᵀ: O(m·n²) a step instead of O(m·n·d).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theory_sim.descent.dataset_numba import compiled_blocks
from theory_sim.descent.trajectory import LARGEST
from theory_sim.errors import InputError, require
from theory_sim.network import Network
from theory_sim.training import LOSSES, loss_slope

Array = NDArray[np.float64]
BLOCK = 64  # steps whose gradients the collapsed engine takes at once


@dataclass(frozen=True)
class DatasetTraining:
    """Full-batch gradient descent on the mean loss of n samples, outer weights fixed.

    inputs: X (n, d); labels: y (n,); probes: (k, d) points at which ∇ₓf is recorded. Raises InputError on shapes that
    do not fit, NaN, η <= 0, n_steps < 1, an unknown loss, logistic labels other than ±1.
    """

    network: Network
    inputs: Array
    labels: Array
    learning_rate: float
    n_steps: int
    probes: Array
    loss: str = "mse"

    def __post_init__(self) -> None:
        d = self.network.dim
        require(
            self.inputs.ndim == 2 and len(self.inputs) >= 1 and self.inputs.shape[1] == d,
            f"inputs of shape {self.inputs.shape}: allowed is (n >= 1, {d})",
        )
        require(self.labels.shape == (len(self.inputs),), f"labels of shape {self.labels.shape}: one per input")
        require(
            self.probes.ndim == 2 and self.probes.shape[1] == d,
            f"probes of shape {self.probes.shape}: allowed is (k, {d})",
        )
        for name in ("inputs", "labels", "probes"):
            require(bool(np.isfinite(getattr(self, name)).all()), f"{name} hold NaN or infinity: allowed is finite")
        require(self.loss in LOSSES, f"loss {self.loss!r}: allowed are {', '.join(LOSSES)}")
        require(self.loss == "mse" or bool((np.abs(self.labels) == 1).all()), "the logistic loss allows labels -1, +1")
        eta = self.learning_rate
        require(bool(np.isfinite(eta)) and eta > 0, f"learning rate {eta}: allowed is a number > 0")
        require(self.n_steps >= 1, f"number of steps {self.n_steps}: allowed is >= 1")


@dataclass(frozen=True)
class DatasetTrajectory:
    """State at t = 0 ... n_steps; NaN after `last_finite_step`.

    output, residual: f(x_i), ℓ'_i (T+1, n); input_gradient: ∇ₓf at the probes (T+1, k, d).
    """

    training: DatasetTraining
    output: Array
    residual: Array
    input_gradient: Array
    last_finite_step: int

    @property
    def diverged(self) -> bool:
        """True if the run left the range of finite numbers before its last step."""
        return self.last_finite_step < self.training.n_steps


def run_dataset(training: DatasetTraining, engine: str = "collapsed") -> DatasetTrajectory:
    """Train on all samples and record every step.

    engine: `reference` (updates W), `collapsed` (Gram form) or `numba` (the Gram form compiled). Raises InputError on
    an unknown engine.
    """
    if engine not in ENGINES:
        raise InputError(f"data-set engine {engine!r}: allowed are {', '.join(ENGINES)}")
    n, (k, d) = training.n_steps + 1, training.probes.shape
    output = np.full((n, len(training.inputs)), np.nan)
    residual = np.full_like(output, np.nan)
    gradient = np.full((n, k, d), np.nan)
    blocks = ENGINES[engine](training)
    t = 0
    with np.errstate(over="ignore", invalid="ignore"):
        for f, slope, g in blocks:
            rows = slice(t, t + len(f))
            output[rows], residual[rows], gradient[rows] = f, slope, g
            t = rows.stop
            if t == n or not np.isfinite(slope).all():
                break
    size = np.maximum(np.abs(output).max(axis=1), np.abs(residual).max(axis=1))
    size = np.maximum(size, np.abs(gradient).max(axis=(1, 2), initial=0.0))
    bad = ~(size < LARGEST)  # also true for NaN
    last = int(np.argmax(bad)) - 1 if bad.any() else training.n_steps
    for recorded in (output, residual, gradient):
        recorded[last + 1 :] = np.nan
    return DatasetTrajectory(training, output, residual, gradient, last)


def coefficients(trajectory: DatasetTrajectory) -> tuple[Array, Array]:
    """P_t of W_t = W_0 - P_t X (T+1, m, n), and s at the samples and then the probes (T+1, n+k, m), from the ℓ'_i.

    T: `last_finite_step`.
    """
    training, steps = trajectory.training, trajectory.last_finite_step
    inputs, net, act = training.inputs, training.network, training.network.activation
    points, n = np.concatenate([inputs, training.probes]), len(inputs)
    gram, start = points @ inputs.T, points @ net.weights.T
    p, s = np.zeros((steps + 1, net.width, n)), np.empty((steps + 1, *start.shape))
    for t in range(steps + 1):
        s[t] = start - gram @ p[t].T
        if t < steps:
            active = net.outer * act.slope(s[t, :n])
            p[t + 1] = p[t] + training.learning_rate / n * (trajectory.residual[t][:, None] * active).T
    return p, s


def _reference_steps(training: DatasetTraining) -> Iterator[tuple[Array, Array, Array]]:
    """Yield (f, ℓ', ∇ₓf at the probes) for t = 0, 1, ..., first axis 1: the weight matrix itself is updated."""
    inputs, outer, act = training.inputs, training.network.outer, training.network.activation
    weights = training.network.weights.copy()
    while True:
        s = inputs @ weights.T
        output = act.value(s) @ outer
        slope = loss_slope(training.loss, output, training.labels)
        probe_active = outer * act.slope(training.probes @ weights.T)
        yield output[None], slope[None], (probe_active @ weights)[None]
        update = (slope[:, None] * outer * act.slope(s)).T @ inputs
        weights -= training.learning_rate / len(inputs) * update


def _collapsed_blocks(training: DatasetTraining) -> Iterator[tuple[Array, Array, Array]]:
    """The same in the span of the samples, where only P (m, n) changes, BLOCK steps at once.

    The probes' gradients W_tᵀ a' = W_0ᵀ a' - Xᵀ Pᵀ a' of a block are one matrix product: W_0 is read once a block.
    """
    inputs, net, act = training.inputs, training.network, training.network.activation
    gram, cross = inputs @ inputs.T, inputs @ training.probes.T
    start, probe_start = net.weights @ inputs.T, net.weights @ training.probes.T
    coefficients = np.zeros_like(start)  # P
    n, (k, d) = len(inputs), training.probes.shape
    for first in range(0, training.n_steps + 1, BLOCK):
        size = min(BLOCK, training.n_steps + 1 - first)
        output, slope = np.empty((size, n)), np.empty((size, n))
        active, along = np.empty((size, k, net.width)), np.empty((size, k, n))  # a' at the probes, Pᵀ a'
        for i in range(size):
            s = start - coefficients @ gram
            output[i] = net.outer @ act.value(s)
            slope[i] = loss_slope(training.loss, output[i], training.labels)
            active[i] = (net.outer[:, None] * act.slope(probe_start - coefficients @ cross)).T
            along[i] = active[i] @ coefficients
            coefficients += training.learning_rate / n * slope[i] * net.outer[:, None] * act.slope(s)
        gradient = active.reshape(size * k, net.width) @ net.weights - along.reshape(size * k, n) @ inputs
        yield output, slope, gradient.reshape(size, k, d)


ENGINES = {"reference": _reference_steps, "collapsed": _collapsed_blocks, "numba": compiled_blocks}
