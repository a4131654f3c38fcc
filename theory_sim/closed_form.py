"""The closed form: iterating Eq. 8 keeps ĝ in the plane of ĝ⁰ and x̂, so τ is a rational function of one number q.

ĝ^(t) = P_t ĝ⁰ - Q_t x̂ with P_{t+1} = (1-η̃)P_t, Q_{t+1} = (1-η̃)Q_t + η^(t). With q = Q/P and the start's band scalars
L, H, c_l = Δτ_l, c_h = Δτ_h:

    τ(q) = (L + c_l q + L_x q²) / (L+H + (c_l+c_h) q + (L_x+H_x) q²).

Every statement about all steps is a statement about this function; none of it iterates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.errors import require
from theory_sim.spectrum import Band, ratio

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """Band scalars of one start: all that τ(q) depends on.

    low_energy, high_energy: L, H of ĝ; low_cross, high_cross: Δτ_l, Δτ_h = -2 Re Σ_band w_k ĝ[k] conj(x̂[k]);
    input_low, input_high: L_x, H_x. Floats, or arrays of one shape for many starts at once.
    """

    low_energy: Any
    high_energy: Any
    low_cross: Any
    high_cross: Any
    input_low: Any
    input_high: Any

    @classmethod
    def of(cls, gradient_spectrum: NDArray, input_spectrum: NDArray, band: Band) -> Plane:
        """From ĝ (..., n_bins) and x̂ (n_bins,)."""
        low, high = band.energies(gradient_spectrum)
        cross_low, cross_high = band.crosses(gradient_spectrum, input_spectrum)
        return cls(low, high, -2 * cross_low, -2 * cross_high, *band.energies(input_spectrum))

    @property
    def tau(self) -> Any:
        """τ(δ⁰ ∈ S_l) of the start."""
        return ratio(np.asarray(self.low_energy), np.asarray(self.high_energy))

    @property
    def input_tau(self) -> Any:
        """τ(x ∈ S_l)."""
        return ratio(np.asarray(self.input_low), np.asarray(self.input_high))

    def at(self, q: Any) -> Plane:
        """The plane with (ĝ⁰ - q x̂) as the new start (P = 1)."""
        return Plane(
            self.low_energy + self.low_cross * q + self.input_low * q**2,
            self.high_energy + self.high_cross * q + self.input_high * q**2,
            self.low_cross + 2 * self.input_low * q,
            self.high_cross + 2 * self.input_high * q,
            self.input_low,
            self.input_high,
        )

    def ratio(self, q: Any) -> Any:
        """τ(q) [paper: Eq. 7 with Eq. 8 iterated]."""
        return self.at(q).tau

    @property
    def sign_polynomial(self) -> tuple[Any, Any, Any]:
        """(p₀, p₁, p₂) with sign τ'(q) = sign(p₀ + 2 p₁ q + p₂ q²).

        p₀ = c_l H - c_h L, p₁ = L_x H - H_x L, p₂ = L_x c_h - H_x c_l. p₂ does not change when the start is moved
        along the plane; p₂ >= 0 is Eq. 12 with <= [paper: Eq. 12].
        """
        return (
            self.low_cross * self.high_energy - self.high_cross * self.low_energy,
            self.input_low * self.high_energy - self.input_high * self.low_energy,
            self.input_low * self.high_cross - self.input_high * self.low_cross,
        )

    def slope_sign(self, q: Any) -> Any:
        """A number with the sign of τ'(q)."""
        p0, p1, p2 = self.sign_polynomial
        return p0 + 2 * p1 * q + p2 * q**2

    def growth(self, q: Any, q_next: Any) -> Any:
        """τ(q_next) - τ(q), without cancellation: (q' - q)(p₀ + p₁(q+q') + p₂ q q') / (N(q) N(q'))."""
        p0, p1, p2 = self.sign_polynomial
        here, there = self.at(q), self.at(q_next)
        bracket = p0 + p1 * (q + q_next) + p2 * q * q_next
        total = (here.low_energy + here.high_energy) * (there.low_energy + there.high_energy)
        return (q_next - q) * bracket / total

    @property
    def eq12_margin(self) -> Any:
        """τ(x)(Δτ_l + Δτ_h) - Δτ_l at the start; positive iff Eq. 12 holds [paper: Eq. 12]."""
        return self.input_tau * (self.low_cross + self.high_cross) - self.low_cross

    @property
    def overshoot(self) -> Any:
        """The q > 0 at which τ(q) passes τ(x), from τ(δ⁰) < τ(x): inf if Eq. 12 (with <=) holds.

        The q² terms of N(q)·τ(x) - L(q) cancel, so there is exactly one such q [paper: Theorem 3].
        """
        gap = self.input_tau * (self.low_energy + self.high_energy) - self.low_energy
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.eq12_margin < 0, -gap / self.eq12_margin, np.inf)[()]


