"""3x3 convolution with zero padding 1, written as its definition.

y[n, o, p, q] = Σ_{c,i,j} w[o, c, i, j] · x[n, c, s·p + i - 1, s·q + j - 1], with zeros outside of the image; a
correlation, as every deep-learning library has it. Arrays are float64 (n, c, h, w); weights (out, in, 3, 3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def conv2d(images: NDArray, weights: NDArray, stride: int = 1) -> Array:
    """(n, c, h, w), (o, c, 3, 3) -> (n, o, ceil(h / stride), ceil(w / stride))."""
    return np.asarray(np.einsum("ncpqij,ocij->nopq", _windows(images, stride), weights, optimize=True))


def conv2d_input_gradient(d_output: NDArray, weights: NDArray, size: tuple[int, int], stride: int = 1) -> Array:
    """Gradient by the images: (n, o, ho, wo) -> (n, c, h, w), (h, w) = size; each tap adds where it was read."""
    n, _, rows, columns = d_output.shape
    height, width = size
    d_padded = np.zeros((n, weights.shape[1], height + 2, width + 2))
    for i in range(3):
        for j in range(3):
            part = d_padded[:, :, i : i + stride * rows : stride, j : j + stride * columns : stride]
            part += np.einsum("nopq,oc->ncpq", d_output, weights[:, :, i, j], optimize=True)
    return d_padded[:, :, 1:-1, 1:-1].copy()


def conv2d_weight_gradient(images: NDArray, d_output: NDArray, stride: int = 1) -> Array:
    """Gradient by the weights: (n, c, h, w), (n, o, ho, wo) -> (o, c, 3, 3)."""
    return np.asarray(np.einsum("ncpqij,nopq->ocij", _windows(images, stride), d_output, optimize=True))


def _windows(images: NDArray, stride: int) -> Array:
    """What each output pixel sees, (n, c, ho, wo, 3, 3)."""
    padded = np.pad(np.asarray(images, dtype=float), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return np.asarray(windows[:, :, ::stride, ::stride])
