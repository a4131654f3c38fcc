"""The slow, obvious twins of the sampled objects: explicit loops, W updated by Eq. 4, the DFT as the paper's sum.

Nothing here uses the package's spectra, closed form, recurrences or trajectories; of the network it uses σ, σ', σ''.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.claims.samples import AttackSample, Eq8Sample, TrainingSample
from theory_sim.spectrum import Band

Array = NDArray[np.float64]


def dft(v: Array) -> NDArray:
    """Σ_μ v[μ] e^{+2πikμ/d}, k = 0 ... d-1, of the last axis: the paper's sign, all frequencies."""
    d = v.shape[-1]
    k = np.arange(d)
    return v @ np.exp(2j * np.pi * np.outer(k, k) / d)


def weights(band: Band) -> tuple[Array, Array]:
    """w_k of the low and of the high band for k = 0 ... d-1 (1-D bands): the mirror image counts if two-sided."""
    (d,) = band.shape
    low, high = np.zeros(d), np.zeros(d)
    for k in range(d):
        mirrored = 2 * k > d
        frequency = d - k if mirrored else k
        if mirrored and band.convention == "one-sided":
            continue
        (low if frequency <= band.cutoff else high)[k] = 1.0
    return low, high


@dataclass
class Sums:
    """Band sums of signals g along a path (T+1, d) with one x: L, H, Δτ_l, Δτ_h (T+1,), and L_x, H_x."""

    low: Array
    high: Array
    low_cross: Array
    high_cross: Array
    low_x: float
    high_x: float

    @classmethod
    def of(cls, g: Array, x: Array, band: Band, factor: float = -2.0) -> Sums:
        in_low, in_high = weights(band)
        g_hat, x_hat = dft(g), dft(x)
        cross = factor * np.abs(g_hat) * np.abs(x_hat) * np.cos(np.angle(g_hat) - np.angle(x_hat))
        power, power_x = np.abs(g_hat) ** 2, np.abs(x_hat) ** 2
        parts = [(values * w).sum(axis=-1) for values in (power, cross) for w in (in_low, in_high)]
        return cls(*parts, float((power_x * in_low).sum()), float((power_x * in_high).sum()))

    @property
    def total(self) -> Array:
        return self.low + self.high

    @property
    def tau(self) -> Array:
        return self.low / self.total

    @property
    def tau_x(self) -> float:
        return self.low_x / (self.low_x + self.high_x)

    @property
    def gap(self) -> Array:
        return self.low_cross - self.high_cross


@dataclass
class SlowPath:
    """A run by explicit loops: g (T+1, d), the composite rates, where the first unit changes sign, and band sums."""

    g: Array
    x: Array
    drive: Array
    decay: Array
    residual: Array
    active_norm2: Array
    moves: Array  # the tangent kernel's, (T, d)
    active: NDArray[np.bool_]  # (T+1, m)
    band: Band

    @classmethod
    def of(cls, sample: TrainingSample | Eq8Sample) -> SlowPath:
        if isinstance(sample, Eq8Sample):
            g = [sample.start_gradient]
            for drive, decay in zip(sample.drives, sample.decays, strict=True):
                g.append((1 - decay) * g[-1] - drive * sample.x)
            none = np.zeros((len(g), 0))
            return cls(np.array(g), sample.x, sample.drives, sample.decays, none, none, none, none > 0, sample.band)
        return cls.train(sample.training, sample.band)

    @classmethod
    def train(cls, training: Any, band: Band) -> SlowPath:
        net, x, eta = training.network, training.x, training.learning_rate
        a, act, w = net.outer, net.activation, net.weights.copy()
        norm2 = sum(v * v for v in x)
        rows: dict[str, list[Any]] = {k: [] for k in ("g", "drive", "decay", "residual", "norm2", "moves", "active")}
        for _ in range(training.n_steps + 1):
            s = w @ x
            slope, bend = act.slope(s), act.curvature(s)
            residual = float(a @ act.value(s)) - training.label
            norm = float(np.sum((a * slope) ** 2))
            rows["g"].append(w.T @ (a * slope))
            rows["residual"].append(residual)
            rows["norm2"].append(norm)
            rows["drive"].append(eta * residual * norm)
            rows["decay"].append(eta * norm2 * residual * float(np.mean(a * bend)))
            kernel = norm * x + norm2 * (w.T @ (a**2 * slope * bend))
            rows["moves"].append(-eta * residual * kernel)
            rows["active"].append(s > 0)
            w = w - eta * residual * np.outer(a * slope, x)
        v = {name: np.array(values) for name, values in rows.items()}
        t = training.n_steps
        return cls(
            v["g"], x, v["drive"][:t], v["decay"][:t], v["residual"], v["norm2"], v["moves"][:t], v["active"], band
        )

    @property
    def steps(self) -> int:
        return len(self.drive)

    @property
    def first_crossing(self) -> int:
        crossed = [t for t in range(1, len(self.active)) if (self.active[t] != self.active[0]).any()]
        return crossed[0] if crossed else self.steps + 1

    @property
    def sums(self) -> Sums:
        return Sums.of(self.g, self.x, self.band)

    @property
    def q(self) -> Array:
        """Q_t/P_t of ĝ^(t) = P_t ĝ⁰ - Q_t x̂."""
        p, q, out = 1.0, 0.0, [0.0]
        for drive, decay in zip(self.drive, self.decay, strict=True):
            p, q = (1 - decay) * p, (1 - decay) * q + drive
            out.append(q / p)
        return np.array(out)


