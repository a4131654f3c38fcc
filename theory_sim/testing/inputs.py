"""Strategies for inputs: bands, small real signals, power-law signals, signals with a perturbation."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from theory_sim.claims.samples import SignalSample
from theory_sim.inputs.power_law import power_law_amplitudes
from theory_sim.spectrum import Band, Convention, Mask, inverse_transform, transform
from theory_sim.testing.grids import choice, vectors

Array = NDArray[np.float64]
DRAWN = "drawn"  # `source` of everything these strategies make
IMAGES = ((3, 3), (3, 4), (4, 3), (4, 4))
CONVENTIONS: tuple[Convention, ...] = ("two-sided", "one-sided")
MASKS: tuple[Mask, ...] = ("disc", "square")


@st.composite
def bands(draw: st.DrawFn, *, min_dim: int = 4, max_dim: int = 9, images: bool = False) -> Band:
    """A band of the theory, 1 <= k_c < (d-1)/2, of signals with min_dim <= d <= max_dim; even and odd d, both weights.

    min_dim: at least 4, the least d that has such a cut-off; images: also 2-D bands of 3x3 ... 4x4 images, whatever
    max_dim is.

    >>> from hypothesis import find
    >>> find(bands(), lambda band: True)
    Band(shape=(4,), cutoff=1, convention='two-sided', mask='disc', kind='dft')
    """
    shapes = ((dim,) for dim in range(min_dim, max_dim + 1))
    shape = draw(choice(*shapes, *(IMAGES if images else ())))
    if len(shape) > 1:
        return Band(shape, 1, draw(choice(*CONVENTIONS)), draw(choice(*MASKS)))
    cutoff = draw(st.integers(1, (shape[0] - 2) // 2))
    return Band(shape, cutoff, draw(choice(*CONVENTIONS)))


@st.composite
def signals(draw: st.DrawFn, dim: int, *, highest: int = 2, denominator: int = 4) -> Array:
    """A real signal (dim,), not zero, of multiples of 1/denominator in -highest ... highest.

    >>> from hypothesis import find
    >>> find(signals(4), lambda x: x[2] < 0).tolist()
    [0.0, 0.0, -1.0, 0.0]
    """
    x = draw(vectors(dim, highest, denominator))
    if not x.any():
        x[-1] = 1.0
    return x


@st.composite
def power_law_signals(draw: st.DrawFn, dim: int) -> tuple[Array, float, float]:
    """(x, α, α₀) with |x̂[k]| = k^(-α), |x̂[0]| = α₀ and the phases of a small signal [paper: Section 2.1].

    >>> from hypothesis import find
    >>> x, alpha, alpha0 = find(power_law_signals(5), lambda drawn: True)
    >>> alpha, alpha0, np.abs(np.fft.rfft(x)).round(12).tolist()
    (1.0, 0.0, [0.0, 1.0, 0.5])
    """
    return _with_power_law(draw, draw(signals(dim)))


def _with_power_law(draw: st.DrawFn, x: Array) -> tuple[Array, float, float]:
    """x with its spectrum's moduli replaced; phase 0 where it has none."""
    alpha, alpha0 = draw(choice(1.0, 2.0, 1.5, 3.0)), draw(choice(0.0, 1.0, 2.0, 0.5))
    phase = np.angle(transform(x, x.shape).round(9))
    return inverse_transform(power_law_amplitudes(x.size, alpha, alpha0) * np.exp(1j * phase), x.shape), alpha, alpha0


def concentrate(x: Array, band: Band, denominator: int = 4) -> Array:
    """x, plus the smallest multiple of 1/denominator at which L_x > H_x, if it is not so already [paper: Eq. 2].

    >>> concentrate(np.array([1.0, -1.0, 1.0, -1.0]), Band((4,), 1)).tolist()
    [2.25, 0.25, 2.25, 0.25]
    """
    low, high = band.energies(band.transform(x))
    if low > high * (1 + 1e-9):
        return x
    total = float(x.sum())
    least = (math.sqrt(total**2 + max(0.0, float(high - low))) - abs(total)) / x.size
    constant = (math.floor(least * denominator * (1 + 1e-9)) + 1) / denominator
    return x + (constant if total >= 0 else -constant)


@st.composite
def inputs(draw: st.DrawFn, band: Band, *, concentrated: bool = False, power_law: bool | None = None) -> Array:
    """An input x (d,) of the band's shape: any small real signal, or (1-D) one with a power-law spectrum.

    concentrated: L_x > H_x is sure (small signals get a mean for it); power_law: True, False, or None for either.

    >>> from hypothesis import find
    >>> find(inputs(Band((5,), 1)), lambda x: x[2] < x[4]).tolist()
    [0.0, 0.0, 0.0, 0.0, 1.0]
    """
    x, small = draw(_signals_of_either_kind(band, power_law))[0::3]
    return concentrate(x, band) if concentrated and small else x


@st.composite
def _signals_of_either_kind(draw: st.DrawFn, band: Band, power_law: bool | None) -> tuple[Array, float, float, bool]:
    """x, α, α₀ (NaN if it has no power law), and whether it has none."""
    x = draw(signals(band.dim))
    if len(band.shape) > 1 or power_law is False:
        return x, math.nan, math.nan, True
    shaped = _with_power_law(draw, x)  # drawn in any case: what follows keeps its place
    if power_law is True or draw(st.booleans()):
        return *shaped, False
    return x, math.nan, math.nan, True


@st.composite
def perturbed_signals(
    draw: st.DrawFn, *, max_dim: int = 9, images: bool = False, power_law: bool | None = None
) -> SignalSample:
    """An input with a band and any small perturbation δ, not zero; `alpha`, `alpha0` are NaN unless x is power-law.

    >>> from hypothesis import find
    >>> sample = find(perturbed_signals(power_law=False), lambda sample: sample.delta[0] != 0)
    >>> sample.x.tolist(), sample.delta.tolist()
    ([0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0])
    """
    band = draw(bands(max_dim=max_dim, images=images and not power_law))
    x, alpha, alpha0, _ = draw(_signals_of_either_kind(band, power_law))
    return SignalSample(x, draw(signals(band.dim)), band, DRAWN, 1, alpha, alpha0)
