"""The paper's recurrences, one function an equation, as printed and as corrected.

Symbols: g_hat = ĝ (..., n_bins), x_hat = x̂ (n_bins,), drive = η^(t), decay = η̃^(t); L, H: band energies of ĝ; c_l, c_h:
Δτ_l, Δτ_h; L_x, H_x: band energies of x̂. Plain floats or arrays that broadcast.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.network import Network

Array = NDArray[np.float64]


def eq8(g_hat: NDArray, x_hat: NDArray, drive: Any, decay: Any) -> NDArray:
    """ĝ^(t+1) = (1 - η̃) ĝ^(t) - η^(t) x̂, as printed [paper: Eq. 8]."""
    return (1 - np.asarray(decay)[..., None]) * g_hat - np.asarray(drive)[..., None] * x_hat


def eq8_units(network: Network, x: NDArray, learning_rate: float, residual: float) -> Array:
    """The line above Eq. 8, g^(t+1) = Σ_r (1-η_r) a'_r w_r - η^(t) x with η_r = η ‖x‖² ℓ' a_r σ''_r [paper: Eq. 8]."""
    s = network.preactivation(x)
    active = network.outer * network.activation.slope(s)
    per_unit = learning_rate * (x @ x) * residual * network.outer * network.activation.curvature(s)
    return np.asarray(((1 - per_unit) * active) @ network.weights - learning_rate * residual * (active @ active) * x)


def eq8_ntk(network: Network, x: NDArray, learning_rate: float, residual: float) -> Array:
    """Corrected: g - (η ℓ'/2) ∇ₓK(x,x), K(x,x) = ‖a'‖²‖x‖² the tangent kernel; error O(η²) [paper: Eq. 8].

    (1/2)∇ₓK = ‖a'‖² x + ‖x‖² Σ_r a_r² σ'(s_r) σ''(s_r) w_r.
    """
    s = network.preactivation(x)
    slope, curvature = network.activation.slope(s), network.activation.curvature(s)
    active = network.outer * slope
    half_kernel_gradient = (active @ active) * x + (x @ x) * ((network.outer**2 * slope * curvature) @ network.weights)
    return np.asarray(active @ network.weights - learning_rate * residual * half_kernel_gradient)


def eq8_dataset(network: Network, x: NDArray, inputs: NDArray, learning_rate: float, residuals: NDArray) -> Array:
    """Ours: g(x) - (η/n) Σ_i ℓ'_i ∇ₓK(x, x_i) after a step on n samples; error O(η²), for ReLU exact between kinks.

    ∇ₓK(x, x_i) = Σ_r a_r² [σ'(s_r) σ'(s_ri) x_i + (x·x_i) σ''(s_r) σ'(s_ri) w_r], s = W x, s_i = W x_i. inputs: (n, d);
    residuals: ℓ'_i (n,). A sample x + δ in the place of x_i is a step of adversarial training.
    """
    act, s, s_i = network.activation, network.preactivation(x), network.preactivation(inputs)
    rates = learning_rate / len(inputs) * residuals
    outer2, slope_i = network.outer**2, act.slope(s_i)
    along = (rates * (slope_i @ (outer2 * act.slope(s)))) @ inputs
    pull = outer2 * act.curvature(s) * ((rates * (inputs @ x)) @ slope_i)
    return np.asarray(network.input_gradient(x) - along - pull @ network.weights)


def eq13(energy: Any, cross: Any, drive: Any, decay: Any) -> Any:
    """(1 - 2η̃) E + η^(t) c for one bin or a band, c = -2|ĝ||x̂| cos Δφ, as printed [paper: Eq. 13]."""
    return (1 - 2 * decay) * energy + drive * cross


def eq13_exact(energy: Any, cross: Any, input_energy: Any, drive: Any, decay: Any) -> Any:
    """(1-η̃)² E + (1-η̃) η c + η² E_x: what Eq. 8 gives without dropping second order [paper: Eq. 13]."""
    keep = 1 - decay
    return keep**2 * energy + keep * drive * cross + drive**2 * input_energy


def eq14(cross_gap: Any, input_gap: Any, drive: Any, decay: Any, factor: float) -> Any:
    """(1-η̃)(Δτ_l - Δτ_h) + factor·η^(t)(L_x - H_x): factor 1 as printed, 2 as corrected [paper: Eq. 14]."""
    return (1 - decay) * cross_gap + factor * drive * input_gap


def eq15(low: Any, high: Any, low_cross: Any, high_cross: Any, drive: Any, next_total: Any) -> Any:
    """τ^(t+1) - τ^(t) = η (Δτ_l τ_h - Δτ_h τ_l) / N^(t+1), first order; also Theorem 1's display [paper: Eq. 15].

    low, high: L, H at step t; next_total: the whole energy N at step t+1 [paper: Eq. 9].
    """
    tau = low / (low + high)
    return drive * (low_cross * (1 - tau) - high_cross * tau) / next_total


def eq15_exact(
    low: Any, high: Any, low_cross: Any, high_cross: Any, input_low: Any, input_high: Any, drive: Any, decay: Any
) -> Any:
    """The exact difference under Eq. 8, with the second-order term η²(L_x τ_h - H_x τ_l)/N^(t+1) [paper: Eq. 15]."""
    tau = low / (low + high)
    keep = 1 - decay
    first = keep * drive * (low_cross * (1 - tau) - high_cross * tau)
    second = drive**2 * (input_low * (1 - tau) - input_high * tau)
    total = eq13_exact(low + high, low_cross + high_cross, input_low + input_high, drive, decay)
    return (first + second) / total


def eq22(kappa: NDArray, gain: Any, gradient: NDArray) -> NDArray:
    """κ^(j+1) = κ^(j) + β^(j) g before the projection, β = ℓ' + δ^(j)·g; signals or spectra [paper: Eq. 22]."""
    return kappa + np.asarray(gain)[..., None] * gradient


def eq23(energy: Any, cross: Any, gain: Any) -> Any:
    """|κ|² + β c for one bin or a band, c = +2|κ̂||ĝ| cos Δφ, as printed (first order in β) [paper: Eq. 23]."""
    return energy + gain * cross


def eq23_exact(energy: Any, cross: Any, gradient_energy: Any, gain: Any) -> Any:
    """|κ|² + β c + β² |ĝ|²: nothing dropped [paper: Eq. 23]."""
    return energy + gain * cross + gain**2 * gradient_energy


def eq20(low: Any, high: Any, low_cross: Any, high_cross: Any, gain: Any, next_total: Any) -> Any:
    """Theorem 4: τ^(j+1) - τ^(j) = β (Δτ_{l,2} τ_h - Δτ_{h,2} τ_l) / Σ|κ^(j+1)|², first order [paper: Eq. 20].

    Δτ_{l,2} = +2 Re Σ_low w_k κ̂ conj(ĝ).
    """
    tau = low / (low + high)
    return gain * (low_cross * (1 - tau) - high_cross * tau) / next_total


def integrate_scalars(
    low: float,
    high: float,
    low_cross: float,
    high_cross: float,
    input_low: float,
    input_high: float,
    drive: NDArray,
    decay: NDArray,
    factor: float = 2.0,
) -> tuple[Array, Array, Array, Array]:
    """Iterate Eqs. 13 and 14 as printed (factor 1) or with factor 2: L, H, Δτ_l, Δτ_h at t = 0 ... n.

    drive, decay: η^(t), η̃^(t), t = 0 ... n-1. First order: the global error at a fixed Σ η^(t) is O(η).
    """
    out = np.empty((4, len(drive) + 1))
    out[:, 0] = low, high, low_cross, high_cross
    for t in range(len(drive)):
        low, high, low_cross, high_cross = out[:, t]
        out[0, t + 1] = eq13(low, low_cross, drive[t], decay[t])
        out[1, t + 1] = eq13(high, high_cross, drive[t], decay[t])
        out[2, t + 1] = eq14(low_cross, input_low, drive[t], decay[t], factor)
        out[3, t + 1] = eq14(high_cross, input_high, drive[t], decay[t], factor)
    return out[0], out[1], out[2], out[3]
