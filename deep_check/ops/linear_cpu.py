"""The linear layer on the CPU, see `linear_reference`: what `head_cpu` does with images of one pixel.

The gradients by weight and bias are summed over the images in their order, in float64: no thread changes a bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deep_check.ops.blocks import MASK, blank, n_blocks, pack, unpack
from deep_check.ops.head_cpu import head, head_gradient
from deep_check.ops.lanes import LANES, kernel

Array = NDArray[np.float32]


def linear(x: Array, weight: Array, bias: Array) -> Array:
    """x Wᵀ + b: (n, c), (k, c), (k,) float32 -> (n, k)."""
    n, channels = x.shape
    blocks = blank(n_blocks(n), channels, 1, 1)
    pack(x.reshape(n, channels, 1, 1), blocks)
    pooled = np.empty(channels * LANES, np.float32)
    out = np.empty((len(blocks), len(bias), LANES), np.float32)
    for block, y in zip(blocks, out, strict=True):
        head(block.reshape(-1), channels, 1, 1, np.ravel(weight), np.ascontiguousarray(bias), pooled, y.reshape(-1))
    return np.ascontiguousarray(out.swapaxes(1, 2).reshape(-1, len(bias))[:n])


def linear_gradient(d_y: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    """d_x (n, c), d_weight (k, c), d_bias (k,) of d_y (n, k); the last two summed over the images."""
    n, channels = x.shape
    n_outputs = d_y.shape[1]
    blocks = blank(n_blocks(n), channels, 1, 1)
    wide = np.zeros((len(blocks) * LANES, n_outputs), np.float32)
    wide[:n] = d_y
    for block, d in zip(blocks, wide.reshape(len(blocks), LANES, n_outputs), strict=True):
        rows = np.ascontiguousarray(d.T).reshape(-1)
        head_gradient(rows, channels, 1, 1, np.ravel(weight), np.zeros(0, MASK), block.reshape(-1))
    d_weight, d_bias = np.zeros((n_outputs, channels)), np.zeros(n_outputs)
    _add_outer_products(np.ascontiguousarray(d_y), np.ascontiguousarray(x), d_weight, d_bias)
    return unpack(blocks, n).reshape(n, channels), d_weight.astype(np.float32), d_bias.astype(np.float32)


@kernel
def _add_outer_products(d_y: Array, x: Array, d_weight: NDArray, d_bias: NDArray) -> None:
    for n in range(len(x)):
        for k in range(d_y.shape[1]):
            d_bias[k] += d_y[n, k]
            for c in range(x.shape[1]):
                d_weight[k, c] += np.float64(d_y[n, k]) * np.float64(x[n, c])
