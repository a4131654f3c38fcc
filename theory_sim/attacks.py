"""Gradient attacks on the two-layer network: FGM, FGSM and PGD [paper: Section 2.1, Appendix B]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theory_sim.errors import InputError, require
from theory_sim.network import Network
from theory_sim.training import check_input, check_label, loss_slope

Array = NDArray[np.float64]
STEPS = ("raw", "normalised", "sign")
BALLS = ("l2", "linf")


def loss_gradient(network: Network, x: NDArray, label: float, loss: str = "mse") -> Array:
    """∇ₓℓ = ℓ' g: (d,) [paper: Eq. 6]."""
    s = network.preactivation(x)
    slope = loss_slope(loss, float(network.activation.value(s) @ network.outer), label)
    return np.asarray((slope * network.outer * network.activation.slope(s)) @ network.weights)


def fgm(network: Network, x: NDArray, label: float, radius: float, loss: str = "mse") -> Array:
    """δ = ε ∇ₓℓ/‖∇ₓℓ‖, (d,); zero where the gradient is zero. InputError if ε < 0 [paper: Eq. 6]."""
    _check(network, x, label, radius, loss)
    return radius * _direction(loss_gradient(network, x, label, loss), "normalised")


def fgsm(network: Network, x: NDArray, label: float, radius: float, loss: str = "mse") -> Array:
    """δ = ε sgn(∇ₓℓ), (d,), sgn 0 = 0. InputError if ε < 0 [paper: Section 2.1]."""
    _check(network, x, label, radius, loss)
    return radius * _direction(loss_gradient(network, x, label, loss), "sign")


def project(delta: NDArray, radius: float, ball: str) -> Array:
    """Nearest point to δ in the ball of the norm `ball` ("l2" or "linf") around 0 [paper: Eq. 18].

    Raises InputError on another name.
    """
    _check_ball(ball)
    if ball == "linf":
        return np.clip(delta, -radius, radius)
    norm = float(np.linalg.norm(delta))
    return delta * (radius / norm) if norm > radius else np.asarray(delta, dtype=float)


def random_start(dim: int, radius: float, ball: str, rng: np.random.Generator) -> Array:
    """Uniform in the ball of the norm `ball` ("l2" or "linf"), (dim,). Raises InputError on another name."""
    _check_ball(ball)
    if ball == "linf":
        return rng.uniform(-radius, radius, dim)
    v = rng.standard_normal(dim)
    return np.asarray(v * (radius * rng.random() ** (1 / dim) / np.linalg.norm(v)))


@dataclass(frozen=True)
class PgdPath:
    """All iterates of one PGD attack.

    delta: δ^(j), (n_steps+1, d); unprojected: δ^(j) + ξ·step before the projection, (n_steps, d); gain: β^(j) =
    ℓ'(x) + δ^(j)·g(x), (n_steps+1,); region_left: True from the first j at which a preactivation at x + δ^(j) has
    another sign than at x, (n_steps+1,). [paper: Eq. 18, Eq. 22]
    """

    delta: Array
    unprojected: Array
    gain: Array
    region_left: NDArray[np.bool_]


def pgd(
    network: Network,
    x: NDArray,
    label: float,
    *,
    radius: float,
    step_size: float,
    n_steps: int,
    step: str = "raw",
    ball: str = "l2",
    start: NDArray | None = None,
    loss: str = "mse",
) -> PgdPath:
    """δ <- P_B(δ + ξ·step(∇ₓℓ(x+δ))) with step raw, normalised or sign, in an ℓ₂ or ℓ∞ ball [paper: Eq. 18].

    start: δ⁰ (d,), zero if None. Raises InputError on ε < 0, ξ <= 0, n_steps < 1, unknown names, a start outside
    of the ball.
    """
    _check(network, x, label, radius, loss)
    require(np.isfinite(step_size) and step_size > 0, f"step size {step_size}: allowed is a number > 0")
    require(n_steps >= 1, f"number of attack steps {n_steps}: allowed is >= 1")
    if step not in STEPS:
        raise InputError(f"attack step {step!r}: allowed are {', '.join(STEPS)}")
    _check_ball(ball)
    delta = np.zeros(network.dim) if start is None else np.asarray(start, dtype=float)
    require(delta.shape == (network.dim,), f"start of shape {delta.shape}: allowed is ({network.dim},)")
    norm = np.abs(delta).max() if ball == "linf" else np.linalg.norm(delta)
    require(bool(norm <= radius * (1 + 1e-12)), f"start of norm {norm:g}: allowed is <= {radius:g} ({ball})")

    slope0 = loss_slope(loss, float(network.output(x)), label)
    gradient0, active0 = network.input_gradient(x), network.preactivation(x) > 0
    path, unprojected = [delta], []
    for _ in range(n_steps):
        v = delta + step_size * _direction(loss_gradient(network, x + delta, label, loss), step)
        delta = project(v, radius, ball)
        unprojected.append(v)
        path.append(delta)
    deltas = np.array(path)
    left = ((network.preactivation(x + deltas) > 0) != active0).any(axis=1)
    return PgdPath(deltas, np.array(unprojected), slope0 + deltas @ gradient0, np.logical_or.accumulate(left))


def _direction(gradient: NDArray, step: str) -> Array:
    if step == "sign":
        return np.sign(gradient)
    if step == "normalised":
        norm = float(np.linalg.norm(gradient))
        return gradient / norm if norm > 0 else np.zeros_like(gradient)
    return np.asarray(gradient)


def _check_ball(ball: str) -> None:
    require(ball in BALLS, f"ball {ball!r}: allowed are {', '.join(BALLS)}")


def _check(network: Network, x: NDArray, label: float, radius: float, loss: str) -> None:
    check_input(np.asarray(x), network.dim)
    check_label(loss, label)
    require(np.isfinite(radius) and radius >= 0, f"attack radius {radius}: allowed is a number >= 0")