def plane_coefficients(drive: NDArray, decay: NDArray) -> tuple[Array, Array]:
    """P_t, Q_t for t = 0 ... n from η^(t), η̃^(t), t = 0 ... n-1 (axis 0) [paper: Eq. 8 iterated]."""
    p = np.ones((len(drive) + 1, *drive.shape[1:]))
    q = np.zeros_like(p)
    if not decay.any():  # ReLU
        np.cumsum(drive, axis=0, out=q[1:])
        return p, q
    for t in range(len(drive)):
        p[t + 1] = (1 - decay[t]) * p[t]
        q[t + 1] = (1 - decay[t]) * q[t] + drive[t]
    return p, q


def relu_q(step: Any, residual: float, rate: float, input_norm2: float) -> Any:
    """q_t = ℓ'₀ (1 - (1-r)^t) / ‖x‖² of ReLU between kink crossings, r = η‖a'‖²‖x‖² = `rate`.

    Converges for 0 < r < 2 to `relu_q_limit`, monotonically for r <= 1 only; diverges for r > 2.
    """
    return residual * (1 - (1 - rate) ** np.asarray(step)) / input_norm2


def relu_q_limit(residual: float, input_norm2: float) -> float:
    """q_∞ = (f₀ - y)/‖x‖², where training stops, for 0 < r < 2."""
    return residual / input_norm2


def sign_breakpoints(gradient: NDArray, x: NDArray) -> Array:
    """Ours: q_i = g_i/x_i, the q > 0 at which component i of g - q x changes sign, (d,); inf where it never does.

    Between them the FGSM perturbation ε·sgn(g - q x) stands still, and with it its low-frequency ratio.
    """
    crosses = gradient * x > 0
    return np.divide(gradient, x, out=np.full(len(x), np.inf), where=crosses)


def signs_at(gradient: NDArray, x: NDArray, q: NDArray) -> Array:
    """Ours: sgn(g - q x) (n, d) at q >= 0 (n,), from the breakpoints; at a zero of g it is sgn(-x) for q > 0."""
    start = np.where(gradient == 0, -np.sign(x) * (q[:, None] > 0), np.sign(gradient))
    return np.where(q[:, None] > sign_breakpoints(gradient, x), -start, start)


def theorem1_t0(
    cross_gap: float, learning_rate: float, least_residual: float, least_active_norm2: float, input_gap: float
) -> float:
    """t₀ = max{0, -bζ / (n η β₀ (L_x - H_x))} as printed, bζ = Δτ_l - Δτ_h at the start [paper: Theorem 1, Remark].

    least_active_norm2: n = min ‖a'‖²; least_residual: β₀ = min |ℓ'|; input_gap: L_x - H_x > 0. Half of it is enough.
    """
    require(input_gap > 0, f"L_x - H_x = {input_gap}: allowed is > 0 (Eq. 2)")
    return max(0.0, -cross_gap / (least_active_norm2 * learning_rate * least_residual * input_gap))


def theorem2_t0(
    gradient: NDArray,
    input_spectrum: NDArray,
    k: Any,
    k_low: Any,
    learning_rate: float,
    largest_residual: float,
    outer_norm2: float,
    slope_bound: float = 1.0,
) -> Any:
    """t₀ = (R_k² - R_k'²) / (2ηβλ²‖a‖²(R_k cosΔφ_k - R_k' cosΔφ_k')), inf where the bracket is <= 0 [paper: Eq. 11].

    gradient, input_spectrum: ĝ⁰ and x̂ (n_bins,); k, k_low: bins k > k' > 0 (int or arrays) with R_k > R_k'; λ = 1 as
    printed. Raises InputError where x̂ vanishes, because R_k is undefined there.
    """
    for index in (k, k_low):
        vanishing = np.asarray(index)[np.asarray(input_spectrum[index] == 0)]
        require(vanishing.size == 0, f"input spectrum is 0 at frequencies {vanishing.tolist()}: R_k is undefined there")
    u, v = gradient[k] / input_spectrum[k], gradient[k_low] / input_spectrum[k_low]
    bracket = np.asarray(u.real - v.real)
    largest_drive = learning_rate * largest_residual * slope_bound**2 * outer_norm2
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = (np.abs(u) ** 2 - np.abs(v) ** 2) / (2 * largest_drive * bracket)
    return np.where(bracket > 0, bound, np.inf)[()]


def last_fall(growth: NDArray) -> int:
    """t₁: the first step from which `growth` (τ^(t+1) - τ^(t), axis 0) is positive to the end; len(growth) if none."""
    not_rising = np.flatnonzero(~(growth > 0))
    return int(not_rising[-1]) + 1 if not_rising.size else 0
