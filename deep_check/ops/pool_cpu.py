"""Global average pool on the CPU, see `pool_reference`: the first half of `head_cpu`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deep_check.ops.blocks import MASK, blank, n_blocks, pack, unpack
from deep_check.ops.head_cpu import head, head_gradient
from deep_check.ops.lanes import LANES

Array = NDArray[np.float32]
NONE: Array = np.zeros(0, np.float32)  # no linear layer behind


def global_average_pool(x: Array) -> Array:
    """(n, c, h, w) float32 -> (n, c)."""
    n, channels, height, width = x.shape
    blocks = blank(n_blocks(n), channels, height, width)
    pack(x, blocks)
    pooled = np.empty((len(blocks), channels, LANES), np.float32)
    for block, y in zip(blocks, pooled, strict=True):
        head(block.reshape(-1), channels, height, width, NONE, NONE, y.reshape(-1), NONE)
    return np.ascontiguousarray(pooled.swapaxes(1, 2).reshape(-1, channels)[:n])


def global_average_pool_gradient(d_y: Array, size: tuple[int, int]) -> Array:
    """(n, c) float32 -> (n, c, h, w), (h, w) = size."""
    n, channels = d_y.shape
    blocks = blank(n_blocks(n), channels, *size)
    wide = np.zeros((len(blocks) * LANES, channels), np.float32)
    wide[:n] = d_y
    through = np.eye(channels, dtype=np.float32).reshape(-1)
    for block, d in zip(blocks, wide.reshape(len(blocks), LANES, channels), strict=True):
        rows = np.ascontiguousarray(d.T).reshape(-1)
        head_gradient(rows, channels, *size, through, np.zeros(0, MASK), block.reshape(-1))
    return unpack(blocks, n)
