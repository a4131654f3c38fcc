"""Slow twins of the sampled objects of our extensions: W itself, sample by sample and step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.claims.slow import Sums, dft, weights
from theory_sim.spectrum import Band

Array = NDArray[np.float64]


@dataclass
class SlowSet:
    """Training on n samples: at x_1 g (T+1, d) and who is active (T+1, m); rates (T, n) and bent moves (T, d)."""

    g: Array
    active: NDArray[np.bool_]
    rates: Array
    bent: Array
    inputs: Array
    band: Band

    @classmethod
    def train(cls, training: Any, band: Band) -> SlowSet:
        net, inputs, w = training.network, training.inputs, training.network.weights.copy()
        a, act, n = net.outer, net.activation, len(training.inputs)
        eta = training.learning_rate / n
        g, active, rates, bent = [], [], [], []
        for _ in range(training.n_steps + 1):
            first = w @ inputs[0]
            g.append(w.T @ (a * act.slope(first)))
            active.append(first > 0)
            move, rate, bend = np.zeros_like(w), [], np.zeros(net.dim)
            for x, label in zip(inputs, training.labels, strict=True):
                s = w @ x
                step = eta * (float(a @ act.value(s)) - label)
                move -= step * np.outer(a * act.slope(s), x)
                rate.append(step * float(np.sum(a**2 * act.slope(first) * act.slope(s))))
                bend -= step * float(inputs[0] @ x) * (w.T @ (a**2 * act.curvature(first) * act.slope(s)))
            rates.append(rate)
            bent.append(bend)
            w = w + move
        return cls(np.array(g), np.array(active), np.array(rates)[:-1], np.array(bent)[:-1], inputs, band)

    @property
    def before_crossing(self) -> int:
        """Number of first states at which every unit is on its side of x_1."""
        same = [bool((row == self.active[0]).all()) for row in self.active]
        return same.index(False) if False in same else len(same)

    @property
    def sums(self) -> Sums:
        return Sums.of(self.g, self.inputs[0], self.band)

    @property
    def pulled(self) -> Array:
        """X_t, (T+1, d)."""
        out = [np.zeros(self.inputs.shape[1])]
        for rate in self.rates:
            out.append(out[-1] + sum(r * x for r, x in zip(rate, self.inputs, strict=True)))
        return np.array(out)


@dataclass
class SlowAdversarial:
    """Training on x + δ: at x g, f, ℓ'; drive and decay of g's move; whether a unit left its side, at x or x + δ."""

    g: Array
    output: Array
    residual: Array
    attacked_residual: Array
    delta: Array
    drive: Array
    decay: Array
    bent: Array
    left: bool
    band: Band
    x: Array

    @classmethod
    def train(cls, training: Any, radius: float, band: Band) -> SlowAdversarial:
        net, x, w = training.network, training.x, training.network.weights.copy()
        a, act, side = net.outer, net.activation, net.weights @ training.x > 0
        rows: dict[str, list[Any]] = {
            k: [] for k in ("g", "f", "residual", "attacked", "delta", "drive", "decay", "bent")
        }
        left = False
        for _ in range(training.n_steps + 1):
            s = w @ x
            f = float(a @ act.value(s))
            g, residual = w.T @ (a * act.slope(s)), f - training.label
            norm = float(np.sqrt(sum(v * v for v in g)))
            delta = radius * np.sign(residual) * g / norm if norm * abs(residual) > 0 else 0 * x
            there = w @ (x + delta)
            attacked = float(a @ act.value(there)) - training.label
            drive = training.learning_rate * attacked * float(np.sum(a**2 * act.slope(s) * act.slope(there)))
            pull = a**2 * act.curvature(s) * act.slope(there)
            rows["g"].append(g)
            rows["f"].append(f)
            rows["residual"].append(residual)
            rows["attacked"].append(attacked)
            rows["delta"].append(delta)
            rows["drive"].append(drive)
            rows["decay"].append(radius * drive * np.sign(residual) / norm if norm > 0 else 0.0)
            rows["bent"].append(-training.learning_rate * attacked * float(x @ (x + delta)) * (w.T @ pull))
            left = left or bool(((s > 0) != side).any() or ((there > 0) != side).any())
            w = w - training.learning_rate * attacked * np.outer(a * act.slope(there), x + delta)
        v = {name: np.array(values) for name, values in rows.items()}
        return cls(
            v["g"],
            v["f"],
            v["residual"],
            v["attacked"],
            v["delta"],
            v["drive"][:-1],
            v["decay"][:-1],
            v["bent"][:-1],
            left,
            band,
            x,
        )

    @property
    def sums(self) -> Sums:
        return Sums.of(self.g, self.x, self.band)

    @property
    def kept(self) -> Array:
        """P_t, (T+1,)."""
        return np.cumprod([1.0, *(1 - self.decay)])

    def further(self, decays: Array) -> Array:
        """Q_t, (T+1,)."""
        out = [0.0]
        for drive, decay in zip(self.drive, decays, strict=True):
            out.append((1 - decay) * out[-1] + drive)
        return np.array(out)


def tau_of(v: Array, band: Band) -> Array:
    """τ of signals (..., d), from the DFT written as a sum."""
    low, high = weights(band)
    power = np.abs(dft(v)) ** 2
    return np.asarray((power * low).sum(axis=-1) / ((power * low).sum(axis=-1) + (power * high).sum(axis=-1)))
