"""A training run on n samples, seen at its first: what the claims on data sets judge."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from theory_sim import descent
from theory_sim.claims.samples import TrainedPath
from theory_sim.closed_form import Plane
from theory_sim.descent import DatasetTraining, DatasetTrajectory
from theory_sim.spectrum import Band

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DatasetSample(TrainedPath):
    """Full-batch training on x_1 ... x_n; ĝ, x̂ and the rates are those at x_1, the only probe."""

    training: DatasetTraining
    band: Band
    source: str
    engine: str = "collapsed"

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.training.inputs)

    @cached_property
    def trajectory(self) -> DatasetTrajectory:
        """The explicit run."""
        return descent.run_dataset(self.training, self.engine)

    @cached_property
    def steps(self) -> int:
        """T, the number of usable steps: all, or up to the last finite one."""
        return self.trajectory.last_finite_step

    @cached_property
    def inner(self) -> tuple[Array, Array]:
        """P_t (T+1, m, n) of W_t = W_0 - P_t X, and s (T+1, n+1, m) at the samples and, last, at x_1 again."""
        return descent.coefficients(self.trajectory)

    @cached_property
    def gradient_spectrum(self) -> NDArray:
        """ĝ^(t) at x_1, (T+1, n_bins)."""
        return self.band.transform(self.trajectory.input_gradient[: self.steps + 1, 0])

    @cached_property
    def input_spectrum(self) -> NDArray:
        """x̂_1, (n_bins,)."""
        return self.band.transform(self.training.inputs[0])

    @cached_property
    def rates(self) -> Array:
        """(η/n) ℓ'_i a'(x_1)·a'(x_i): how fast g(x_1) moves along each -x_i, (T, n)."""
        net, s = self.training.network, self.inner[1][: self.steps]
        slope = net.activation.slope(s)
        overlap = np.einsum("r,tr,tir->ti", net.outer**2, slope[:, -1], slope[:, :-1])
        return self.training.learning_rate / self.n * self.trajectory.residual[: self.steps] * overlap

    @cached_property
    def pulled(self) -> NDArray:
        """Spectrum of X_t = Σ_i q_i x_i, q_i = Σ_{s<t} rates: what has been subtracted from g(x_1), (T+1, n_bins)."""
        moved = np.concatenate([np.zeros((1, self.n)), np.cumsum(self.rates, axis=0)])
        return moved @ self.band.transform(self.training.inputs)

    @cached_property
    def pulled_planes(self) -> Plane:
        """Band scalars of ĝ^(0) in the plane with X_t, arrays (T+1,)."""
        start = np.broadcast_to(self.gradient_spectrum[0], self.pulled.shape)
        return Plane.of(start, self.pulled, self.band)

    @property
    def drive(self) -> Array:
        """x_1's own rate, η^(t) of the single-sample theory with η/n, (T,)."""
        return self.rates[:, 0]

    @property
    def decay(self) -> Array:
        """0: the theory of data sets here is ReLU's, (T,)."""
        return np.zeros(self.steps)

    @cached_property
    def first_crossing(self) -> int:
        """First step at which a unit is on the other side of its kink at x_1; T+1 if there is none."""
        active = self.inner[1][:, -1] > 0
        crossed = np.flatnonzero((active != active[0]).any(axis=1))
        return int(crossed[0]) if crossed.size else self.steps + 1
