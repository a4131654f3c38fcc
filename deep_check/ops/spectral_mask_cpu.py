"""The low-pass filter on float32 images, through the project's one Fourier transform [paper: Section 4.3]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from theory_sim.errors import InputError
from theory_sim.spectrum import Band, inverse_transform, transform

Array = NDArray[np.float32]
IMAGES = 64  # transformed at once: memory does not grow with n


def low_pass(images: Array, cutoff: float, mask: str = "disc") -> Array:
    """DFT of every channel, zero where |k| > cutoff, inverse: (n, c, h, w) float32 -> the same shape.

    Same image, same bits, whatever the batch. Raises InputError as `spectral_mask_reference.low_pass`.
    """
    if mask == "disc":
        band = Band(images.shape[1:], cutoff, mask="disc")
    elif mask == "square":
        band = Band(images.shape[1:], cutoff, mask="square")
    else:
        raise InputError(f"mask {mask!r}: allowed are disc, square")
    high = np.flatnonzero(~band.is_low)
    out = np.empty(images.shape, np.float32)
    for first in range(0, len(images), IMAGES):
        part = np.ascontiguousarray(images[first : first + IMAGES], np.float32)
        spectrum = transform(part.reshape(len(part), -1), band.shape)
        spectrum[:, high] = 0
        out[first : first + IMAGES] = inverse_transform(spectrum, band.shape).reshape(part.shape)
    return out
