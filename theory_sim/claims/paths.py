"""What Theorems 1-3 look at along a path, and the stretch of it on which a statement is made.

The paper proves its theorems for a drive η^(t) > 0 of Eq. 8 without kink crossings and calls f < y "similar". The
corrected statements say when they hold: `Stretch.of(path, corrected=True)` mirrors a run whose drive starts negative
(Δτ -> -Δτ, η -> -η) and ends where a unit first crosses its kink or the drive changes sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from theory_sim.claims.samples import SpectralPath, TrainingSample

Array = NDArray[np.float64]
RESOLVED = 1e-12  # changes of τ smaller than this are round-off


@dataclass(frozen=True)
class Stretch:
    """States t = 0 ... n and steps t = 0 ... n-1 of a path; crosses mirrored where asked."""

    low: Array
    high: Array
    low_cross: Array
    high_cross: Array
    growth: Array
    sign: float

    @classmethod
    def of(cls, path: SpectralPath, *, corrected: bool) -> Stretch:
        """The whole path as it is (printed), or mirrored and cut (corrected); kept on the path: many claims ask."""
        name = f"stretch corrected={corrected}"
        if name not in path.__dict__:
            path.__dict__[name] = cls._cut(path, corrected)
        return path.__dict__[name]

    @classmethod
    def _cut(cls, path: SpectralPath, corrected: bool) -> Stretch:
        p, drive, growth = path.planes, path.drive, path.growth
        n, sign = len(drive), 1.0
        if corrected:
            sign = 1.0 if drive[0] > 0 else -1.0
            turned = np.flatnonzero(sign * drive <= 0)
            n = min(n, path.first_crossing - 1, int(turned[0]) if turned.size else n)
        states, steps = slice(0, n + 1), slice(0, n)
        return cls(
            np.asarray(p.low_energy)[states],
            np.asarray(p.high_energy)[states],
            sign * np.asarray(p.low_cross)[states],
            sign * np.asarray(p.high_cross)[states],
            growth[steps],
            sign,
        )

    @cached_property
    def gap(self) -> Array:
        """Δτ_l - Δτ_h at the states."""
        return self.low_cross - self.high_cross

    @cached_property
    def after_t0(self) -> int:
        """First step from which Δτ_l > Δτ_h to the end of the stretch; len(gap) if there is none."""
        short = np.flatnonzero(~(self.gap > 0))
        return int(short[-1]) + 1 if short.size else 0


def linear_and_positive(path: SpectralPath, sign: float) -> int:
    """Number of first states on which no unit has crossed its kink and sign·q_t >= 0."""
    wrong = np.flatnonzero(~(sign * path.q >= 0))
    states = len(path.drive) + 1
    return min(states, path.first_crossing, int(wrong[0]) if wrong.size else states)


def least_drive(path: SpectralPath) -> Array:
    """η β₀ n over the steps up to t: learning rate · min |ℓ'| · min ‖a'‖², (T+1,); for Eq. 8 itself min |η^(t)|."""
    if isinstance(path, TrainingSample):
        t = path.trajectory
        states = slice(0, path.steps + 1)
        least_residual = np.minimum.accumulate(np.abs(t.residual[states]))
        return path.training.learning_rate * least_residual * np.minimum.accumulate(t.active_norm2[states])
    least = np.minimum.accumulate(np.abs(path.drive))
    return np.append(least, least[-1])


def largest_drive(path: SpectralPath) -> float:
    """η β λ² ‖a‖² with β = max |ℓ'| over the run and λ the slope bound; for Eq. 8 itself max |η^(t)|."""
    if isinstance(path, TrainingSample):
        net = path.training.network
        largest = float(np.abs(path.trajectory.residual[: path.steps + 1]).max())
        outer_norm2 = float(net.outer @ net.outer)
        return path.training.learning_rate * largest * net.activation.slope_bound**2 * outer_norm2
    return float(np.abs(path.drive).max())
