"""The parameter-free shortcut where a stage begins: every second pixel, zero channels on both sides.

[He et al. 2016, Section 4.2, option A; zero channels before and after as in the usual PyTorch code]
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def shortcut(x: NDArray) -> Array:
    """(n, c, h, w) -> (n, 2c, ceil(h/2), ceil(w/2)): c//2 zero channels, x[:, :, ::2, ::2], c - c//2 zero channels."""
    n_channels = x.shape[1]
    before = n_channels // 2
    picked = np.asarray(x, dtype=float)[:, :, ::2, ::2]
    return np.pad(picked, ((0, 0), (before, n_channels - before), (0, 0), (0, 0)))


def shortcut_gradient(d_y: NDArray, size: tuple[int, int]) -> Array:
    """(n, 2c, ceil(h/2), ceil(w/2)) -> (n, c, h, w), (h, w) = size; 0 at the pixels that were left out."""
    n, doubled = d_y.shape[:2]
    n_channels = doubled // 2
    before = n_channels // 2
    d_x = np.zeros((n, n_channels, *size))
    d_x[:, :, ::2, ::2] = d_y[:, before : before + n_channels]
    return d_x
