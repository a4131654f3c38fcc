"""One training run of the theory: what is trained, on what, how."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.errors import require
from theory_sim.network import Network

Array = NDArray[np.float64]
LOSSES = ("mse", "logistic")


def loss_slope(loss: str, output: Any, label: Any) -> Any:
    """ℓ' = ∂ℓ/∂f: f - y for ½(y-f)²; -y/(1+e^{yf}) for ln(1+e^{-yf}), y = ±1 [paper: Section 3]."""
    if loss == "mse":
        return output - label
    return -label * np.exp(-np.logaddexp(0.0, label * output))


@dataclass(frozen=True)
class Training:
    """Full gradient descent on one sample, outer weights fixed: W <- W - η ℓ' a' xᵀ [paper: Eq. 4].

    network: start; x: (d,) input; label: y (±1 for the logistic loss); learning_rate: η > 0; n_steps >= 1.
    Raises InputError on a zero input, NaN, sizes that do not fit, η <= 0, n_steps < 1, an unknown loss.
    """

    network: Network
    x: Array
    label: float
    learning_rate: float
    n_steps: int
    loss: str = "mse"

    def __post_init__(self) -> None:
        check_input(self.x, self.network.dim)
        require(self.loss in LOSSES, f"loss {self.loss!r}: allowed are {', '.join(LOSSES)}")
        require(bool(np.isfinite(self.label)), f"label {self.label}: allowed is a finite number")
        require(self.loss == "mse" or abs(self.label) == 1, f"label {self.label}: the logistic loss allows -1 and +1")
        eta = self.learning_rate
        require(bool(np.isfinite(eta)) and eta > 0, f"learning rate {eta}: allowed is a number > 0")
        require(self.n_steps >= 1, f"number of steps {self.n_steps}: allowed is >= 1")

    @property
    def input_norm2(self) -> float:
        """‖x‖²."""
        return float(self.x @ self.x)

    def with_rate(self, learning_rate: float, n_steps: int) -> Training:
        """The same start with another learning rate and number of steps."""
        return replace(self, learning_rate=learning_rate, n_steps=n_steps)


def check_input(x: NDArray, dim: int) -> None:
    """Raise InputError unless x is a finite, non-zero vector of length `dim`."""
    require(x.shape == (dim,), f"input of shape {x.shape}: allowed is ({dim},)")
    require(bool(np.isfinite(x).all()), "input holds NaN or infinity: allowed are finite numbers")
    require(bool(np.any(x)), "input is zero: a non-zero signal is needed (its spectrum and gradient step vanish)")
