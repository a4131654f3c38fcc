"""Random crop and flip, the random numbers given: the usual augmentation of CIFAR-10 [He et al. 2016, Section 4.2]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def augment(images: NDArray, offsets: NDArray, flips: NDArray, padding: int = 4) -> Array:
    """Pad with zeros, crop to the old size, flip left-right: (n, c, h, w) -> (n, c, h, w).

    offsets: (n, 2) integers in 0 ... 2·padding, row and column where the crop begins (padding leaves the image where it
    is); flips: (n,) bool.
    """
    height, width = images.shape[2:]
    out = np.empty(images.shape)
    for n, (image, (row, column), flip) in enumerate(zip(images, offsets, flips, strict=True)):
        padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
        crop = padded[:, row : row + height, column : column + width]
        out[n] = crop[:, :, ::-1] if flip else crop
    return out
