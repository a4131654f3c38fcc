"""The sampled objects that claims judge: paths of ĝ through training, attacks, signals. Each knows its size.

A `SpectralPath` is what Theorems 1-3 speak about, whether it comes from explicit gradient descent (`TrainingSample`)
or from Eq. 8 iterated as the paper's proofs do (`Eq8Sample`): spectra at all steps and the drives between them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim import descent
from theory_sim.attacks import PgdPath, pgd
from theory_sim.closed_form import Plane, plane_coefficients
from theory_sim.descent import Trajectory
from theory_sim.network import Network
from theory_sim.recurrences import eq8
from theory_sim.spectrum import Band
from theory_sim.training import Training

Array = NDArray[np.float64]
LARGE_DIM, LARGE_WIDTH = 257, 128
MOVED = 1e-10  # of τ: 100 times the 1e-12 at which its changes are resolved
LEAST_ENERGY = 1e-12  # of the terms ĝ is a difference of: below it |ĝ| has lost six digits, and τ with it


class SpectralPath(ABC):
    """ĝ^(t) along a run."""

    band: Band
    source: str

    @property
    @abstractmethod
    def gradient_spectrum(self) -> NDArray:
        """ĝ^(t), (T+1, n_bins)."""

    @property
    @abstractmethod
    def input_spectrum(self) -> NDArray:
        """x̂, (n_bins,)."""

    @property
    @abstractmethod
    def drive(self) -> Array:
        """η^(t) of the T steps, (T,)."""

    @property
    @abstractmethod
    def decay(self) -> Array:
        """η̃^(t) of the T steps, (T,)."""

    @property
    @abstractmethod
    def first_crossing(self) -> int:
        """First step t after which ĝ is no longer what the linear region gives; T+1 if there is none."""

    @cached_property
    def planes(self) -> Plane:
        """L, H, Δτ_l, Δτ_h at every step, arrays (T+1,), and L_x, H_x."""
        return Plane.of(self.gradient_spectrum, self.input_spectrum, self.band)

    def state(self, step: int) -> Plane:
        """The band scalars at one step, floats."""
        p = self.planes
        states = (p.low_energy, p.high_energy, p.low_cross, p.high_cross)
        low, high, low_cross, high_cross = (float(v[step]) for v in states)
        return Plane(low, high, low_cross, high_cross, float(p.input_low), float(p.input_high))

    @cached_property
    def start(self) -> Plane:
        """The band scalars at t = 0, floats."""
        return self.state(0)

    @cached_property
    def q(self) -> Array:
        """q_t = Q_t/P_t of the path's own drives and decays, (T+1,): Σ η^(s), s < t, for ReLU."""
        p, q = plane_coefficients(self.drive, self.decay)
        return q / p

    @property
    def terms(self) -> Any:
        """Energy of the terms whose difference ĝ is, (T+1,) or a float: for a training run its largest energy."""
        return float(np.max(self.planes.low_energy + self.planes.high_energy))

    @cached_property
    def moves(self) -> bool:
        """Power check: at least one step, ĝ never down at round-off, and τ moves by 100 times its resolution."""
        low, high = np.asarray(self.planes.low_energy), np.asarray(self.planes.high_energy)
        total = low + high
        if len(total) < 2 or not (total > LEAST_ENERGY * self.terms).all():
            return False
        tau = low / total
        return bool(np.abs(tau - tau[0]).max() >= MOVED)

    @cached_property
    def growth(self) -> Array:
        """τ^(t+1) - τ^(t) without cancellation, (L'H - LH')/(N N'), (T,)."""
        low, high = np.asarray(self.planes.low_energy), np.asarray(self.planes.high_energy)
        total = low + high
        return (low[1:] * high[:-1] - low[:-1] * high[1:]) / (total[1:] * total[:-1])


class TrainedPath(SpectralPath):
    """The path of one explicit training run."""

    training: Any

    @property
    def size(self) -> int:
        """Numbers in W: what shrinking makes small."""
        return int(self.training.network.weights.size)

    @property
    def is_large(self) -> bool:
        """True for d >= 257 and width >= 128."""
        net = self.training.network
        return bool(net.dim >= LARGE_DIM and net.width >= LARGE_WIDTH)


