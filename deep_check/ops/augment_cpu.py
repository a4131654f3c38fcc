"""Random crop and flip, the random numbers given; see `augment_reference`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deep_check.ops.lanes import kernel
from theory_sim.errors import require

Array = NDArray[np.float32]


def augment(images: Array, offsets: NDArray, flips: NDArray, padding: int = 4) -> Array:
    """Pad with zeros, crop to the old size, flip left-right: (n, c, h, w) float32 -> the same shape.

    offsets: (n, 2) integers in 0 ... 2·padding, row and column; flips: (n,) bool. Raises InputError on offsets outside.
    """
    n = len(images)
    corners = np.ascontiguousarray(offsets, np.int64)
    require(corners.shape == (n, 2), f"offsets of shape {corners.shape}: allowed is ({n}, 2)")
    require(np.shape(flips) == (n,), f"flips of shape {np.shape(flips)}: allowed is ({n},)")
    outside = (corners < 0) | (corners > 2 * padding)
    require(
        not outside.any(), f"offset {corners[outside][:1]} of a crop: allowed are 0 ... {2 * padding} (2 · padding)"
    )
    out = np.empty(images.shape, np.float32)
    _augment(np.ascontiguousarray(images, np.float32), corners - padding, np.ascontiguousarray(flips, np.bool_), out)
    return out


@kernel
def _augment(images: Array, shifts: NDArray, flips: NDArray, out: Array) -> None:
    n_images, channels, height, width = images.shape
    for n in range(n_images):
        down, right = shifts[n]
        first, last = max(0, -right), min(width, width - right)  # columns of the crop that lie in the image
        for c in range(channels):
            for i in range(height):
                row = out[n, c, i]
                row[:] = 0
                if 0 <= i + down < height:
                    source = images[n, c, i + down]
                    if flips[n]:
                        for j in range(first, last):
                            row[width - 1 - j] = source[j + right]
                    else:
                        for j in range(first, last):
                            row[j] = source[j + right]
