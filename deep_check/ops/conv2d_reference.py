"""3x3 convolution with zero padding 1, written as its definition.

y[n, o, p, q] = Σ_{c,i,j} w[o, c, i, j] · x[n, c, s·p + i - 1, s·q + j - 1], with zeros outside of the image; a
correlation, as every deep-learning library has it. Arrays are float64 (n, c, h, w); weights (out, in, 3, 3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
TAPS = [(i, j) for i in range(3) for j in range(3)]


def conv2d(images: NDArray, weights: NDArray, stride: int = 1) -> Array:
    """(n, c, h, w), (o, c, 3, 3) -> (n, o, ceil(h / stride), ceil(w / stride))."""
    n, _, height, width = images.shape
    return (_rows(weights) @ _seen(images, stride)).reshape(n, -1, -(-height // stride), -(-width // stride))


def conv2d_input_gradient(d_output: NDArray, weights: NDArray, size: tuple[int, int], stride: int = 1) -> Array:
    """Gradient by the images: (n, o, ho, wo) -> (n, c, h, w), (h, w) = size; each tap adds where it was read."""
    n, n_outputs, rows, columns = d_output.shape
    n_channels, (height, width) = weights.shape[1], size
    d_seen = _rows(weights).T @ d_output.reshape(n, n_outputs, -1)
    d_taps = d_seen.reshape(n, n_channels, len(TAPS), rows, columns)
    d_padded = np.zeros((n, n_channels, height + 2, width + 2))
    for tap, (i, j) in enumerate(TAPS):
        d_padded[:, :, i : i + stride * rows : stride, j : j + stride * columns : stride] += d_taps[:, :, tap]
    return d_padded[:, :, 1:-1, 1:-1].copy()


def conv2d_weight_gradient(images: NDArray, d_output: NDArray, stride: int = 1) -> Array:
    """Gradient by the weights: (n, c, h, w), (n, o, ho, wo) -> (o, c, 3, 3)."""
    n, n_outputs = d_output.shape[:2]
    by_image = d_output.reshape(n, n_outputs, -1) @ _seen(images, stride).swapaxes(1, 2)
    return np.asarray(by_image.sum(0)).reshape(n_outputs, -1, 3, 3)


def _rows(weights: NDArray) -> Array:
    """One row an output channel, (o, 9c)."""
    return np.asarray(weights, dtype=float).reshape(len(weights), -1)


def _seen(images: NDArray, stride: int) -> Array:
    """What each output pixel sees, a column each, in the order of `_rows`: (n, 9c, ho·wo)."""
    n, n_channels, height, width = images.shape
    padded = np.pad(np.asarray(images, dtype=float), ((0, 0), (0, 0), (1, 1), (1, 1)))
    shifted = [padded[:, :, i : i + height : stride, j : j + width : stride] for i, j in TAPS]
    return np.stack(shifted, axis=2).reshape(n, n_channels * len(TAPS), -1)
