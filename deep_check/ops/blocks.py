"""Activations of the CPU kernels: blocks of LANES images, (n_blocks, channels, height + 2, width + 2, LANES) float32.

The border of one pixel is the zero padding of a 3x3 convolution; it is written once, and no kernel changes it. Lanes
without an image (n not a multiple of LANES) are computed along and left out in the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from deep_check.ops.lanes import LANES, kernel

Array = NDArray[np.float32]
MASK = np.uint16 if LANES == 16 else np.uint8  # one bit an image
_LINE = 64  # bytes: a vector that crosses a cache line costs twice


def n_blocks(n: int) -> int:
    """Blocks that hold n images."""
    return -(-n // LANES)


def aligned(shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Zeros whose first element begins a cache line."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + _LINE, np.uint8)
    first = -raw.ctypes.data % _LINE
    return raw[first : first + size].view(dtype).reshape(shape)


def blank(blocks: int, channels: int, height: int, width: int) -> Array:
    """Blocks of zero images."""
    return aligned((blocks, channels, height + 2, width + 2, LANES))


def blank_mask(blocks: int, channels: int, height: int, width: int) -> NDArray[Any]:
    """One bit for each pixel and image, (blocks, channels, height, width), without a border."""
    return aligned((blocks, channels, height, width), MASK)


def pack(images: Array, blocks: Array, mean: Array | None = None, std: Array | None = None, first: int = 0) -> int:
    """Write (images - mean) / std from image `first` on, (n, c, h, w) float32, into blocks; how many found a place.

    mean, std: (c,), default 0 and 1. Lanes without an image become zero.
    """
    channels = images.shape[1]
    centre = np.zeros(channels, np.float32) if mean is None else mean
    scale = np.ones(channels, np.float32) if std is None else (1 / std.astype(float)).astype(np.float32)
    _pack(np.ascontiguousarray(images), blocks, centre, scale, first)
    return min(len(images) - first, len(blocks) * LANES)


def unpack(blocks: Array, n: int) -> Array:
    """The first n images of blocks as (n, c, h, w) float32."""
    _, channels, height, width, _ = blocks.shape
    images = np.empty((n, channels, height - 2, width - 2), np.float32)
    unpack_into(blocks, images)
    return images


def unpack_mask(mask: NDArray[Any], n: int) -> NDArray[np.bool_]:
    """The first n images' bits as (n, c, h, w)."""
    found = (mask[..., None] >> np.arange(LANES, dtype=MASK)) & 1
    blocks, channels, height, width, _ = found.shape
    return found.transpose(0, 4, 1, 2, 3).reshape(blocks * LANES, channels, height, width)[:n].astype(bool)


@kernel
def _pack(images, blocks, mean, scale, first):  # type: ignore[no-untyped-def]
    n, channels, height, width = images.shape
    for block in range(blocks.shape[0]):
        for c in range(channels):
            for i in range(height):
                for lane in range(LANES):
                    image = first + block * LANES + lane
                    if image < n:
                        for j in range(width):
                            blocks[block, c, i + 1, j + 1, lane] = (images[image, c, i, j] - mean[c]) * scale[c]
                    else:
                        for j in range(width):
                            blocks[block, c, i + 1, j + 1, lane] = np.float32(0)


@kernel
def unpack_into(blocks, images):  # type: ignore[no-untyped-def]
    """As `unpack`, into contiguous images (n, c, h, w)."""
    n, channels, height, width = images.shape
    for image in range(n):
        block, lane = image // LANES, image % LANES
        for c in range(channels):
            for i in range(height):
                for j in range(width):
                    images[image, c, i, j] = blocks[block, c, i + 1, j + 1, lane]
