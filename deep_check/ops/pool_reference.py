"""Global average pool: the mean over all pixels of a channel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def global_average_pool(x: NDArray) -> Array:
    """(n, c, h, w) -> (n, c)."""
    return np.asarray(np.asarray(x, dtype=float).mean((2, 3)))


def global_average_pool_gradient(d_y: NDArray, size: tuple[int, int]) -> Array:
    """(n, c) -> (n, c, h, w), (h, w) = size: every pixel has the same share."""
    height, width = size
    share = np.asarray(d_y, dtype=float) / (height * width)
    return np.broadcast_to(share[:, :, None, None], (*share.shape, height, width)).copy()
