"""The attack that a configuration asks for, on a network before or after training [paper: Section 2.1, Eq. 18]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.attacks import PgdPath, fgm, fgsm, pgd
from theory_sim.counter_random import ATTACK, fill_normals, fill_uniforms
from theory_sim.network import Network
from theory_sim.spectrum import Band, low_frequency_ratio

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Perturbation:
    """The keys `attack...` of a run, and the seed of a random start."""

    attack: str
    attack_radius: float
    attack_step_size: float
    attack_steps: int
    attack_step: str
    attack_ball: str
    attack_start: str
    seed: int

    @classmethod
    def of(cls, keys: Any) -> Perturbation:
        """From anything that has the keys as attributes, a Configuration for one."""
        return cls(*(getattr(keys, name) for name in cls.__dataclass_fields__))

    def delta(self, network: Network, x: NDArray, label: float, loss: str) -> Array:
        """δ (d,): for PGD the last iterate."""
        if self.attack == "fgm":
            return fgm(network, x, label, self.attack_radius, loss)
        if self.attack == "fgsm":
            return fgsm(network, x, label, self.attack_radius, loss)
        return np.asarray(self.path(network, x, label, loss).delta[-1])

    def path(self, network: Network, x: NDArray, label: float, loss: str) -> PgdPath:
        """All iterates of PGD."""
        return pgd(
            network,
            x,
            label,
            radius=self.attack_radius,
            step_size=self.attack_step_size,
            n_steps=self.attack_steps,
            step=self.attack_step,
            ball=self.attack_ball,
            start=self._start(x.size) if self.attack_start == "random" else None,
            loss=loss,
        )

    def _start(self, dim: int) -> Array:
        """Uniform in the ball, drawn by counter."""
        uniforms, direction = np.empty(dim), np.empty(dim)
        fill_uniforms(self.seed, ATTACK, 0, uniforms)
        if self.attack_ball == "linf":
            return self.attack_radius * (2 * uniforms - 1)
        fill_normals(self.seed, ATTACK, 1, 1.0, direction)
        size = self.attack_radius * uniforms[0] ** (1 / dim)
        return np.asarray(direction * (size / np.linalg.norm(direction)))


def attack_results(
    delta: NDArray, network: Network, x: NDArray, label: float, loss: str, band: Band
) -> tuple[float, float]:
    """(τ(δ ∈ S_l), ℓ(x+δ) - ℓ(x)) of an attack's δ."""
    return float(low_frequency_ratio(delta, band)), _loss(network, x + delta, label, loss) - _loss(
        network, x, label, loss
    )


def _loss(network: Network, x: NDArray, label: float, loss: str) -> float:
    """ℓ = ½(y-f)² or ln(1+e^{-yf})."""
    output = float(network.output(x))
    return 0.5 * (label - output) ** 2 if loss == "mse" else float(np.logaddexp(0.0, -label * output))
