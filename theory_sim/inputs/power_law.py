"""Signals with a power-law spectrum: |x̂[k]| = k^(-α), |x̂[0]| = α₀, random phases [paper: Section 2.1]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from theory_sim.errors import require
from theory_sim.spectrum import inverse_transform

Array = NDArray[np.float64]


def power_law_amplitudes(dim: int, alpha: float, alpha0: float) -> Array:
    """|x̂[k]| for k = 0 ... d//2. InputError unless d >= 2, α >= 1 and α₀ >= 0 [paper: Section 2.1]."""
    require(dim >= 2, f"dim {dim}: allowed is >= 2")
    require(bool(np.isfinite(alpha)) and alpha >= 1, f"alpha {alpha}: allowed is >= 1")
    require(bool(np.isfinite(alpha0)) and alpha0 >= 0, f"alpha0 {alpha0}: allowed is >= 0")
    k = np.arange(1, dim // 2 + 1, dtype=float)
    return np.concatenate([[alpha0], k**-alpha])


def power_law_signal(dim: int, alpha: float, alpha0: float, rng: np.random.Generator) -> Array:
    """A real signal (dim,) with |x̂[k]| = k^(-α), |x̂[0]| = α₀ (unnormalised DFT) and uniform random phases.

    Self-conjugate bins (k = 0; Nyquist for even d) get a random sign. Raises InputError as `power_law_amplitudes`.
    """
    amplitude = power_law_amplitudes(dim, alpha, alpha0)
    phase = rng.uniform(0, 2 * np.pi, amplitude.size)
    real = [0] if dim % 2 else [0, -1]
    phase[real] = np.pi * rng.integers(0, 2, len(real))
    return inverse_transform(amplitude * np.exp(1j * phase), (dim,))


def eq2_margin(dim: int, alpha: float, alpha0: float, cutoff: float) -> float:
    """Σ_{1..k_c} k^(-2α) + α₀² - Σ_{k>k_c} k^(-2α), positive iff Eq. 2 holds [paper: Eq. 2]."""
    power = power_law_amplitudes(dim, alpha, alpha0) ** 2
    low = np.arange(power.size) <= cutoff
    return float(power[low].sum() - power[~low].sum())
