"""Real coefficients of a signal in an orthonormal basis in which every band sum is diagonal.

For the DFT these are Hartley coefficients h[k] = (Re F[k] - Im F[k])/√d over the full grid of frequencies (fftn's
order, flattened): real, orthonormal, their own inverse. As F[-k] = conj(F[k]), |F[k]|² = d (h[k]² + h[-k]²)/2, and a
band sum Σ_k w_k |F[k]|² over the half spectrum is a weighted sum of h[k]² over the full grid: no transform is needed to
follow a network whose weights are given by such coefficients. For the DCT they are the DCT's own coefficients.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from theory_sim.errors import require
from theory_sim.spectrum import Band, Transform, frequency_grid, inverse_transform, transform

Array = NDArray[np.float64]


def coefficients(signal: NDArray, shape: tuple[int, ...], kind: Transform = "dft") -> Array:
    """Orthonormal coefficients of real signals: (..., d) -> (..., d), d = prod(shape)."""
    if kind == "dct":
        return np.asarray(transform(signal, shape, kind))
    first, second = partners(shape)
    spectrum = transform(signal, shape) / np.sqrt(np.prod(shape))
    out = np.empty(np.shape(signal))
    out[..., second] = spectrum.real + spectrum.imag
    out[..., first] = spectrum.real - spectrum.imag
    return out


def signal_of(values: NDArray, shape: tuple[int, ...], kind: Transform = "dft") -> Array:
    """Inverse of `coefficients`: (..., d) -> real signals (..., d)."""
    return inverse_transform(values, shape, kind) if kind == "dct" else coefficients(values, shape)


@lru_cache(maxsize=64)
def partners(shape: tuple[int, ...], kind: Transform = "dft") -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of h[k] and h[-k] for every bin of the half spectrum, two arrays (n_bins,); equal where k = -k.

    Raises InputError on shapes with channels.
    """
    if kind == "dct":
        positions = np.arange(int(np.prod(shape)))
        return positions, positions
    require(len(shape) <= 2, f"shape {shape}: allowed are (d,) and (height, width)")
    grid = [axis.astype(np.int64) for axis in frequency_grid(shape)]
    here = np.ravel_multi_index([k % n for k, n in zip(grid, shape, strict=True)], shape)
    there = np.ravel_multi_index([-k % n for k, n in zip(grid, shape, strict=True)], shape)
    return np.asarray(here), np.asarray(there)


def half_spectrum(values: NDArray, shape: tuple[int, ...], kind: Transform = "dft") -> NDArray:
    """`spectrum.transform` of the signal with these coefficients: (..., d) -> (..., n_bins), complex for the DFT."""
    if kind == "dct":
        return np.asarray(values)
    first, second = partners(shape)
    a, b = values[..., first], values[..., second]
    return np.asarray(np.sqrt(np.prod(shape)) / 2 * ((a + b) + 1j * (b - a)))


def power_scale(shape: tuple[int, ...], kind: Transform = "dft") -> float:
    """c with |v̂[k]|² = c (h[k]² + h[-k]²): d/2 (DFT) or 1/2 (DCT)."""
    return float(np.prod(shape)) / 2 if kind == "dft" else 0.5


def band_weights(band: Band) -> Array:
    """(2, d): weights with which squares (products) of coefficients add up to the low and the high band's sums."""
    first, second = partners(band.shape, band.kind)
    scale = power_scale(band.shape, band.kind)
    out = np.zeros((2, band.dim))
    for row, chosen in zip(out, (band.is_low, ~band.is_low), strict=True):
        share = scale * np.where(chosen, band.weights, 0.0)
        np.add.at(row, first, share)
        np.add.at(row, second, share)
    return out