@dataclass(frozen=True)
class TrainingSample(TrainedPath):
    """One explicit training run with a band; source names the kind of input."""

    training: Training
    band: Band
    source: str
    engine: str = "auto"

    @cached_property
    def trajectory(self) -> Trajectory:
        """The explicit run."""
        return descent.run(self.training, self.engine)

    @cached_property
    def steps(self) -> int:
        """T, the number of usable steps: all, or up to the last finite one."""
        return self.trajectory.last_finite_step

    @cached_property
    def gradient_spectrum(self) -> NDArray:
        """ĝ^(t), (T+1, n_bins)."""
        return self.band.transform(self.trajectory.input_gradient[: self.steps + 1])

    @cached_property
    def input_spectrum(self) -> NDArray:
        """x̂, (n_bins,)."""
        return self.band.transform(self.training.x)

    @cached_property
    def drive(self) -> Array:
        """η^(t), (T,)."""
        return self.trajectory.drive[: self.steps]

    @cached_property
    def decay(self) -> Array:
        """η̃^(t), (T,)."""
        return self.trajectory.decay[: self.steps]

    @cached_property
    def first_crossing(self) -> int:
        """First step at which a unit is on the other side of its kink; T+1 if there is none."""
        crossed = np.flatnonzero(self.trajectory.crossings[: self.steps + 1] > 0)
        return int(crossed[0]) if crossed.size else self.steps + 1

    @property
    def relative_rate(self) -> float:
        """r = η‖a'‖²‖x‖² at the start."""
        rate = self.training.learning_rate * self.trajectory.active_norm2[0] * self.training.input_norm2
        return float(rate)


@dataclass(frozen=True)
class Eq8Sample(SpectralPath):
    """Eq. 8 iterated with given drives and decays: the world in which the paper's proofs live [paper: Eq. 8].

    start_gradient: g⁰ (d,); x: (d,); drives, decays: η^(t), η̃^(t), (T,); width: of the network g⁰ came from.
    """

    start_gradient: Array
    x: Array
    drives: Array
    decays: Array
    band: Band
    source: str
    width: int

    @property
    def size(self) -> int:
        """Numbers that define the sample."""
        return int(self.x.size + self.drives.size)

    @property
    def is_large(self) -> bool:
        """True for d >= 257 and width >= 128 of the network behind g⁰."""
        return self.x.size >= LARGE_DIM and self.width >= LARGE_WIDTH

    @cached_property
    def gradient_spectrum(self) -> NDArray:
        """ĝ^(t), (T+1, n_bins)."""
        out = np.empty((len(self.drives) + 1, self.input_spectrum.size), self.input_spectrum.dtype)
        out[0] = self.band.transform(self.start_gradient)
        for t in range(len(self.drives)):
            out[t + 1] = eq8(out[t], self.input_spectrum, self.drives[t], self.decays[t])
        return out

    @cached_property
    def input_spectrum(self) -> NDArray:
        """x̂, (n_bins,)."""
        return self.band.transform(self.x)

    @property
    def terms(self) -> Array:
        """‖P_t ĝ⁰‖² + ‖Q_t x̂‖², (T+1,)."""
        p, q = plane_coefficients(self.drives, self.decays)
        s = self.start
        return p**2 * (s.low_energy + s.high_energy) + q**2 * (s.input_low + s.input_high)

    @property
    def drive(self) -> Array:
        """η^(t), (T,)."""
        return self.drives

    @property
    def decay(self) -> Array:
        """η̃^(t), (T,)."""
        return self.decays

    @property
    def first_crossing(self) -> int:
        """First step at which a unit is on the other side of its kink; T+1 if there is none."""
        return len(self.drives) + 1


@dataclass(frozen=True)
class AttackSample:
    """One PGD attack on a network with a band for its spectra."""

    network: Network
    x: Array
    label: float
    radius: float
    step_size: float
    n_steps: int
    step: str
    ball: str
    start: Array
    band: Band
    source: str

    @property
    def size(self) -> int:
        """Numbers in W."""
        return int(self.network.weights.size)

    @property
    def is_large(self) -> bool:
        """True for d >= 257 and width >= 128."""
        return self.network.dim >= LARGE_DIM and self.network.width >= LARGE_WIDTH

    @cached_property
    def path(self) -> PgdPath:
        """The explicit attack."""
        return pgd(
            self.network,
            self.x,
            self.label,
            radius=self.radius,
            step_size=self.step_size,
            n_steps=self.n_steps,
            step=self.step,
            ball=self.ball,
            start=self.start,
        )

    @cached_property
    def gradient(self) -> Array:
        """g = ∇ₓf at x, (d,)."""
        return self.network.input_gradient(self.x)

    @cached_property
    def planes(self) -> Plane:
        """Band scalars of κ^(j) = δ^(j)/ξ in the plane with ĝ; the crosses are +2 Re Σ κ̂ conj(ĝ) = Δτ_{·,2}."""
        kappa = self.band.transform(self.path.delta / self.step_size)
        return Plane.of(kappa, self.band.transform(-self.gradient), self.band)


@dataclass(frozen=True)
class SignalSample:
    """An input with a perturbation, for the claims on signals alone: x, δ (d,); alpha, alpha0 (NaN for pictures)."""

    x: Array
    delta: Array
    band: Band
    source: str
    width: int
    alpha: float
    alpha0: float

    @property
    def size(self) -> int:
        """Samples in the signal."""
        return int(self.x.size)

    @property
    def is_large(self) -> bool:
        """True for d >= 257 and width >= 128 of the network behind δ."""
        return self.x.size >= LARGE_DIM and self.width >= LARGE_WIDTH
