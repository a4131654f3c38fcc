"""Spectra of images and of their perturbations: what Figs. 1, 3-5 and 7-13 show.

2-D transforms per channel by `theory_sim.spectrum`, not normalised, then averaged over channels. Maps are centred:
(..., h, w) with zero frequency at [h // 2, w // 2]. Logarithms are natural, as in the paper's expansion.
[paper: Section 2.2, Section 4]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import spence

from theory_sim.errors import require
from theory_sim.spectrum import Band, Mask, frequency_grid, log_spectrum, ratio, transform

Array = NDArray[np.float64]
BLOCK = 256  # images at once: memory does not grow with their number
ROUNDING = 2.0**-24  # of a float32 pixel, relative: a spectrum below this much of Σ|x| is rounding, not image


class LogSpectrumDifferences(NamedTuple):
    """20·|ln|F(x+δ)| - ln|F(x)|| and what is said of it, each (n, h, w) float64, averaged over channels.

    measured: itself. in_phase: 20·ln(1+ρ), first_order: 20·ρ, both the paper's, ρ = |F(δ)|/|F(x)|. random_phase: its
    mean if the phase of F(δ) beside F(x) is uniformly random. exceeding: share of channels where it is above in_phase.
    NaN where F(x) or F(x+δ) is 0, or no more than rounding, in a channel: there is no logarithm.
    """

    measured: Array
    in_phase: Array
    first_order: Array
    random_phase: Array
    exceeding: Array


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
    all_ = bands[0].weights[:, None]
    parts = []
    for half in _half_spectra(deltas):
        power = half.real**2 + half.imag**2
        parts.append(ratio(power @ low, power @ (all_ - low)))
    ratios = np.concatenate(parts).T
    return ratios if several else ratios[0]


def spectra(images: NDArray[Any]) -> Array:
    """|F| averaged over channels: (n, c, h, w) -> (n, h, w). Raises InputError on other shapes, NaN and infinity."""
    images = _checked(images)
    return _over_channels(images.shape, (np.abs(half) for half in _half_spectra(images)))


def log_spectra(images: NDArray[Any]) -> Array:
    """20·ln|F| averaged over channels: (n, c, h, w) -> (n, h, w); -inf where F is 0 in one [paper: Section 2.2]."""
    images = _checked(images)
    return _over_channels(images.shape, (log_spectrum(half) for half in _half_spectra(images)))


def log_spectrum_differences(images: NDArray[Any], adversarial: NDArray[Any]) -> LogSpectrumDifferences:
    """The log-spectrum difference of each image x and its x+δ, both (n, c, h, w) in [0, 1] [paper: Eq. 3, Fig. 4b].

    Raises InputError as `spectra`, and where the shapes differ.
    """
    images, adversarial = _checked(images), _checked(adversarial)
    require(
        images.shape == adversarial.shape,
        f"adversarial images of shape {adversarial.shape}: allowed is that of the images, {images.shape}",
    )
    parts: list[list[Array]] = []
    for begin in range(0, len(images), BLOCK):
        own = slice(begin, begin + BLOCK)
        parts.append(
            [_centred(values, images.shape[1:]).mean(axis=1) for values in _laws(images[own], adversarial[own])]
        )
    return LogSpectrumDifferences(*(np.concatenate(part) for part in zip(*parts, strict=True)))


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


def area_share(cutoff: float, mask: Mask = "disc", size: int = 32) -> float:
    """Share of the bins that are low: what white noise has there, and its expected τ."""
    return float((radii((size, size), mask) <= cutoff).mean())


def band_means(maps: NDArray[Any], cutoff: float, mask: Mask = "disc") -> tuple[Array, Array]:
    """Means of maps (..., h, w) over the bins |k| <= cutoff and over the others, two arrays (...).

    Bins that are NaN do not count. Raises InputError where the low band holds all bins: there are no others.
    """
    height, width = np.shape(maps)[-2:]
    low = (radii((height, width), mask) <= cutoff).ravel()
    require(not low.all(), f"cut-off {cutoff:g}: allowed is one below the largest frequency of {height}x{width}")
    means = _means(maps, np.stack([low, ~low], axis=1))
    return means[..., 0], means[..., 1]


def ring_means(maps: NDArray[Any]) -> Array:
    """Means of maps (..., h, w) over the rings |k| in r ± 1/2 of every whole radius r = 0, 1, ...: (..., n_rings).

    Bins that are NaN do not count.
    """
    height, width = np.shape(maps)[-2:]
    ring = np.rint(radii((height, width))).ravel()
    return _means(maps, np.equal(ring[:, None], np.arange(ring.max() + 1)))


def _means(maps: NDArray[Any], regions: NDArray[np.bool_]) -> Array:
    """Over each of the regions (h · w, n_regions), NaN left out; NaN where nothing is left."""
    flat = np.asarray(maps, float).reshape(*np.shape(maps)[:-2], -1)
    defined = np.isfinite(flat)
    inside = regions.astype(float)
    count = defined.astype(float) @ inside
    return np.divide(np.where(defined, flat, 0.0) @ inside, count, out=np.full(count.shape, np.nan), where=count > 0)


def _laws(images: NDArray[Any], adversarial: NDArray[Any]) -> Iterator[Array]:
    """The fields of `LogSpectrumDifferences` on half spectra (n, c · bins of one channel)."""
    height, width = images.shape[2:]
    (before,), (after,) = _half_spectra(images), _half_spectra(adversarial)
    (change,) = _half_spectra(adversarial.astype(float) - images)
    floor = np.repeat(ROUNDING * np.abs(images).sum(axis=(2, 3), dtype=float), height * (width // 2 + 1), axis=1)
    defined = (np.abs(before) > floor) & (np.abs(after) > floor)
    rho = np.divide(np.abs(change), np.abs(before), out=np.full(before.shape, np.nan), where=defined)
    shift = np.divide(np.abs(after), np.abs(before), out=np.full(before.shape, np.nan), where=defined)
    measured = 20 * np.abs(np.log(shift))
    in_phase = 20 * np.log1p(rho)
    yield from (measured, in_phase, 20 * rho, 20 * random_phase_difference(rho))
    yield np.where(defined, measured > in_phase * (1 + 1e-9), np.nan)


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


def _over_channels(shape: tuple[int, ...], blocks: Iterator[Array]) -> Array:
    return np.concatenate([_centred(block, shape[1:]).mean(axis=1) for block in blocks])


@lru_cache(maxsize=16)
def _sources(height: int, width: int) -> NDArray[np.intp]:
    """For every bin of a centred map the bin of the half spectrum that has its modulus, (h · w,): F(-k) = conj F(k)."""
    vertical, horizontal = (n.astype(int) for n in frequency_grid((height, width)))
    place = {key: i for i, key in enumerate(zip(vertical % height, horizontal, strict=True))}
    sources = [
        place[(k1 % height, k2) if k2 >= 0 else (-k1 % height, -k2)]
        for k1 in range(-(height // 2), height - height // 2)
        for k2 in range(-(width // 2), width - width // 2)
    ]
    return np.array(sources)


def _centred(half: NDArray[Any], shape: tuple[int, ...]) -> Array:
    """Values of half spectra (..., c · bins) that k and -k share, as centred maps (..., c, h, w)."""
    channels, height, width = shape
    values = half.reshape(*half.shape[:-1], channels, -1)
    return np.asarray(values[..., _sources(height, width)]).reshape(*values.shape[:-1], height, width)
