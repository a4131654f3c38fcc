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
        check_label(self.loss, self.label)
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


def check_label(loss: str, label: float) -> None:
    """Raise InputError on an unknown loss, a label that is not finite, or a logistic label other than ±1."""
    require(loss in LOSSES, f"loss {loss!r}: allowed are {', '.join(LOSSES)}")
    require(bool(np.isfinite(label)), f"label {label}: allowed is a finite number")
    require(loss == "mse" or abs(label) == 1, f"label {label}: the logistic loss allows -1 and +1")


def check_input(x: NDArray, dim: int) -> None:
    """Raise InputError unless x is a finite, non-zero float64 vector of length `dim` whose ‖x‖² is a normal number."""
    require(x.shape == (dim,), f"input of shape {x.shape}: allowed is ({dim},)")
    require(x.dtype == np.float64, f"input of type {x.dtype}: allowed is float64")
    require(bool(np.isfinite(x).all()), "input holds NaN or infinity: allowed are finite numbers")
    require(bool(np.any(x)), "input is zero: allowed is a non-zero signal (the gradient step of zero vanishes)")
    top = float(np.abs(x).max())
    require(1e-100 <= top <= 1e100, f"input with largest value {top:g}: allowed is 1e-100 ... 1e100")
