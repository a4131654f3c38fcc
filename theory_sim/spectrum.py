"""The project's only discrete Fourier transform, frequency bands and band sums.

Everything is computed on the half spectrum that NumPy's `rfft`/`rfft2` return for real signals, flattened to
one axis of `n_bins` bins. The forward transform is not normalised (the paper's convention); the paper's sign is
e^{+i2πkμ/d} and NumPy's e^{-i2πkμ/d}, which for real signals gives the complex conjugate and changes no energy and
no relative phase's cosine [paper: Section 2.1].

A band sum is Σ_k w_k (...) with positive weights w_k. `two-sided` weights are the paper's definition of τ (every k and
-k counted), `one-sided` weights are those of [paper: Eq. 5] and [paper: Eq. 13]-[paper: Eq. 15] (k = 0 ... once each).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from theory_sim.errors import InputError, require

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Convention = Literal["two-sided", "one-sided"]
Mask = Literal["disc", "square"]
Transform = Literal["dft", "dct"]


def _check_shape(shape: tuple[int, ...]) -> None:
    require(
        isinstance(shape, tuple) and len(shape) in (1, 2, 3) and all(isinstance(n, int) and n >= 1 for n in shape),
        f"shape {shape!r}: allowed are (d,), (height, width) and (channels, height, width) with sizes >= 1",
    )


def frequency_grid(shape: tuple[int, ...], transform: Transform = "dft") -> tuple[Array, ...]:
    """Signed integer frequencies of the bins, one flat array of shape (n_bins,) per transformed axis.

    1-D: (k,); 2-D: (k_vertical, k_horizontal), repeated for every channel of a (c, h, w) shape. For the DCT the
    index k counts half periods. Raises InputError on a shape that is not (d,), (h, w) or (c, h, w).
    """
    _check_shape(shape)
    if transform == "dct":
        axes = [np.arange(n, dtype=float) for n in shape[-2:]]
    else:
        axes = [np.rint(np.fft.fftfreq(n) * n) for n in shape[-2:-1]]
        axes.append(np.arange(shape[-1] // 2 + 1, dtype=float))
    channels = shape[0] if len(shape) == 3 else 1
    grid = np.meshgrid(*axes, indexing="ij")
    return tuple(np.tile(axis.ravel(), channels) for axis in grid)


def transform(signal: NDArray, shape: tuple[int, ...], kind: Transform = "dft") -> NDArray:
    """Half spectrum of real signals: (..., d) with d = prod(shape) -> (..., n_bins).

    `dft` is unnormalised (Σ over the half spectrum with two-sided weights equals d·‖signal‖², Parseval); `dct` is the
    orthonormal DCT-II. complex128 (dft) or float64 (dct) for float64 input.
    """
    signal = np.asarray(signal)
    require(
        signal.shape[-1:] == (int(np.prod(shape)),),
        f"signal of last size {signal.shape[-1:]} does not fit shape {shape} ({int(np.prod(shape))} samples)",
    )
    full = signal.reshape(*signal.shape[:-1], *shape)
    axes = (-1,) if len(shape) == 1 else (-2, -1)
    out = fft.rfftn(full, axes=axes) if kind == "dft" else fft.dctn(full, axes=axes, norm="ortho")
    return out.reshape(*signal.shape[:-1], -1)


def inverse_transform(spectrum: NDArray, shape: tuple[int, ...], kind: Transform = "dft") -> Array:
    """Inverse of `transform`: (..., n_bins) -> real (..., d), d = prod(shape)."""
    lead = spectrum.shape[:-1]
    if kind == "dft":
        full = spectrum.reshape(*lead, *shape[:-1], shape[-1] // 2 + 1)
        axes = (-1,) if len(shape) == 1 else (-2, -1)
        out = fft.irfftn(full, s=shape[len(shape) - len(axes) :], axes=axes)
    else:
        full = spectrum.reshape(*lead, *shape)
        out = fft.idctn(full, axes=(-1,) if len(shape) == 1 else (-2, -1), norm="ortho")
    return out.reshape(*lead, -1)


@lru_cache(maxsize=256)
def _bins(shape: tuple[int, ...], kind: Transform) -> tuple[Array, NDArray[np.bool_]]:
    """Two-sided multiplicity of each bin, and whether the bin is its own mirror image (x̂[k] real)."""
    grid = frequency_grid(shape, kind)
    if kind == "dct":
        ones = np.ones_like(grid[-1])
        return ones, ones.astype(bool)
    sizes = shape[-2:]
    last = grid[-1]
    edge = (last == 0) | (2 * last == sizes[-1])  # bins of the last axis that rfft does not halve
    self_conjugate = edge.copy()
    for k, n in zip(grid[:-1], sizes[:-1], strict=True):
        self_conjugate &= (k == 0) | (2 * np.abs(k) == n)
    return np.where(edge, 1.0, 2.0), self_conjugate


@lru_cache(maxsize=256)
def _radius(shape: tuple[int, ...], mask: Mask, kind: Transform) -> Array:
    """Distance of each bin from zero frequency; every band of a shape shares it."""
    grid = frequency_grid(shape, kind)
    radius: Array = np.hypot(*grid) if len(grid) == 2 and mask == "disc" else np.max(np.abs(grid), axis=0)
    radius.setflags(write=False)
    return radius


@dataclass(frozen=True)
class Band:
    """The low band |k| <= cutoff of signals of one shape, its complement, and the weights of both band sums.

    shape: (d,) for 1-D signals, (h, w) for images, (c, h, w) for a 2-D transform per channel.
    cutoff: k_c, in cycles per signal (DCT: half cycles). 2-D: radius of the disc, or half side of the square.
    Raises InputError for a cut-off that is negative or not finite, and for unknown names. Beyond the largest radius
    the low band holds every bin.
    """

    shape: tuple[int, ...]
    cutoff: float
    convention: Convention = "two-sided"
    mask: Mask = "disc"
    kind: Transform = "dft"

    def __post_init__(self) -> None:
        _check_shape(self.shape)
        require(
            self.convention in ("two-sided", "one-sided"),
            f"convention {self.convention!r}: allowed are two-sided, one-sided",
        )
        require(self.mask in ("disc", "square"), f"mask {self.mask!r}: allowed are disc, square")
        require(self.kind in ("dft", "dct"), f"transform {self.kind!r}: allowed are dft, dct")
        top = float(self.radius.max())
        require(
            np.isfinite(self.cutoff) and self.cutoff >= 0,
            f"cut-off {self.cutoff}: allowed is a finite number >= 0 (the largest useful one is {top:g})",
        )

    @property
    def dim(self) -> int:
        """Number of samples d = prod(shape)."""
        return int(np.prod(self.shape))

    @cached_property
    def radius(self) -> Array:
        """Distance of each bin from zero frequency, (n_bins,): |k|, √(k₁²+k₂²) (disc) or max|k| (square)."""
        return _radius(self.shape, self.mask, self.kind)

    @cached_property
    def is_low(self) -> NDArray[np.bool_]:
        """True for bins of the low band, (n_bins,)."""
        return self.radius <= self.cutoff

    @cached_property
    def self_conjugate(self) -> NDArray[np.bool_]:
        """True for bins without a mirror image (k = 0, and Nyquist for even sizes), where x̂[k] is real."""
        return _bins(self.shape, self.kind)[1]

    @cached_property
    def weights(self) -> Array:
        """w_k > 0 of every bin, (n_bins,)."""
        two_sided, self_conjugate = _bins(self.shape, self.kind)
        return two_sided if self.convention == "two-sided" else (two_sided + self_conjugate) / 2

    @cached_property
    def _low_high(self) -> Array:
        """(n_bins, 2): the weights of the low and of the high band, zero elsewhere."""
        return np.stack([np.where(self.is_low, self.weights, 0.0), np.where(self.is_low, 0.0, self.weights)], axis=1)

    def transform(self, signal: NDArray) -> NDArray:
        """Half spectrum (..., n_bins) of real signals (..., d)."""
        return transform(signal, self.shape, self.kind)

    def energies(self, spectrum: NDArray) -> tuple[Array, Array]:
        """Low and high band energy Σ w_k |v̂[k]|² of spectra (..., n_bins) -> two arrays (...) [paper: Eq. 5]."""
        power = spectrum.real**2 + spectrum.imag**2
        sums = power @ self._low_high
        return sums[..., 0], sums[..., 1]

    def crosses(self, spectrum: NDArray, other: NDArray) -> tuple[Array, Array]:
        """Re Σ_band w_k v̂[k] conj(û[k]) for the low and the high band; shapes (..., n_bins) -> (...)."""
        product = (spectrum * np.conj(other)).real
        sums = product @ self._low_high
        return sums[..., 0], sums[..., 1]

    def require_theory(self) -> None:
        """Raise InputError unless both bands hold more than the mean: 1 <= k_c < (d-1)/2 [paper: Section 2.1].

        2-D: 1 <= k_c < largest radius.
        """
        top = (self.shape[0] - 1) / 2 if len(self.shape) == 1 else float(self.radius.max())
        if self.kind == "dct" and len(self.shape) == 1:
            top = self.shape[0] - 1
        require(1 <= self.cutoff < top, f"cut-off {self.cutoff:g}: allowed is 1 <= cut-off < {top:g} for {self.shape}")


def low_frequency_ratio(signal: NDArray, band: Band) -> Array:
    """τ(v ∈ S_l) = Σ_{|k|<=k_c} |v̂[k]|² / Σ_k |v̂[k]|² of real signals (..., d) -> (...) [paper: Section 2.1].

    NaN where the signal is zero.
    """
    return ratio(*band.energies(band.transform(signal)))


def ratio(low: NDArray, high: NDArray) -> Array:
    """low / (low + high), NaN where both are zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(low / (low + high))


def low_pass_filter(signal: NDArray, band: Band) -> Array:
    """Transform, set the coefficients outside the low band to 0, transform back: (..., d) -> (..., d).

    An orthogonal projection (idempotent, self-adjoint) whose gradient is itself [paper: Section 4.3].
    """
    spectrum = band.transform(np.asarray(signal, dtype=float))
    return inverse_transform(np.where(band.is_low, spectrum, 0.0), band.shape, band.kind)


def log_spectrum(spectrum: NDArray) -> Array:
    """20·ln|v̂[k]|, the paper's log-spectrum with its natural logarithm; -inf where v̂[k] = 0 [paper: Section 2.2]."""
    with np.errstate(divide="ignore"):
        return np.asarray(20 * np.log(np.abs(spectrum)))


def parse_convention(text: str) -> Convention:
    """`text` as a band convention; InputError names the allowed ones."""
    if text == "two-sided":
        return "two-sided"
    if text == "one-sided":
        return "one-sided"
    raise InputError(f"convention {text!r}: allowed are two-sided, one-sided")
