"""The low-pass filter with its two-dimensional DFT written as explicit sums over pixels [paper: Section 4.3]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from theory_sim.errors import InputError, require

Array = NDArray[np.float64]
MASKS = ("disc", "square")


def low_pass(images: NDArray, cutoff: float, mask: str = "disc") -> Array:
    """DFT of every channel, zero where |k| > cutoff, inverse: (n, c, h, w) -> (n, c, h, w).

    |k|: √(k₁² + k₂²) (disc) or max(|k₁|, |k₂|) (square) of the frequencies nearest to 0 (for 32x32 at most 22.6).
    Raises InputError on another mask, a negative or non-finite cut-off.
    """
    require(bool(np.isfinite(cutoff)) and cutoff >= 0, f"cut-off {cutoff}: allowed is a finite number >= 0")
    rows, row_waves = _frequencies(images.shape[2])
    columns, column_waves = _frequencies(images.shape[3])
    if mask == "disc":
        radius = np.sqrt(rows[:, None] ** 2 + columns[None, :] ** 2)
    elif mask == "square":
        radius = np.maximum(np.abs(rows)[:, None], np.abs(columns)[None, :])
    else:
        raise InputError(f"mask {mask!r}: allowed are {', '.join(MASKS)}")
    spectrum = row_waves @ np.asarray(images, dtype=float) @ column_waves.T
    kept = np.where(radius <= cutoff, spectrum, 0.0)
    back = row_waves.conj().T @ kept @ column_waves.conj()
    return np.asarray(back.real / radius.size)


def _frequencies(size: int) -> tuple[Array, NDArray[np.complex128]]:
    """Signed frequency of each of `size` bins, and e^{-i2πkμ/size}, (bins, pixels)."""
    k = np.arange(size)
    signed = np.where(k <= size // 2, k, k - size).astype(float)
    return signed, np.exp(-2j * np.pi * np.outer(k, np.arange(size)) / size)
