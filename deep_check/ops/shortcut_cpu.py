"""The parameter-free shortcut where a stage begins, on blocks of images: every second pixel, zero channels around."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deep_check.ops.blocks import blank, n_blocks, pack, unpack
from deep_check.ops.lanes import LANES, kernel, load, splat, store

Array = NDArray[np.float32]


@kernel
def shortcut_block(channels, height, width, x, y):  # type: ignore[no-untyped-def]
    """x (channels, height, width) -> y (2·channels, ceil(height / 2), ceil(width / 2)), flat, with borders."""
    h, w = (height + 1) // 2, (width + 1) // 2
    zero, before = splat(np.float32(0)), channels // 2
    for c in range(2 * channels):
        source = c - before
        for i in range(h):
            for j in range(w):
                at = ((c * (h + 2) + i + 1) * (w + 2) + j + 1) * LANES
                if 0 <= source < channels:
                    store(y, at, load(x, ((source * (height + 2) + 2 * i + 1) * (width + 2) + 2 * j + 1) * LANES))
                else:
                    store(y, at, zero)


@kernel
def shortcut_gradient_block(channels, height, width, d_y, d_x):  # type: ignore[no-untyped-def]
    """d_y (2·channels, ceil(height / 2), ceil(width / 2)) -> d_x (channels, height, width), flat, with borders."""
    h, w = (height + 1) // 2, (width + 1) // 2
    zero, before = splat(np.float32(0)), channels // 2
    for c in range(channels):
        for i in range(height):
            for j in range(width):
                at = ((c * (height + 2) + i + 1) * (width + 2) + j + 1) * LANES
                if i % 2 or j % 2:
                    store(d_x, at, zero)
                else:
                    store(d_x, at, load(d_y, (((c + before) * (h + 2) + i // 2 + 1) * (w + 2) + j // 2 + 1) * LANES))


def shortcut(x: Array) -> Array:
    """(n, c, h, w) float32 -> (n, 2c, ceil(h/2), ceil(w/2)), see `shortcut_reference`."""
    n, channels, height, width = x.shape
    source = blank(n_blocks(n), channels, height, width)
    target = blank(n_blocks(n), 2 * channels, (height + 1) // 2, (width + 1) // 2)
    pack(np.asarray(x, np.float32), source)
    for a, b in zip(source, target, strict=True):
        shortcut_block(channels, height, width, a.reshape(-1), b.reshape(-1))
    return unpack(target, n)


def shortcut_gradient(d_y: Array, size: tuple[int, int]) -> Array:
    """(n, 2c, ceil(h/2), ceil(w/2)) float32 -> (n, c, h, w), (h, w) = size."""
    n, channels = len(d_y), d_y.shape[1] // 2
    source, target = blank(n_blocks(n), *d_y.shape[1:]), blank(n_blocks(n), channels, *size)
    pack(np.asarray(d_y, np.float32), source)
    for a, b in zip(source, target, strict=True):
        shortcut_gradient_block(channels, *size, a.reshape(-1), b.reshape(-1))
    return unpack(target, n)
