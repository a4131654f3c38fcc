"""Spectra of images and of their perturbations: what Figs. 1, 3-5 and 7-13 show.

2-D transforms per channel by `theory_sim.spectrum`, not normalised. Maps are centred: (..., h, w) with zero frequency
at [h // 2, w // 2]. Logarithms are natural, as in the paper's expansion. [paper: Section 2.2, Section 4]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import spence

from theory_sim.errors import require
from theory_sim.spectrum import Band, Mask, frequency_grid, log_spectrum, ratio, transform

Array = NDArray[np.float64]
BLOCK = 256  # images at once: memory does not grow with their number


def low_frequency_ratios(deltas: NDArray[Any], cutoff: float | Sequence[float], mask: Mask = "disc") -> Array:
    """τ(δ ∈ S_l) of each image by itself, float64: energy of |k| <= cutoff over all energy [paper: Section 2.1].

    deltas: (n, c, h, w) real; energies are summed over the channels, zero frequency included. cutoff: one number for
    (n,), several for (n_cutoffs, n). mask: "disc" or "square". NaN where a delta is zero. Raises InputError on another
    shape, on NaN or infinity, and on a cut-off < 0.
    """
    deltas = _checked(deltas)
    several = np.ndim(cutoff) > 0
    bands = [Band(deltas.shape[1:], float(k), mask=mask) for k in np.atleast_1d(cutoff)]
    low = np.stack([band.weights * band.is_low for band in bands], axis=1)
    all_ = bands[0].weights
    parts = []
    for half in _half_spectra(deltas):
        power = half.real**2 + half.imag**2
        parts.append(ratio(power @ low, (power @ all_)[:, None] - power @ low))
    ratios = np.concatenate(parts).T
    return ratios if several else ratios[0]


def spectra(images: NDArray[Any]) -> Array:
    """|F| of every channel: images (n, c, h, w) -> (n, c, h, w) float64, centred. Raises InputError on other shapes."""
    images = _checked(images)
    return np.concatenate([_centred(np.abs(half), images.shape[1:]) for half in _half_spectra(images)])


def log_spectra(images: NDArray[Any]) -> Array:
    """20·ln|F| of every channel, centred: (n, c, h, w) float64; -inf where F is 0 [paper: Section 2.2]."""
    images = _checked(images)
    return np.concatenate([_centred(log_spectrum(half), images.shape[1:]) for half in _half_spectra(images)])


def mean_spectrum(deltas: NDArray[Any]) -> Array:
    """|F(δ)| averaged over images and channels: (n, c, h, w) -> (h, w), centred [paper: Fig. 4a]."""
    return np.asarray(spectra(deltas).mean(axis=(0, 1)))


def log_spectrum_differences(images: NDArray[Any], adversarial: NDArray[Any]) -> Array:
    """20·|ln|F(x+δ)| - ln|F(x)|| of each image, averaged over channels: (n, h, w), centred [paper: Eq. 3, Fig. 4b].

    NaN where one of the two spectra is 0 in a channel: there is no logarithm. Raises InputError where the shapes
    differ.
    """
    images, adversarial = _checked(images), _checked(adversarial)
    require(
        images.shape == adversarial.shape,
        f"adversarial images of shape {adversarial.shape}: allowed is that of the images, {images.shape}",
    )
    before, after = log_spectra(images), log_spectra(adversarial)
    defined = np.isfinite(before) & np.isfinite(after)
    difference = np.subtract(after, before, out=np.full(before.shape, np.nan), where=defined)
    return np.asarray(np.abs(difference).mean(axis=1))


def random_phase_difference(rho: NDArray[Any] | float) -> Array:
    """Mean of |ln|1 + ρ·e^{iφ}|| over a uniformly random φ, for any ρ >= 0: Eq. 3 without its expansion (ours).

    2ρ/π for ρ << 1, ln ρ for ρ >= 2; the paper has ln(1+ρ) and ρ, what is reached where F(δ) and F(x) are in phase.
    By Jensen's formula the mean without |·| is max(0, ln ρ), so that the part where |1 + ρe^{iφ}| > 1, that is
    cos φ > -ρ/2, is enough; its integral is a dilogarithm. [paper: Eq. 3]
    """
    rho = np.asarray(rho, float)
    edge = np.arccos(-np.minimum(rho, 2) / 2)
    inner = np.minimum(rho, 1 / np.maximum(rho, 1))  # ρ, or 1/ρ beyond 1
    integral = -spence(1 + inner * np.exp(1j * edge)).imag
    growth = np.log(np.maximum(rho, 1))
    return np.asarray((2 * edge / np.pi - 1) * growth + 2 / np.pi * np.where(rho < 2, integral, 0.0))


def radii(shape: tuple[int, int], mask: Mask = "disc") -> Array:
    """|k| of every bin of a centred map, (h, w): √(k₁²+k₂²), or max|k| (square)."""
    return _centred(Band(shape, 0.0, mask=mask).radius, (1, *shape))[0]


def ring_means(maps: NDArray[Any]) -> Array:
    """Mean of each map (..., h, w) over the ring of every whole radius, |k| in r ± 1/2: (..., n_rings), r = 0, 1, ...

    Bins that are NaN do not count.
    """
    values = np.asarray(maps, float)
    ring = np.rint(radii((values.shape[-2], values.shape[-1]))).astype(int)
    inside = np.equal(ring.ravel()[:, None], np.arange(ring.max() + 1)).astype(float)
    flat = values.reshape(*values.shape[:-2], -1)
    defined = np.isfinite(flat)
    return np.asarray(np.where(defined, flat, 0.0) @ inside / (defined @ inside))


def _checked(images: NDArray[Any]) -> NDArray[Any]:
    images = np.asarray(images)
    require(images.ndim == 4 and images.size > 0, f"images of shape {images.shape}: allowed is (n >= 1, c, h, w)")
    require(bool(np.isfinite(images).all()), "images with NaN or infinity have no spectrum: allowed are finite numbers")
    return images


def _half_spectra(images: NDArray[Any]) -> Iterator[NDArray[np.complex128]]:
    """Half spectra of the images, a block at a time, (n, c · bins of one channel)."""
    for begin in range(0, len(images), BLOCK):
        block = images[begin : begin + BLOCK].astype(float)
        yield transform(block.reshape(len(block), -1), images.shape[1:])


@lru_cache(maxsize=16)
def _sources(height: int, width: int) -> NDArray[np.intp]:
    """For every bin of a centred map the bin of the half spectrum that has its modulus, (h · w,): F(-k) = conj F(k)."""
    vertical, horizontal = (n.astype(int) for n in frequency_grid((height, width)))
    place = {key: i for i, key in enumerate(zip(vertical % height, horizontal, strict=True))}
    sources = []
    for k1 in range(-(height // 2), height - height // 2):
        for k2 in range(-(width // 2), width - width // 2):
            mirrored = (k1 % height, k2) if k2 >= 0 else (-k1 % height, -k2)
            sources.append(place[mirrored])
    return np.array(sources)


def _centred(half: NDArray[Any], shape: tuple[int, ...]) -> Array:
    """Values of half spectra (..., c · bins) that k and -k share, as centred maps (..., c, h, w)."""
    channels, height, width = shape
    values = half.reshape(*half.shape[:-1], channels, -1)
    return np.asarray(values[..., _sources(height, width)]).reshape(*values.shape[:-1], height, width)
