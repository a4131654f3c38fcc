"""A run of adversarial training beside the normal one from the same start."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from theory_sim import descent
from theory_sim.claims.samples import TrainingSample
from theory_sim.descent import AdversarialTrajectory

Array = NDArray[np.float64]


@dataclass(frozen=True)
class AdversarialSample(TrainingSample):
    """Gradient descent on the loss at x + δ, δ the FGM with ‖δ‖ = radius; ĝ is ∇ₓf at the clean x."""

    radius: float = 0.0

    @cached_property
    def trajectory(self) -> AdversarialTrajectory:  # type: ignore[override]
        """The explicit run on x + δ."""
        return descent.run_adversarial(self.training, self.radius)

    @cached_property
    def normal(self) -> TrainingSample:
        """Normal training from the same start with the same learning rate and number of steps."""
        return TrainingSample(self.training, self.band, self.source, self.engine)

    @cached_property
    def drive(self) -> Array:
        """η ℓ'(x+δ) a'(x)·a'(x+δ), the rate in front of x + δ, (T,)."""
        t, net = self.trajectory, self.training.network
        slopes = net.activation.slope(t.preactivation) * net.activation.slope(t.attacked_preactivation)
        rate = self.training.learning_rate * t.attacked_residual * (slopes @ net.outer**2)
        return np.asarray(rate[: self.steps])

    @cached_property
    def decay(self) -> Array:
        """ε η^(t) sgn(ℓ')/‖g‖: the part of δ in the move, seen as a decay of ĝ, (T,)."""
        g, sign = (v[: self.steps] for v in (self.trajectory.input_gradient, np.sign(self.trajectory.residual)))
        norm = np.linalg.norm(g, axis=1)
        return np.divide(self.radius * self.drive * sign, norm, out=np.zeros(self.steps), where=norm > 0)

    @property
    def relative_rate(self) -> float:
        """r = η‖a'‖²‖x‖² at the start."""
        return self.normal.relative_rate
