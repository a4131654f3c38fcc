"""The explorer's numbers, computed by the closed form; `explorer.js` computes the same, and tests compare the two.

The start: x̂[0] = α₀, x̂[k] = k^(-α) for k = 1 ... 50 (d = 101, all phases 0), and with the start angle θ

    ĝ⁰ = cos θ · x̂ + sin θ · ‖x̂‖ · ĥ,

where ĥ[k] ∝ k, ‖ĥ‖ = 1, is a fixed high-frequency vector and norms are two-sided. θ = 0 is a perturbation like the
input, 0° < θ < 180° adds high frequencies in phase with it, -180° < θ < 0° against it. The label is in units of ‖x‖²:
for ReLU f₀ = g⁰·x, so that training between kinks ends at q∞ = (f₀ - y)/‖x‖² [MATH: closed form].
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from theory_sim.closed_form import Plane
from theory_sim.errors import require
from theory_sim.spectrum import Band

N_FREQUENCIES = 50  # besides zero; d = 101


@dataclass(frozen=True)
class Start:
    """The sliders. label: y/‖x‖²; angle: degrees."""

    q: float = 0.5
    cutoff: int = 8
    alpha: float = 1.0
    alpha0: float = 1.0
    label: float = -3.5
    angle: float = 60.0

    def __post_init__(self) -> None:
        for name, (low, high, _) in LIMITS.items():
            value = getattr(self, name)
            require(low <= value <= high, f"{name} {value}: allowed is {low} ... {high}")


# Slider: least, largest, step.
LIMITS = {
    "q": (-6.0, 6.0, 0.01), "cutoff": (1, 49, 1), "alpha": (1.0, 3.0, 0.01), "alpha0": (0.0, 3.0, 0.01),
    "label": (-4.0, 4.0, 0.01), "angle": (-180.0, 180.0, 1.0),
}  # fmt: skip


def numbers(start: Start) -> dict[str, Any]:
    """All that the explorer shows. For f < y everything is said of |q|, with -Δτ for Δτ."""
    k = np.arange(N_FREQUENCIES + 1.0)
    x = np.concatenate([[start.alpha0], k[1:] ** -start.alpha])
    band = Band((2 * N_FREQUENCIES + 1,), start.cutoff)
    weights = np.asarray(band.weights)
    norm = float(np.sqrt(weights @ x**2))
    high = k / np.sqrt(weights @ k**2)
    angle = np.deg2rad(start.angle)
    gradient = np.cos(angle) * x + np.sin(angle) * norm * high
    plane = Plane.of(gradient, x, band)
    q_limit = float(weights @ (gradient * x)) / norm**2 - start.label
    side = 1.0 if q_limit > 0 else -1.0
    ahead = Plane(
        plane.low_energy, plane.high_energy, side * plane.low_cross, side * plane.high_cross,
        plane.input_low, plane.input_high,
    )  # fmt: skip
    p2 = ahead.sign_polynomial[2]
    overshoot = float(ahead.overshoot)
    below = bool(plane.tau < plane.input_tau)
    scalars = {field.name: float(getattr(plane, field.name)) for field in fields(Plane)}
    return scalars | {
        "tau_input": float(plane.input_tau), "tau_start": float(plane.tau), "tau_q": float(plane.ratio(start.q)),
        "p0": float(plane.sign_polynomial[0]), "p1": float(plane.sign_polynomial[1]),
        "p2": float(plane.sign_polynomial[2]), "slope_sign": float(plane.slope_sign(start.q)),
        "eq12_margin": float(ahead.eq12_margin), "q_limit": q_limit, "overshoot": overshoot,
        "eq2": bool(plane.input_low > plane.input_high),
        "below": below,
        "eq12": bool(ahead.eq12_margin > 0),
        "t1_unbounded": bool(p2 > 0),
        "t1_converging": bool(q_limit != 0 and ahead.slope_sign(abs(q_limit)) > 0),
        "overshoots": bool(below and overshoot < abs(q_limit)),
    }  # fmt: skip