@dataclass
class SlowAttack:
    """An attack by explicit loops: δ (J+1, d), before projection (J, d), β (J+1,), and whether the region was left."""

    delta: Array
    unprojected: Array
    gain: Array
    left: list[bool]
    g: Array
    sample: AttackSample

    @classmethod
    def of(cls, sample: AttackSample) -> SlowAttack:
        net, x = sample.network, sample.x

        def slope_and_gradient(v: Array) -> tuple[float, Array]:
            s = net.weights @ v
            value = float(net.outer @ net.activation.value(s))
            return value - sample.label, net.weights.T @ (net.outer * net.activation.slope(s))

        slope, g = slope_and_gradient(x)
        delta, path, before = sample.start, [sample.start], []
        for _ in range(sample.n_steps):
            residual, gradient = slope_and_gradient(x + delta)
            direction = residual * gradient
            if sample.step == "sign":
                direction = np.sign(direction)
            elif sample.step == "normalised":
                direction = direction / (np.linalg.norm(direction) or 1.0)
            free = delta + sample.step_size * direction
            if sample.ball == "l2":
                delta = free * min(1.0, sample.radius / (np.linalg.norm(free) or 1.0))
            else:
                delta = np.minimum(np.maximum(free, -sample.radius), sample.radius)
            before.append(free)
            path.append(delta)
        sides = [net.weights @ (x + v) > 0 for v in path]
        left = [any((sides[i] != (net.weights @ x > 0)).any() for i in range(j + 1)) for j in range(len(path))]
        gain = np.array([slope + float(v @ g) for v in path])
        return cls(np.array(path), np.array(before), gain, left, g, sample)

    def sums(self, delta: Array | None = None) -> Sums:
        """Of κ = δ/ξ with ĝ in the place of x̂; the crosses are +2 Re Σ κ̂ conj(ĝ)."""
        kappa = (self.delta if delta is None else delta) / self.sample.step_size
        return Sums.of(kappa, self.g, self.sample.band, factor=2.0)


def growth(sums: Sums) -> Array:
    """τ^(t+1) - τ^(t)."""
    return np.diff(sums.tau)


def least(values: Array, where: Any) -> float | None:
    """min of the chosen values, None if none is chosen."""
    chosen = [float(v) for v, w in zip(values, where, strict=True) if w]
    return min(chosen) if chosen else None


def order(steps: list[float], errors: list[float], floor: float) -> float:
    """Slope of log(error) against log(step), inf where all are round-off."""
    if max(errors) <= floor:
        return float("inf")
    return float(np.polyfit(np.log(steps), np.log(np.maximum(errors, 1e-300)), 1)[0])
